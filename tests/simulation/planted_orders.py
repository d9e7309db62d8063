"""Bugs on purpose in what is said of an order: each must be found by its judge."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

import engine.payment.order
import engine.store.orders
from engine.payment.model import EventType, Payment, Status, Terms
from engine.payment.order import Order, OrderStatus
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.listing import payments_of_order
from engine.store.writes import Committed, Write
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_ORDERS"]

JOURNAL = "engine.store.sqlite.journal"
ORDERS = "engine.store.orders"

Stored = Callable[[Terms], Iterable[Payment]]


def _order_of(patch: Patch, made: Callable[[list[Payment], Order], Order]) -> None:
    right = engine.payment.order.order_of

    def order_of(payments: Iterable[Payment]) -> Order:
        known = list(payments)
        return made(known, right(known))

    patch.setattr(f"{ORDERS}.order_of", order_of)


def nobody_says_how_the_order_stands(patch: Patch) -> None:
    patch.setattr(f"{JOURNAL}.told", lambda write, _ahead, _stored: write)


def two_that_end_together_do_not_see_each_other(patch: Patch) -> None:
    right = engine.store.orders.told
    patch.setattr(
        f"{JOURNAL}.told", lambda write, _ahead, stored: right(write, {}, stored)
    )


def the_order_is_read_before_the_others_are_written(patch: Patch) -> None:
    right = Journal._write
    found: dict[tuple[str | None, str], list[Payment]] = {}

    def write(
        self: Journal, writes: Sequence[Write], ahead: dict[str, Payment]
    ) -> list[Committed]:
        found.clear()
        for terms in (e.payment.terms for one in writes for e in one.entries):
            of_order = payments_of_order(self._sql, terms)
            found[terms.external_id, terms.merchant] = of_order
        return right(self, writes, ahead)

    patch.setattr(Journal, "_write", write)
    patch.setattr(
        Journal,
        "_payments_of_order",
        lambda _self, terms: found[terms.external_id, terms.merchant],
    )


def who_was_paid_last_is_named(patch: Patch) -> None:
    def made(known: list[Payment], right: Order) -> Order:
        paid = [one for one in known if one.counts_as_paid]
        last = max(paid, key=lambda one: one.confirmed_at or 0, default=None)
        return replace(right, paid_by=None if last is None else last.id)

    _order_of(patch, made)


def money_on_what_is_over_does_not_count(patch: Patch) -> None:
    def made(known: list[Payment], right: Order) -> Order:
        over = {Status.EXPIRED, Status.CANCELLED}
        sat = sum(one.received_sat for one in known if one.status not in over)
        return replace(right, received_sat=sat)

    _order_of(patch, made)


def money_on_its_way_is_not_waited_for(patch: Patch) -> None:
    def made(_known: list[Payment], right: Order) -> Order:
        if right.status is OrderStatus.CONFIRMING:
            return replace(right, status=OrderStatus.UNPAID)
        return right

    _order_of(patch, made)


def what_went_on_to_its_owner_is_not_paid(patch: Patch) -> None:
    def made(known: list[Payment], right: Order) -> Order:
        paid = {one.id for one in known if one.status is Status.CONFIRMED}
        if right.paid_by is None or paid:
            return right
        return replace(right, status=OrderStatus.UNPAID, paid_by=None)

    _order_of(patch, made)


def the_orders_of_all_merchants_are_one(patch: Patch) -> None:
    right = payments_of_order

    def of_order(sql: sqlite3.Connection, terms: Terms) -> list[Payment]:
        merchants = ("default", "other")
        return [p for m in merchants for p in right(sql, replace(terms, merchant=m))]

    patch.setattr(f"{JOURNAL}.payments_of_order", of_order)


def a_payment_that_was_moved_stays_with_its_order_too(patch: Patch) -> None:
    right = payments_of_order
    ever: dict[tuple[str | None, str], dict[str, Payment]] = {}

    def of_order(sql: sqlite3.Connection, terms: Terms) -> list[Payment]:
        known = ever.setdefault((terms.external_id, terms.merchant), {})
        known |= {one.id: one for one in right(sql, terms)}
        return list(known.values())

    patch.setattr(f"{JOURNAL}.payments_of_order", of_order)


def _says_nothing(patch: Patch, kind: EventType) -> None:
    left = engine.store.orders._SPEAKING - {kind}
    patch.setattr(f"{ORDERS}._SPEAKING", left)


def a_cancelled_payment_says_nothing(patch: Patch) -> None:
    _says_nothing(patch, EventType.CANCELLED)


def late_money_says_nothing(patch: Patch) -> None:
    _says_nothing(patch, EventType.LATE)


def a_reversal_says_nothing(patch: Patch) -> None:
    _says_nothing(patch, EventType.REVERSED)


PLANTED_ORDERS: dict[Plant, int] = {
    nobody_says_how_the_order_stands: 1,
    two_that_end_together_do_not_see_each_other: 12,
    the_order_is_read_before_the_others_are_written: 7,
    who_was_paid_last_is_named: 1,
    money_on_what_is_over_does_not_count: 2,
    money_on_its_way_is_not_waited_for: 2,
    what_went_on_to_its_owner_is_not_paid: 27,
    the_orders_of_all_merchants_are_one: 1,
    a_payment_that_was_moved_stays_with_its_order_too: 2,
    a_cancelled_payment_says_nothing: 2,
    late_money_says_nothing: 1,
    a_reversal_says_nothing: 8,
}
"""Each with the world that shows it: the search begins there."""
