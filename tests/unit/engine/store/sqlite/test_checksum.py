"""Checksums: what a disk made of a row is noticed before anybody believes it."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.store.records import DamagedPayment
from engine.store.sqlite import outbox, queries
from engine.store.sqlite.checksum import (
    Damaged,
    checked,
    event_crc,
    is_event,
    row_crc,
    state_crc,
    stored_state,
)
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.replay import differences, rebuild
from tests.unit.journal_cases import channel, creation, decided, stored
from tests.unit.payment_cases import mempool, view


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    opened.commit([channel("ch_1"), creation("pay_1", merchant="a shop's ünït")])
    opened.commit([decided(stored(opened, "pay_1"), view(mempool("t1")))])
    yield opened
    opened.close()


def tamper(journal: Journal, statement: str) -> None:
    assert journal.connection.execute(statement).rowcount > 0


@pytest.mark.parametrize(
    "change",
    [
        "body = CAST(replace(body, '50000', '50001') AS BLOB)",
        "body = 'text'",
        "merchant = 'another'",
        "at = at + 1",
        "type = 'payment.expired'",
        "crc = crc + 1",
    ],
)
def test_an_event_that_changed_on_the_disk_is_told_to_nobody(
    journal: Journal, change: str
) -> None:
    sql = journal.connection
    tamper(journal, "UPDATE events SET " + change + " WHERE seq = 2")  # noqa: S608
    readings: tuple[Callable[[], object], ...] = (
        lambda: queries.history(sql, "pay_1", after_seq=1),
        lambda: queries.events_after(sql, 1),
        lambda: queries.journal_page(sql, 0, 100),
    )
    for reading in readings:
        with pytest.raises(Damaged, match="event 2 is not as it was written"):
            reading()
    assert [e.seq for e in queries.history(sql, "pay_1", limit=1)] == [1]
    wrong = [d for _, d in differences(sql) if d is not None]
    assert [(d.payment_id, d.rebuilt) for d in wrong] == [("pay_1", None)]


def test_a_damaged_event_is_not_delivered(journal: Journal) -> None:
    tamper(journal, "UPDATE events SET at = at + 1 WHERE seq = 1")
    with pytest.raises(Damaged, match="event 1"):
        outbox.next_pending(journal.connection, "ch_1", "pay_1")


def test_a_sum_that_changed_on_the_disk_is_not_read_and_replay_puts_it_right(
    journal: Journal,
) -> None:
    sql, before = journal.connection, stored(journal, "pay_1")
    changed = "CAST(replace(state, '50000', '90000') AS BLOB)"
    tamper(journal, f"UPDATE payments SET state = {changed}")  # noqa: S608
    readings: tuple[Callable[[], object], ...] = (
        lambda: queries.payment(sql, "pay_1"),
        lambda: queries.payment_at(sql, before.terms.address),
        lambda: queries.list_payments(sql, {}, None, 50),
    )
    for reading in readings:
        with pytest.raises(sqlite3.DatabaseError, match="payment's state is not as"):
            reading()
    aside = DamagedPayment("pay_1", before.terms.address)
    assert queries.watched(sql) == [aside]  # the others of its page are watched
    rebuild(sql, [d.rebuilt for _, d in differences(sql) if d and d.rebuilt])
    assert stored(journal, "pay_1") == before
    assert [d for _, d in differences(sql) if d] == []


def test_rows_from_before_there_were_checksums_are_read_as_they_are(
    journal: Journal,
) -> None:
    sql, before = journal.connection, stored(journal, "pay_1")
    tamper(journal, "UPDATE events SET crc = NULL")
    tamper(journal, "UPDATE payments SET crc = NULL")
    assert stored(journal, "pay_1") == before
    assert [e.seq for e in queries.history(sql, "pay_1")] == [1, 2]
    assert [d for _, d in differences(sql) if d] == []
    assert stored_state(b"{}", None) == b"{}"


def test_a_checksum_is_the_same_for_what_was_written_and_what_is_read() -> None:
    columns = (7, "pay_1", 2, "payment.detected", 1_760_000_000_000, "shop", b"{}")
    crc = event_crc(*columns)
    assert is_event(crc, *columns)
    assert not is_event(crc ^ 1, *columns)


def test_a_row_s_checksum_is_over_all_its_values_in_their_order() -> None:
    rows: tuple[tuple[object, ...], ...] = (
        (1, "a", None),
        ("a", 1, None),
        (1, "a", b""),
        (1, "a", b"x", b"y"),
        (1, "a", b"xy", b""),
        (1, "a", b"x", 2, b"y"),
        (b"x", 1, "a"),
        (b"x", 1, "b"),
        (),
    )
    assert len({row_crc(row) for row in rows}) == len(rows)
    assert row_crc((1, "a")) == zlib.crc32(b"1'a'")
    assert row_crc([1, "a"]) == row_crc((1, "a"))
    assert row_crc((7, b"xy", "z")) == zlib.crc32(
        b"'z'", zlib.crc32(b"xy", zlib.crc32(b"72 bytes"))
    )


def test_a_row_is_what_was_written_or_named_as_damaged() -> None:
    values = (1, "a", b"x")
    assert checked("t: 1", (*values, row_crc(values))) == [*values]
    assert checked("t: 1", (*values, None)) == [*values], "from before checksums"
    with pytest.raises(Damaged, match="t: 1 is not as it was written"):
        checked("t: 1", (*values, row_crc(values) ^ 1))


def test_a_state_that_is_no_bytes_any_more_is_damaged() -> None:
    crc = zlib.crc32(b"{}")
    assert state_crc(b"{}") == crc
    assert stored_state(b"{}", crc) == b"{}"
    for wrong, its in ((b"[]", crc), ("{}", crc), (b"{}", 0)):
        with pytest.raises(Damaged, match="a payment's state"):
            stored_state(wrong, its)  # type: ignore[arg-type]


def test_an_event_whose_body_is_no_bytes_any_more_is_none() -> None:
    columns = (7, "pay_1", 2, "payment.detected", 1, "shop")
    crc = event_crc(*columns, b"{}")
    assert is_event(crc, *columns, b"{}")
    assert not is_event(crc, *columns, "{}")
    assert is_event(None, *columns, "{}")
