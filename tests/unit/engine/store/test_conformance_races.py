"""Writers that race: whatever the order, any store ends as one serial order.

Some writers share payments, addresses, keys and webhooks. Each reads, decides and
hands in a write; steps of all of them are interleaved as hypothesis says, and what was
handed in is committed in batches of any size. Whoever meets a conflict reads again.
At the end the store holds what it would, had one write come after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.payment.model import Payment
from engine.payment.observations import Observation
from engine.store.replay import fold
from engine.store.writes import (
    Committed,
    Conflict,
    InboundWebhook,
    KeptAnswer,
    Outcome,
    Release,
    SourceTip,
    Write,
)
from tests.unit.engine.store.conformance import (
    STORES,
    InMemory,
    OpenStore,
    whole_journal,
)
from tests.unit.journal_cases import channel, creation, decided
from tests.unit.payment_cases import T0, mempool, mined, view

PAYMENTS = ("p", "q")
SIGHTINGS: tuple[Observation, ...] = (
    view(mempool("t1")),
    view(mempool("t1"), mempool("t2")),
    view(mined("t1", 1_000)),
    view(mined("t1", 998)),
    view(mined("t1", 998), mined("t2", 999)),
    view(),
)


class Writer:
    """Reads, decides, hands in; a step is one of these, and the next waits."""

    def __init__(self, store: OpenStore, number: int, random: Random) -> None:
        self._store = store
        self._number = number
        self._random = random
        self._round = 0
        self._read: Payment | None = None
        self.wants_to_write = False

    def read(self) -> None:
        self._read = self._store.reader.payment(self._random.choice(PAYMENTS))
        self.wants_to_write = True

    def write(self) -> Write:
        """Decided on what was read, however long ago that was."""
        self.wants_to_write = False
        self._round += 1
        return Write(self._entries(), self._rows())

    def _entries(self) -> tuple:  # type: ignore[type-arg]
        if self._read is None or self._random.random() < 0.2:
            name = self._random.choice((*PAYMENTS, f"w{self._number}.{self._round}"))
            return creation(name, address=self._random.choice("ab")).entries
        entries = decided(self._read, self._random.choice(SIGHTINGS)).entries
        return entries if entries[0].events else ()

    def _rows(self) -> tuple:  # type: ignore[type-arg]
        key = str(self._random.randrange(6))
        body = f"{self._number}.{self._round}".encode()
        return self._random.choice(
            (
                (),
                (),
                (KeptAnswer("scope", key, b"hash", 201, body, T0),),
                (InboundWebhook("provider", key, T0, None, "heard", body),),
                (SourceTip("node", self._random.randrange(99), "aa"),),
                (Release(self._random.choice(PAYMENTS)),),
            )
        )


@pytest.mark.parametrize("kind", STORES)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(st.integers(0, 5), min_size=10, max_size=60),
    seed=st.integers(0, 1 << 16),
)
def test_any_interleaving_ends_as_one_serial_order(
    kind: str, steps: list[int], seed: int
) -> None:
    """Step 0 commits what was handed in; 1 to 5 is a step of that writer."""
    with opened(kind) as store:
        store.commit(channel("c"))
        random = Random(seed)
        writers = [Writer(store, number, random) for number in range(5)]
        writes: list[Write] = []
        outcomes: list[Outcome] = []
        waiting: list[Write] = []
        for step in (*steps, 0):
            if step == 0:
                outcomes += store.commit(*waiting) if waiting else ()
                waiting = []
            elif writers[step - 1].wants_to_write:
                waiting.append(writers[step - 1].write())
                writes.append(waiting[-1])
            else:
                writers[step - 1].read()
        holds_together(store, writes, outcomes)
        with opened("memory") as serial:
            assert isinstance(serial, InMemory)
            serial.settle_epoch(store.reader.epochs().present)
            serial.commit(channel("c"))
            alone = [outcome for write in writes for outcome in serial.commit(write)]
            assert [summary(o) for o in alone] == [summary(o) for o in outcomes]
            assert contents(serial) == contents(store)


@pytest.mark.parametrize("kind", STORES)
def test_writers_in_greenlets_of_their_own_end_as_one_serial_order(kind: str) -> None:
    """As fast as they can, beside each other's commits; a conflict reads again."""
    with opened(kind) as store:
        store.commit(channel("c"), creation("p", address="a"))
        done: list[tuple[Write, Outcome]] = []

        def race(number: int) -> None:
            random = Random(number)
            for turn in range(12):
                while True:
                    payment = store.reader.payment("p")
                    assert payment is not None
                    seen = mempool(f"t{number}.{turn}", amount_sat=1_000)
                    known = [mempool(r.txid, r.amount_sat) for r in payment.receipts]
                    write = decided(payment, view(*known, seen))
                    gevent.sleep(random.choice((0, 0, 0.001)))
                    (outcome,) = store.commit(write)
                    done.append((write, outcome))
                    if isinstance(outcome, Committed):
                        break
                    assert isinstance(outcome, Conflict), outcome
                    assert outcome.what == "seq"

        gevent.joinall([gevent.spawn(race, n) for n in range(6)], raise_error=True)
        paid = store.reader.payment("p")
        assert paid is not None
        assert len(paid.receipts) == 6 * 12, "somebody's was lost, or counted twice"
        holds_together(store, [w for w, _ in done], [o for _, o in done])


