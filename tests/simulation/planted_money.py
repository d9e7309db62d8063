"""Bugs on purpose in what becomes of money: in the books, and on its way out."""

from typing import Any

import engine.payment.booking_out
from actors.money.forwarder import ForwarderActor
from actors.money.steps import Steps
from engine.money.ledger import Posting
from engine.money.worth import Quoted
from engine.payment.forward_rules import concerns_forwarder
from engine.payment.model import EventType
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_MONEY"]


def a_reversal_takes_no_credit_back(patch: Patch) -> None:
    patch.setattr("engine.payment.booked._taken_back", lambda *_about: {})


def a_fee_is_booked_twice(patch: Patch) -> None:
    right = engine.payment.booking_out.swept

    def swept(sat: int, fee: int, quote: Quoted | None) -> list[Posting]:
        return [*right(sat, fee, quote), *right(fee, fee, quote)]

    patch.setattr("engine.payment.booking.swept", swept)


def it_is_sent_before_it_is_committed(patch: Patch) -> None:
    right = ForwarderActor._signed

    def signed(self: ForwarderActor, *about: Any) -> Steps:
        made = yield from right(self, *about)
        self._follower.ways.send(made.raw)
        return made

    patch.setattr(ForwarderActor, "_signed", signed)


def money_that_comes_later_is_not_sent_on(patch: Patch) -> None:
    patch.setattr(
        "engine.store.sqlite.bulk.concerns_forwarder",
        lambda event: concerns_forwarder(event) and event.type is EventType.REVERSED,
    )


PLANTED_MONEY: tuple[Plant, ...] = (
    a_reversal_takes_no_credit_back,
    a_fee_is_booked_twice,
    it_is_sent_before_it_is_committed,
    money_that_comes_later_is_not_sent_on,
)
"""Each is found within 100 worlds of `run_money`."""
