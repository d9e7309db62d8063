"""The housekeeper, over a real journal, in simulated years."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from actors.facts.published import JournalReport, Published
from actors.journal.housekeeper import (
    FIRST_ROUND_S,
    REST_S,
    ROUND_S,
    ROWS_PER_STEP,
    HousekeeperActor,
)
from actors.journal.reader import ReaderActor
from actors.journal.writer import JournalActor
from actors.node import Node, Settings
from engine.payment.events import CommittedEvent, opening
from engine.payment.history import Fact, sums_of
from engine.payment.model import Payment
from engine.policy.periods import DAY_MS
from engine.policy.retention import Retention
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.store.history_writes import AddHistory
from engine.store.sqlite import replay
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    RETENTION,
    Committed,
    DeliveryResult,
    Entry,
    InboundWebhook,
    Outcome,
    Prune,
    Release,
    SourceTip,
    Unavailable,
    Write,
)
from tests.tools.direct_store import DirectStore
from tests.unit.journal_cases import channel, decided
from tests.unit.payment_cases import HOUR_MS, T0, mined, terms, view

KEEP = Retention(events=400, deliveries=30, attempts=30, inbound=90)


EACH = 4
"""Events of a payment: created, detected, confirming, confirmed."""


def _name(number: int) -> str:
    """As long as a real one, for the sizes."""
    return f"pay_{number:020d}"


def _told(event: CommittedEvent, at: int) -> DeliveryResult:
    return DeliveryResult(
        channel_id="c",
        payment_id=event.event.payment_id,
        offset=event.offset,
        seq=event.event.seq,
        attempt=1,
        at=at,
        latency_ms=1,
        status=200,
        outcome="delivered",
        error=None,
        state="delivered",
        next_at=0,
    )


class Store(DirectStore):
    """Counts what one step writes; can refuse."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.refuses = False
        self.took: list[int] = []

    def submit(self, batch, done) -> None:  # type: ignore[no-untyped-def]
        outcomes: list[Outcome] = [Unavailable("no more room")] * len(batch)
        if not self.refuses:
            outcomes = self.journal.commit(batch)
            changed = (getattr(outcome, "changed", 0) for outcome in outcomes)
            self.took += [rows for rows in changed if rows]
        done(outcomes)


