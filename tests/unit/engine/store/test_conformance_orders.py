"""Payments of one order know of each other: what an event says is true at its commit.

For every store. The judge here reads what the store holds after the commit and knows
nothing of how stores come to it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.errors import Refused
from engine.payment.events import Event, opening
from engine.payment.model import EventType, Payment, Status
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    Observation,
    Reviewed,
)
from engine.payment.order import Order, OrderStatus
from engine.store.writes import Committed, Entry, Outcome, Write
from tests.unit.engine.store.conformance import (
    STORES,
    OpenStore,
    committed,
    observed,
)
from tests.unit.journal_cases import decided
from tests.unit.payment_cases import EXPIRY, mempool, mined, terms, view

EXPIRES = Reviewed(EXPIRY)
PAID = Status.CONFIRMED, Status.FORWARDED


def created(name: str, order: str | None = "o1", merchant: str = "ann") -> Write:
    agreed = terms(id=name, address=f"at {name}", external_id=order, merchant=merchant)
    event, payment = opening(agreed)
    return Write(entries=(Entry(payment, (event,)),))


def says(store: OpenStore, name: str, observation: Observation) -> Write:
    """At a time when a deadline may have passed."""
    return observed(store, name, observation, EXPIRY)


def orders_in(outcome: Outcome) -> list[Order | None]:
    return [one.event.data.order for one in committed(outcome).events]


def paid(name: str) -> Observation:
    return view(mined(f"pays {name}", 998))


def test_what_expires_says_that_another_is_paid(store: OpenStore) -> None:
    store.commit(created("a"), created("b"))
    store.commit(says(store, "b", paid("b")))
    (outcome,) = store.commit(says(store, "a", EXPIRES))
    (order,) = orders_in(outcome)
    assert order == Order(status=OrderStatus.PAID, paid_by="b", received_sat=50_000)
    (event,) = committed(outcome).events
    wire = msgspec.json.decode(event.wire)
    assert wire["data"]["order"] == {
        "status": "paid",
        "paid_by": "b",
        "received_sat": 50_000,
    }
    kept = store.reader.history("a")[-1].event
    assert kept.data.order == order


@pytest.mark.parametrize("first", ["a", "b"])
def test_one_expires_and_the_other_is_confirmed_in_one_commit(
    store: OpenStore, first: str
) -> None:
    store.commit(created("a"), created("b"))
    writes = [says(store, "a", EXPIRES), says(store, "b", paid("b"))]
    if first == "b":
        writes.reverse()
    outcomes = store.commit(*writes)
    if first == "b":
        outcomes.reverse()
    assert [e.event.payment_id for e in committed(outcomes[0]).events] == ["a"]
    (order,) = orders_in(outcomes[0])
    assert order is not None
    assert (order.status, order.paid_by) == ("paid", "b")


def test_so_it_is_when_a_write_between_them_is_refused(store: OpenStore) -> None:
    store.commit(created("a"), created("b"))
    stale = says(store, "a", Cancel(by="api"))
    store.commit(says(store, "b", view(mempool("pays b"))))
    behind = observed(store, "a", EXPIRES, EXPIRY)
    late = says(store, "b", paid("b"))
    outcomes = store.commit(behind, stale, late)
    assert [isinstance(one, Committed) for one in outcomes] == [True, False, True]
    (order,) = orders_in(outcomes[0])
    assert order is not None
    assert order.paid_by == "b"


@pytest.mark.parametrize("first", ["a", "b"])
def test_what_is_refused_in_the_same_commit_has_paid_nothing(
    store: OpenStore, first: str
) -> None:
    """Both would say how the order stands; of one there is nothing to be seen."""
    store.commit(created("a"), created("b"))
    store.commit(says(store, "b", EXPIRES))
    stale = says(store, "b", paid("b"))
    store.commit(says(store, "b", view(mempool("other", 1_000))))
    writes = [says(store, "a", EXPIRES), stale]
    if first == "b":
        writes.reverse()
    outcomes = store.commit(*writes)
    if first == "b":
        outcomes.reverse()
    assert [isinstance(one, Committed) for one in outcomes] == [True, False]
    (order,) = orders_in(outcomes[0])
    assert order == Order(status=OrderStatus.UNPAID, paid_by=None, received_sat=1_000)


def test_two_that_end_in_one_commit_see_each_other(store: OpenStore) -> None:
    store.commit(created("a"), created("b"))
    outcomes = store.commit(says(store, "a", EXPIRES), says(store, "b", EXPIRES))
    for outcome in outcomes:
        (order,) = orders_in(outcome)
        assert order is not None
        assert (order.status, order.paid_by) == ("unpaid", None)


def test_one_that_is_waited_for_is_told(store: OpenStore) -> None:
    store.commit(created("a"), created("b"), created("c"))
    (outcome,) = store.commit(says(store, "a", Cancel(by="api")))
    (order,) = orders_in(outcome)
    assert order is not None
    assert order.status == "pending"
    store.commit(says(store, "b", view(mempool("part", 30_000))))
    (outcome,) = store.commit(says(store, "c", Cancel(by="api")))
    (order,) = orders_in(outcome)
    assert order == Order(
        status=OrderStatus.CONFIRMING, paid_by=None, received_sat=30_000
    )


def test_late_money_counts_for_the_order_and_says_so(store: OpenStore) -> None:
    store.commit(created("a"), created("b"))
    store.commit(says(store, "b", paid("b")))
    store.commit(says(store, "a", EXPIRES))
    (outcome,) = store.commit(says(store, "a", view(mempool("late", 20_000))))
    told = {e.event.type: e.event.data.order for e in committed(outcome).events}
    late = told[EventType.LATE]
    assert late is not None
    assert (late.paid_by, late.received_sat) == ("b", 70_000)


def test_a_reversal_says_whether_the_order_is_paid_by_another(store: OpenStore) -> None:
    store.commit(created("a"), created("b"))
    store.commit(says(store, "a", paid("a")), says(store, "b", paid("b")))
    off = view(off_chain=(mined("", 998).block_hash or "",))
    (outcome,) = store.commit(says(store, "a", off))
    told = {e.event.type: e.event.data.order for e in committed(outcome).events}
    reversed_ = told[EventType.REVERSED]
    assert reversed_ is not None
    assert (reversed_.status, reversed_.paid_by) == ("paid", "b")


@pytest.mark.parametrize(
    "others",
    [
        [],
        [created("b", order="o2")],
        [created("b", merchant="bob")],
        [created("b", order=None)],
    ],
)
def test_an_order_of_one_payment_says_nothing(
    store: OpenStore, others: list[Write]
) -> None:
    store.commit(created("a"), *others)
    (outcome,) = store.commit(says(store, "a", EXPIRES))
    assert orders_in(outcome) == [None]


def test_payments_without_a_number_are_of_no_order(store: OpenStore) -> None:
    store.commit(created("a", order=None), created("b", order=None))
    outcomes = store.commit(says(store, "a", EXPIRES), says(store, "b", paid("b")))
    assert orders_in(outcomes[0]) == [None]


# -- any history -----------------------------------------------------------------------

NAMES = ("a", "b", "c", "x", "y")
ORDER = {"a": "o1", "b": "o1", "c": "o1", "x": "o2", "y": None}
SEEN = ("expire", "cancel", "pay", "part", "hand", "lose")


class Orders(RuleBasedStateMachine):
    """Batches of what may happen to five payments, three of them of one order."""

    store: OpenStore

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()

    @initialize(kind=st.sampled_from(sorted(STORES)))
    def begin(self, kind: str) -> None:
        self.store = STORES[kind](Path(self._folder.name))
        self.store.commit(*(created(name, ORDER[name]) for name in NAMES))

    @rule(
        batch=st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(SEEN)),
            min_size=1,
            max_size=5,
            unique_by=lambda pair: pair[0],
        )
    )
    def one_commit(self, batch: list[tuple[str, str]]) -> None:
        writes = [w for name, what in batch if (w := self._write(name, what))]
        before = {name: self._payment(name) for name in NAMES}
        outcomes = self.store.commit(*writes)
        after = {name: self._payment(name) for name in NAMES}
        for write, outcome in zip(writes, outcomes, strict=True):
            events = [one.event for one in committed(outcome).events]
            name = write.entries[0].payment.id
            assert {event.payment_id for event in events} == {name}
            assert after[name].seq == before[name].seq + len(events)
            for event in events:
                judge(event, after)

    def _write(self, name: str, what: str) -> Write | None:
        payment = self._payment(name)
        seen: Any = {
            "expire": Reviewed(EXPIRY),
            "cancel": Cancel(by="api"),
            "hand": ConfirmByHand(by="api"),
            "pay": paid(name),
            "part": view(mempool(f"part of {name}", 30_000)),
            "lose": view(off_chain=(mined("", 998).block_hash or "",)),
        }[what]
        try:
            write = decided(payment, seen, EXPIRY + payment.seq)
        except Refused:
            return None
        return write if write.entries[0].events else None

    def _payment(self, name: str) -> Payment:
        found = self.store.reader.payment(name)
        assert found is not None
        return found

    @invariant()
    def what_was_told_is_kept(self) -> None:
        for name in NAMES:
            kept = [one.event for one in self.store.reader.history(name)]
            assert [event.seq for event in kept] == [*range(1, len(kept) + 1)]

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        self._folder.cleanup()


def judge(event: Event, after: dict[str, Payment]) -> None:
    """Whether what the event says of its order is so, in the store as it is now."""
    order, number = event.data.order, ORDER[event.payment_id]
    speaking = event.type.removeprefix("payment.") in {
        "expired",
        "cancelled",
        "late",
        "failed",
        "reversed",
    }
    if number != "o1" or not speaking:
        assert order is None
        return
    mine = [payment for name, payment in after.items() if ORDER[name] == "o1"]
    paid_now = {payment.id for payment in mine if payment.status in PAID}
    assert order is not None
    assert (order.status == "paid") == bool(paid_now)
    assert (order.paid_by in paid_now) if paid_now else order.paid_by is None
    assert order.received_sat == sum(r.amount_sat for p in mine for r in p.receipts)
    if order.status == "unpaid":
        over = {Status.EXPIRED, Status.CANCELLED, Status.FAILED}
        assert {payment.status for payment in mine} <= over


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=15, stateful_step_count=10)
