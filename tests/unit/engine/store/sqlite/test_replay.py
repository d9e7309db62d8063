"""Replay: what somebody did to the database is found, and put right if it can be."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.payment.events import opening
from engine.payment.model import Payment
from engine.payment.observations import AgreeRest, Observation
from engine.payment.rules import decide, evolve
from engine.store.replay import Difference
from engine.store.sqlite import queries
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.replay import differences, missing_events, rebuild
from engine.store.writes import Committed, Entry, Write
from tests.tools.direct_store import DirectStore
from tests.unit.engine.store.lightning_cases import hash_of, invoiced
from tests.unit.payment_cases import (
    T0,
    both_terms,
    invoice,
    mempool,
    mined,
    terms,
    view,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Two payments: pay_a has been paid, pay_b waits; pay_a's events come last, too."""
    opened = Journal(tmp_path / "paybell.db")
    paid = create(opened, "pay_a")
    create(opened, "pay_b")
    paid = observe(opened, paid, view(mempool("t1")))
    observe(opened, paid, view(mined("t1", 101), tip=101))
    yield opened
    opened.close()


def create(journal: Journal, name: str) -> Payment:
    event, payment = opening(terms(id=name, address=f"address of {name}"))
    write(journal, Write(entries=(Entry(payment, (event,)),)))
    return payment


def observe(journal: Journal, payment: Payment, observation: Observation) -> Payment:
    events = decide(payment, observation, T0)
    assert events
    for event in events:
        payment = evolve(payment, event)
    write(journal, Write(entries=(Entry(payment, tuple(events)),)))
    return payment


def write(journal: Journal, what: Write) -> None:
    assert isinstance(journal.commit([what])[0], Committed)


def found(journal: Journal) -> list[Difference]:
    return [d for _, d in differences(journal.connection) if d is not None]


def tamper(journal: Journal, statement: str, *values: object) -> None:
    assert journal.connection.execute(statement, values).rowcount > 0


def mend(journal: Journal) -> None:
    rebuild(journal.connection, [d.rebuilt for d in found(journal) if d.rebuilt])


def snapshot(sql: sqlite3.Connection) -> list[tuple[object, ...]]:
    return list(sql.execute("SELECT * FROM payments ORDER BY id"))


def test_an_untouched_database_is_as_its_events_say(journal: Journal) -> None:
    assert found(journal) == []
    assert missing_events(journal.connection) == 0


@pytest.mark.parametrize(
    "change",
    [
        "status = 'confirmed'",
        "seq = 99",
        "merchant = 'thief'",
        "address = 'another'",
        "external_id = 'order-of-another'",
        "created_at = 1",
        "state = replace(state, '\"seq\":1', '\"seq\":7')",
        "state = x'00'",
        "state = '{}'",
        "state = 7",
    ],
)
def test_a_changed_payment_is_named_and_put_right(
    journal: Journal, change: str
) -> None:
    before = snapshot(journal.connection)
    statement = "UPDATE payments SET " + change + " WHERE id = 'pay_b'"  # noqa: S608
    tamper(journal, statement)
    assert [d.payment_id for d in found(journal)] == ["pay_b"]
    mend(journal)
    assert found(journal) == []
    assert snapshot(journal.connection) == before


def test_a_payment_that_was_deleted_is_found_by_its_invoice_again(
    journal: Journal,
) -> None:
    write(journal, invoiced(1))
    before = DirectStore(journal).payment_of_invoice(hash_of(1))
    for table, name in (("payments", "id"), ("invoices", "payment_id")):
        tamper(journal, f"DELETE FROM {table} WHERE {name} = 'ln1'")  # noqa: S608
    mend(journal)
    assert found(journal) == []
    store = DirectStore(journal)
    assert store.payment_of_invoice(hash_of(1)) == before is not None
    assert [one.payment_id for one in store.open_invoices("shop")] == ["ln1"]


