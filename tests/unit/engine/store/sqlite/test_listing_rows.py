"""Pages of payments to their edges: what begins and ends them, in which order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store.further import Further, Stretch
from engine.store.sqlite import listing, listing_rows
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.listing_rows import NEWEST, Span, by_id, one_moment
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "node.db", synchronous="OFF")
    opened.commit([creation(f"p{n}", ("ann", "bob")[n % 2]) for n in range(1, 8)])
    yield opened
    opened.close()


def listed(
    journal: Journal, limit: int, place: int | None = None, **more: Any
) -> tuple[list[str], int | None]:
    filters = more.pop("filters", {})
    page = listing.list_payments(
        journal.connection, filters, place, limit, Further(**more)
    )
    return [payment.id for payment in page.payments], page.next_place


def test_the_newest_come_first_and_a_page_goes_on_behind_the_last(
    journal: Journal,
) -> None:
    assert listed(journal, 3) == (["p7", "p6", "p5"], 5)
    assert listed(journal, 3, 5) == (["p4", "p3", "p2"], 2)
    assert listed(journal, 3, 2) == (["p1"], None)
    assert listed(journal, 7) == (["p7", "p6", "p5", "p4", "p3", "p2", "p1"], None)
    assert listed(journal, 6)[1] == 2
    assert listed(journal, 3, 1) == ([], None)


def test_or_the_oldest(journal: Journal) -> None:
    assert listed(journal, 2, oldest_first=True) == (["p1", "p2"], 2)
    assert listed(journal, 9, 5, oldest_first=True) == (["p6", "p7"], None)


def test_of_one_merchant_or_address_or_status(journal: Journal) -> None:
    of_bob = {"merchant": "bob"}
    assert listed(journal, 2, filters=of_bob) == (["p7", "p5"], 5)
    assert listed(journal, 2, 5, filters=of_bob) == (["p3", "p1"], None)
    assert listed(journal, 9, filters={"address": "address of p4"}) == (["p4"], None)
    assert listed(journal, 9, filters={"status": "confirmed"}) == ([], None)
    assert listed(journal, 2, filters={"status": "pending"}) == (["p7", "p6"], 6)
    both = {"status": "pending", "merchant": "ann"}
    assert listed(journal, 9, filters=both) == (["p6", "p4", "p2"], None)
    nobody = {"address": "address of p4", "merchant": "bob"}
    assert listed(journal, 9, filters=nobody) == ([], None)


def test_of_a_time(journal: Journal) -> None:
    for between, count in (
        (Stretch(T0, None), 7),
        (Stretch(T0 + 1, None), 0),
        (Stretch(None, T0), 0),
        (Stretch(None, T0 + 1), 7),
    ):
        assert len(listed(journal, 9, created=between)[0]) == count


def test_a_page_looks_through_so_many_and_goes_on_from_there(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an order with many payments, none of which has the status asked for."""
    sql, looked_at = journal.connection, list[int]()
    sql.execute("UPDATE payments SET external_id = 'o', merchant = 'ann'")
    original = listing_rows.by_rank

    def counted(sql: Any, ranks: list[int]) -> Any:
        looked_at.extend(ranks)
        return original(sql, ranks)

    monkeypatch.setattr(listing, "by_rank", counted)
    monkeypatch.setattr(listing, "VISITED", 4)
    wanted = {"external_id": "o", "status": "confirmed"}
    assert listed(journal, 1, filters=wanted) == ([], 4)
    assert looked_at == [7, 6, 5, 4]
    assert listed(journal, 1, 4, filters=wanted) == ([], None)
    assert looked_at[4:] == [3, 2, 1]


def test_what_is_read_in_one_moment_ends_it(journal: Journal) -> None:
    sql = journal.connection
    with one_moment(sql):
        assert sql.in_transaction
    assert not sql.in_transaction
    with pytest.raises(KeyError), one_moment(sql):
        raise KeyError("a bug")
    assert not sql.in_transaction


def test_a_span_leaves_out_both_its_ends(journal: Journal) -> None:
    sql = journal.connection
    span = Span(2, 5, 9)
    assert span.ranks(sql, "rank IS NOT NULL") == [4, 3]
    assert Span(2, 5, 1).ranks(sql, "rank IS NOT NULL") == [4]
    assert Span(2, 5, 1, True).ranks(sql, "rank IS NOT NULL") == [3]
    assert Span(0, NEWEST, 2).first([3, 9, 5]) == [9, 5]
    assert Span(0, NEWEST, 2, True).first([3, 9, 5]) == [3, 5]
    assert NEWEST == 1 << 62
    row = by_id(sql, "p3")
    assert row is not None
    assert (row.rank, row.seq, row.payment.id) == (3, 1, "p3")
    assert by_id(sql, "nobody") is None
