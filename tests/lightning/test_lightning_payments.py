"""Payments by Lightning over the API of a whole node, whose phoenixd is a double: from
the invoice to what shops and browsers hear.
"""

import hmac
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import bolt11
import pytest

from tests.lightning.lightning_node import LightningNode, lightning_node
from tests.tools.fake_upstream import text
from tests.tools.sseclient import SseClient
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect

ALONE: dict[str, Any] = {"method": "lightning", "amount_sat": 5_000}
BOTH: dict[str, Any] = {"methods": ["onchain", "lightning"], "amount_sat": 5_000}
PAID = ["created", "detected", "confirmed"]


@pytest.fixture(scope="module")
def shop() -> Iterator[LightningNode]:
    with lightning_node(web={"seeds": {"bitcoin": "default"}}) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(shop: LightningNode) -> Iterator[None]:
    yield
    shop.phoenixd.server.answer = shop.phoenixd.answer
    shop.phoenixd.inbound_msat, shop.phoenixd.fee_credit_msat = 2_000_000_000, 0


def test_an_invoice_is_made_shown_paid_and_told(shop: LightningNode) -> None:
    made = shop.node.create(**ALONE, description="Two coffees", external_id="o-1")
    read = bolt11.decode(made["lightning"]["bolt11"])
    assert read.amount_msat == 5_000_000
    assert read.description == "Two coffees"
    assert made["lightning"]["payment_hash"] == read.payment_hash
    assert made["uri"] == f"lightning:{made['lightning']['bolt11'].upper()}"
    assert (made["method"], made["methods"]) == ("lightning", ["lightning"])
    assert made["address"] is None
    assert made["expires_at"] == made["lightning"]["expires_at"]
    assert "warnings" not in made
    row = shop.phoenixd.invoice(read.payment_hash)
    shop.pay(made, fees_msat=300_500)
    paid = shop.node.payment(made["id"])
    assert (paid["status"], paid["received_sat"]) == ("confirmed", 5_000)
    (receipt,) = paid["receipts"]
    assert receipt["txid"] == row.payment_hash
    assert (receipt["amount_sat"], receipt["fee_sat"]) == (5_000, 301)
    assert receipt["net_sat"] == 5_000 - 301
    assert shop.types(made) == PAID


def test_what_the_node_says_twice_is_told_once(shop: LightningNode) -> None:
    made = shop.node.create(**ALONE)
    shop.pay(made)
    shop.phoenixd.push(made["lightning"]["payment_hash"], times=3)
    shop.reconnect("purse")  # and all that was paid is read again
    assert shop.types(made) == PAID


def test_what_was_paid_while_nobody_told_is_found(shop: LightningNode) -> None:
    made = shop.node.create(**ALONE)
    shop.pay(made, push=False)
    assert shop.types(made) == ["created"]
    shop.reconnect("purse")
    shop.wait_for_receipt(made)
    assert shop.types(made) == PAID


def test_it_is_heard_live_by_the_payment_hash_without_the_shops_affairs(
    shop: LightningNode,
) -> None:
    made = shop.node.create(**ALONE, external_id="secret-order")
    payment_hash = made["lightning"]["payment_hash"]
    port = shop.node.server.port
    socket = connect("127.0.0.1", port, f"/ws/balance/{payment_hash}")
    path = f"/events/balance/{payment_hash.upper()}"
    with closing(socket), closing(SseClient("127.0.0.1", port, path, {})) as stream:
        state = socket.recv_json()
        assert state["type"] == "state"
        assert state["methods"] == ["lightning"]
        shop.pay(made)
        heard = [state]
        while heard[-1]["type"] != "payment.confirmed":
            heard.append(socket.recv_json())
        told = json.dumps(heard)
        for secret in ("secret-order", "lnbcrt", made["id"], "purse", "fee_sat"):
            assert secret not in told, secret
        assert heard[-1]["txid"] == payment_hash
        kinds = (event.kind for event in stream.events())
        assert "payment.confirmed" in kinds
    unknown = connect("127.0.0.1", port, f"/ws/balance/{'0' * 64}")
    assert unknown.status == 404


@pytest.mark.parametrize("key", ["{}", "lightning:{}"])
def test_a_webhook_about_coins_is_no_word_on_an_invoice(
    shop: LightningNode, key: str
) -> None:
    made = shop.node.create(**ALONE)

    def claim(payment_hash: str) -> int:
        address = key.format(payment_hash)
        body = json.dumps({"address": address, "value": 5_000, "status": 2}).encode()
        signed = hmac.digest(b"test-webhook-secret-0123456789abcdef", body, "sha256")
        head = {"X-Signature": signed.hex(), "Content-Type": "application/json"}
        answer = shop.node.call("POST", "/webhook/btc", data=body, headers=head)
        return answer.status_code

    assert claim(made["lightning"]["payment_hash"]) == claim("0" * 64)
    assert shop.types(made) == ["created"]


