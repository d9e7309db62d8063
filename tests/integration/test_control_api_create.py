"""The control API over a real port: how payments are made, and what is refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.problems import errors
from tests.tools.node import RunningNode, running_node

MAX_SAT = 2_100_000_000_000_000


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def test_a_payment_is_created_as_the_contract_says(node: RunningNode) -> None:
    address = node.chain.new_address("p2tr")
    response = node.post(
        "/v1/payments",
        {
            "method": "onchain",
            "address": address.upper(),
            "amount_sat": 50_000,
            "tolerance_sat": 10,
            "confirmations": 2,
            "expires_in_s": 600,
            "poll_interval_s": 30,
            "external_id": "order-1",
            "merchant": "shop-1",
            "metadata": {"cart": "a", "n": 3, "gift": True, "note": None},
            "account": None,
        },
    )
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["Location"] == f"/v1/payments/{made['id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert made["id"].startswith("pay_")
    assert len(made["id"]) == len("pay_") + 22
    secret = made.pop("client_secret")
    assert node.vault.is_client_secret(made["id"], secret)
    later = node.payment(made["id"])
    assert later.pop("order")["status"] == "pending"
    assert made == later, "and later without the secret"
    assert made["address"] == address
    assert made["uri"] == f"bitcoin:{address}?amount=0.0005"
    assert (made["status"], made["flags"], made["seq"]) == ("pending", [], 1)
    assert made["confirmations_required"] == 2
    assert made["metadata"] == {"cart": "a", "n": 3, "gift": True, "note": None}
    stored = node.gateway.payment(made["id"])
    assert stored is not None
    assert stored.terms.expires_at - stored.terms.created_at == 600_000
    assert stored.terms.monitor_until - stored.terms.expires_at == 7 * 86_400_000
    assert stored.terms.poll_interval_s == 30


def test_with_no_fields_at_all_the_wallet_and_the_defaults_answer(
    node: RunningNode,
) -> None:
    made = node.create()
    assert made["address"].startswith("bcrt1")
    assert made["amount_sat"] is None
    assert made["uri"] == f"bitcoin:{made['address']}"
    assert (made["merchant"], made["confirmations_required"]) == ("default", 3)


def test_a_created_payment_is_watched_paid_and_confirmed(node: RunningNode) -> None:
    made = node.create(amount_sat=1_000, confirmations=1)
    txid = node.chain.pay(made["address"], 1_000)
    seen = node.wait_for_status(made["id"], "confirming")
    assert seen["receipts"][0]["txid"] == txid
    node.chain.mine(1)
    done = node.wait_for_status(made["id"], "confirmed")
    assert (done["received_sat"], done["confirmed_sat"]) == (1_000, 1_000)
    assert done["receipts"][0]["block_height"] is not None
    events = node.get(f"/v1/payments/{made['id']}/events").json()
    assert [e["seq"] for e in events["data"]] == list(range(1, done["seq"] + 1))
    assert events["data"][-1]["type"] == "payment.confirmed"
    assert events["next_after"] is None


def test_an_address_that_is_watched_is_a_conflict(node: RunningNode) -> None:
    made = node.create(amount_sat=1_000)
    again = node.post("/v1/payments", {"address": made["address"], "amount_sat": 1})
    assert again.status_code == 409
    assert made["id"] in errors(again)["/address"]


def test_whose_payment_holds_an_address_another_merchant_does_not_learn(
    node: RunningNode,
) -> None:
    made = node.create(merchant="shop-a")
    for headers in ({}, {"Authorization": f"Bearer {node.add_key('shop-b')}"}):
        body = {"address": made["address"], "merchant": "shop-b", "amount_sat": 1}
        again = node.post("/v1/payments", body, **headers)
        assert again.status_code == 409
        assert made["id"] not in again.text


def test_outputs_that_an_earlier_payment_counted_do_not_pay_the_next_one(
    node: RunningNode,
) -> None:
    address = node.chain.new_address()
    first = node.create(address=address, amount_sat=1_000, confirmations=0)
    node.chain.pay(address, 1_000)
    node.wait_for_status(first["id"], "confirmed")
    assert node.gateway.counted_outpoints([address])


def test_without_a_wallet_an_address_is_needed() -> None:
    with running_node(api={"address_source": None}) as lonely:
        response = lonely.post("/v1/payments", {"amount_sat": 1_000})
        assert response.status_code == 422
        why = errors(response)["/address"]
        assert "this merchant has no wallet to draw an address from" in why


def test_the_nodes_tolerance_is_taken_where_the_request_names_none() -> None:
    with running_node(api={"tolerance_sat": 50}) as lenient:
        assert lenient.create(amount_sat=5_000)["tolerance_sat"] == 50
        assert lenient.create(amount_sat=5_000, tolerance_sat=0)["tolerance_sat"] == 0
        assert lenient.create()["tolerance_sat"] == 0


def test_a_payment_may_ask_for_two_sources_and_not_for_fewer(node: RunningNode) -> None:
    alone = node.post("/v1/payments", {"quorum_above_sat": 5})
    assert alone.status_code == 422
    assert "two sources" in errors(alone)["/quorum_above_sat"]
    strict = {"quorum_above_sat": 1_000, "independent_sources": 2}
    with running_node(api=strict) as shop:
        assert shop.create()["quorum_above_sat"] == 1_000
        assert shop.create(quorum_above_sat=0)["quorum_above_sat"] == 0
        assert shop.create(quorum_above_sat=9_000)["quorum_above_sat"] == 1_000
    assert node.create()["quorum_above_sat"] is None


def test_no_tolerance_makes_an_order_free(node: RunningNode) -> None:
    """It is no more than a share of the amount, whoever named it."""
    with running_node(api={"tolerance_sat": 1_000}) as lenient:
        made = lenient.create(amount_sat=1_000, confirmations=0)
        assert made["tolerance_sat"] == 10
        assert lenient.create(amount_sat=99)["tolerance_sat"] == 0
        lenient.chain.pay(made["address"], 600)
        seen = lenient.wait_for_status(made["id"], "confirming")
        assert seen["flags"] == ["underpaid"]
    assert node.create(amount_sat=1_000, tolerance_sat=999)["tolerance_sat"] == 10
    generous = {"tolerance_sat": 300, "tolerance_percent": 20}
    with running_node(api=generous) as shop:
        assert shop.create(amount_sat=1_000)["tolerance_sat"] == 200
        assert shop.create(amount_sat=9_000)["tolerance_sat"] == 300


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/amount_sat"),
        ({"amount_sat": None}, "/amount_sat"),
        ({"any_amount": False}, "/amount_sat"),
        ({"any_amount": True, "amount_sat": 1_000}, "/any_amount"),
        ({"any_amount": 1}, "/any_amount"),
    ],
)
def test_a_payment_without_an_amount_must_say_that_any_will_do(
    node: RunningNode, body: Any, path: str
) -> None:
    for where, asked, place in (
        ("", body, path),
        ("/batch", {"payments": [body]}, path),
    ):
        response = node.post(f"/v1/payments{where}", asked)
        entry = response.json() if not where else response.json()["data"][0]["problem"]
        assert entry["status"] == 422
        assert [error["path"] for error in entry["errors"]] == [place]
    assert node.post("/v1/payments", {"any_amount": True}).json()["amount_sat"] is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"address": "not an address"}, "/address"),
        ({"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, "/address"),
        ({"address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"}, "/address"),
        ({"address": "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"}, "/address"),
        ({"address": "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfo"}, "/address"),
        ({"amount_sat": 50_000.0}, "/amount_sat"),
        ({"amount_sat": 0.5}, "/amount_sat"),
        ({"amount_sat": -1}, "/amount_sat"),
        ({"amount_sat": 0}, "/amount_sat"),
        ({"amount_sat": MAX_SAT + 1}, "/amount_sat"),
        ({"amount_sat": "1000"}, "/amount_sat"),
        ({"nonsense": 1}, "/nonsense"),
        ({"method": "lightning"}, "/method"),
        ({"forward_to": "bcrt1q"}, "/forward_to"),
        ({"package": "small"}, "/package"),
        ({"account": "user 1"}, "/account"),
        ({"amount_sat": 10, "tolerance_sat": 10}, "/tolerance_sat"),
        ({"tolerance_sat": 10}, "/tolerance_sat"),
        ([], ""),
        ("text", ""),
    ],
)
def test_a_wrong_payment_is_a_422_with_the_place_and_what_is_allowed(
    node: RunningNode, body: Any, path: str
) -> None:
    if isinstance(body, dict) and "amount_sat" not in body:
        body = {"any_amount": True, **body}
    before = node.gateway.health().last_offset
    response = node.post("/v1/payments", body)
    assert response.status_code == 422
    assert list(errors(response)) == [path]
    assert node.gateway.health().last_offset == before, "nothing was created"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"amount_sat":1,"amount_sat":2}', "application/json", 400),
        (b'{"external_id":"\xff"}', "application/json", 400),
        (b'{"external_id":"\\ud800"}', "application/json", 400),
        (b'{"amount_sat":NaN}', "application/json", 400),
        (b'{"metadata":' * 5_000, "application/json", 400),
        (b"[" * 65_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"amount_sat=1", "application/x-www-form-urlencoded", 415),
        (b'{"a":"' + b"x" * 65_536 + b'"}', "application/json", 413),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_own_status(
    node: RunningNode, body: bytes, kind: str, status: int
) -> None:
    response = node.call(
        "POST", "/v1/payments", data=body, headers={"Content-Type": kind}
    )
    assert response.status_code == status
    errors(response)


def test_no_depth_of_nesting_is_a_crash(node: RunningNode) -> None:
    headers = {"Content-Type": "application/json"}
    for depth in range(850, 1_050, 7):
        for body in (
            b'{"metadata":' * depth + b"1" + b"}" * depth,
            b"[" * depth + b'"\\u0041"' + b"]" * depth,
        ):
            response = node.call("POST", "/v1/payments", data=body, headers=headers)
            assert response.status_code in {400, 422}, depth


def test_a_body_of_just_64_kib_is_read(node: RunningNode) -> None:
    body = b'{"amount_sat":1' + b" " * (65_536 - 16) + b"}"
    assert len(body) == 65_536
    headers = {"Content-Type": "application/json"}
    assert node.call("POST", "/v1/payments", data=body, headers=headers).ok
