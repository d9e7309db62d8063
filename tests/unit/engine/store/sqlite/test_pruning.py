"""Whether a file gives back what was pruned from it."""

from contextlib import closing
from pathlib import Path

from engine.store.sqlite.journal import Journal
from engine.store.sqlite.pruning import file_use


def test_a_file_can_shrink_unless_it_was_made_by_the_first_version(
    tmp_path: Path,
) -> None:
    with closing(Journal(tmp_path / "node.db")) as journal:
        assert file_use(journal.connection).can_shrink
        journal.connection.execute("PRAGMA auto_vacuum=NONE")
        journal.connection.execute("VACUUM")
        assert not file_use(journal.connection).can_shrink