def test_s3_2_the_documents_message_has_the_payment_hash_of_the_invoice(
    shop: LightningNode,
) -> None:
    made = shop.node.create(**ALONE, external_id="S3-2")
    said = {"externalId": "S3-2", "token": made["client_secret"]}
    with closing(connect("127.0.0.1", shop.node.server.port, "/ws")) as socket:
        assert socket.recv_json()["type"] == "connected"
        socket.send_json({"type": "identify", **said})
        assert socket.recv_json()["type"] == "identified"
        shop.pay(made)
        told = socket.recv_json()
    assert (told["type"], told["status"]) == ("payment", "paid")
    assert told["paymentHash"] == made["lightning"]["payment_hash"]
    assert told["amountSat"] == 5_000


def test_s5_4_confirming_has_the_node_of_an_invoice_asked_too(
    shop: LightningNode,
) -> None:
    made = shop.node.create(**BOTH)
    bearer = {"Authorization": f"Bearer {made['client_secret']}"}
    path = f"/api/v1/bitcoin/confirm/{made['id']}"
    refused = shop.node.call("POST", path, headers=bearer)
    assert refused.status_code == 409, refused.text
    shop.pay(made, push=False)  # nobody tells
    wait_until(
        lambda: shop.node.call("POST", path, headers=bearer).status_code == 200,
        20,
        "the node to be asked",
    )
    body = {"payment_id": made["id"]}
    told = shop.node.call("POST", "/api/v1/bitcoin/status", json=body).json()
    assert (told["status"], told["address"]) == ("confirmed", made["address"])
    assert told["tx_hash"] is None, "a payment hash is no transaction"
    assert shop.types(made) == PAID


