"""The journal: what is committed stays, what is not was never there."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.channels import Channel
from engine.events import Event, decode, opening
from engine.model import EventType, Payment
from engine.observations import Observation
from engine.payment import decide, evolve
from engine.store import queries
from engine.store.journal import Journal, JournalError
from engine.store.replay import differences, fold
from engine.store.writes import (
    ChannelRow,
    Committed,
    Conflict,
    DeliveryResult,
    Entry,
    ForgetIdempotency,
    IdempotencyRow,
    InboundRow,
    KeyRow,
    Release,
    RemoveChannel,
    Requeue,
    RevokeKey,
    SourceTip,
    Unavailable,
    Write,
)
from tests.unit.payment_cases import T0, mempool, mined, terms, view


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    yield opened
    opened.close()


def creation(name: str, merchant: str = "default", address: str = "") -> Write:
    event, payment = opening(
        terms(id=name, merchant=merchant, address=address or f"address of {name}")
    )
    return Write(entries=(Entry(payment, (event,)),))


def story(payment: Payment, observation: Observation, now: int = T0) -> Write:
    events = decide(payment, observation, now)
    for event in events:
        payment = evolve(payment, event)
    return Write(entries=(Entry(payment, tuple(events)),))


def stored(journal: Journal, name: str) -> Payment:
    payment = queries.payment(journal.connection, name)
    assert payment is not None
    return payment


def events_of(outcome: object) -> list[Event]:
    assert isinstance(outcome, Committed), outcome
    return [committed.event for committed in outcome.events]


def channel(
    name: str, merchant: str = "*", *types: EventType, enabled: bool = True
) -> Write:
    kinds = tuple(str(t) for t in types)
    return Write(rows=(ChannelRow(name, merchant, enabled, kinds, T0, b"{}"),))


def owed(journal: Journal, name: str) -> list[tuple[str, int]]:
    rows = journal.connection.execute(
        "SELECT payment_id, seq FROM outbox WHERE channel_id = ?"
        " AND state = 'pending' ORDER BY payment_id, \"offset\"",
        (name,),
    )
    return list(rows)


def test_it_is_opened_for_durability(journal: Journal) -> None:
    def pragma(name: str) -> object:
        return journal.connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert (pragma("journal_mode"), pragma("synchronous")) == ("wal", 2)
    assert pragma("foreign_keys") == 1


def test_a_batch_is_one_commit_and_numbers_events_without_gaps(
    journal: Journal,
) -> None:
    outcomes = journal.commit([creation(f"pay_{n}") for n in range(5)])
    assert journal.commits == 1
    offsets = [e.offset for o in outcomes if isinstance(o, Committed) for e in o.events]
    assert offsets == [1, 2, 3, 4, 5]


def test_the_wire_form_is_stored_as_it_was_told(journal: Journal) -> None:
    (outcome,) = journal.commit([creation("pay_1")])
    assert isinstance(outcome, Committed)
    (told,) = outcome.events
    (read,) = queries.history(journal.connection, "pay_1")
    assert read.wire == told.wire
    assert read.wire.startswith(b'{"id":"evt_1","offset":1,"payment_id":"pay_1"')
    assert decode(read.wire) == told.event


def test_the_projection_is_the_fold_of_the_events(journal: Journal) -> None:
    journal.commit([creation("pay_1"), creation("pay_2")])
    for seen in (view(mempool("t1")), view(mined("t1", 1000)), view()):
        journal.commit([story(stored(journal, "pay_1"), seen)])
    bodies = [e.wire for e in queries.history(journal.connection, "pay_1")]
    assert fold(bodies) == stored(journal, "pay_1")
    assert len(bodies) == 3
    assert [wrong for _, wrong in differences(journal.connection) if wrong] == []


def test_everything_is_there_after_it_is_opened_again(tmp_path: Path) -> None:
    first = Journal(tmp_path / "paybell.db")
    first.commit([creation("pay_1")])
    first.commit([story(stored(first, "pay_1"), view(mempool("t1")))])
    before = stored(first, "pay_1")
    first.close()
    again = Journal(tmp_path / "paybell.db")
    assert stored(again, "pay_1") == before
    assert again.last_offset == 2
    (outcome,) = again.commit([creation("pay_2")])
    assert isinstance(outcome, Committed)
    assert outcome.events[0].offset == 3
    again.close()


# -- conflicts -----------------------------------------------------------------------


def test_a_conflict_undoes_one_write_and_leaves_its_neighbours(
    journal: Journal,
) -> None:
    twice = story(opening(terms(id="pay_1", address="address of pay_1"))[1], view())
    assert twice.entries[0].events == ()
    outcomes = journal.commit(
        [
            creation("pay_1"),
            creation("pay_1", address="elsewhere"),
            creation("pay_2", address="address of pay_1"),
            creation("pay_3"),
        ]
    )
    whats = [o.what if isinstance(o, Conflict) else "" for o in outcomes]
    assert whats == ["", "seq", "address", ""]
    assert [e.offset for e in queries.events_after(journal.connection, 0)] == [1, 2]
    assert queries.payment(journal.connection, "pay_2") is None


def test_an_event_that_was_decided_on_an_old_state_is_a_conflict(
    journal: Journal,
) -> None:
    journal.commit([creation("pay_1")])
    payment = stored(journal, "pay_1")
    first, second = (story(payment, view(mempool(t))) for t in ("t1", "t2"))
    outcomes = journal.commit([first, second])
    assert isinstance(outcomes[1], Conflict)
    assert outcomes[1].what == "seq"
    assert [r.txid for r in stored(journal, "pay_1").receipts] == ["t1"]


def test_an_address_is_free_again_once_its_payment_is_released(
    journal: Journal,
) -> None:
    journal.commit([creation("pay_1", address="a")])
    (released,) = journal.commit([Write(rows=(Release("pay_1"),))])
    assert released == Committed((), 1)
    (outcome,) = journal.commit([creation("pay_2", address="a")])
    assert isinstance(outcome, Committed)
    at = queries.payment_at(journal.connection, "a")
    assert at is not None
    assert at.id == "pay_2"


def test_an_idempotency_key_is_answered_once_and_forgotten_with_age(
    journal: Journal,
) -> None:
    def answer(body: bytes, at: int) -> Write:
        return Write(rows=(IdempotencyRow("key_1", "k", b"hash", 201, body, at),))

    assert isinstance(journal.commit([answer(b"1", T0)])[0], Committed)
    (conflict,) = journal.commit([answer(b"2", T0 + 1)])
    assert isinstance(conflict, Conflict)
    assert conflict.what == "idempotency"
    sql = journal.connection
    found = queries.idempotent_answer(sql, "key_1", "k", T0)
    assert found is not None
    assert found.body == b"1"
    assert queries.idempotent_answer(sql, "key_1", "k", T0 + 1) is None
    journal.commit([Write(rows=(ForgetIdempotency(T0 + 1),))])
    assert queries.idempotent_answer(sql, "key_1", "k", 0) is None


def test_a_webhook_heard_twice_undoes_what_came_with_it(journal: Journal) -> None:
    def heard(write: Write) -> Write:
        row = InboundRow("blockonomics", "t1", T0, "pay_1", "heard", b"{}")
        return Write(write.entries, (row,))

    journal.commit([creation("pay_1")])
    payment = stored(journal, "pay_1")
    (first,) = journal.commit([heard(story(payment, view(mempool("t1"))))])
    assert isinstance(first, Committed)
    again = heard(story(stored(journal, "pay_1"), view(mempool("t2"))))
    (second,) = journal.commit([again])
    assert isinstance(second, Conflict)
    assert second.what == "inbound"
    assert stored(journal, "pay_1").seq == 2


def test_a_write_that_cannot_be_stored_harms_no_other(journal: Journal) -> None:
    """A bug in one payment's write must not stop the payments beside it."""
    poison = Write(rows=(SourceTip("node", 1 << 70, "00"),))
    outcomes = journal.commit([creation("pay_1"), poison, creation("pay_2")])
    assert [type(o) for o in outcomes] == [Committed, Conflict, Committed]
    (outcome,) = journal.commit([creation("pay_3")])
    assert isinstance(outcome, Committed)
    assert outcome.events[0].offset == 3


