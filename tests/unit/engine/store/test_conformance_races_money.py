"""Hands that race for money: refunds, coins and tills end as in one serial order.

As in `test_conformance_races.py`: each reads, decides and hands in a write; steps are
interleaved as hypothesis says, and committed in batches of any size. What each write
came to, and what is stored in the end, is as if one had come after the other; no coin
is in two living transactions, and no payment is refunded beyond what came in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from random import Random
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.lightning import till
from engine.payment.refund import COUNTS, STEPS, RefundState
from engine.payment.refund_rules import stepped
from engine.store.writes import (
    Committed,
    MoveOutgoing,
    MoveRefund,
    MoveTill,
    NewOutgoing,
    NewTill,
    OpenRefund,
    Outcome,
    Unqueue,
    Write,
)
from engine.wallet import outgoing as out
from tests.unit.engine.store.conformance import STORES, InMemory, OpenStore
from tests.unit.engine.store.outgoing_cases import coin, outgoing
from tests.unit.engine.store.refund_cases import refund
from tests.unit.engine.store.test_conformance_races import opened, summary
from tests.unit.engine.store.till_cases import forward
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0

S = TypeVar("S", RefundState, out.OutgoingState, till.TillState)

PAYMENTS = ("p1", "p2")
MOST_SAT = 3_000
NUMBERS = range(1, 5)

Row = (
    OpenRefund | MoveRefund | NewOutgoing | MoveOutgoing | NewTill | MoveTill | Unqueue
)


class Hand:
    """Reads, decides, hands in; a step is one of these, and the next waits."""

    def __init__(self, store: OpenStore, random: Random) -> None:
        self._reader = store.reader
        self._random = random
        self._row: Row | None = None

    def read(self) -> None:
        """Decides at once, on what it read; others write before it hands that in."""
        number = self._random.choice(NUMBERS)
        decide = self._random.choice((self._refund, self._outgoing, self._till))
        self._row = decide(number)

    def write(self) -> Write | None:
        row, self._row = self._row, None
        return None if row is None else Write(rows=(row,))

    def _refund(self, number: int) -> Row | None:
        one = refund(number, self._random.choice(PAYMENTS), 1_000)
        before = self._reader.refund(one.id)
        if before is None:
            return OpenRefund(one, 1, MOST_SAT, 99, 99)
        state = self._any(STEPS[before.state])
        if state is None:
            return None
        of = {"outgoing_id": f"out_{number % 2}"} if state is RefundState.PAYING else {}
        return MoveRefund(stepped(before, state, **of), before.state)

    def _outgoing(self, number: int) -> Row | None:
        made = outgoing(number, coin(number % 3), coin(7 + number % 2))
        before = self._reader.outgoing(made.id)
        if before is None:
            return NewOutgoing(made)
        state = self._any(out.STEPS[before.state])
        if state is None or state is out.OutgoingState.REPLACED:
            return Unqueue(PAYMENTS[0], number)
        is_open = state in out.LIVING
        after = out.moved(before, state, T0, is_open=is_open)
        return MoveOutgoing(after, before.state)

    def _till(self, number: int) -> Row | None:
        one = forward(number, payment_id=self._random.choice(PAYMENTS))
        before = self._reader.till_forward(one.id)
        if before is None:
            return NewTill(one)
        state = self._any(till.STEPS[before.state] | {before.state})
        assert state is not None
        # Two of them may be about to pay the same invoice.
        name = f"{number % 2:064x}"
        more = {"payment_hash": name, "bolt11": "lnbcrt", "amount_sat": 4_000}
        is_first = state is not before.state and not before.payment_hash
        after = till.moved(before, state, T0, **(more if is_first else {}))
        return MoveTill(after, before.step)

    def _any(self, states: Collection[S]) -> S | None:
        return self._random.choice(sorted(states)) if states else None


@pytest.mark.parametrize("kind", STORES)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(st.integers(0, 5), min_size=20, max_size=120),
    seed=st.integers(0, 1 << 16),
)
def test_hands_that_race_for_money_end_as_one_serial_order(
    kind: str, steps: list[int], seed: int
) -> None:
    """Step 0 commits what was handed in; 1 to 5 is a step of that hand."""
    with opened(kind) as store:
        store.commit(*(creation(name) for name in PAYMENTS))
        random = Random(seed)
        hands = [Hand(store, random) for _ in range(5)]
        ready = [False] * 5
        writes: list[Write] = []
        outcomes: list[Outcome] = []
        waiting: list[Write] = []
        for step in (*steps, 0):
            if step == 0:
                outcomes += store.commit(*waiting) if waiting else ()
                waiting = []
                continue
            if not ready[step - 1]:
                hands[step - 1].read()
            elif write := hands[step - 1].write():
                waiting.append(write)
                writes.append(write)
            ready[step - 1] ^= True
        holds_together(store, writes, outcomes)
        with opened("memory") as serial:
            assert isinstance(serial, InMemory)
            serial.settle_epoch(store.reader.epochs().present)
            serial.commit(*(creation(name) for name in PAYMENTS))
            alone = [outcome for write in writes for outcome in serial.commit(write)]
            assert [summary(o) for o in alone] == [summary(o) for o in outcomes]
            assert contents(serial) == contents(store)


def contents(store: OpenStore) -> list[object]:
    """All that the hands race for."""
    reader = store.reader
    return [
        [reader.refunds_of(name) for name in PAYMENTS],
        [reader.outgoing(outgoing(number).id) for number in NUMBERS],
        reader.outgoing_open("", 99),
        [reader.till_forward(forward(number).id) for number in NUMBERS],
        [reader.till_forward_of(name) for name in PAYMENTS],
    ]


def holds_together(
    store: OpenStore, writes: list[Write], outcomes: list[Outcome]
) -> None:
    """No coin twice, no more back than came in, no step that was taken twice."""
    living = [
        one
        for number in NUMBERS
        if (one := store.reader.outgoing(outgoing(number).id))
        and one.state in out.LIVING
    ]
    coins = Counter(coin.outpoint for one in living for coin in one.plan.coins)
    assert all(count == 1 for count in coins.values()), coins
    for name in PAYMENTS:
        counted = [r for r in store.reader.refunds_of(name) if r.state in COUNTS]
        assert sum(r.amount_sat for r in counted) <= MOST_SAT
    steps = Counter(
        (row.forward.id, row.before)
        for write, outcome in zip(writes, outcomes, strict=True)
        for row in write.rows
        if isinstance(row, MoveTill) and isinstance(outcome, Committed)
    )
    assert all(count == 1 for count in steps.values()), "a step was taken twice"


@pytest.mark.parametrize("kind", STORES)
def test_of_many_who_would_pay_one_refund_one_does(kind: str) -> None:
    with opened(kind) as store:
        store.commit(creation("p1"))
        one = refund(1, "p1", 1_000, state=RefundState.PENDING)
        store.commit(Write(rows=(OpenRefund(one, 1, MOST_SAT, 99, 99),)))
        paying = [
            replace(stepped(one, RefundState.PAYING), outgoing_id=f"out_{number}")
            for number in range(8)
        ]
        outcomes = store.commit(
            *(Write(rows=(MoveRefund(each, one.state),)) for each in paying)
        )
        done = [isinstance(outcome, Committed) for outcome in outcomes]
        assert done == [True] + [False] * 7
        assert store.reader.refund(one.id) == paying[0]
