"""An invoice for what is missing: when it is offered, what the node is asked for, and
what a payer is told when it makes none."""

from typing import Any

import gevent
import pytest
from gevent.event import Event
from msgspec.structs import replace

from engine.errors import EngineBusy, NodeRefused, NodeUnavailable
from engine.errors.codes import Code
from engine.lightning.node import InvoiceAsked, InvoiceMade
from engine.lightning.upstream import UpstreamState
from engine.payment.model import Flag, Invoice, Payment, Receipt, Status, Terms
from engine.payment.observations import Observation
from engine.payment.rules import follow
from tests.unit.transport.control.lightning_shop import ADDRESS, NOW, LightningShop
from transport.control.rests import MOST_IN_VAIN, Rests
from transport.http.problems import Problem

HOUR = 3_600_000
PER_MINUTE = 3


class Shop(LightningShop):
    """With one payment that is short by 300 sat."""

    def __init__(self, **terms: Any) -> None:
        super().__init__(display_name="Café")
        first = Invoice(
            node="till",
            payment_hash="5e" * 32,
            bolt11="lnbcrt1",
            amount_msat=50_000_000,
            expires_at=NOW + HOUR,
        )
        base: dict[str, Any] = {
            "id": "pay_1",
            "network": "regtest",
            "address": ADDRESS,
            "amount_sat": 50_000,
            "created_at": NOW,
            "expires_at": NOW + HOUR,
            "monitor_until": NOW + 2 * HOUR,
            "lightning": first,
        }
        self.kept = Payment(
            terms=Terms(**(base | terms)),
            status=Status.CONFIRMING,
            flags=(Flag.UNDERPAID,),
            receipts=(Receipt("t1", 0, 49_700),),
            seq=3,
        )
        self.trouble: Exception | None = None  # of a command
        self.held: Event | None = None  # the node answers when it is set
        self.rests = Rests(self, PER_MINUTE)  # type: ignore[arg-type]

    def payment(self, _payment_id: str) -> Payment:
        return self.kept

    def command(self, payment: Payment, observation: Observation) -> Payment:
        assert payment == self.kept
        if self.trouble is not None:
            raise self.trouble
        self.kept = follow(self.kept, observation, NOW).payment
        return self.kept

    def make_invoice(
        self, account: str, merchant: str, asked: InvoiceAsked
    ) -> InvoiceMade:
        made = super().make_invoice(account, merchant, asked)
        if self.held is not None:
            assert self.held.wait(60)
        return made

    def make(self, client: str = "one") -> Payment:
        return self.rests.make(self.kept, client)

    def refused(self, client: str = "one") -> Problem:
        with pytest.raises(Problem) as caught:
            self.make(client)
        return caught.value


def test_the_node_is_asked_for_exactly_what_is_missing() -> None:
    shop = Shop()
    assert shop.rests.is_offered(shop.kept)
    after = shop.make()
    (asked,) = shop.asked
    assert asked.amount_msat == 300_000
    assert asked.description == "Café"
    assert asked.expires_in_s == 59 * 60
    (invoice,) = after.terms.rests
    assert invoice.amount_msat == 300_000
    assert invoice.is_till, "the account's money goes on"
    assert invoice.expires_at < after.terms.expires_at
    assert not shop.rests.is_offered(after), "it is there"
    assert shop.make() == after
    assert len(shop.asked) == 1


def test_it_says_what_is_paid_for() -> None:
    shop = Shop(description="Two coffees")
    shop.make()
    assert shop.asked[0].description == "Two coffees"


def test_who_taps_twice_waits_for_the_first() -> None:
    shop = Shop()
    shop.held = Event()
    taps = [gevent.spawn(shop.make, str(number)) for number in range(4)]
    gevent.idle()
    assert len(shop.asked) == 1
    shop.held.set()
    gevent.joinall(taps, timeout=60, raise_error=True)
    assert len(shop.asked) == 1
    assert [tap.value for tap in taps] == [shop.kept] * 4


@pytest.mark.parametrize("account", [None, "another"])
def test_only_the_account_of_its_first_invoice_makes_it(account: str | None) -> None:
    shop = Shop()
    assert shop.account is not None
    shop.account = None if account is None else replace(shop.account, name=account)
    assert not shop.rests.is_offered(shop.kept)
    assert shop.refused().code is Code.WRONG_PAYMENT_STATE
    assert shop.asked == []


@pytest.mark.parametrize(
    ("state", "is_offered"),
    [
        (UpstreamState.LIVE, True),
        (UpstreamState.BEHIND, True),
        (UpstreamState.CONNECTING, False),
        (UpstreamState.FAILING, False),
    ],
)
def test_it_is_not_offered_while_the_account_is_away(
    state: UpstreamState, is_offered: bool
) -> None:
    shop = Shop()
    shop.states = {"user": UpstreamState.LIVE, "till": state}
    assert shop.rests.is_offered(shop.kept) is is_offered


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NodeRefused("till says: the least is 1000", "amount"), "wrong_payment_state"),
        (NodeRefused("till says: who are you", "key"), "lightning_unavailable"),
        (NodeUnavailable("till at http://10.0.0.1 is away"), "lightning_unavailable"),
    ],
)
def test_a_payer_is_told_nothing_of_the_node(error: Exception, code: str) -> None:
    shop = Shop()
    shop.error = error
    problem = shop.refused()
    assert problem.code == code
    assert "till" not in problem.detail
    assert shop.kept.terms.rests == ()


def test_an_invoice_that_is_not_what_was_asked_for_is_not_shown() -> None:
    shop = Shop()
    shop.made = {"amount_msat": 301_000}
    assert shop.refused().code is Code.LIGHTNING_UNAVAILABLE
    assert shop.kept.terms.rests == ()


def test_one_address_of_the_web_asks_for_so_many() -> None:
    shop = Shop()
    shop.error = NodeUnavailable("away")
    refused = [shop.refused() for _ in range(PER_MINUTE + 1)]
    codes = [problem.code for problem in refused]
    assert codes == [Code.LIGHTNING_UNAVAILABLE] * PER_MINUTE + [Code.RATE_LIMITED]
    assert refused[-1].limit == "rests_per_minute"
    assert shop.refused("another").code is Code.LIGHTNING_UNAVAILABLE
    assert len(shop.asked) == PER_MINUTE + 1


def test_few_are_made_in_vain_of_one_payment_whoever_asks() -> None:
    """Each is one at the node, and nothing else would ever end it."""
    shop = Shop()
    shop.made = {"amount_msat": 301_000}
    for client in range(MOST_IN_VAIN):
        assert shop.rests.is_offered(shop.kept)
        assert shop.refused(str(client)).code is Code.LIGHTNING_UNAVAILABLE
    assert not shop.rests.is_offered(shop.kept)
    assert shop.refused("another").code is Code.WRONG_PAYMENT_STATE
    assert len(shop.asked) == MOST_IN_VAIN


def test_what_the_payment_cannot_take_is_made_in_vain_too() -> None:
    shop = Shop()
    shop.trouble = EngineBusy("its watcher has too much to do", 1)
    for client in range(MOST_IN_VAIN):
        with pytest.raises(EngineBusy):
            shop.make(str(client))
    assert shop.refused("another").code is Code.WRONG_PAYMENT_STATE
    assert len(shop.asked) == MOST_IN_VAIN
    assert shop.kept.terms.rests == ()
