"""Sums that are none: each route that takes one says so, names the field and makes
nothing. Never a payment of nothing, never a 404, never a crash."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from engine.money.rates import Policy
from tests.seeds.gateway_calls import node_with_gateways
from tests.tools.node import RunningNode, running_node
from transport.rates.providers import FixedRates
from transport.seeds.admission import SeedLimits

MAX_SAT = 2_100_000_000_000_000  # sat: all that there will ever be

NONE = [
    "0",
    "-1",
    "-0",
    "0.5",
    "1.5",
    "-1e9",
    "1e-9",
    str(MAX_SAT + 1),
    "1e30",
    "9" * 400,
]
ODD = [
    "true",
    "[1]",
    "{}",
    '"0"',
    '"-1"',
    '"1 000"',
    '"ten"',
    '"1e3"',
    '"\u0663"',
    '""',
]
"""As JSON has them: numbers that are no sum, and what is no number."""

TEXTS = [
    "0",
    "0.00",
    "-1",
    "0.001",
    "1.005",
    "1e30",
    "NaN",
    "Infinity",
    "1,50",
    "9" * 400,
]
"""Sums of money in text, as `amount` has them."""

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

SATS = {
    "/v1/payments": ("/amount_sat", '{"amount_sat": %s}'),
    "/payment": (
        "/amount_sat",
        '{"email": "a@b.example", "price": 5, "amount_sat": %s}',
    ),
    "/payment-fast": (
        "/amount_sat",
        '{"email": "a@b.example", "price": 5, "amount_sat": %s}',
    ),
    "/api/invoice": ("/amountSat", '{"externalId": "a", "amountSat": %s}'),
}
"""Routes that take satoshi: the field, and a body."""


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    web = {
        "seeds": {"paybutton": "default", "phoenixd": "default"},
        "seed_limits": SeedLimits(per_minute=10_000, per_hour=10_000),
    }
    rates = ([FixedRates({"USD": Decimal(50_000)})], Policy())
    with running_node(web=web, rates=rates) as started:
        yield started


def refused(node: RunningNode, route: str, body: str, **headers: str) -> str:
    """The field that the answer names."""
    answer = node.call("POST", route, data=body.encode(), headers=headers or JSON)
    assert answer.status_code == 422, (body[:80], answer.status_code, answer.text)
    (error,) = answer.json()["errors"]
    assert error["message"]
    return str(error["path"])


@pytest.fixture
def nothing_made(node: RunningNode) -> Iterator[None]:
    yield
    assert node.get("/v1/payments").json()["data"] == []


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize("route", SATS)
def test_a_sum_that_is_none_is_a_422_that_names_it(
    node: RunningNode, route: str
) -> None:
    path, body = SATS[route]
    for amount in [*NONE, *ODD]:
        assert refused(node, route, body % amount) == path


@pytest.mark.usefixtures("nothing_made")
def test_so_it_is_in_a_form(node: RunningNode) -> None:
    for amount in [*NONE, "ten", "1 000"]:
        body = f"email=a%40b.example&price=5&amount_sat={quote(amount)}"
        assert refused(node, "/payment", body, **FORM) == "/amount_sat"
    for price in ["0", "-0", "-5", "0.001", "1e12", "NaN", "Infinity", "9" * 400]:
        body = f"email=a%40b.example&price={quote(price)}"
        assert refused(node, "/payment", body, **FORM) == "/price"
    for price in ["0", "-5"]:  # also beside a sum that counts in its place
        body = f"email=a%40b.example&amount_sat=5000&price={price}"
        assert refused(node, "/payment", body, **FORM) == "/price"


@pytest.mark.usefixtures("nothing_made")
def test_so_it_is_in_money(node: RunningNode) -> None:
    for amount in TEXTS:
        body = f'{{"amount": "{amount}", "currency": "USD"}}'
        assert refused(node, "/v1/payments", body) == "/amount"


@pytest.mark.usefixtures("nothing_made")
def test_in_a_batch_it_is_said_of_each(
    node: RunningNode,
) -> None:
    bodies = ", ".join(f'{{"amount_sat": {amount}}}' for amount in NONE)
    answer = node.call("POST", "/v1/payments/batch", headers=JSON,
                       data=f'{{"payments": [{bodies}]}}')  # fmt: skip
    said: list[dict[str, Any]] = answer.json()["data"]
    paths = [one["problem"]["errors"][0]["path"] for one in said]
    assert paths == ["/amount_sat"] * len(NONE), answer.text


def test_what_a_till_asks_of_a_sale_of_nothing_is_answered_in_words(
    node: RunningNode,
) -> None:
    """The till's page shows `detail` as it stands."""
    answer = node.post("/v1/payments", {"amount": "0.00", "currency": "USD"})
    assert answer.status_code == 422
    assert "amount" in answer.json()["detail"]


def test_what_a_gateway_says_of_a_sum_that_is_none_settles_nothing() -> None:
    """A card is tried with a sum of 0; that is no payment yet, and has a page."""
    with node_with_gateways() as calls:
        for amount in ["-25.00", "0.001", "1e30", -1, "ten", True, "9" * 400]:
            answer = calls.say("inv-bad", payableAmount=amount)
            assert answer.status_code == 422, (amount, answer.text)
            assert answer.json()["errors"][0]["path"] == "/payableAmount"
        for number, amount in enumerate(["0", "0.00", 0]):
            assert calls.say(f"inv-{number}", payableAmount=amount).status_code == 200
            payment = calls.payment(f"inv-{number}")
            assert payment["status"] == "pending"
            assert calls.node.get(f"/pay/{payment['id']}").status_code == 200
        assert len(calls.node.get("/v1/payments").json()["data"]) == 3
