"""S3.3 with a phoenixd behind it: what its webhooks, its socket and its list of what
was paid do together. Webhooks are signed here; phoenixd's answer alone confirms."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.seeds.phoenixd_shop import STEP_S, Shop, phoenixd_shop
from tests.tools.phoenixd_rows import pretty
from tests.tools.wait import PATIENCE, wait_until


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """phoenixd's webhooks come here, signed, and are its only push at first. Its list
    is read after a reconnection only."""
    folder = tmp_path_factory.mktemp("webhooks")
    many = "--seed-calls-per-minute", "1000"
    with phoenixd_shop(folder, *many) as started:
        secret = started.phoenixd.webhook_secret
        body = {"webhook_secrets": {"phoenixd": secret}}
        put = started.node.call("PUT", "/v1/merchants/default", json=body)
        assert put.status_code == 200, put.text
        started.phoenixd.has_pushes = False
        yield started


def post(shop: Shop, claim: dict[str, Any], signed: bool = True) -> requests.Response:
    body = pretty(claim, nulls=True).encode()
    signature = shop.phoenixd.signature(body)
    headers = {"X-Phoenix-Signature": signature if signed else "00" * 32}
    url = shop.node.url + "/api/webhook"
    return requests.post(url, data=body, headers=headers, timeout=STEP_S * PATIENCE)


def paid_unheard(shop: Shop, order: str, amount_sat: int = 50_000) -> dict[str, Any]:
    """An invoice that was paid, of which nobody told us; the payment."""
    made = shop.made(order, amount_sat)
    (payment,) = shop.payments(order)
    assert payment["status"] == "pending"
    shop.phoenixd.receive(made["paymentHash"], push=False)  # it may look at once
    return payment


def asked_for(shop: Shop, payment: dict[str, Any]) -> int:
    path = f"/payments/incoming/{payment['lightning']['payment_hash']}"
    return shop.phoenixd.server.paths.count(path)


def event_of(shop: Shop, payment: dict[str, Any], **other: Any) -> dict[str, Any]:
    return shop.phoenixd.event(payment["lightning"]["payment_hash"]) | other


def types(shop: Shop, payment: dict[str, Any]) -> list[str]:
    page = shop.node.get(f"/v1/payments/{payment['id']}/events").json()
    return [event["type"] for event in page["data"]]


def test_s3_3_phoenixds_own_webhook_confirms_by_the_answer_of_phoenixd(
    shop: Shop,
) -> None:
    """As it posts it: pretty-printed, with nulls, our payment's id as externalId."""
    shop.phoenixd.webhook_urls.append(shop.node.url + "/api/webhook")
    try:
        made = shop.made("own")
        (payment,) = shop.payments("own")
        row = shop.phoenixd.invoice(made["paymentHash"])
        assert row.external_id == payment["id"]
        shop.phoenixd.receive(made["paymentHash"], fees_msat=1_500)
        confirmed = shop.node.wait_for_status(payment["id"], "confirmed")
    finally:
        shop.phoenixd.webhook_urls.clear()
    assert confirmed["received_sat"] == 50_000
    assert asked_for(shop, payment) >= 1
    wait_until(lambda: shop.phoenixd.webhook_answers == [200], STEP_S, "its answer")


def test_s3_3_the_documents_backend_says_the_order_number(shop: Shop) -> None:
    payment = paid_unheard(shop, "order")
    claim = {
        "externalId": "order",
        "paymentHash": payment["lightning"]["payment_hash"],
        "amountSat": 50_000,
    }
    assert post(shop, claim).json()["status"] == "noted"
    shop.node.wait_for_status(payment["id"], "confirmed")


def test_s3_3_a_forged_webhook_is_a_question_and_no_more(shop: Shop) -> None:
    """Signed by somebody who has the secret, of an invoice that nobody paid."""
    shop.made("forged")
    (payment,) = shop.payments("forged")
    claim = event_of(shop, payment, amountSat=50_000)
    assert post(shop, claim).json()["status"] == "noted"
    wait_until(lambda: asked_for(shop, payment), STEP_S, "phoenixd to be asked")
    assert post(shop, claim).json()["status"] == "duplicate"
    assert types(shop, payment) == ["payment.created"]


def test_s3_3_an_unsigned_one_is_a_401_and_no_question(shop: Shop) -> None:
    payment = paid_unheard(shop, "unsigned")
    refused = post(shop, event_of(shop, payment), signed=False)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    signed = post(shop, event_of(shop, payment))
    assert signed.status_code == 200
    shop.node.wait_for_status(payment["id"], "confirmed")
    assert asked_for(shop, payment) == 1, "for the signed one alone"