def test_the_same_key_makes_one_invoice(shop: LightningNode) -> None:
    before = len(shop.phoenixd.rows)
    key = {"Idempotency-Key": "one-coffee"}
    first = shop.node.post("/v1/payments", ALONE, **key)
    again = shop.node.post("/v1/payments", ALONE, **key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(shop.phoenixd.rows) == before + 1


def test_of_both_lightning_wins_when_it_comes_first(shop: LightningNode) -> None:
    made = shop.node.create(**BOTH)
    assert made["address"] is not None
    assert made["methods"] == ["onchain", "lightning"]
    assert "lightning" not in made["uri"]
    shop.pay(made)
    paid = shop.node.payment(made["id"])
    assert (paid["status"], paid["flags"]) == ("confirmed", [])
    assert shop.types(made) == PAID


def test_of_both_the_chain_wins_when_it_comes_first(shop: LightningNode) -> None:
    made = shop.node.create(**BOTH, confirmations=1)
    shop.node.chain.pay(made["address"], 5_000)
    shop.node.chain.mine(1)
    paid = shop.node.wait_for_status(made["id"], "confirmed")
    assert paid["flags"] == []
    assert "method" not in paid["receipts"][0]


def test_short_by_one_and_the_rest_by_the_other(shop: LightningNode) -> None:
    made = shop.node.create(
        methods=["onchain", "lightning"], any_amount=False, amount_sat=5_000,
        confirmations=1,
    )  # fmt: skip
    shop.node.chain.pay(made["address"], 2_000)
    shop.node.chain.mine(1)
    wait_until(
        lambda: "underpaid" in shop.node.payment(made["id"])["flags"],
        10,
        "the short payment to be seen",
    )
    shop.pay(made, amount_msat=3_000_000)
    paid = shop.node.wait_for_status(made["id"], "confirmed")
    assert (paid["received_sat"], paid["flags"]) == (5_000, [])
    assert [r.get("method", "onchain") for r in paid["receipts"]] == [
        "onchain",
        "lightning",
    ]


def test_both_in_full_is_overpaid_and_told(shop: LightningNode) -> None:
    made = shop.node.create(**BOTH, confirmations=1)
    shop.pay(made)
    shop.node.chain.pay(made["address"], 5_000)
    wait_until(
        lambda: "overpaid" in shop.node.payment(made["id"])["flags"],
        10,
        "the second payment to be seen",
    )
    assert "overpaid" in shop.types(made)
    assert shop.types(made).count("confirmed") == 1


def test_any_amount_takes_what_comes(shop: LightningNode) -> None:
    made = shop.node.create(method="lightning", any_amount=True)
    assert made["lightning"]["amount_msat"] is None
    shop.pay(made, amount_msat=1_234_999)
    paid = shop.node.payment(made["id"])
    assert (paid["status"], paid["received_sat"]) == ("confirmed", 1_234)
    assert paid["receipts"][0]["msat"] == 0, "phoenixd tells whole satoshi"


def test_a_unified_uri_is_the_merchants_choice(shop: LightningNode) -> None:
    record = {"bip321": "unified", "display_name": "Ann's"}
    assert shop.node.call("PUT", "/v1/merchants/default", json=record).ok
    try:
        made = shop.node.create(**BOTH)
        assert "&lightning=LNBCRT" in made["uri"]
        assert bolt11.decode(made["lightning"]["bolt11"]).description == "Ann's"
        for query in ("", "?method=lightning", "?method=onchain"):
            path = f"/v1/payments/{made['id']}/qr.svg{query}"
            assert shop.node.get(path).status_code == 200
    finally:
        assert shop.node.call("PUT", "/v1/merchants/default", json={}).ok


def test_s2_5_creating_an_invoice_without_the_user_warns_first_or_is_refused(
    shop: LightningNode,
) -> None:
    at_the_cafe = {**ALONE, "merchant": "cafe"}
    assert "warnings" not in shop.node.create(**at_the_cafe)
    key = shop.refuse_key("user")
    try:
        made = shop.node.create(**at_the_cafe)
        assert [w["code"] for w in made["warnings"]] == ["forward_target_not_live"]
        assert "warnings" not in shop.node.payment(made["id"])
        refused = shop.node.post(
            "/v1/payments", {**at_the_cafe, "on_warning": "refuse"}
        )
        assert refused.status_code == 503
        assert refused.json()["code"] == "lightning_unavailable"
        assert int(refused.headers["Retry-After"]) >= 1
        assert "user is failing" in refused.json()["detail"]
        for password in (key, "another"):
            assert password not in refused.text
    finally:
        shop.reconnect("user", key)
    assert "warnings" not in shop.node.create(**at_the_cafe)


def test_a_node_that_is_down_is_a_503_and_a_payment_of_both_has_its_address(
    shop: LightningNode,
) -> None:
    broken = text("java.lang.IllegalStateException", 500)
    shop.phoenixd.server.answer = lambda _request: broken
    refused = shop.node.post("/v1/payments", ALONE)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert shop.phoenixd.password not in refused.text
    made = shop.node.create(**BOTH)
    assert "lightning" not in made
    codes = [one["code"] for one in made["warnings"]]
    # Whether the account was asked after meanwhile is a matter of the time it took.
    assert [one for one in codes if one != "account_not_live"] == [
        "lightning_unavailable"
    ]
    answer = shop.node.post("/v1/payments/batch", {"payments": [ALONE, BOTH]}).json()
    assert answer["data"][0]["problem"]["code"] == "lightning_unavailable"
    assert answer["data"][1]["payment"]["warnings"]
    shop.phoenixd.server.answer = shop.phoenixd.answer
    shop.reconnect("purse")
    assert "warnings" not in shop.node.create(**BOTH)


def test_what_could_not_be_spent_is_told_before_the_invoice_is_made(
    shop: LightningNode,
) -> None:
    def warned(count: int) -> list[dict[str, str]]:
        """The warnings of a new payment, once there are so many."""

        def found() -> list[list[dict[str, str]]]:
            told = shop.node.create(**ALONE).get("warnings", [])
            return [told] if len(told) == count else []

        (told,) = wait_until(found, 20, f"{count} warnings")
        return told

    shop.phoenixd.inbound_msat, shop.phoenixd.fee_credit_msat = 4_999_000, 77_000
    shop.reconnect("purse")  # and its balance is asked for
    capacity, credit = warned(2)
    assert (capacity["code"], credit["code"]) == ("inbound_capacity", "fee_credit")
    assert "4999 sat" in capacity["message"]
    assert "77 sat" in credit["message"]
    shop.phoenixd.inbound_msat, shop.phoenixd.fee_credit_msat = 5_000_000, 0
    shop.reconnect("purse")
    assert warned(0) == []


def test_a_batch_may_have_so_many_invoices_each_judged_by_itself(
    shop: LightningNode,
) -> None:
    chain = {"method": "onchain", "amount_sat": 5_000}
    payments = [{**ALONE, "amount_sat": 1_000 + n} for n in range(21)]
    answer = shop.node.post("/v1/payments/batch", {"payments": [*payments, chain]})
    entries = answer.json()["data"]
    kinds = ["payment" if "payment" in entry else "problem" for entry in entries]
    assert kinds == ["payment"] * 20 + ["problem", "payment"]
    assert entries[20]["problem"]["errors"][0]["path"] == "/method"
    hashes = {e["payment"]["lightning"]["payment_hash"] for e in entries[:20]}
    assert len(hashes) == 20


@pytest.mark.parametrize(
    "amount",
    [
        {"amount_sat": 0},
        {"amount_sat": -5},
        {"amount_sat": 0.5},
        {"amount_sat": "5000"},
        {"amount_sat": 2_100_000_000_000_001},
        {"amount_sat": 5_000, "any_amount": True},
        {},
    ],
)
def test_bad_amounts_reach_no_node(shop: LightningNode, amount: dict[str, Any]) -> None:
    before = len(shop.phoenixd.rows)
    response = shop.node.post("/v1/payments", {"method": "lightning", **amount})
    assert response.status_code == 422
    assert len(shop.phoenixd.rows) == before


def test_a_merchant_without_an_account_is_told_which_setting(
    shop: LightningNode,
) -> None:
    response = shop.node.post("/v1/payments", {**ALONE, "merchant": "nobody"})
    assert response.status_code == 422
    assert "[lightning.<name>]" in response.json()["detail"]