@pytest.mark.parametrize("kind", STORES)
def test_of_many_who_want_the_same_address_or_key_one_gets_it(kind: str) -> None:
    with opened(kind) as store:
        outcomes: list[Outcome] = []

        def race(number: int) -> None:
            row = KeptAnswer("scope", "key", b"hash", 201, b"%d" % number, T0)
            made = creation(f"p{number}", address="a")
            outcomes.extend(store.commit(Write(made.entries)))
            outcomes.extend(store.commit(Write(rows=(row,))))

        gevent.joinall([gevent.spawn(race, n) for n in range(8)], raise_error=True)
        refused = [o.what for o in outcomes if isinstance(o, Conflict)]
        assert sorted(refused) == ["address"] * 7 + ["idempotency"] * 7
        assert len(store.reader.watched()) == 1
        answer = store.reader.idempotent_answer("scope", "key", T0)
        assert answer is not None


# -- judging ---------------------------------------------------------------------------


class opened:  # noqa: N801 - used as a function
    """A new store of a kind, in a folder of its own: hypothesis asks for many."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __enter__(self) -> OpenStore:
        self._folder = TemporaryDirectory()
        self._store = STORES[self._kind](Path(self._folder.name))
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()
        self._folder.cleanup()


def summary(outcome: Outcome) -> object:
    if isinstance(outcome, Conflict):
        return outcome.what
    assert isinstance(outcome, Committed)
    return outcome.changed, [(e.offset, e.wire) for e in outcome.events]


def contents(store: OpenStore) -> list[object]:
    """All that can be asked of it."""
    reader = store.reader
    names = [payment.id for payment in all_payments(store)]
    return [
        [(e.offset, e.wire) for e in whole_journal(store)],
        [reader.payment(name) for name in names],
        [payment.id for payment in reader.watched()],
        [reader.payment_at(address) for address in "ab"],
        [reader.idempotent_answer("scope", str(key), 0) for key in range(6)],
        reader.source_tip("node"),
        sorted(reader.pending_payments("c"), key=str),
        [reader.next_pending("c", name) for name in names],
        reader.outbox_counts(),
    ]


def all_payments(store: OpenStore) -> Iterator[Payment]:
    before: int | None = None
    while True:
        page = store.reader.list_payments({}, before, 7)
        yield from page.payments
        before = page.next_place
        if before is None:
            return


def holds_together(
    store: OpenStore, writes: list[Write], outcomes: list[Outcome]
) -> None:
    """Each write was done whole or not at all, and what is stored follows from them."""
    events = whole_journal(store)
    assert [e.offset for e in events] == list(range(1, len(events) + 1))
    by_offset = {event.offset: event for event in events}
    told: set[int] = set()
    for write, outcome in zip(writes, outcomes, strict=True):
        if not isinstance(outcome, Committed):
            continue
        asked = [event for entry in write.entries for event in entry.events]
        assert [committed.event for committed in outcome.events] == asked
        for committed in outcome.events:
            assert by_offset[committed.offset].wire == committed.wire
            assert committed.offset not in told, "one offset, two answers"
            told.add(committed.offset)
    for payment in all_payments(store):
        history = store.reader.history(payment.id)
        assert [e.seq for e in history] == list(range(1, payment.seq + 1))
        assert fold([event.event for event in history]) == payment
        assert [e for e in events if e.payment_id == payment.id] == history
