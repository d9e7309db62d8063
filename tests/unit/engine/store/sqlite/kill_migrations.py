"""A program: an old database is opened again and again, and killed later each time.

Then it is opened to the end. Writes what each became, a JSON line each. Run by
test_upgrade.py with the folder that holds `old.db`, and by how many statements later.
It forks for each try, so that a try costs no start of Python: no greenlets here, one
thread.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from itertools import count
from pathlib import Path

import sqlite_utils

from engine.store.sqlite import migrations
from engine.store.sqlite.journal import Journal

apply = migrations.apply


def main(folder: Path, stride: int) -> None:
    for number in count(1, stride):
        db = folder / f"{number}.db"
        shutil.copy(folder / "old.db", db)
        if not was_killed(db, number):
            say(in_a_child(db))
            return
        say({"killed_at": number, **in_a_child(db)})


def say(found: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")


def was_killed(db: Path, number: int) -> bool:
    """Open it in a process that dies at the start of so many statements."""
    pid = os.fork()
    if pid == 0:
        migrations.apply = lambda db: killed_at(db, number)
        Journal(db).close()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def killed_at(opened: sqlite_utils.Database, number: int) -> None:
    left = number

    def counted(_statement: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    assert isinstance(opened.conn, sqlite3.Connection)
    opened.conn.set_trace_callback(counted)
    apply(opened)
    opened.conn.set_trace_callback(None)


def in_a_child(db: Path) -> dict[str, object]:
    """What the next start makes of it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with closing(Journal(db)) as journal:
            content = json.dumps(seen(journal.connection)).encode()
        os.write(write, content)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        found = answer.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"it did not start: {status}"
    shown: dict[str, object] = json.loads(found)
    return shown


def seen(sql: sqlite3.Connection) -> dict[str, object]:
    """All that must be the same however often it was killed."""
    schema = sql.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")
    tables = sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = sorted(name for (name,) in tables)
    return {
        "schema": [list(row) for row in schema],
        "check": sql.execute("PRAGMA integrity_check").fetchone()[0],
        "rows": {
            name: sql.execute(f"SELECT count(*) FROM '{name}'").fetchone()[0]  # noqa: S608
            for name in names
        },
        "migrations": [
            name
            for (name,) in sql.execute(
                "SELECT name FROM _sqlite_migrations ORDER BY name"
            )
        ],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