class House:
    """A journal, its readers and the housekeeper; a shop that is paid."""

    def __init__(self, folder: Path, keep: Retention = KEEP) -> None:
        self.journal = Journal(folder / "years.db", synchronous="OFF")
        self.store = Store(self.journal)
        self.clock = SimulatedClock(T0)
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.node = node = Node(self.clock, self.dispatcher, Random(1), Settings())
        report = Published(JournalReport())
        node.readers = [self._start("reader", ReaderActor(self.store))]
        writer = JournalActor(node, self.store, report, Published(0))
        node.journal = self._start("journal", writer)
        node.notifiers = node.router = self._start("nobody", Actor())
        self.keeper = self._start("housekeeper", HousekeeperActor(node, keep))
        self.paid = 0
        self.settle()

    def _start(self, name: str, actor: Actor) -> Ref:
        ref = Ref(ActorScope(self.dispatcher, lambda _name: actor), name)
        ref.start()
        return ref

    def settle(self) -> None:
        while self.dispatcher.step() is not None:
            pass

    def pass_time(self, seconds: float) -> None:
        """Timer by timer."""
        left_ms = int(seconds * 1000)
        while (due := self.clock.next_due_ms()) is not None and due <= left_ms:
            self.clock.advance(due)
            left_ms -= due
            self.settle()
        self.clock.advance(left_ms)

    def round(self) -> None:
        """Until the next one is waited for."""
        self.pass_time(ROUND_S)

    def sleep_days(self, days: int) -> None:
        """The wall clock goes on; one round is made of them."""
        self.live_days(days)
        self.round()

    def live_days(self, days: int) -> None:
        """As if a round had been made in each hour of them, with nothing to do."""
        self.clock.jump_wall(days * DAY_MS)
        self.commit(Write(rows=(SourceTip(RETENTION, 0, str(self.clock.now())),)))

    def pay(self, count: int = 1) -> list[str]:
        """Payments that are made, paid, told and over; `EACH` events each."""
        now = self.clock.now()
        names = [_name(self.paid + n) for n in range(count)]
        self.paid += count
        events: list[CommittedEvent] = []
        made: list[Payment] = []
        for name in names:
            event, payment = opening(
                terms(
                    id=name,
                    address=f"bcrt1{name:0>39}",
                    external_id=f"order {name}",
                    created_at=now,
                    expires_at=now + HOUR_MS,
                    monitor_until=now + 24 * HOUR_MS,
                )
            )
            made.append(payment)
            events += self.commit(Write(entries=(Entry(payment, (event,)),)))
        for payment in made:
            seen = view(mined(f"{payment.id:0>64}", 990, time_s=now // 1000))
            events += self.commit(decided(payment, seen, now + 1))
            heard = InboundWebhook("p", payment.id, now, payment.id, "heard", b"{}")
            self.commit(Write(rows=(heard, Release(payment.id))))
        assert len(events) == EACH * count
        self.commit(Write(rows=tuple(_told(event, now) for event in events)))
        return names

    def commit(self, write: Write) -> tuple[CommittedEvent, ...]:
        (outcome,) = self.journal.commit([write])
        assert isinstance(outcome, Committed), outcome
        return outcome.events

    def count(self, table: str) -> int:
        row = self.journal.connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        return int(row.fetchone()[0])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.commit(channel("c"))
    yield house
    house.journal.close()


def test_what_is_kept_no_longer_goes_and_what_it_came_to_stays(house: House) -> None:
    names = house.pay(5)
    before = [house.store.payment(name) for name in names]
    house.sleep_days(KEEP.events - 1)
    assert house.count("events") == 5 * EACH
    house.pay()
    house.sleep_days(2)
    assert house.count("events") == EACH
    assert [house.store.payment(name) for name in names] == before
    assert house.node.counters.snapshot()["retention.events"] == 5 * EACH


def test_logs_and_what_was_told_go_earlier(house: House) -> None:
    house.pay(300)
    house.sleep_days(KEEP.deliveries - 1)
    kept = house.count("attempts"), house.count("outbox"), house.count("inbound")
    assert kept == (1_200, 1_200, 300)
    house.sleep_days(2)
    assert (house.count("attempts"), house.count("inbound")) == (0, 300)
    # A time is known of every thousandth event only.
    assert house.count("outbox") == 200
    house.sleep_days(KEEP.inbound)
    assert house.count("inbound") == 0
    assert house.count("events") == 1_200


def test_days_of_zero_keep_for_ever(tmp_path: Path) -> None:
    house = House(tmp_path, Retention(events=0, deliveries=0, attempts=0, inbound=0))
    house.commit(channel("c"))
    house.pay(3)
    house.sleep_days(10_000)
    assert house.count("events") == house.count("attempts") == 3 * EACH
    house.journal.close()


def test_a_step_is_bounded_and_rests_before_the_next(house: House) -> None:
    house.pay(400)
    house.live_days(500)
    house.pass_time(FIRST_ROUND_S - 1)
    house.store.took = []
    house.pass_time(1)
    # The first step of a round, and no other until it has rested.
    assert house.store.took == [ROWS_PER_STEP]
    house.pass_time(REST_S * 1.5)
    assert house.store.took == [ROWS_PER_STEP, 800 - ROWS_PER_STEP]
    house.round()
    assert max(house.store.took) <= ROWS_PER_STEP
    assert house.count("events") == EACH  # of the newest payment


def test_a_round_that_cannot_write_ends_and_the_next_goes_on(house: House) -> None:
    house.pay(3)
    house.live_days(500)
    house.store.refuses = True
    house.pass_time(FIRST_ROUND_S + 30)
    assert house.count("events") == 3 * EACH
    house.store.refuses = False
    house.pass_time(2 * ROUND_S)
    assert house.count("events") == EACH


def test_replay_takes_a_snapshot_for_what_it_is(house: House) -> None:
    house.pay(3)
    house.sleep_days(500)
    sql = house.journal.connection
    assert replay.missing_events(sql) == 0
    assert [wrong for _, wrong in replay.differences(sql) if wrong] == []
    sql.execute("UPDATE payments SET seq = seq + 1 WHERE id = ?", (_name(0),))
    (wrong,) = [wrong for _, wrong in replay.differences(sql) if wrong]
    assert wrong.payment_id == _name(0)
    assert "snapshot" in wrong.detail


def test_an_event_that_somebody_else_took_is_still_missed(house: House) -> None:
    house.pay(3)
    house.sleep_days(500)
    house.pay(2)
    sql = house.journal.connection
    sql.execute("DELETE FROM events WHERE payment_id = ? AND seq = 2", (_name(3),))
    assert replay.missing_events(sql) == 1


def test_twenty_years_level_off(house: House) -> None:
    """A shop with ten orders in four weeks: what is kept for a time is as much after
    twenty years as after two, and only the snapshots grow."""
    months, orders = 20 * 13, 10
    kept: list[int] = []
    pages: list[int] = []
    for month in range(months):
        house.pay(orders)
        house.sleep_days(28)
        if month % 13 == 12:
            kept.append(house.count("events"))
            pages.append(_pages(house))
    of_a_year = 13 * orders * EACH
    assert kept[0] == of_a_year
    assert all(of_a_year < events < of_a_year * 1.2 for events in kept[1:])
    assert house.count("payments") == months * orders
    # What a year adds once nothing is kept longer: of each order a snapshot, and three
    # keys by which it is searched, of 20 bytes each.
    grown = (pages[-1] - pages[5]) / (len(pages) - 6) * 4_096 / (13 * orders)
    assert grown < 1_200 + 60, f"{grown:.0f} bytes for each order"


def _pages(house: House) -> int:
    use = house.store.file_use()
    return use.pages - use.free_pages


def test_the_file_shrinks_after_much_went(tmp_path: Path) -> None:
    house = House(tmp_path)
    filler = InboundWebhook("p", "", T0, None, "heard", b"x" * 4_000)
    rows = [
        InboundWebhook(filler.provider, str(n), T0, None, "heard", filler.body)
        for n in range(4_000)
    ]
    for row in rows:
        house.commit(Write(rows=(row,)))
    before = house.store.file_use()
    assert before.can_shrink
    house.sleep_days(100)
    after = house.store.file_use()
    assert house.count("inbound") == 0
    assert after.pages < before.pages * 0.6
    house.journal.close()


def test_who_asked_for_what_is_not_done_twice(house: House) -> None:
    """A prune of before a crash finds nothing left to do."""
    house.pay(2)
    (first,) = house.store.prunable(T0 + DAY_MS * 9_999, 0, 100).payments
    house.commit(Write(rows=(first,)))
    house.commit(Write(rows=(Prune(first.payment_id, first.seq),)))
    assert house.store.pruned().events == EACH


def test_a_clock_that_is_years_ahead_takes_nothing_away(house: House) -> None:
    house.pay(5)
    house.round()
    house.clock.jump_wall(5_000 * DAY_MS)
    for _ in range(3):
        house.round()
    assert house.count("events") == 5 * EACH
    house.clock.jump_wall(-5_000 * DAY_MS)
    house.sleep_days(KEEP.events - 1)
    assert house.count("events") == 5 * EACH
    house.sleep_days(2)
    assert house.count("events") == EACH, "the newest event stays"


def test_charts_have_an_end_for_each_step(house: House) -> None:
    house.pay()
    told = sums_of(
        [Fact(offset=1, type="payment.created", at=house.clock.now(), merchant="a")]
    )
    house.commit(Write(rows=(AddHistory(told),)))
    assert house.count("history") == 5
    for days, left in ((3, 4), (91, 2), (5 * 366, 0)):
        house.sleep_days(days)
        assert house.count("history") == left
