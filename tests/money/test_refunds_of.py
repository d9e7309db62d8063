"""What may go back: of payments that went wrong, at rates that moved; over sockets."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from engine.money.rates import Policy
from tests.money.test_refunds import Refunding
from tests.tools.node import running_node
from tests.tools.wait import wait_until
from transport.rates.providers import FixedRates


class Market(Refunding):
    """A desk beside a price of bitcoin that moves."""

    rates: dict[str, Decimal]

    def say(self, rate: int) -> None:
        self.rates["EUR"] = Decimal(rate)

        def is_known() -> bool:
            (shown,) = self.node.get("/v1/rates").json()["data"]
            return Decimal(shown["rate"]) == rate

        wait_until(is_known, 20, f"a rate of {rate} EUR")

    def expired(self) -> dict[str, Any]:
        """A payment whose time ended with no money."""
        made = self.node.create(amount_sat=50_000, confirmations=1)
        path = f"/v1/payments/{made['id']}"
        assert self.node.call("PATCH", path, json={"expires_in_s": 1}).ok
        self.node.wait_for_status(made["id"], "expired")
        return made

    def wait_for_sat(self, payment: str, sat: int) -> None:
        wait_until(
            lambda: self.node.payment(payment)["confirmed_sat"] == sat,
            20,
            f"{sat} sat of {payment}",
        )


@pytest.fixture(scope="module")
def desk() -> Iterator[Market]:
    rates = {"EUR": Decimal(50_000)}
    with running_node(rates=([FixedRates(rates)], Policy(every_s=1))) as node:
        wait_until(lambda: node.get("/v1/rates").json()["data"], 10, "rates")
        desk = Market(node)
        desk.rates = rates
        yield desk


@pytest.fixture
def fallen(desk: Market) -> Iterator[str]:
    """A payment of 19.90 EUR, 39,800 sat at 50,000; now a bitcoin is 40,000."""
    desk.say(50_000)
    payment = desk.paid(amount="19.90", currency="EUR")
    desk.say(40_000)
    yield payment
    desk.say(50_000)


def test_then_and_now_are_two_rates(desk: Market, fallen: str) -> None:
    for rate, sat in (("then", 10_000), ("now", 12_500)):
        refund = desk.made(fallen, amount="5.00", currency="EUR", rate=rate)
        assert (refund["amount_sat"], refund["rate"]) == (sat, rate)
        assert refund["worth"]["minor"] == 500
    given = desk.made(fallen, amount_sat=2_000)
    assert (given["rate"], given["worth"]["minor"]) == ("given", 100)
    assert Decimal(given["worth"]["rate"]) == 50_000, "as the price was"


def test_at_the_rate_of_now_no_more_goes_back_than_came(
    desk: Market, fallen: str
) -> None:
    said = desk.refused(fallen, 409, "refund_too_large", rate="now")
    assert "49750 sat" in said, "what 19.90 EUR are by now"
    assert "39800 sat" in said, "what came in"
    desk.refused(
        fallen, 409, "refund_too_large", amount="15.93", currency="EUR", rate="now"
    )
    made = desk.made(fallen, amount="15.92", currency="EUR", rate="now")
    assert made["amount_sat"] == 39_800


def test_when_a_bitcoin_has_risen_its_worth_is_fewer_satoshi(
    desk: Market, fallen: str
) -> None:
    desk.say(100_000)
    made = desk.made(fallen, rate="now")
    assert (made["amount_sat"], made["worth"]["minor"]) == (19_900, 1_990)
    assert desk.of(fallen)["left_sat"] == 19_900


def test_what_came_late_and_whole_goes_back(desk: Market) -> None:
    late = desk.expired()
    desk.node.chain.pay(late["address"], 50_000)
    desk.node.chain.mine(1)
    assert "late" in desk.node.wait_for_status(late["id"], "confirmed")["flags"]
    assert desk.made(late["id"], address=desk.fresh())["amount_sat"] == 50_000


def test_what_came_late_and_too_little_goes_back(desk: Market) -> None:
    late = desk.expired()
    desk.node.chain.pay(late["address"], 20_000)
    desk.node.chain.mine(1)
    desk.wait_for_sat(late["id"], 20_000)
    assert desk.node.payment(late["id"])["status"] == "expired"
    refund = desk.made(late["id"], address=desk.fresh())
    assert refund["amount_sat"] == 20_000
    desk.node.chain.pay(refund["address"], 20_000)
    desk.node.chain.mine(1)
    wait_until(lambda: desk.told(late["id"]), 20, "it to be told")
    books = desk.node.get("/v1/accounts?limit=200").json()["data"]
    assert sum(one["balance"] for one in books if one["unit"] == "sat") == 0


def test_of_a_reversed_payment_goes_back_what_is_still_there(desk: Market) -> None:
    made = desk.node.create(amount_sat=50_000, confirmations=1)
    desk.node.chain.pay(made["address"], 30_000)
    desk.node.chain.mine(1)
    lost = desk.node.chain.pay(made["address"], 20_000)
    desk.node.chain.mine(1)
    desk.node.wait_for_status(made["id"], "confirmed")
    desk.node.chain.reorg(1, drop=[lost])
    desk.node.chain.mine(2)
    desk.wait_for_sat(made["id"], 30_000)
    kinds = [event["type"] for event in desk.events(made["id"])]
    assert "payment.reversed" in kinds
    desk.refused(made["id"], 409, "refund_too_large", amount_sat=30_001)
    assert desk.made(made["id"], address=desk.fresh())["amount_sat"] == 30_000


def test_what_was_reversed_and_came_again_goes_back(desk: Market) -> None:
    made = desk.node.create(amount_sat=50_000, confirmations=1)
    first = desk.node.chain.pay(made["address"], 50_000)
    desk.node.chain.mine(1)
    desk.node.wait_for_status(made["id"], "confirmed")
    desk.node.chain.reorg(1, drop=[first])
    desk.node.chain.mine(2)
    desk.wait_for_sat(made["id"], 0)
    desk.refused(made["id"], 409, "refund_too_large", amount_sat=1_000)
    desk.node.chain.pay(made["address"], 50_000)
    desk.node.chain.mine(1)
    desk.node.wait_for_status(made["id"], "confirmed")
    assert desk.made(made["id"], address=desk.fresh())["amount_sat"] == 50_000
    desk.refused(made["id"], 409, "refund_too_large", amount_sat=1_000)
