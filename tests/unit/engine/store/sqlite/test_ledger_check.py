"""`run.py ledger check` finds what is wrong, whoever brought it about; and the opening
of a ledger in a database that has payments already."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import sqlite_utils

from engine.money.ledger import CREDIT, ISSUED, ONCHAIN, SALES, SAT, Posting
from engine.payment.events import opening
from engine.store.sqlite import ledger, ledger_opening
from engine.store.sqlite.audit import damaged_beside
from engine.store.sqlite.checksum import Damaged
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.ledger_check import findings
from engine.store.sqlite.ledger_file import open_ledger
from engine.store.sqlite.migrations import migrations
from engine.store.writes import Committed, Conflict, Entry, LedgerEntry, Write
from tests.unit.engine.store.test_conformance_ledger import created, debit
from tests.unit.payment_cases import T0, terms


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "ledger.db", synchronous="OFF")
    for name in ("p", "q", "r"):
        journal.commit([*created(name)])
    journal.commit([debit("d1", 70), debit("d2", 7)])
    yield journal
    journal.close()


def free(sql: sqlite3.Connection) -> sqlite3.Connection:
    """Without what refuses changes, as a disk or a stranger is."""
    for name in ("ledger_adds_up", "ledger_never_changes", "ledger_never_shrinks"):
        sql.execute(f"DROP TRIGGER {name}")
    return sql


def found(journal: Journal) -> str:
    return "\n".join(findings(journal.connection))


def test_a_ledger_that_is_right_has_no_findings(journal: Journal) -> None:
    assert found(journal) == ""
    with open_ledger(journal.path) as book:
        assert list(book.findings()) == []
        assert book.sizes() == (8, 5)


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger SET amount = 1", "DELETE FROM ledger WHERE id = 2"]
)
def test_the_database_itself_refuses_to_change_a_posting(
    journal: Journal, statement: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="ledger"):
        journal.connection.execute(statement)
    assert found(journal) == ""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger SET amount = 41 WHERE id = 2", "posting 2 is not as it was"),
        ("UPDATE ledger SET target = 'user:eve' WHERE id = 2", "posting 2"),
        ("DELETE FROM ledger WHERE id = 2", "postings 2 to 2 are missing"),
        ("DELETE FROM ledger WHERE id = 2", "p: payment.credited (seq 5)"),
        ("UPDATE ledger_balances SET balance = balance + 1", "come to"),
        ("UPDATE ledger_balances SET mirror = 0", "in its mirror"),
        ("UPDATE ledger_balances SET balance = 1 WHERE unit = 'sat'", "not zero"),
        ("DELETE FROM ledger_balances WHERE account = 'issued'", "issued has None"),
        (
            "INSERT INTO ledger_balances VALUES ('shop', 'sat', 'own', 0, 0)",
            "come to None",
        ),
        ("DELETE FROM payments WHERE id = 'q'", "q: it is in the ledger, and there is"),
        ("DELETE FROM events WHERE payment_id = 'q' AND seq = 5", "which is no event"),
    ],
)
def test_what_is_wrong_is_found(journal: Journal, statement: str, said: str) -> None:
    free(journal.connection).execute(statement)
    assert said in found(journal)


def test_a_damaged_posting_is_named_and_none_is_missing(journal: Journal) -> None:
    free(journal.connection).execute("UPDATE ledger SET amount = 41 WHERE id = 2")
    first, *others = findings(journal.connection)
    assert first.startswith("posting 2 is not as it was")
    assert not any("missing" in line for line in others)


def test_a_posting_of_an_event_that_causes_none_is_found(journal: Journal) -> None:
    """Also of the first, by which a payment is created."""
    sql = journal.connection
    (record,) = [r for r in ledger.postings_of(sql, "p", "") if r.posting.user]
    ledger.insert(sql, [msgspec.structs.replace(record, seq=1)])
    assert "p: payment.created (seq 1) causes 0 postings, and 1 others" in found(
        journal
    )


def test_an_event_that_cannot_be_read_is_named_and_the_rest_is_looked_at(
    journal: Journal,
) -> None:
    sql = journal.connection
    sql.execute("UPDATE events SET body = x'00' WHERE payment_id = 'p' AND seq = 4")
    sql.execute("UPDATE ledger_balances SET mirror = 0")
    said = found(journal)
    assert "p: event 4 is not as it was written" in said
    assert "in its mirror" in said


def test_postings_of_events_that_were_pruned_are_as_they_must_be(
    journal: Journal,
) -> None:
    sql = journal.connection
    sql.execute("UPDATE payments SET pruned_seq = seq WHERE id = 'p'")
    sql.execute("DELETE FROM events WHERE payment_id = 'p'")
    assert found(journal) == ""


def test_who_has_not_paid_has_no_credits_and_a_user_may_spend_all(
    journal: Journal,
) -> None:
    new, _ = created("later")
    by_card = terms(
        id="card",
        merchant="shop",
        address="external:card",
        method="external",
        asset="EUR",
        decimals=2,
        gateway="pay",
    )
    event, unpaid = opening(by_card)
    done = journal.commit([new, Write((Entry(unpaid, (event,)),)), debit("d3", 43)])
    assert all(isinstance(one, Committed) for one in done)
    assert ledger.balance(journal.connection, "shop", CREDIT, "user:alice") == 0
    assert found(journal) == ""


@pytest.mark.parametrize("half", ["balance", "mirror"])
def test_a_balance_of_which_one_half_is_another_is_not_believed(
    journal: Journal, half: str
) -> None:
    sql = journal.connection
    assert ledger.balance(sql, "shop", SAT, ONCHAIN) == 150_000
    free(sql).execute(
        f"UPDATE ledger_balances SET {half} = {half} + 64"  # noqa: S608
        " WHERE account = ?",
        (ONCHAIN,),
    )
    for read in (
        lambda: ledger.balance(sql, "shop", SAT, ONCHAIN),
        lambda: ledger.balances(sql, "shop", ("", ""), 10),
    ):
        with pytest.raises(Damaged, match="the balance of onchain"):
            read()
    assert ledger.balance(sql, "shop", SAT, SALES) == -150_000


def test_a_posting_that_no_event_caused_is_found(journal: Journal) -> None:
    """A second credit for one confirmation, well formed in every other way."""
    sql = journal.connection
    (record,) = [r for r in ledger.postings_of(sql, "p", "") if r.posting.user]
    with pytest.raises(sqlite3.IntegrityError):
        ledger.insert(sql, [record])
    ledger.insert(sql, [msgspec.structs.replace(record, leg=1)])
    assert "payment.credited (seq 5) causes 1 postings, and 2" in found(journal)
    assert "80 credits are given of 40" in found(journal)


def test_a_balance_below_zero_without_a_reversal_is_found(journal: Journal) -> None:
    (row,) = debit("d3", 44).rows
    assert isinstance(row, LedgerEntry)
    unguarded = msgspec.structs.replace(row, at_least_zero=())
    journal.commit([Write(rows=(unguarded,))])
    assert found(journal) == "shop: alice was at -1 credits after posting 9 (debit)"


def test_the_audit_of_all_tables_looks_at_postings_too(journal: Journal) -> None:
    free(journal.connection).execute("UPDATE ledger SET at = 1 WHERE id = 3")
    assert any("ledger: 3" in line for line in damaged_beside(journal.connection))


def test_a_balance_beyond_all_bounds_is_refused_and_not_rounded(
    journal: Journal,
) -> None:
    most = 2**53 - 1
    gifts = [Posting(CREDIT, ISSUED, "user:rich", most)] * 1_024
    more = Posting(CREDIT, ISSUED, "user:rich", most)
    outcomes = journal.commit(
        [
            Write(rows=(LedgerEntry("shop", "gifts", "gift", T0, tuple(gifts)),)),
            Write(rows=(LedgerEntry("shop", "more", "gift", T0, (more,)),)),
        ]
    )
    assert isinstance(outcomes[-2], Committed)
    assert isinstance(outcomes[-1], Conflict)
    assert found(journal) == ""


def test_a_database_from_before_opens_its_ledger_with_what_it_has(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an upgrade finds it: payments that are paid, and no ledger."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_789)
    sql = journal.connection
    sql.execute("DROP TABLE ledger")
    sql.execute("DROP TABLE ledger_balances")
    sql.execute("UPDATE payments SET crc = 1 WHERE id = 'q'")  # a damaged one
    ledger.create(sql)
    ledger_opening.write(sql)
    assert ledger.balance(sql, "shop", SAT, ONCHAIN) == 100_000
    assert ledger.balance(sql, "shop", SAT, SALES) == -100_000
    (opening,) = ledger.postings_of(sql, "p", "")
    assert (opening.kind, opening.seq, opening.posting.worth) == ("opening", 0, None)
    assert opening.at == 1_700_000_000_123
    assert ledger.postings_of(sql, "q", "") == []


def test_an_opening_is_of_all_payments_however_many_pages_they_are(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_opening, "_PAGE", 2)
    sql = journal.connection
    sql.execute("DROP TABLE ledger")
    sql.execute("DROP TABLE ledger_balances")
    ledger.create(sql)
    ledger_opening.write(sql)
    assert ledger.balance(sql, "shop", SAT, ONCHAIN) == 150_000
    assert len(ledger.postings_of(sql, "r", "")) == 1


def test_an_upgrade_opens_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA journal_mode=WAL")
        migrations.apply(sqlite_utils.Database(sql), stop_before="m023_ledger")
        with closing(Journal(tmp_path / "new.db")) as new:
            new.commit([*created("p")])
            columns = (
                "rank, id, merchant, address, external_id, status, seq, watched,"
                " created_at, state, crc"
            )
            (row,) = new.connection.execute(f"SELECT {columns} FROM payments")  # noqa: S608
        sql.execute(
            f"INSERT INTO payments ({columns})"  # noqa: S608
            f" VALUES ({', '.join('?' * 11)})",
            row,
        )
        sql.commit()
    with closing(Journal(path)) as journal:
        assert ledger.balance(journal.connection, "shop", SAT, ONCHAIN) == 50_000
