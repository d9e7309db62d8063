"""What any store keeps of the past in numbers: see `test_conformance.py`."""

from engine.payment.history import EVERYONE, Fact, Sum, sums_of
from engine.policy.periods import DAY_S, HOUR_S
from engine.store.history_writes import AddHistory, ForgetHistory
from engine.store.writes import Write
from tests.unit.engine.store.conformance import OpenStore, committed, observed
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0, mempool, mined, view

HOUR = 3_600_000


def fact(offset: int, at: int, waited_ms: int = 900) -> Fact:
    return Fact(
        offset=offset,
        type="payment.detected",
        at=at,
        merchant="ann",
        waited_ms=waited_ms,
        booked_sat=7,
    )


def changed(store: OpenStore, row: AddHistory | ForgetHistory) -> int:
    (outcome,) = store.commit(Write(rows=(row,)))
    return committed(outcome).changed


def kept(store: OpenStore, series: str, step_s: int = HOUR_S) -> list[Sum]:
    return store.reader.history_sums(step_s, "ann", (series,), 0, 10**12)


def test_an_event_is_added_once_whoever_tries(store: OpenStore) -> None:
    assert store.reader.history_position() == 0
    row = AddHistory(sums_of([fact(1, HOUR), fact(2, HOUR + 5)]), 0, 2)
    assert changed(store, row) > 0
    assert changed(store, row) == 0, "they are there already"
    assert changed(store, AddHistory(sums_of([fact(9, HOUR)]), 8, 9)) == 0, "a gap"
    assert store.reader.history_position() == 2
    assert changed(store, AddHistory(sums_of([fact(3, HOUR, 60_000)]), 2, 3)) > 0
    (hour,) = kept(store, "detection")
    assert (hour.at, hour.n, hour.total) == (3_600, 3, 61_800)
    assert sum(hour.bins.values()) == 3
    assert [one.total for one in kept(store, "value_sat")] == [21]
    (day,) = kept(store, "detection", DAY_S)
    assert (day.n, day.bins) == (hour.n, hour.bins)


def test_what_belongs_to_no_event_moves_nothing(store: OpenStore) -> None:
    for _ in range(2):
        assert changed(store, AddHistory(sums_of([fact(1, HOUR)]))) > 0
    assert store.reader.history_position() == 0
    assert [one.n for one in kept(store, "detection")] == [2]


def test_sums_are_found_by_time_series_and_merchant(store: OpenStore) -> None:
    facts = [fact(n, n * HOUR) for n in range(1, 6)]
    changed(store, AddHistory(sums_of(facts), 0, 5))
    ask = store.reader.history_sums
    found = ask(HOUR_S, "ann", ("value_sat", "detection"), 2 * HOUR_S, 4 * HOUR_S)
    assert [(one.series, one.at) for one in found] == [
        (series, at) for series in ("value_sat", "detection") for at in (7_200, 10_800)
    ]
    assert len(ask(HOUR_S, EVERYONE, ("detection",), 0, 10**9)) == 5
    assert ask(HOUR_S, "bob", ("detection",), 0, 10**9) == []


def test_the_oldest_of_a_step_go(store: OpenStore) -> None:
    facts = [fact(n, n * HOUR) for n in range(1, 6)]
    changed(store, AddHistory(sums_of(facts), 0, 5))
    for _ in range(20):
        if not changed(store, ForgetHistory(HOUR_S, 4 * HOUR_S, 3)):
            break
    assert [one.at for one in kept(store, "detection")] == [14_400, 18_000]
    assert len(kept(store, "detection", DAY_S)) == 1


def test_what_counts_of_an_event_is_read_from_the_journal(store: OpenStore) -> None:
    store.commit(creation("p", "ann"), creation("q", "bob"))
    store.commit(observed(store, "p", view(mempool("t1"))))
    store.commit(observed(store, "p", view(mempool("t1"), mempool("t2"))))
    store.commit(observed(store, "p", view(mined("t1", 990), mined("t2", 990))))
    found = store.reader.history_facts(0, 100)
    assert [f.offset for f in found] == [*range(1, len(found) + 1)]
    assert [f.offset for f in store.reader.history_facts(1, 2)] == [2, 3]
    waited = [(f.type, f.waited_ms) for f in found if f.waited_ms is not None]
    kinds = [kind for kind, _ in waited]
    assert kinds == ["payment.detected", "payment.confirmed"], "the first of each"
    stored = {e.offset: e.event for e in store.reader.events_after(0, 100)}
    for one in found:
        event = stored[one.offset]
        assert (one.type, one.at) == (event.type, event.at)
        assert one.booked_sat == (event.data.booked_sat or 0)
    assert sum(f.booked_sat for f in found) > 0
    created = store.reader.payment("p")
    assert created is not None
    detected = next(f for f in found if f.type == "payment.detected")
    assert detected.waited_ms == detected.at - created.terms.created_at
    assert detected.at >= T0
