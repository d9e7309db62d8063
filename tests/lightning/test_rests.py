"""The rest of a short payment by Lightning, over the API and the payer's route of a
whole node, whose phoenixd is a double."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bolt11
import pytest
import requests

from tests.lightning.lightning_node import LightningNode, lightning_node
from tests.tools.fake_upstream import text
from tests.tools.paybell import serving
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.wait import PATIENCE, wait_until
from transport.http.asking_limits import AskingLimits

BOTH: dict[str, Any] = {"methods": ["onchain", "lightning"], "amount_sat": 5_000}
FEE = 300
"""What an exchange kept."""


@pytest.fixture
def shop() -> Iterator[LightningNode]:
    with lightning_node(web={"seeds": {"bitcoin": "default"}}) as running:
        yield running


def short(shop: LightningNode, missing: int = FEE, **more: Any) -> dict[str, Any]:
    """So much less than was asked for came over the chain."""
    made = shop.node.create(**BOTH, confirmations=1, **more)
    shop.node.chain.pay(made["address"], made["amount_sat"] - missing)
    wait_until(lambda: "underpaid" in now(shop, made)["flags"], 20, "underpaid")
    return made


def now(shop: LightningNode, payment: dict[str, Any]) -> dict[str, Any]:
    return shop.node.payment(payment["id"])


def ask(
    shop: LightningNode, payment: dict[str, Any], accept: str = "text/html"
) -> requests.Response:
    url = f"{shop.node.url}/pay/{payment['id']}/rest"
    headers = {"Accept": accept}
    return requests.post(
        url, headers=headers, timeout=30 * PATIENCE, allow_redirects=False
    )


def rest(shop: LightningNode, payment: dict[str, Any]) -> dict[str, Any]:
    """The invoice that the API shows, once it was asked for."""
    answer = ask(shop, payment)
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"] == f"../{payment['id']}"
    found: dict[str, Any] = now(shop, payment)["lightning"]["rest"]
    return found


def paid(shop: LightningNode, payment: dict[str, Any], payment_hash: str) -> None:
    """Its node took the money of this invoice, and the payment has heard of it."""
    shop.phoenixd.receive(payment_hash)
    told = {"lightning": {"payment_hash": payment_hash}, "id": payment["id"]}
    shop.wait_for_receipt(told)


def page(shop: LightningNode, payment: dict[str, Any]) -> str:
    url = f"{shop.node.url}/pay/{payment['id']}"
    return requests.get(url, timeout=30 * PATIENCE).text


def test_an_invoice_for_the_rest_completes_the_payment(shop: LightningNode) -> None:
    made = short(shop, description="Two coffees")
    assert "rest" not in now(shop, made)["lightning"]
    found = rest(shop, made)
    read = bolt11.decode(found["bolt11"])
    assert read.amount_msat == found["amount_msat"] == FEE * 1000
    assert read.description == "Two coffees"
    assert found["expires_at"] < made["expires_at"]
    assert now(shop, made)["uri"] == f"lightning:{found['bolt11'].upper()}"
    paid(shop, made, found["payment_hash"])
    shop.node.chain.mine(1)
    shop.node.wait_for_status(made["id"], "confirmed")
    end = now(shop, made)
    assert (end["received_sat"], end["flags"]) == (5_000, [])
    assert "rest" not in end["lightning"]
    assert shop.types(made) == [
        "created",
        "detected",
        "underpaid",
        "updated",
        "detected",
        "confirming",
        "confirmed",
    ]
    url = f"{shop.node.url}/pay/{made['id']}/receipt"
    receipt = requests.get(url, timeout=30 * PATIENCE).text
    assert found["payment_hash"] in receipt
    assert end["tx_hash"] in receipt
    books = shop.node.get(f"/v1/payments/{made['id']}/events").json()["data"]
    booked = next(e["data"] for e in books if e["type"] == "payment.confirmed")
    assert (booked["booked_sat"], booked["booked_lightning_sat"]) == (5_000, FEE)
    told = next(e for e in books if e["txid"] == found["payment_hash"])
    assert told["payment_hash"] == found["payment_hash"]


def test_while_the_same_is_missing_there_is_one_invoice(shop: LightningNode) -> None:
    made = short(shop)
    made_before = len(shop.phoenixd.rows)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(shop, made), range(8)))
    assert {answer.status_code for answer in answers} == {303}
    assert len(shop.phoenixd.rows) == made_before + 1
    assert shop.types(made).count("updated") == 1


def test_the_invoice_for_another_sum_is_shown_no_more_and_counts(
    shop: LightningNode,
) -> None:
    made = short(shop, 2_000)
    first = rest(shop, made)
    assert first["amount_msat"] == 2_000_000
    assert now(shop, made)["uri"].endswith("?amount=0.00002")
    shop.node.chain.pay(made["address"], 1_000)
    wait_until(lambda: now(shop, made)["received_sat"] == 4_000, 20, "another sum")
    assert "rest" not in now(shop, made)["lightning"]
    second = rest(shop, made)
    assert second["amount_msat"] == 1_000_000
    paid(shop, made, second["payment_hash"])
    assert now(shop, made)["received_sat"] == 5_000
    paid(shop, made, first["payment_hash"])
    assert now(shop, made)["received_sat"] == 7_000
    assert "overpaid" in now(shop, made)["flags"]
    shop.pay(made)
    assert now(shop, made)["received_sat"] == 12_000
    shop.phoenixd.push(first["payment_hash"], times=2)
    shop.reconnect("purse")  # and all that was paid is read again
    assert now(shop, made)["received_sat"] == 12_000


def test_an_invoice_that_is_over_is_not_shown_though_its_payment_is_not(
    shop: LightningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = short(shop)
    found = rest(shop, made)
    assert now(shop, made)["uri"] == f"lightning:{found['bolt11'].upper()}"
    gateway, at = shop.node.gateway, datetime.fromisoformat(found["expires_at"])
    monkeypatch.setattr(gateway, "now", lambda: round(at.timestamp() * 1000))
    listed = shop.node.get("/v1/payments").json()["data"]
    for shown in (now(shop, made), *listed):
        assert "rest" not in shown["lightning"]
        assert found["bolt11"].upper() not in shown["uri"]


def test_a_rest_that_was_paid_while_nobody_told_is_found(shop: LightningNode) -> None:
    made = short(shop)
    found = rest(shop, made)
    shop.phoenixd.receive(found["payment_hash"], push=False)
    shop.reconnect("purse")
    shop.wait_for_receipt({"id": made["id"], "lightning": found})
    assert now(shop, made)["received_sat"] == 5_000


def test_who_asks_whether_it_was_paid_has_each_invoice_looked_at(
    shop: LightningNode,
) -> None:
    made = short(shop)
    found = rest(shop, made)
    double, asked = shop.phoenixd, list[str]()

    def noted(request: Any) -> Any:
        asked.append(request.path)
        return double.answer(request)

    double.server.answer = noted
    shop.node.call("POST", f"/api/v1/bitcoin/confirm/{made['id']}")
    wanted = {
        f"/payments/incoming/{one['payment_hash']}"
        for one in (found, made["lightning"])
    }
    wait_until(lambda: wanted <= set(asked), 20, lambda: f"{wanted}: {asked}")


def test_the_page_offers_it_where_it_can_be_had(shop: LightningNode) -> None:
    button = 'id="pay-rest"'
    made = shop.node.create(**BOTH)
    assert button not in page(shop, made), "nothing came"
    made = short(shop, 2_000)
    shown = page(shop, made)
    assert button in shown
    assert "by Lightning, or to the same address" in shown
    found = rest(shop, made)
    shown = page(shop, made)
    assert button not in shown
    assert f'data-copy="{found["bolt11"]}"' in shown
    assert made["lightning"]["bolt11"] not in shown
    assert made["address"] in shown.replace("</span><span>", "")
    made = short(shop)
    shown = page(shop, made)
    assert "too little for a Bitcoin transaction. Please pay it by Lightning" in shown
    assert made["address"] not in shown.replace("</span><span>", "").replace(
        f'"followed_by":"{made["address"]}"', ""
    ).replace(f'"address":"{made["address"]}"', "")
    rest(shop, made)
    shown = page(shop, made)
    assert '<div class="way" data-way="lightning">' in shown
    assert '<div class="way" data-way="onchain">' not in shown


def test_a_payment_that_is_not_short_has_none(shop: LightningNode) -> None:
    for fields in (BOTH, {"amount_sat": 5_000}, {**BOTH, "methods": ["lightning"]}):
        made = shop.node.create(**fields)
        answer = ask(shop, made)
        assert answer.status_code == 409
        assert "The rest cannot be paid by Lightning" in answer.text
    assert ask(shop, {"id": "pay_of_nobody"}).status_code == 404
    made = shop.node.create(amount_sat=5_000)
    shop.node.chain.pay(made["address"], 1_000)
    wait_until(lambda: "underpaid" in now(shop, made)["flags"], 20, "underpaid")
    assert ask(shop, made).status_code == 409, "it has no Lightning"
    assert shop.types(made)[-1] == "underpaid"


def test_a_program_is_answered_as_one(shop: LightningNode) -> None:
    made = short(shop)
    answer = ask(shop, made, "application/json")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"../{made['id']}.json"
    refused = ask(shop, shop.node.create(**BOTH), "application/json")
    assert refused.status_code == 409
    assert refused.json()["code"] == "wrong_payment_state"


def test_a_node_that_makes_none_leaves_the_payment_as_it_is(
    shop: LightningNode,
) -> None:
    made = short(shop)
    double = shop.phoenixd

    def broken(request: Any) -> Any:
        if request.path == "/createinvoice":
            return text("the channel is too small, says secret-node", 500)
        return double.answer(request)

    double.server.answer = broken
    answer = ask(shop, made)
    double.server.answer = double.answer
    assert answer.status_code == 503
    assert "secret-node" not in answer.text
    assert "purse" not in answer.text
    assert shop.types(made)[-1] == "underpaid"
    assert rest(shop, made)["amount_msat"] == FEE * 1000


def test_a_stranger_who_asks_too_often_waits(
    shop: LightningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time passes meanwhile, after which one more would be allowed."""
    monkeypatch.setattr("transport.control.rests.time", SimpleNamespace(monotonic=int))
    per_minute = AskingLimits().rests_per_minute
    shorts = [short(shop, FEE + n) for n in range(per_minute + 1)]
    codes = [ask(shop, one).status_code for one in shorts]
    assert codes == [303] * per_minute + [429]


ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
TABLE = """
[lightning.purse]
kind = "phoenixd"
url = "{url}"
secret = "{secret}"
"""


