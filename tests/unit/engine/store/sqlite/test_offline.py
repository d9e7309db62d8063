"""Looking at a database that no node has open."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import StoreUnreadable
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.offline import OfflineDatabase, examine
from tests.unit.journal_cases import creation


@pytest.mark.parametrize(
    ("deep", "check"), [(False, "quick check"), (True, "integrity check")]
)
def test_it_says_which_check_of_sqlites_was_made(
    tmp_path: Path, deep: bool, check: str
) -> None:
    path = tmp_path / "node.db"
    with closing(Journal(path)) as journal:
        journal.commit([creation("pay_1")])
    found = examine(path, deep=deep, limit=5)
    assert (found.check, found.verdict, found.events) == (check, "ok", 1)
    assert found.damaged == []


def test_damaged_epochs_are_found_without_looking_at_all_rows(tmp_path: Path) -> None:
    """`serve` would refuse them, so the doctor names them by itself."""
    with closing(Journal(tmp_path / "node.db")) as journal:
        journal.connection.execute("UPDATE epochs SET epoch = 'zzzzzzzz'")
    found = examine(tmp_path / "node.db", deep=False, limit=5)
    assert [line.split(" is ")[0] for line in found.damaged] == ["row 1 of epochs"]


@pytest.mark.parametrize(
    "work",
    [
        lambda database: list(database.differences()),
        lambda database: database.damaged_beside(5),
        lambda database: database.compact(),
        lambda database: database.rebuild([]),
    ],
    ids=["differences", "damaged", "compact", "rebuild"],
)
def test_what_sqlite_cannot_do_is_said_in_the_words_of_the_store(
    tmp_path: Path, work: Callable[[OfflineDatabase], object]
) -> None:
    """Who calls it knows nothing of SQLite; and nobody takes it for done."""
    with OfflineDatabase(str(tmp_path / "node.db")) as database:
        database._journal.connection.set_progress_handler(lambda: 1, 1)
        with pytest.raises(StoreUnreadable, match="interrupted"):
            work(database)
        database._journal.connection.set_progress_handler(None, 1)
