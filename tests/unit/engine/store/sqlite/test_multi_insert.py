"""One statement for many rows: how many statements any number of rows takes."""

import sqlite3

import pytest

from engine.store.sqlite.multi_insert import Many


def table() -> tuple[sqlite3.Connection, list[str]]:
    sql = sqlite3.connect(":memory:")
    sql.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    said: list[str] = []
    sql.set_trace_callback(said.append)
    return sql, said


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (0, []),
        (1, [1]),
        (2, [2]),
        (3, [2, 1]),
        (127, [64, 32, 16, 8, 4, 2, 1]),
        (128, [128]),
        (129, [128, 1]),
        (300, [128, 128, 32, 8, 4]),
    ],
)
def test_rows_are_written_by_powers_of_two_up_to_128(
    count: int, rows: list[int]
) -> None:
    sql, said = table()
    values = [value for number in range(count) for value in (number, number * 2)]
    assert Many("INSERT INTO t VALUES", 2).run(sql, values) == count
    statements = [text for text in said if text.startswith("INSERT")]
    assert [text.count("(") for text in statements] == rows
    written = sql.execute("SELECT a, b FROM t ORDER BY a").fetchall()
    assert written == [(number, number * 2) for number in range(count)]


def test_what_was_changed_is_counted_over_all_statements() -> None:
    sql, _ = table()
    sql.execute("INSERT INTO t VALUES (1, 'there')")
    many = Many("INSERT OR IGNORE INTO t VALUES", 2)
    assert many.run(sql, [1, "a", 2, "b", 3, "c"]) == 2


def test_a_tail_stands_behind_the_last_row() -> None:
    sql, _ = table()
    many = Many("INSERT INTO t VALUES", 2, " ON CONFLICT (a) DO UPDATE SET b = 'x'")
    assert many.run(sql, [1, "a", 2, "b"]) == 2
    assert many.run(sql, [1, "a"]) == 1
    assert sql.execute("SELECT b FROM t WHERE a = 1").fetchone() == ("x",)
