"""A day's work at the dashboard: find a payment, see why a webhook did not arrive, give
money back, look after wallets, alerts and settings."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from engine.payment.changed import Amend
from tests.pages.conftest import Visited
from tests.pages.desk import NODE_KEY, Desk, desk, toasted
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import wait_until
from tests.unit.engine.wallet.wallet_cases import VPUB


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def test_a_payment_is_found_by_order_address_transaction_and_sum(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(123_457, external_id="order-to-find")
    for number in range(5):
        at.node.create(1_000 + number)
    txid = at.node.chain.pay(mine.terms.address, 123_457)
    wait_until(lambda: at.node.payment(mine).receipts, 10, "the money to be seen")
    at.enter(visited)
    visited.do("wait_for_text", ".below", "6 payments")
    visited.do("press", "/")
    for text in ("order-to-find", mine.terms.address, str(txid), "123457", mine.id):
        # What the one before found is no answer to this one.
        visited.do("fill", "[type=search]", "")
        visited.do("wait_for_text", ".below", "6 payments")
        visited.do("fill", "[type=search]", text)
        visited.do("wait_for_text", ".below", "1 payment")
        visited.do("wait_for_text", ".vrow", "order-to-find")
        assert visited.do("text", ".below") == "1 payment"
        assert visited.do("evaluate", "document.activeElement.type") == "search"
    visited.do("fill", "[type=search]", "nobody-has-this")
    visited.do("wait_for_text", ".empty", "No payment fits")
    assert visited.do("axe") == []
    visited.do("click", "#outlet >> text=Show all payments")
    visited.do("wait_for_text", ".below", "6 payments")
    visited.do("select", "[aria-label='Any status']", "confirming")
    visited.do("wait_for_text", ".below", "1 payment")
    # What comes to fit the filter comes into the list by itself.
    other = at.node.create(2_000, external_id="fits-later")
    at.node.chain.pay(other.terms.address, 2_000)
    visited.do("wait_for_text", ".vrow", "fits-later")
    visited.do("reload")
    visited.do("wait_for_text", ".vrow", "fits-later")
    assert (
        visited.do("evaluate", "document.querySelectorAll('.vbody .vrow').length") == 2
    )


def test_why_a_webhook_did_not_arrive_is_seen_and_it_is_sent_again(
    at: Desk, visited: Visited
) -> None:
    answers = [reply(500, body=b"no table orders"), reply(204)]
    with Receiver(answers=answers) as shop:
        channel: dict[str, Any] = {"types": ["payment.created"], "schedule_s": [0]}
        channel |= {"url": shop.url("/hook"), "description": "Shop backend"}
        made = at.api("POST", "v1/channels", channel)
        mine = at.node.create(4_000)
        shop.wait_for(1, timeout_s=10)
        at.enter(visited, page=f"payments/{mine.id}")
        visited.do("wait_for_text", ".deliveries", "Given up")
        visited.do("click", ".deliveries summary")
        visited.do("wait_for_text", ".deliveries", "no table orders")
        visited.do("wait_for_text", ".deliveries", "POST http://127.0.0.1")
        assert visited.do("axe") == []
        visited.do("click", ".deliveries button")
        visited.do("click", "dialog button.main")
        shop.wait_for(2, timeout_s=10)
        visited.do("wait_for_text", ".deliveries .tag", "Delivered")
        api_gone = requests.delete(
            f"{at.base}v1/channels/{made['id']}",
            headers={"Authorization": f"Bearer {NODE_KEY}"},
            timeout=60,
        )
        assert api_gone.ok


def test_of_two_webhooks_one_sees_which_is_meant_and_that_later_events_wait_for_it(
    at: Desk, visited: Visited
) -> None:
    """The shop asks for `payment.detected`: it waits behind an event that failed."""
    with Receiver(answers=[reply(500)]) as shop:
        url = shop.url("/orders")
        channel = {"url": url, "schedule_s": [0, 3600]}
        made = at.api("POST", "v1/channels", channel)
        mine = at.node.create(4_500)
        shop.wait_for(1, timeout_s=10)
        at.node.chain.pay(mine.terms.address, 4_500)
        at.enter(visited, page=f"payments/{mine.id}")
        visited.do("wait_for_text", ".deliveries li:nth-child(2)", "Not tried yet")
        visited.do("wait_for_text", ".deliveries li:nth-child(1)", "answered 500")
        for number in (1, 2):
            line = f".deliveries li:nth-child({number}) .line"
            assert url in visited.do("text", line)
        at.api("DELETE", f"v1/channels/{made['id']}")


def test_money_goes_back_by_a_link_that_is_shown_once_and_is_withdrawn(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(50_000, merchant="ann")
    at.node.chain.pay(mine.terms.address, 50_000)
    at.node.chain.mine(2)
    wait_until(lambda: at.node.payment(mine).confirmed_at, 10, "it to be paid")
    at.enter(visited, "operator", "ann", f"payments/{mine.id}")
    visited.do("click", ".actions >> text=Refund")
    visited.do("fill", "dialog [name=amount_sat]", "20000")
    visited.do("fill", "dialog [name=reason]", "broken cup")
    assert visited.do("axe") == []
    visited.do("click", "dialog button.danger")
    visited.do("wait_for_text", "dialog code", "/refund/ref_")
    visited.do("click", "dialog button.main")
    visited.do("wait_for_text", ".part-refunds", "broken cup")
    at.go(visited, "refunds")
    visited.do("wait_for_text", "tr", "Waits for the payer's address")
    visited.do("click", "tr button:has-text('Withdraw')")
    visited.do("click", "dialog button.danger")
    visited.do("wait_for_text", "tr", "Withdrawn")
    assert visited.do("axe") == []


def test_a_users_credits_stand_in_the_ledger_and_are_spent(
    at: Desk, visited: Visited
) -> None:
    package = {"amount_sat": 5_000, "credits": 100}
    at.api("PUT", "v1/merchants/cafe", {"packages": {"small": package}})
    wanted = {"merchant": "cafe", "package": "small", "account": "user-1"}
    made = at.api("POST", "v1/payments", wanted)
    at.node.chain.pay(made["address"], 5_000)
    at.node.chain.mine(3)
    account = "v1/accounts/user-1?merchant=cafe"
    wait_until(lambda: at.api("GET", account)["balance"], 10, "the credits")
    at.enter(visited, "operator", "cafe", "ledger")
    visited.do("click", "tbody >> text=user-1")
    visited.do("wait_for_text", "tbody", "credited")
    file = "fetch(document.querySelector('.actions a').href).then(got => got.text())"
    assert "user-1" in visited.do("evaluate", file)
    visited.do("click", "#outlet >> text=Spend credits")
    visited.do("fill", "dialog [name=credits]", "30")
    visited.do("fill", "dialog [name=reference]", "coffee")
    visited.do("press", "Enter")
    visited.do("wait_for_text", "tbody", "coffee")
    assert visited.do("axe") == []
    assert at.api("GET", account)["balance"] == 70


def test_what_may_change_of_a_payment_is_changed_unless_somebody_was_faster(
    at: Desk, visited: Visited
) -> None:
    visited.expected = ("412",)
    mine = at.node.create(6_000, external_id="typed-wrong")
    at.enter(visited, page=f"payments/{mine.id}")
    visited.do("click", ".actions >> text=Change")
    visited.do("fill", "dialog [name=external_id]", "typed-right")
    at.node.gateway.command(at.node.payment(mine), Amend(by="api", description="tea"))
    visited.do("click", "dialog button.main")
    visited.do("wait_for_text", "dialog .wrong", "by now")
    visited.do("press", "Escape")
    visited.do("wait_for_text", ".part-facts", "tea")  # the buttons are made anew, too
    visited.do("click", ".actions >> text=Change")
    visited.do("fill", "dialog [name=external_id]", "typed-right")
    visited.do("click", "dialog button.main")
    visited.do("wait_for_text", "h1", "typed-right")
    visited.do("wait_for_text", ".story", "order number: typed-wrong → typed-right")
    terms = at.node.payment(mine).terms
    assert (terms.external_id, terms.description) == ("typed-right", "tea")


def test_a_shops_settings_are_changed_and_what_is_not_shown_stays(
    at: Desk, visited: Visited
) -> None:
    kept = {"display_name": "Café", "defaults": {"confirmations": 2}}
    kept |= {"webhook_secrets": {"btc": "a-secret-of-the-shop"}}
    at.api("PUT", "v1/merchants/ann", kept)
    at.enter(visited, "operator", "ann", "settings")
    visited.do("wait_for", "[name=display_name]")
    visited.do("fill", "[name=display_name]", "Café Lisboa")
    visited.do("fill", "[name=return_urls]", "https://shop.example/thanks")
    visited.do("click", "form button.main")
    toasted(visited, "Saved")
    after = at.api("GET", "v1/merchants/ann")
    assert after["display_name"] == "Café Lisboa"
    assert after["return_urls"] == ["https://shop.example/thanks"]
    assert after["defaults"]["confirmations"] == 2
    assert after["webhook_secrets"]["btc"] is True
    # Somebody else was faster: nothing is lost without a word.
    visited.expected = ("412",)
    visited.do("wait_until", "document.querySelector('[name=display_name]').value")
    at.api("PUT", "v1/merchants/ann", kept)
    visited.do("fill", "[name=display_name]", "Too late")
    visited.do("click", "form button.main")
    visited.do("wait_for_text", "form .wrong", "by now")
    visited.expected += ("422",)
    visited.do("reload")
    visited.do("wait_for", "[name=logo_url]")
    visited.do("fill", "[name=logo_url]", "http://plain.example/logo.png")
    visited.do("click", "form button.main")
    visited.do("wait_for_text", ".field .wrong", "https")
    assert visited.do("axe") == []


def test_a_viewer_sees_settings_and_changes_nothing(at: Desk, visited: Visited) -> None:
    at.enter(visited, "viewer", "ann", "settings")
    visited.do("wait_for_text", "dl", "Name")
    assert visited.do("evaluate", "!document.querySelector('#outlet form')")


def test_a_wallet_whose_gap_is_reached_says_what_to_do(
    at: Desk, visited: Visited
) -> None:
    at.api("PUT", "v1/merchants/cafe", {"descriptor": VPUB})
    for _ in range(20):
        at.api("POST", "v1/payments", {"amount_sat": 1_000, "merchant": "cafe"})
    seen = at.api("GET", "v1/wallets?merchant=cafe")["data"]
    assert [one["is_gap_reached"] for one in seen] == [True]
    assert (seen[0]["unpaid"], seen[0]["next_index"]) == (20, 20)
    at.enter(visited, "viewer", "cafe", "wallets")
    visited.do("wait_for_text", ".note", "Raise its gap limit")
    visited.do("wait_for_text", "dl", "index 20")
    assert visited.do("axe") == []
    assert at.api("GET", "v1/wallets?merchant=nobody")["data"] == []


def test_alerts_say_what_to_do(at: Desk, visited: Visited) -> None:
    secret = {"webhook_secrets": {"btc": "another-secret-of-a-shop"}}
    at.api("PUT", "v1/merchants/dora", secret)
    at.enter(visited, page="alerts")
    visited.do("wait_for_text", ".alerts", "merchant.changed")
    visited.do("wait_for_text", ".alerts", "What to do")
    visited.do("wait_for_text", ".alerts", "revoke the key")
    assert visited.do("axe") == []
