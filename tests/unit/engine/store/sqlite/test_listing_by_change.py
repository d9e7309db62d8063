"""How much of the journal one page of payments by what happened looks through."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store.further import ALL, Further, Stretch
from engine.store.sqlite import listing_by_change, moments
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.listing_by_change import changed
from tests.unit.journal_cases import creation


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Ten payments, created with the offsets 1 to 10."""
    opened = Journal(tmp_path / "j.db")
    opened.bind_network("regtest")
    opened.commit([creation(f"p{number}") for number in range(10)])
    yield opened
    opened.close()


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The offsets of the events that were read, by query."""
    found: list[list[int]] = []
    original = listing_by_change._events

    def events(*about: Any) -> Any:
        read = original(*about)
        found.append([event[0] for event in read])
        return read

    monkeypatch.setattr(listing_by_change, "_events", events)
    return found


def test_a_page_looks_through_no_more_than_it_may(
    journal: Journal, looked_at: list[list[int]]
) -> None:
    nothing = {"status": "confirmed"}
    page = changed(journal.connection, nothing, None, 1, ALL, 7)
    assert looked_at == [[10, 9], [8, 7, 6, 5, 4]], "seven, in growing steps"
    assert (page.payments, page.next_place) == ((), 4)
    page = changed(journal.connection, nothing, page.next_place, 1, ALL, 7)
    assert [*looked_at[2], *looked_at[3]] == [3, 2, 1]
    assert page.next_place is None


@pytest.mark.parametrize("of", ["updated", "confirmed"])
def test_events_that_a_time_leaves_out_are_not_looked_at(
    journal: Journal,
    looked_at: list[list[int]],
    monkeypatch: pytest.MonkeyPatch,
    of: str,
) -> None:
    """Where the times are in the journal is noted for every so many rows; here at once:
    all after offset 2 are of 200 or later, all up to 5 of before 500."""
    places = {200: 2, 500: 5}
    for name in ("place_before", "place_after"):
        monkeypatch.setattr(moments, name, lambda _sql, _table, at: places[at])
    times = Stretch(after=200, before=500)
    is_updated = of == "updated"
    wanted = Further(updated=times) if is_updated else Further(confirmed=times)
    changed(journal.connection, {}, None, 9, wanted, 99)
    assert looked_at == [[5, 4, 3]]
    looked_at.clear()
    changed(journal.connection, {}, 4, 9, wanted, 99)
    assert looked_at == [[3]], "nor those of the page before"