def test_one_that_was_deleted_is_found_by_its_invoice_for_the_rest_again(
    journal: Journal,
) -> None:
    event, payment = opening(both_terms())
    write(journal, Write((Entry(payment, (event,)),)))
    payment = observe(journal, payment, view(mined("t1", 998, 49_700)))
    rest = invoice(payment_hash=hash_of(2), amount_msat=300_000)
    payment = observe(journal, payment, AgreeRest(invoice=rest, by="payer"))
    before = snapshot(journal.connection)
    for table, name in (("payments", "id"), ("invoices", "payment_id")):
        tamper(journal, f"DELETE FROM {table} WHERE {name} = 'pay_1'")  # noqa: S608
    mend(journal)
    assert found(journal) == []
    assert snapshot(journal.connection) == before
    assert DirectStore(journal).payment_of_invoice(hash_of(2)) == payment


def test_a_payment_that_was_deleted_is_there_again_and_watched(
    journal: Journal,
) -> None:
    tamper(journal, "DELETE FROM payments WHERE id = 'pay_a'")
    assert [d.payment_id for d in found(journal)] == ["pay_a"]
    mend(journal)
    assert found(journal) == []
    assert [p.id for p in queries.watched(journal.connection, "", 10)] == [
        "pay_b",
        "pay_a",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM events WHERE payment_id = 'pay_a' AND seq = 2", "folded"),
        ("DELETE FROM events WHERE payment_id = 'pay_a' AND seq = 1", "folded"),
        ("DELETE FROM events WHERE payment_id = 'pay_b'", "without any event"),
        (
            "UPDATE events SET type = 'payment.expired'"
            " WHERE payment_id = 'pay_a' AND seq = 2",
            "holds another event",
        ),
        (
            "UPDATE events SET body = (SELECT body FROM events"
            " WHERE payment_id = 'pay_b') WHERE payment_id = 'pay_a' AND seq = 1",
            "holds another event",
        ),
        (
            "UPDATE events SET body = replace(body, '\"received_sat\":', '\"xx\":')"
            " WHERE payment_id = 'pay_a' AND seq = 2",
            "folded",
        ),
        (
            "UPDATE events SET body = x'ff00' WHERE payment_id = 'pay_a' AND seq = 2",
            "folded",
        ),
    ],
)
def test_a_broken_story_is_reported_and_never_mended(
    journal: Journal, change: str, said: str
) -> None:
    tamper(journal, change)
    before = snapshot(journal.connection)
    (difference,) = found(journal)
    assert said in difference.detail
    assert difference.rebuilt is None
    mend(journal)
    assert snapshot(journal.connection) == before


def test_a_sum_that_was_changed_in_an_event_does_not_become_money(
    journal: Journal,
) -> None:
    (body,) = journal.connection.execute(
        "SELECT body FROM events WHERE payment_id = 'pay_a' AND seq = 2"
    ).fetchone()
    text = bytes(body).decode()
    assert '"amount_sat":50000' in text
    forged = text.replace('"amount_sat":50000,"block', '"amount_sat":90000,"block')
    if forged == text:
        forged = text.replace('"received_sat":50000', '"received_sat":90000')
    tamper(
        journal,
        "UPDATE events SET body = ? WHERE payment_id = 'pay_a' AND seq = 2",
        forged.encode(),
    )
    (difference,) = found(journal)
    assert difference.payment_id == "pay_a"
    assert difference.rebuilt is None


def test_events_that_are_missing_at_the_end_of_a_story_do_not_take_money_away(
    journal: Journal,
) -> None:
    create(journal, "pay_c")  # so that the journal goes on behind the gap
    tamper(journal, "DELETE FROM events WHERE payment_id = 'pay_a' AND seq = 3")
    assert missing_events(journal.connection) == 1
    (difference,) = found(journal)
    assert difference.payment_id == "pay_a"
    assert "missing" in difference.detail
    assert difference.rebuilt is None