# -- rows beside the events ----------------------------------------------------------


def test_the_outbox_is_filled_by_merchant_and_kind(journal: Journal) -> None:
    journal.commit(
        [
            channel("all"),
            channel("ann", "ann"),
            channel("deep", "*", EventType.CONFIRMED),
            channel("off", "*", enabled=False),
        ]
    )
    journal.commit([creation("pay_a", "ann"), creation("pay_b", "bob")])
    journal.commit([story(stored(journal, "pay_b"), view(mined("t1", 998)))])
    assert owed(journal, "all") == [
        ("pay_a", 1),
        *(("pay_b", seq) for seq in (1, 2, 3, 4)),
    ]
    assert owed(journal, "ann") == [("pay_a", 1)]
    assert owed(journal, "deep") == [("pay_b", 4)]
    assert owed(journal, "off") == []


def test_a_kind_whose_name_begins_another_does_not_match_it(journal: Journal) -> None:
    journal.commit([channel("c", "*", EventType.FORWARDED)])
    journal._fill_outbox("pay_1", 1, EventType.FORWARDING, "ann")
    assert owed(journal, "c") == []


def delivery(offset: int, seq: int, state: str, *, attempt: int = 1) -> Write:
    row = DeliveryResult(
        channel_id="c",
        payment_id="pay_1",
        offset=offset,
        seq=seq,
        attempt=attempt,
        at=T0,
        latency_ms=12,
        status=500,
        outcome="failed",
        error="500 Internal Server Error",
        state=state,
        next_at=T0 + 5_000 if state == "pending" else 0,
    )
    return Write(rows=(row,))


