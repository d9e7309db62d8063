"""Where a time begins is found by the table of moments, whatever the clock did."""

import sqlite3
from random import Random

import pytest

from engine.store.sqlite import moments
from engine.store.sqlite.moments import EVERY


def journal_of(times: list[int], batch: int, late: bool) -> sqlite3.Connection:
    """Events of these times; `late`: the table was made when all were there."""
    sql = sqlite3.connect(":memory:")
    sql.execute('CREATE TABLE events ("offset" INTEGER PRIMARY KEY, at INTEGER)')
    sql.execute("CREATE TABLE moments_since (at INTEGER PRIMARY KEY, place INTEGER)")
    if not late:
        moments.create(sql)
    for first in range(0, len(times), batch):
        some = [
            (first + n + 1, at) for n, at in enumerate(times[first : first + batch])
        ]
        sql.executemany("INSERT INTO events VALUES (?, ?)", some)
        if not late:
            moments.note(sql, moments.EVENTS, first, first + len(some))
    if late:
        moments.create(sql)
    return sql


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("batch", [1, 512, 2_700])
@pytest.mark.parametrize("seed", [1, 2])
def test_all_events_up_to_there_are_from_before(
    seed: int, batch: int, late: bool
) -> None:
    random = Random(seed)
    now, times = 1_000_000, []
    for _ in range(5_500):
        # Some at one moment, a clock that is put back now and then, and a leap.
        now += random.choice((0, 0, 1, 40, -300 if random.random() < 0.01 else 3))
        times.append(now)
    sql = journal_of(times, batch, late)
    for at in [*random.sample(times, 200), 0, min(times), max(times) + 1]:
        offset = moments.offset_before(sql, at)
        assert all(before < at for before in times[:offset])
        since = moments.place_after(sql, moments.EVENTS, at)
        assert since is None or all(after >= at for after in times[since:])
    sql.close()


def test_little_more_is_looked_at_than_need_be() -> None:
    sql = journal_of([5 * n for n in range(20 * EVERY)], 512, late=False)
    for offset in range(1, 20 * EVERY, 777):
        assert offset - moments.offset_before(sql, 5 * offset) <= 2 * EVERY
        since = moments.place_after(sql, moments.EVENTS, 5 * offset)
        assert since is not None
        assert since - offset <= 2 * EVERY
    assert sql.execute("SELECT count(*) FROM moments").fetchone() == (20,)
    sql.close()


def test_a_thousand_events_of_one_moment_make_one_row() -> None:
    sql = journal_of([7] * (3 * EVERY), 100, late=False)
    assert sql.execute("SELECT * FROM moments").fetchall() == [(7, 3 * EVERY)]
    assert moments.offset_before(sql, 7) == 0
    assert moments.offset_before(sql, 8) == 3 * EVERY
    sql.close()


def noted(sql: sqlite3.Connection) -> list[tuple[int, int]]:
    return sql.execute('SELECT at, "offset" FROM moments ORDER BY at').fetchall()


@pytest.mark.parametrize(
    ("count", "upto"), [(999, []), (1_000, [1_000]), (1_001, [1_000])]
)
def test_a_note_is_made_with_every_thousandth_event(
    count: int, upto: list[int]
) -> None:
    for late in (False, True):
        sql = journal_of([5 * n for n in range(count)], 1, late)
        assert [place for _, place in noted(sql)] == upto
        sql.close()


def test_up_to_a_note_all_are_from_before_the_moment_after_its_own() -> None:
    sql = journal_of([5 * n for n in range(2_000)], 2_000, late=True)
    latest = 5 * 999
    assert noted(sql) == [(latest, 1_000), (5 * 1_999, 2_000)]
    assert moments.offset_before(sql, latest) == 0
    assert moments.offset_before(sql, latest + 1) == 1_000
    sql.close()


def test_after_a_note_none_is_from_before_the_earliest_behind_it() -> None:
    sql = journal_of([5 * n for n in range(2_500)], 100, late=False)
    track = moments.EVENTS
    assert moments.place_after(sql, track, 0) == 0
    assert moments.place_after(sql, track, 1) == 1_000
    assert moments.place_after(sql, track, 5 * 1_000) == 1_000
    assert moments.place_after(sql, track, 5 * 1_000 + 1) == 2_000
    assert moments.place_after(sql, track, 5 * 2_000) == 2_000
    assert moments.place_after(sql, track, 5 * 2_000 + 1) is None, "among those behind"
    sql.close()


def test_rows_of_before_there_were_notes_get_theirs() -> None:
    sql = journal_of([], 1, late=False)
    rows = [(n + 1, 5 * n) for n in range(2_500)]
    sql.executemany("INSERT INTO events VALUES (?, ?)", rows)
    moments.note_all(sql, moments.EVENTS, 2_500)
    assert noted(sql) == [(5 * 999, 1_000), (5 * 1_999, 2_000)]
    sql.close()
