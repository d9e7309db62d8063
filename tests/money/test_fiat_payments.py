"""Prices in currencies, over real sockets: a whole node, and providers that answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from engine.money.rates import SET, Policy
from tests.tools.node import RunningNode, running_node
from tests.tools.rate_providers import RateServer
from tests.tools.receiver import reply
from tests.tools.wait import wait_until
from transport.rates.providers import FixedRates

POLICY = Policy(every_s=1, fresh_s=300)

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


@contextmanager
def selling(
    server: RateServer, *names: str, policy: Policy = POLICY
) -> Iterator[RunningNode]:
    """A node that asks these, and has asked all of them once."""
    providers = [server.provider(name) for name in names]
    with running_node(rates=(providers, policy)) as node:
        wait_until(
            lambda: all(p["asked_at"] for p in rates(node)["providers"]),
            10,
            "the first round",
        )
        yield node


@pytest.fixture(scope="module")
def fixed() -> Iterator[RunningNode]:
    rates = {"EUR": Decimal("49999.99"), "JPY": Decimal(7_500_000)}
    with running_node(rates=([FixedRates(rates)], Policy())) as node:
        wait_until(lambda: rates_of(node), 10, "rates")
        yield node


def rates(node: RunningNode) -> dict[str, Any]:
    answer = node.get("/v1/rates")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rates_of(node: RunningNode) -> dict[str, Any]:
    return {one["currency"]: one for one in rates(node)["data"]}


def refusal(node: RunningNode, **fields: Any) -> dict[str, Any]:
    answer = node.post("/v1/payments", fields)
    assert answer.status_code == 422, answer.text
    found: dict[str, Any] = answer.json()
    return found


def alerts(node: RunningNode) -> set[tuple[str, str]]:
    found = node.get("/v1/alerts").json()["data"]
    return {(one["kind"], one["subject"]) for one in found}


# -- a price is locked with the payment -----------------------------------------------


def test_a_price_is_satoshi_rounded_up_and_shown_with_its_rate(
    fixed: RunningNode,
) -> None:
    before = time.time()
    answer = fixed.post("/v1/payments", {"amount": "19.90", "currency": "EUR"})
    assert answer.status_code == 201, answer.text
    payment = answer.json()
    assert payment["amount_sat"] == 39801  # 39800.007…
    assert "amount=0.00039801" in payment["uri"]
    price = payment["price"]
    assert price.pop("rate_at") >= time.strftime(
        "%Y-%m-%dT%H:%M:%S", time.gmtime(before)
    )
    assert price == {
        "currency": "EUR",
        "amount": "19.90",
        "amount_minor": 1990,
        "decimals": 2,
        "rate": "49999.99",
        "providers": [SET],
        "is_lone": False,
    }
    assert fixed.payment(payment["id"])["price"]["amount"] == "19.90"
    events = fixed.get(f"/v1/payments/{payment['id']}/events").json()["data"]
    assert events[0]["data"]["terms"]["price"]["minor"] == 1990
    assert events[0]["amount_sat"] == 39801


def test_whoever_has_no_price_has_no_field_for_it(fixed: RunningNode) -> None:
    payment = fixed.create(amount_sat=1_000)
    assert "price" not in payment
    events = fixed.get(f"/v1/payments/{payment['id']}/events").json()["data"]
    assert "price" not in events[0]["data"]["terms"]


def test_small_units_and_currencies_without_any(fixed: RunningNode) -> None:
    by_units = fixed.post("/v1/payments", {"amount_minor": 1990, "currency": "EUR"})
    assert by_units.json()["amount_sat"] == 39801
    yen = fixed.post("/v1/payments", {"amount": "150", "currency": "JPY"}).json()
    assert (yen["amount_sat"], yen["price"]["amount"]) == (2000, "150")


def test_a_price_is_paid_with_the_satoshi_that_were_asked_for(
    fixed: RunningNode,
) -> None:
    body = {"amount": "19.90", "currency": "EUR", "confirmations": 1}
    payment = fixed.post("/v1/payments", body).json()
    fixed.chain.pay(payment["address"], payment["amount_sat"])
    fixed.chain.mine(1)
    paid = fixed.wait_for_status(payment["id"], "confirmed")
    assert paid["flags"] == []
    assert paid["price"] == payment["price"]


def test_the_first_answer_is_replayed_with_its_rate(fixed: RunningNode) -> None:
    body = {"amount": "1.00", "currency": "EUR"}
    first, second = (
        fixed.post("/v1/payments", body, **{"Idempotency-Key": "price-1"}).json()
        for _ in range(2)
    )
    assert first == second
    assert first["price"]["rate"] == "49999.99"


def test_a_package_may_cost_money_and_is_booked_with_what_it_was_worth(
    fixed: RunningNode,
) -> None:
    package = {"amount": "19.90", "currency": "EUR", "credits": 40}
    record = {"display_name": "Shop", "packages": {"small": package}}
    put = fixed.call("PUT", "/v1/merchants/default", json=record)
    assert put.status_code == 200, put.text
    body = {"package": "small", "account": "ann", "confirmations": 1}
    payment = fixed.post("/v1/payments", body).json()
    assert (payment["amount_sat"], payment["price"]["amount"]) == (39801, "19.90")
    fixed.chain.pay(payment["address"], payment["amount_sat"])
    fixed.chain.mine(1)
    fixed.wait_for_status(payment["id"], "confirmed")
    events = fixed.get(f"/v1/payments/{payment['id']}/events").json()["data"]
    (confirmed,) = (e for e in events if e["type"] == "payment.confirmed")
    worth = confirmed["data"]["worth"]
    assert (worth["minor"], worth["currency"], worth["rate"]) == (
        1990,
        "EUR",
        "49999.99",
    )
    assert fixed.get("/v1/accounts/ann").json()["balance"] == 40


# -- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount",
    [
        *("19,90", "1e3", "-1", "-0.01", "+1", "", " ", "0", "0.00", "1.999"),
        *("1.2.3", "NaN", "Infinity", "0x10", "١٩", "9" * 17, "1" * 30, "1 000"),
        "0." + "0" * 20 + "1",
    ],
)
def test_amounts_that_are_none(fixed: RunningNode, amount: str) -> None:
    problem = refusal(fixed, amount=amount, currency="EUR")
    assert problem["errors"][0]["path"] == "/amount", problem


@pytest.mark.parametrize("amount", [19.9, 20, True, [], {}, "9" * 40])
def test_amounts_of_another_type_or_of_forty_digits(
    fixed: RunningNode, amount: Any
) -> None:
    refusal(fixed, amount=amount, currency="EUR")


@pytest.mark.parametrize(
    ("currency", "why"),
    [
        ("XXX", "no currency"),
        ("XTS", "tests"),
        ("XAU", "gold"),
        ("XAG", "silver"),
        ("ABC", "ISO 4217"),
        ("BTC", "ISO 4217"),
        ("ZWG", "no provider of this node quotes it"),
    ],
)
def test_currencies_that_nothing_is_sold_in(
    fixed: RunningNode, currency: str, why: str
) -> None:
    problem = refusal(fixed, amount="1", currency=currency)
    (error,) = problem["errors"]
    assert error["path"] == "/currency"
    assert why in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "1.00"},
        {"amount_minor": 100},
        {"currency": "EUR"},
        {"amount": "1.00", "amount_minor": 100, "currency": "EUR"},
        {"amount": "1.00", "currency": "EUR", "amount_sat": 1000},
        {"amount": "1.00", "currency": "EUR", "any_amount": True},
        {"amount_sat": 1000, "currency": "EUR"},
        {"amount": "1.00", "currency": "eur"},
        {"amount": "1.00", "currency": "EURO"},
        {"amount_minor": 0, "currency": "EUR"},
        {"amount_minor": 2**53, "currency": "EUR"},
        {"amount_minor": 2**53 - 1, "currency": "EUR"},
        {"amount": "1.50", "currency": "JPY"},
        {"amount": "1.00", "currency": "EUR", "gateway": "card"},
    ],
)
def test_half_a_price_or_two_are_refused(
    fixed: RunningNode, fields: dict[str, Any]
) -> None:
    refusal(fixed, **fields)


def test_a_node_without_providers_says_so() -> None:
    with running_node() as node:
        problem = refusal(node, amount="19.90", currency="EUR")
        assert "this node knows no exchange rates" in problem["detail"]
        assert rates(node)["providers"] == []
        assert rates(node)["data"] == []


# -- providers ------------------------------------------------------------------------


def test_the_median_counts_and_a_batch_is_priced_at_one_moment() -> None:
    with RateServer() as server:
        server.quote("coinbase", {"EUR": "50000", "USD": "55000"})
        server.quote("kraken", {"EUR": "50100"})
        server.quote("mempool", {"EUR": "50200", "USD": "55000"})
        with selling(server, "coinbase", "kraken", "mempool") as node:
            one = {"amount": "19.90", "currency": "EUR"}
            wrong = {"amount": "19,90", "currency": "EUR"}
            two = {"amount": "19.90", "currency": "USD"}
            answer = node.post(
                "/v1/payments/batch", {"payments": [one, wrong, two, one]}
            ).json()["data"]
            assert "problem" in answer[1]
            made = [answer[n]["payment"] for n in (0, 2, 3)]
            assert [m["price"]["rate"] for m in made] == ["50100", "55000", "50100"]
            assert made[0]["price"]["rate_at"] == made[2]["price"]["rate_at"]
            assert made[0]["price"]["providers"] == ["coinbase", "kraken", "mempool"]
            eur = rates_of(node)["EUR"]
            assert (eur["rate"], eur["aside"]) == ("50100", [])
            assert [p["name"] for p in rates(node)["providers"]] == [
                "coinbase",
                "kraken",
                "mempool",
            ]


@pytest.mark.parametrize("lie", ["0.05", "50000000000"])
def test_one_a_million_times_off_is_set_aside_and_alerted(lie: str) -> None:
    with RateServer() as server:
        server.quote("coinbase", {"EUR": "50000"})
        server.quote("kraken", {"EUR": lie})
        server.quote("bitstamp", {"EUR": "50000"})
        with selling(server, "coinbase", "kraken", "bitstamp") as node:
            body = {"amount": "19.90", "currency": "EUR"}
            payment = node.post("/v1/payments", body).json()
            assert payment["amount_sat"] == 39800
            assert payment["price"]["providers"] == ["bitstamp", "coinbase"]
            wait_until(
                lambda: ("rates.disagree", "kraken") in alerts(node), 10, "the alert"
            )
            (aside,) = rates_of(node)["EUR"]["aside"]
            assert aside["provider"] == "kraken"
            assert "more than 5 % away" in aside["reason"]


def test_when_two_disagree_nothing_is_sold_and_nothing_is_guessed() -> None:
    with RateServer() as server:
        server.quote("coinbase", {"EUR": "50000"})
        server.quote("kraken", {"EUR": "60000"})
        with selling(server, "coinbase", "kraken") as node:
            answer = node.post("/v1/payments", {"amount": "1", "currency": "EUR"})
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["code"] == "no_rate"
            assert "which disagree" in answer.json()["detail"]
            assert node.create(amount_sat=1_000)["amount_sat"] == 1_000
            entry = {"amount": "1", "currency": "EUR"}
            batch = node.post(
                "/v1/payments/batch", {"payments": [entry, {"amount_sat": 5}]}
            ).json()["data"]
            assert batch[0]["problem"]["code"] == "no_rate"
            assert batch[1]["payment"]["amount_sat"] == 5
            wait_until(lambda: ("rates.none", "EUR") in alerts(node), 10, "the alert")


def test_one_provider_gone_does_not_stop_sales_and_the_payment_is_marked() -> None:
    with RateServer() as server:
        server.quote("coinbase", {"EUR": "50000"})
        server.quote("mempool", {"EUR": "50000"})
        with selling(server, "coinbase", "mempool") as node:
            body = {"amount": "19.90", "currency": "EUR"}
            assert not node.post("/v1/payments", body).json()["price"]["is_lone"]
            server.at_s = int(time.time()) - 3_600  # what it says is an hour old
            wait_until(lambda: rates_of(node)["EUR"]["is_lone"], 10, "a lone one")
            price = node.post("/v1/payments", body).json()["price"]
            assert (price["providers"], price["is_lone"]) == (["coinbase"], True)
            wait_until(lambda: ("rates.lone", "EUR") in alerts(node), 10, "the alert")
            server.quote("coinbase", {"EUR": "56000"})
            wait_until(
                lambda: rates_of(node)["EUR"]["rate"] is None, 10, "nobody to trust"
            )
            assert node.post("/v1/payments", body).status_code == 503


def test_what_was_said_too_long_ago_prices_nothing() -> None:
    """Though both agree, and a median of just before is known."""
    with RateServer() as server:
        for name in ("bitstamp", "mempool"):
            server.quote(name, {"EUR": "50000"})
        with selling(server, "bitstamp", "mempool") as node:
            body = {"amount": "19.90", "currency": "EUR"}
            assert node.post("/v1/payments", body).json()["amount_sat"] == 39800
            server.at_s = int(time.time()) - 3_600
            wait_until(
                lambda: rates_of(node)["EUR"]["rate"] is None, 10, "no rate to be there"
            )
            answer = node.post("/v1/payments", body)
            assert (answer.status_code, answer.json()["code"]) == (503, "no_rate")
            assert answer.headers["Retry-After"] == "1"
            assert "no quote of the last 300 s" in answer.json()["detail"]
            assert node.create(amount_sat=1_000)["amount_sat"] == 1_000


def test_none_fresh_is_a_503_with_the_reason() -> None:
    with RateServer() as server:
        for name in ("coinbase", "kraken"):
            server.say(name, reply(500))
        with selling(server, "coinbase", "kraken") as node:
            answer = node.post("/v1/payments", {"amount": "1", "currency": "EUR"})
            assert answer.status_code == 503
            assert "did not answer yet" in answer.json()["detail"]
            errors = [p["error"] for p in rates(node)["providers"]]
            assert errors == [
                "coinbase: /v2/exchange-rates failed (500)",
                "kraken: /0/public/Ticker failed (500)",
            ]


def test_rates_are_for_those_with_a_key(fixed: RunningNode) -> None:
    assert (
        fixed.call("GET", "/v1/rates", headers={"Authorization": None}).status_code
        == 401
    )
    one = fixed.get("/v1/rates?currency=JPY").json()["data"]
    assert [r["currency"] for r in one] == ["JPY"]
    none = fixed.get("/v1/rates?currency=ZWG").json()["data"]
    assert none[0]["rate"] is None
    assert fixed.get("/v1/rates?currency=zwg").status_code == 422