def test_what_was_paid_while_the_process_was_dead_is_found(tmp_path: Path) -> None:
    """The chain is another process's, so that its coins are there afterwards."""
    for name in ("chain", "shop"):
        (tmp_path / name).mkdir()
    with PhoenixdDouble() as phoenixd, serving(tmp_path / "chain") as chain:
        config = tmp_path / "shop" / "paybell.toml"
        config.write_text(TABLE.format(url=phoenixd.url, secret=phoenixd.password))
        source = f"esplora={chain.url}/dev/esplora"
        options = ("--config", str(config), "--network", "regtest", "--source", source)
        with serving(tmp_path / "shop", *options) as node:
            made = node.create(
                **BOTH, confirmations=1, poll_interval_s=5, address=ADDRESS
            )
            sent = {"address": made["address"], "amount_sat": 5_000 - FEE}
            assert chain.post("/dev/pay", **sent).ok
            wait_until(
                lambda: "underpaid" in node.payment(made["id"])["flags"], 30, "short"
            )
            path = f"/pay/{made['id']}/rest"
            assert node.call("POST", path, allow_redirects=False).status_code == 303
            found = node.payment(made["id"])["lightning"]["rest"]
        phoenixd.receive(found["payment_hash"], push=False)  # it was killed
        with serving(tmp_path / "shop", *options) as node:
            wait_until(
                lambda: node.payment(made["id"])["received_sat"] == 5_000, 30, "paid"
            )
            assert chain.post("/dev/mine", blocks=1).ok
            shown = node.wait_for_status(made["id"], "confirmed")
            assert shown["flags"] == []
            assert {r["txid"] for r in shown["receipts"]} == {
                found["payment_hash"],
                shown["tx_hash"],
            }
