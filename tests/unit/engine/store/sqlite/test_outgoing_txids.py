"""A database from before the transactions of ours had an index by their ids."""

from pathlib import Path

import pytest

from engine.store.sqlite.journal import Journal
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import Committed, NewOutgoing, Write
from tests.unit.engine.store.outgoing_cases import outgoing

MIGRATION = "m035_outgoing_txids"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """As the version before left it: three transactions, one of them damaged since."""
    path = tmp_path / "paybell.db"
    journal = Journal(path)
    made = [Write(rows=(NewOutgoing(outgoing(n)),)) for n in (1, 2, 3)]
    assert all(isinstance(one, Committed) for one in journal.commit(made))
    sql = journal.connection
    sql.execute("DROP TABLE outgoing_txids")
    forgotten = "DELETE FROM _sqlite_migrations WHERE name = ?"
    assert sql.execute(forgotten, (MIGRATION,)).rowcount == 1
    damage = "UPDATE outgoing SET crc = crc + 1 WHERE id = ?"
    assert sql.execute(damage, (outgoing(2).id,)).rowcount == 1
    sql.commit()
    journal.close()
    return path


def test_what_was_sent_before_is_known_for_ours_and_a_damaged_row_costs_no_other(
    path: Path,
) -> None:
    with SqliteStore(path) as store:
        for n in (1, 3):
            found = store.reader.outgoing_of_txid(outgoing(n).txid)
            assert found is not None
            assert found.id == outgoing(n).id
        assert store.reader.outgoing_of_txid(outgoing(2).txid) is None