def test_s3_3_what_the_webhook_says_of_the_sum_counts_for_nothing(shop: Shop) -> None:
    payment = paid_unheard(shop, "sum", 1_000)
    assert post(shop, event_of(shop, payment, amountSat=2_000)).status_code == 200
    confirmed = shop.node.wait_for_status(payment["id"], "confirmed")
    assert (confirmed["received_sat"], confirmed["flags"]) == (1_000, [])


def test_s3_3_a_replay_tells_nothing_twice(shop: Shop) -> None:
    payment = paid_unheard(shop, "replay")
    claim = event_of(shop, payment)
    for _ in range(3):
        assert post(shop, claim).status_code == 200
    confirmed = shop.node.wait_for_status(payment["id"], "confirmed")
    for _ in range(3):
        assert post(shop, claim).json()["status"] == "duplicate"
    told = post(shop, claim | {"timestamp": 1})
    assert told.json()["status"] == "duplicate", "the time is in no signature we trust"
    assert shop.node.payment(payment["id"])["seq"] == confirmed["seq"]
    assert types(shop, payment).count("payment.confirmed") == 1


def test_s3_3_a_webhook_of_nobodys_invoice_changes_nothing(shop: Shop) -> None:
    claim = {"externalId": "nobody", "paymentHash": "ab" * 32, "amountSat": 1}
    assert post(shop, claim).json()["status"] == "noted"
    for wrong in ("AB" * 32, "ab", "../../getinfo", "ab" * 32 + "\n"):
        answer = post(shop, claim | {"paymentHash": wrong})
        assert answer.status_code in (200, 422)
    paths = shop.phoenixd.server.paths
    assert not any("AB" in path or ".." in path for path in paths)


def test_s3_3_what_was_paid_while_the_socket_was_down_is_found_after_it(
    shop: Shop,
) -> None:
    """No webhook, no push; the list is read when the connection stands again."""
    payments = [paid_unheard(shop, f"away-{n}", 100 + n) for n in range(20)]
    shop.phoenixd.break_streams()
    for payment in payments:
        shop.node.wait_for_status(payment["id"], "confirmed")
        assert types(shop, payment).count("payment.confirmed") == 1


def test_s3_3_a_black_hole_is_found_out_and_nothing_is_lost(tmp_path: Path) -> None:
    """The socket stays open and says nothing more, not even a pong."""
    with phoenixd_shop(tmp_path, silence_s=2) as shop:
        payment = paid_unheard(shop, "hole")
        before = len(shop.phoenixd.server.requests)
        shop.phoenixd.fall_silent()
        shop.node.wait_for_status(payment["id"], "confirmed")

        def is_held_anew() -> bool:
            return "/websocket" in shop.phoenixd.server.paths[before:]

        wait_until(is_held_anew, STEP_S, "a new connection")


def test_s3_3_pushed_repeatedly_and_out_of_order_is_told_once(shop: Shop) -> None:
    shop.phoenixd.has_pushes = True
    shop.phoenixd.break_streams()
    wait_until(lambda: shop.phoenixd.peers and shop.is_live(), STEP_S, shop.upstream)
    made = [shop.made(f"push-{n}", 100 + n) for n in range(5)]
    for one in made:
        shop.phoenixd.receive(one["paymentHash"], push=False)
    for one in reversed(made):
        shop.phoenixd.push(one["paymentHash"], times=3)
    for n in range(5):
        (payment,) = shop.payments(f"push-{n}")
        shop.node.wait_for_status(payment["id"], "confirmed")
        assert types(shop, payment).count("payment.confirmed") == 1


def test_s3_3_a_key_that_is_revoked_is_shown_and_told_to_no_log(shop: Shop) -> None:
    secret = shop.phoenixd.password
    shop.phoenixd.password = shop.phoenixd.limited = "another"
    shop.phoenixd.break_streams()
    wait_until(lambda: "failing" in shop.upstream(), STEP_S, shop.upstream)
    refused = shop.invoice({"amountSat": 1, "externalId": "revoked"})
    assert refused.status_code == 503
    told = json.dumps([refused.text, shop.upstream(), shop.node.err, shop.node.out])
    assert secret not in told
    shop.phoenixd.password = secret
    wait_until(shop.is_live, STEP_S, shop.upstream)
    assert shop.made("revoked", 1)["success"] is True
