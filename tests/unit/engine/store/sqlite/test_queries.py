"""What is read, to the edge of what was asked for: pages, times, and damaged rows."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.payment.model import EventType
from engine.store.records import ATTEMPTS, IdempotentAnswer
from engine.store.sqlite import deliveries, history, outbox, pruning, queries, replay
from engine.store.sqlite.checksum import DamagedEpochs, row_crc
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    BEST_TIP,
    ApiKey,
    Committed,
    DeliveryResult,
    KeptAnswer,
    Prune,
    Row,
    SourceTip,
    Write,
)
from tests.unit.journal_cases import channel, creation, decided, stored
from tests.unit.payment_cases import T0, mempool, mined, view


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "node.db", synchronous="OFF")
    yield opened
    opened.close()


def put(journal: Journal, *rows: Row) -> None:
    journal.commit([Write(rows=rows)])


def told(journal: Journal, name: str, payment_id: str, state: str, **more: int) -> None:
    head = outbox.next_pending(journal.connection, name, payment_id)
    assert head is not None
    put(
        journal,
        DeliveryResult(
            name, payment_id, head.offset, head.seq, head.attempts + 1, T0, 1, 200,
            state, None, state, more.get("next_at", 0),
        ),
    )  # fmt: skip


# -- payments and events ---------------------------------------------------------------


def test_events_are_read_behind_a_place_and_as_many_as_are_asked_for(
    journal: Journal,
) -> None:
    sql = journal.connection
    assert queries.last_offset(sql) == 0
    journal.commit([creation(f"p{n}", ("ann", "bob")[n % 2]) for n in range(6)])
    assert [e.offset for e in queries.events_after(sql, 2)] == [3, 4, 5, 6]
    assert [e.offset for e in queries.events_after(sql, 2, 3)] == [3, 4, 5]
    of_bob = queries.events_after(sql, 0, 2, "bob")
    assert [(e.offset, e.merchant) for e in of_bob] == [(2, "bob"), (4, "bob")]
    page = queries.journal_page(sql, 4, 1, "ann")
    assert [e.offset for e in page.events] == [5]
    assert page.last_offset == queries.last_offset(sql) == 6


def test_a_payment_s_events_are_read_behind_a_number(journal: Journal) -> None:
    sql = journal.connection
    journal.commit([creation("p")])
    journal.commit([decided(stored(journal, "p"), view(mempool("t1")))])
    last = stored(journal, "p").seq
    assert [e.seq for e in queries.history(sql, "p")] == list(range(1, last + 1))
    assert [e.seq for e in queries.history(sql, "p", 1, 1)] == [2]
    assert queries.history(sql, "p", last) == []
    found = queries.payment_history(sql, "p", None, 9)
    assert found is not None
    assert (found.payment, found.events) == (stored(journal, "p"), [])
    found = queries.payment_history(sql, "p", 0, 1)
    assert found is not None
    assert [e.seq for e in found.events] == [1]
    assert queries.payment_history(sql, "nobody", 0, 1) is None


def test_who_watches_an_address_is_its_payment_and_then_the_newest_that_did(
    journal: Journal,
) -> None:
    sql = journal.connection
    assert queries.payment_at(sql, "a") is None
    for name in ("p1", "p2"):
        journal.commit([creation(name, address="a")])
        found = queries.payment_at(sql, "a")
        assert found is not None
        assert found.id == name
        sql.execute("UPDATE payments SET watched = 0")
    found = queries.payment_at(sql, "a")
    assert found is not None
    assert found.id == "p2"


def test_what_counts_at_addresses_is_told_of_those_that_have_something(
    journal: Journal,
) -> None:
    sql = journal.connection
    journal.commit([creation("p", address="a"), creation("q", address="b")])
    outputs = [mempool("t2", 1_000, 1), mempool("t1", 1_000), mempool("t2", 1_000)]
    journal.commit([decided(stored(journal, "p"), view(*outputs))])
    found = queries.counted_outpoints(sql, ["a", "b", "c"])
    assert found == {"a": (("t1", 0), ("t2", 0), ("t2", 1))}
    assert queries._counted_at(sql, "a", 2) == (("t1", 0), ("t2", 0))


def test_the_watched_are_read_in_pages_behind_one_another(journal: Journal) -> None:
    sql = journal.connection
    journal.commit([creation(f"p{n}") for n in range(5)])
    sql.execute("UPDATE payments SET watched = 0 WHERE id = 'p2'")
    assert [p.id for p in queries.watched(sql, limit=2)] == ["p0", "p1"]
    assert [p.id for p in queries.watched(sql, "p1", 9)] == ["p3", "p4"]
    assert [p.id for p in queries.watched(sql, "nobody")] == ["p0", "p1", "p3", "p4"]
    assert queries.oldest_watched(sql) == T0
    sql.execute("UPDATE payments SET watched = 0")
    assert queries.oldest_watched(sql) is None


# -- other rows ------------------------------------------------------------------------


def test_an_answer_is_found_that_was_given_in_that_millisecond(
    journal: Journal,
) -> None:
    sql = journal.connection
    put(journal, KeptAnswer("new", "k", b"h", 201, b"{}", T0))
    put(journal, KeptAnswer("old", "k2", b"g", 200, b"[]", T0))
    answer = IdempotentAnswer(b"h", 201, b"{}")
    assert queries.idempotent_answer(sql, "new", "k", T0) == answer
    assert queries.idempotent_answer(sql, "new", "k", T0 + 1) is None
    assert queries.idempotent_answer(sql, "new", "k2", T0) is None
    former = IdempotentAnswer(b"g", 200, b"[]")
    assert queries.idempotent_answer(sql, "new", "k2", T0, "old") == former
    put(journal, KeptAnswer("old", "k", b"g", 200, b"[]", T0))
    assert queries.idempotent_answer(sql, "new", "k", T0, "old") == answer


def test_a_damaged_key_opens_nothing_and_says_so(journal: Journal) -> None:
    sql = journal.connection
    put(journal, ApiKey("k1", "mine", "ann", b"hash", T0, ("payments",)))
    sql.execute("UPDATE api_keys SET merchant = '*'")
    (key,) = queries.api_keys(sql)
    assert key.is_damaged
    assert (key.id, key.merchant, key.hash, key.scopes) == ("k1", None, b"", ())
    assert key.revoked_at is not None
    assert key.name == "API key k1 is not as it was written: its checksum differs"


def test_a_place_is_the_source_s_own_or_the_furthest_and_never_the_best_tip(
    journal: Journal,
) -> None:
    sql = journal.connection
    assert queries.source_tip(sql, "one") is None
    put(journal, SourceTip(BEST_TIP, 900, "99"))
    assert queries.source_tip(sql, "one") is None
    put(journal, SourceTip("two", 5, "05"), SourceTip("three", 7, "07"))
    assert queries.source_tip(sql, "one") == SourceTip("three", 7, "07")
    assert queries.source_tip(sql, "two") == SourceTip("two", 5, "05")
    assert queries.source_tip(sql, BEST_TIP) == SourceTip(BEST_TIP, 900, "99")


def epoch_rows(sql: sqlite3.Connection, *rows: tuple[int, int, str, int]) -> None:
    sql.execute("DELETE FROM epochs")
    sql.executemany(
        "INSERT INTO epochs (first_offset, number, epoch, began_at, crc)"
        " VALUES (?, ?, ?, ?, ?)",
        [(*row, row_crc(row)) for row in rows],
    )


def test_epochs_are_numbered_from_one_and_begin_one_after_the_other(
    journal: Journal,
) -> None:
    sql, first = journal.connection, (1, 1, "aa", 100)
    epoch_rows(sql, first, (1, 2, "bb", 101))
    assert queries.epochs(sql).present == "bb"
    for wrong in (
        [],
        [(1, 2, "aa", 100)],
        [first, (5, 3, "bb", 101)],
        [first, (5, 2, "bb", 100)],
        [(5, 1, "aa", 100), (4, 2, "bb", 101)],
        [(1, 1, "aa", 0)],
    ):
        epoch_rows(sql, *wrong)
        with pytest.raises(DamagedEpochs, match=f"row {max(len(wrong), 1)} of epochs"):
            queries.epochs(sql)
    epoch_rows(sql, first)
    sql.execute("UPDATE epochs SET crc = crc + 1")
    with pytest.raises(DamagedEpochs):
        queries.epochs(sql)


# -- the outbox ------------------------------------------------------------------------


def test_the_log_of_a_channel_is_read_the_newest_first_below_a_number(
    journal: Journal,
) -> None:
    sql = journal.connection
    journal.commit([channel("c"), creation("p")])
    for number in range(4):
        told(journal, "c", "p", "pending", next_at=number)
    whole = outbox.attempts(sql, "c", None, 9)
    assert [one.attempt for one in whole] == [4, 3, 2, 1]
    assert [one.id for one in outbox.attempts(sql, "c", whole[1].id, 1)] == [
        whole[2].id
    ]
    assert outbox.attempts(sql, "c", whole[3].id, 9) == []


def test_no_more_than_a_hundred_that_were_given_up_are_named(journal: Journal) -> None:
    sql = journal.connection
    journal.commit([channel("c"), creation("p")])
    for number in range(55):
        shown = view(mined("t1", 998), tip=1_000 + number)
        other = view(mempool("t1"), off_chain=(mined("t1", 998).block_hash or "",))
        for one in (shown, other):
            write = decided(stored(journal, "p"), one, T0 + number)
            if write.entries and write.entries[0].events:
                journal.commit([write])
    last = stored(journal, "p").seq
    assert last > 104
    while (head := outbox.next_pending(sql, "c", "p")) and head.seq < last:
        told(journal, "c", "p", "delivered" if head.seq == 1 else "dead")
    assert head is not None
    assert head.skipped == tuple(range(last - 100, last))
    assert outbox.skipped_before(sql, "c", "p", 3) == (2,)
    assert outbox.skipped_before(sql, "c", "p", 2) == ()


def test_what_is_pending_up_to_a_place_is_told_with_its_attempts(
    journal: Journal,
) -> None:
    sql = journal.connection
    journal.commit([channel("c"), *(creation(f"p{n}") for n in range(4))])
    told(journal, "c", "p1", "pending")
    told(journal, "c", "p0", "delivered")
    found = outbox.pending_up_to(sql, "c", 3, 9)
    assert sorted((d.offset, d.payment_id, d.attempts) for d in found) == [
        (2, "p1", 1),
        (3, "p2", 0),
    ]
    assert len(outbox.pending_up_to(sql, "c", 3, 1)) == 1
    assert [d.offset for d in outbox.deliveries_after(sql, "c", 1, 2)] == [2, 3]
    assert outbox.deliveries_after(sql, "c", 1, 1)[0].attempts == 1
    assert outbox.last_deliveries_after(sql, "c", 0) == 4
    assert outbox.last_deliveries_after(sql, "c", 3) == 1
    assert outbox.last_deliveries_after(sql, "c", 4) == 0


def test_what_is_owed_is_said_with_whether_any_was_given_up(journal: Journal) -> None:
    sql = journal.connection
    journal.commit([channel("c"), *(creation(f"p{n}") for n in range(3))])
    found = outbox.owed(sql, "c", 2)
    assert (found.last_offset, found.has_dead) == (3, False)
    assert [p.payment_id for p in found.payments] == ["p0", "p1"]
    told(journal, "c", "p0", "dead")
    assert outbox.owed(sql, "c").has_dead
    assert [p.payment_id for p in outbox.pending_payments(sql, "c", "p1")] == ["p2"]
    assert outbox.outbox_counts(sql) == {"pending": 2, "dead": 1}


def test_channels_come_in_pages_by_age_and_name_and_damaged_ones_in_none(
    journal: Journal,
) -> None:
    sql = journal.connection
    owners = {"b": "ann", "a": "ann", "c": "bob", "d": "ann"}
    journal.commit([channel(name, owner) for name, owner in owners.items()])
    sql.execute("UPDATE channels SET merchant = 'ann' WHERE id = 'c'")
    assert [c.id for c in outbox.channels(sql)] == ["a", "b", "d"]
    assert [c.id for c in outbox.channels(sql, "bob")] == []
    page = outbox.channels_page(sql, None, (0, ""), 2)
    assert [c.id for c in page] == ["a", "b"]
    rest = outbox.channels_page(sql, "ann", (T0, "b"), 5)
    assert [c.id for c in rest] == ["d"]
    assert outbox.damaged_channels(sql) == ["c"]
    assert outbox.channel(sql, "nobody") is None


def test_a_delivery_says_all_of_itself_with_its_newest_twenty_attempts(
    journal: Journal,
) -> None:
    sql = journal.connection
    journal.commit([channel("c"), channel("d", "bob"), creation("p")])
    for number in range(25):
        told(journal, "c", "p", "pending", next_at=number)
    (one,) = deliveries.deliveries_of(sql, "p", None, ("", 0), 9)
    assert (one.channel_id, one.offset, one.seq, one.attempts) == ("c", 1, 1, 25)
    assert (one.state, one.next_at, one.type) == ("pending", 24, EventType.CREATED)
    assert one.log is not None
    assert [attempt.attempt for attempt in one.log] == list(range(25, 5, -1))
    assert ATTEMPTS == 20
    assert deliveries.deliveries_of(sql, "p", None, ("c", 1), 9) == []
    assert deliveries.deliveries_of(sql, "p", "bob", ("", 0), 9) == []
    assert len(deliveries.deliveries_of(sql, "p", "*", ("", 0), 9)) == 1


def test_of_a_backlog_as_much_is_counted_as_was_asked_for(journal: Journal) -> None:
    sql = journal.connection
    journal.commit([channel("c"), *(creation(f"p{n}") for n in range(5))])
    told(journal, "c", "p4", "dead")
    found = deliveries.backlog(sql, "c", "pending", ("p0", 1), 2, 3)
    assert (found.pending, found.dead) == (3, 1)
    assert [d.payment_id for d in found.deliveries] == ["p1", "p2"]
    (dead,) = deliveries.backlog(sql, "c", "dead", ("", 0), 9, 9).deliveries
    assert (dead.payment_id, dead.attempts, dead.state) == ("p4", 1, "dead")


# -- the past in numbers ---------------------------------------------------------------


def test_facts_say_how_long_the_first_of_each_kind_waited(journal: Journal) -> None:
    sql = journal.connection
    journal.commit([creation("p", "ann")])
    at = T0 + 7_000
    journal.commit([decided(stored(journal, "p"), view(mempool("t1", 600)), at)])
    journal.commit([decided(stored(journal, "p"), view(mined("t1", 998, 600)), at + 1)])
    paid = view(mined("t1", 998, 600), mined("t2", 998))
    journal.commit([decided(stored(journal, "p"), paid, at + 9_000)])
    found = history._facts(sql, 0, 99)
    waits = [(f.type, f.waited_ms) for f in found if f.waited_ms is not None]
    assert waits == [("payment.detected", 7_000), ("payment.confirmed", 9_000)]
    assert {f.merchant for f in found} == {"ann"}
    assert [f.offset for f in history._facts(sql, 1, 1)] == [2]
    assert sum(f.booked_sat for f in found) > 0
    assert history._booked(b"no JSON") == 0
    assert history._booked(b"{}") == 0


# -- retention and replay --------------------------------------------------------------


def test_what_may_go_is_older_and_nobody_s(journal: Journal) -> None:
    sql = journal.connection
    journal.commit([creation(f"p{n}") for n in range(4)])
    sql.execute("UPDATE payments SET watched = 0 WHERE id != 'p1'")
    assert pruning.prunable(sql, T0, 0, 9).payments == ()
    found = pruning.prunable(sql, T0 + 1, 0, 9)
    assert [one.payment_id for one in found.payments] == ["p0", "p2"]
    assert found.next_after is None
    first = pruning.prunable(sql, T0 + 1, 0, 2)
    assert first.next_after == 2
    assert [one.payment_id for one in first.payments] == ["p0"]
    assert pruning.prunable(sql, T0 + 1, 2, 3).next_after is None
    (one,) = first.payments
    put(journal, one)
    assert pruning.pruned(sql, None).events == 1
    assert pruning.pruned(sql, "default").through == 1
    assert pruning.pruned(sql, "another").events == 0
    (again,) = journal.commit([Write(rows=(one,))])
    assert isinstance(again, Committed)
    assert again.changed == 0
    assert pruning.pruned(sql, None).events == 1, "it has none any more"
    moved_on = Prune("p1", 7)
    (again,) = journal.commit([Write(rows=(moved_on,))])
    assert isinstance(again, Committed)
    assert again.changed == 0, "it is watched, and not as it was"
    assert replay.missing_events(sql) == 0
    assert replay.count_events(sql) == 3
    sql.execute('DELETE FROM events WHERE "offset" = 3')
    assert replay.missing_events(sql) == 1
