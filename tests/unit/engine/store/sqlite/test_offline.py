"""Looking at a database that no node has open."""

from contextlib import closing
from pathlib import Path

import pytest

from engine.store.sqlite.journal import Journal
from engine.store.sqlite.offline import examine
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
