"""Rows of money on its way out and of refunds: the damaged are named, and cost no
other; what is refused says how much there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.payment.refund import RefundState
from engine.store.records import DamagedRow
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    Committed,
    Conflict,
    NewOutgoing,
    OpenRefund,
    QueueForward,
    Write,
)
from tests.tools.direct_store import DirectStore
from tests.unit.engine.store.outgoing_cases import outgoing
from tests.unit.engine.store.refund_cases import refund
from tests.unit.journal_cases import creation


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db", synchronous="OFF")
    opened.commit([creation("p1"), creation("p2")])
    opened.commit([Write(rows=(NewOutgoing(outgoing(n)),)) for n in (1, 2)])
    opened.commit([Write(rows=(QueueForward(f"p{n}", "ann", 1, n),)) for n in (1, 2)])
    opened.commit(
        [Write(rows=(OpenRefund(refund(n), 1, 9_000, 9, 9),)) for n in (1, 2)]
    )
    yield opened
    opened.close()


def test_a_damaged_transaction_is_named(journal: Journal) -> None:
    journal.connection.execute(
        "UPDATE outgoing SET body = replace(body, 'sweep', 'sweet')"
        " WHERE id = 'out_000001'"
    )
    found = DirectStore(journal).outgoing_open()
    assert found == [DamagedRow("out_000001"), outgoing(2)]


def test_a_damaged_payment_is_named_in_the_queue(journal: Journal) -> None:
    journal.connection.execute("UPDATE payments SET crc = crc + 1 WHERE id = 'p1'")
    first, second = DirectStore(journal).forward_queue("ann")
    assert first == DamagedRow("p1")
    assert not isinstance(second, DamagedRow)
    assert second.payment.id == "p2"


def test_a_damaged_refund_is_named(journal: Journal) -> None:
    journal.connection.execute(
        "UPDATE refunds SET amount_sat = 999 WHERE id = 'ref_000001'"
    )
    found = DirectStore(journal).refunds_in(RefundState.OPEN)
    assert found == [DamagedRow("ref_000001"), refund(2)]


def test_a_page_of_one_merchants_refunds_walks_through_nobody_elses(
    journal: Journal,
) -> None:
    plan = journal.connection.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM refunds WHERE merchant = ? AND id < ?"
        " ORDER BY id DESC LIMIT 5",
        ("ann", "s"),
    ).fetchall()
    assert [line[-1] for line in plan] == [
        "SEARCH refunds USING COVERING INDEX refunds_listed (merchant=? AND id<?)"
    ]


@pytest.mark.parametrize(("most", "left"), [(10_000, 2_000), (8_000, 0), (7_999, 0)])
def test_it_is_said_how_much_can_be_refunded(
    journal: Journal, most: int, left: int
) -> None:
    """None, too, where what came in is less by now than what was given back."""
    first, second = refund(3, "p1", 7_000), refund(4, "p1", 2_001)
    (done,) = journal.commit([Write(rows=(OpenRefund(first, 1, 10_000, 9, 9),))])
    assert isinstance(done, Committed)
    (refused,) = journal.commit([Write(rows=(OpenRefund(second, 1, most, 9, 9),))])
    assert isinstance(refused, Conflict)
    said = f"{left} sat of this payment can be refunded, and 2001 were asked for"
    assert said in refused.detail
