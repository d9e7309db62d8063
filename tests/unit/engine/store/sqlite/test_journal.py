"""The journal: what is committed stays, what is not was never there."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.payment.events import decode, opening
from engine.store.replay import fold
from engine.store.sqlite import queries
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.replay import differences
from engine.store.writes import (
    Committed,
    Conflict,
    ForgetIdempotency,
    InboundWebhook,
    KeptAnswer,
    Release,
    SourceTip,
    Write,
)
from tests.unit.journal_cases import creation, decided, stored
from tests.unit.payment_cases import T0, mempool, mined, terms, view


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    yield opened
    opened.close()


def test_it_is_opened_for_durability(journal: Journal) -> None:
    def pragma(name: str) -> object:
        return journal.connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert (pragma("journal_mode"), pragma("synchronous")) == ("wal", 2)
    assert pragma("foreign_keys") == 1


def test_a_checkpoint_copies_all_that_is_committed_into_the_database(
    journal: Journal, tmp_path: Path
) -> None:
    journal.commit([creation("pay_1")])
    journal.checkpoint()
    alone = tmp_path / "without_wal.db"
    shutil.copy(journal.path, alone)
    with closing(sqlite3.connect(alone)) as sql:
        found = queries.payment(sql, "pay_1")
    assert found == stored(journal, "pay_1")


def test_a_batch_is_one_commit_and_numbers_events_without_gaps(
    journal: Journal,
) -> None:
    ran: list[str] = []
    journal.connection.set_trace_callback(ran.append)
    outcomes = journal.commit([creation(f"pay_{n}") for n in range(5)])
    assert ran.count("COMMIT") == 1
    offsets = [e.offset for o in outcomes if isinstance(o, Committed) for e in o.events]
    assert offsets == [1, 2, 3, 4, 5]


def test_the_wire_form_is_stored_as_it_was_told(journal: Journal) -> None:
    (outcome,) = journal.commit([creation("pay_1")])
    assert isinstance(outcome, Committed)
    (told,) = outcome.events
    (read,) = queries.history(journal.connection, "pay_1")
    assert read.wire == told.wire
    head = f'{{"id":"evt_{journal.epoch}_1","offset":1,"payment_id":"pay_1"'
    assert read.wire.startswith(head.encode())
    assert decode(read.wire) == told.event


def test_the_projection_is_the_fold_of_the_events(journal: Journal) -> None:
    journal.commit([creation("pay_1"), creation("pay_2")])
    for seen in (view(mempool("t1")), view(mined("t1", 1000)), view()):
        journal.commit([decided(stored(journal, "pay_1"), seen)])
    events = [e.event for e in queries.history(journal.connection, "pay_1")]
    assert fold(events) == stored(journal, "pay_1")
    assert len(events) == 3
    assert [wrong for _, wrong in differences(journal.connection) if wrong] == []


def test_everything_is_there_after_it_is_opened_again(tmp_path: Path) -> None:
    first = Journal(tmp_path / "paybell.db")
    first.commit([creation("pay_1")])
    first.commit([decided(stored(first, "pay_1"), view(mempool("t1")))])
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
    twice = decided(opening(terms(id="pay_1", address="address of pay_1"))[1], view())
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
    first, second = (decided(payment, view(mempool(t))) for t in ("t1", "t2"))
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
        return Write(rows=(KeptAnswer("key_1", "k", b"hash", 201, body, at),))

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
        row = InboundWebhook("blockonomics", "t1", T0, "pay_1", "heard", b"{}")
        return Write(write.entries, (row,))

    journal.commit([creation("pay_1")])
    payment = stored(journal, "pay_1")
    (first,) = journal.commit([heard(decided(payment, view(mempool("t1"))))])
    assert isinstance(first, Committed)
    again = heard(decided(stored(journal, "pay_1"), view(mempool("t2"))))
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