@pytest.fixture
def delivered(journal: Journal) -> Journal:
    """pay_1 with four events: 1, 2 delivered, 3 dead, 4 waiting to be tried again."""
    journal.commit([channel("c"), channel("other")])
    journal.commit([creation("pay_1")])
    journal.commit([story(stored(journal, "pay_1"), view(mined("t1", 998)), T0 + 9)])
    states = ("delivered", "delivered", "dead", "pending")
    journal.commit([delivery(n, n, state) for n, state in enumerate(states, 1)])
    return journal


@pytest.mark.parametrize(
    ("requeue", "seqs"),
    [
        (Requeue(channel_id="c"), [1, 2, 3, 4]),
        (Requeue(channel_id="c", dead_only=True), [3, 4]),
        (Requeue(channel_id="c", offset=2), [2, 4]),
        (Requeue(channel_id="c", payment_id="pay_1"), [1, 2, 3, 4]),
        (Requeue(channel_id="c", payment_id="pay_2"), [4]),
        (Requeue(channel_id="c", since=T0 + 1), [2, 3, 4]),
        (Requeue(channel_id="c", until=T0 + 1), [1, 4]),
        (Requeue(channel_id="other", dead_only=True), [4]),
        (Requeue(merchant="*"), [1, 2, 3, 4]),
        (Requeue(merchant="bob"), [4]),
    ],
)
def test_deliveries_are_put_back_in_the_queue_by_what_is_asked(
    delivered: Journal, requeue: Requeue, seqs: list[int]
) -> None:
    assert isinstance(delivered.commit([Write(rows=(requeue,))])[0], Committed)
    assert [seq for _, seq in owed(delivered, "c")] == seqs


def test_the_next_to_tell_is_the_oldest_that_is_pending(delivered: Journal) -> None:
    sql = delivered.connection
    head = queries.pending_of_channel(sql, "c", "pay_1")
    assert head is not None
    assert (head.seq, head.attempts, head.next_at) == (4, 1, T0 + 5_000)
    delivered.commit([Write(rows=(Requeue(offset=3, channel_id="c", at=T0),))])
    head = queries.pending_of_channel(sql, "c", "pay_1")
    assert head is not None
    assert (head.seq, head.attempts) == (3, 0)
    assert queries.pending_payments(sql, "c") == [("pay_1", T0)]
    assert [a.seq for a in queries.attempts(sql, "c", None, 3)] == [4, 3, 2]


def test_a_removed_channel_is_owed_nothing(delivered: Journal) -> None:
    delivered.commit([Write(rows=(RemoveChannel("c"),))])
    assert owed(delivered, "c") == []
    assert [c.id for c in queries.channel_rows(delivered.connection)] == ["other"]


def test_keys_are_kept_and_revoked_once(journal: Journal) -> None:
    journal.commit([Write(rows=(KeyRow("key_1", "till", None, b"hash", T0),))])
    journal.commit([Write(rows=(RevokeKey("key_1", T0 + 5),))])
    journal.commit([Write(rows=(RevokeKey("key_1", T0 + 9),))])
    (key,) = queries.api_keys(journal.connection)
    assert (key.name, key.revoked_at) == ("till", T0 + 5)


def test_what_a_channel_says_of_itself_survives_its_change(journal: Journal) -> None:
    first = Channel(id="c", url="https://a.example", secret="s", created_at=T0)
    for state in (b"1", b"2"):
        row = ChannelRow(first.id, "*", True, (), T0, state)
        journal.commit([Write(rows=(row,))])
    (record,) = queries.channel_rows(journal.connection)
    assert record.state == b"2"


# -- trouble ---------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_and_writing_goes_on_afterwards(
    journal: Journal,
) -> None:
    journal.commit([creation("pay_1")])
    sql = journal.connection
    pages = sql.execute("PRAGMA page_count").fetchone()[0]
    sql.execute(f"PRAGMA max_page_count = {pages + 2}")
    fat = [creation(f"fat_{n}", address="a" * 3_000 + str(n)) for n in range(50)]
    outcomes = journal.commit(fat)
    assert {type(o) for o in outcomes} == {Unavailable}
    failure = outcomes[0]
    assert isinstance(failure, Unavailable)
    assert "the disk is full: free space; nothing was lost" in failure.detail
    assert not failure.fatal
    assert stored(journal, "pay_1").seq == 1
    sql.execute("PRAGMA max_page_count = 1000000")
    assert [e.seq for o in journal.commit(fat) for e in events_of(o)] == [1] * 50
    offsets = [e.offset for e in queries.events_after(journal.connection, 0)]
    assert offsets == list(range(1, 52))


def test_a_database_that_another_holds_is_reported_and_then_used(
    journal: Journal,
) -> None:
    journal.connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (outcome,) = journal.commit([creation("pay_1")])
    assert isinstance(outcome, Unavailable)
    assert "another process holds the database: stop it" in outcome.detail
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(journal.commit([creation("pay_1")])[0], Committed)


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"Dear diary, " * 500)
    with pytest.raises(JournalError, match=r"notes\.txt: .*not a database.*--db"):
        Journal(path)
    assert path.read_bytes().startswith(b"Dear diary")


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="check the folder exists"):
        Journal(tmp_path / "nowhere" / "paybell.db")


def test_a_database_that_may_not_be_written_says_so(journal: Journal) -> None:
    journal.commit([creation("pay_1")])
    journal.connection.execute("PRAGMA query_only = ON")
    (outcome,) = journal.commit([creation("pay_2")])
    assert isinstance(outcome, Unavailable)
    assert "not writable" in outcome.detail
    journal.connection.execute("PRAGMA query_only = OFF")
    assert isinstance(journal.commit([creation("pay_2")])[0], Committed)


def test_a_damaged_file_is_fatal_and_tells_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "paybell.db"
    journal = Journal(path)
    journal.commit(
        [creation(f"pay_{n}", address="a" * 900 + str(n)) for n in range(80)]
    )
    journal.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(JournalError, match="restore a backup or run"):
        Journal(path)


def test_damage_found_while_running_is_fatal(tmp_path: Path) -> None:
    path = tmp_path / "paybell.db"
    journal = Journal(path)
    journal.commit(
        [creation(f"pay_{n}", address="a" * 900 + str(n)) for n in range(80)]
    )
    journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(path.read_bytes())
    raw[8192:] = b"\xff" * (len(raw) - 8192)
    path.write_bytes(raw)
    journal.connection.execute("PRAGMA shrink_memory")
    outcome = journal.commit([creation("pay_new")])[0]
    assert isinstance(outcome, Unavailable)
    assert outcome.fatal
    journal.close()
