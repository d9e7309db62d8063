"""docs/operating.md, "Upgrade, and back": a database of an earlier version, the new
version on it, and the way back."""

import shutil
from pathlib import Path

from tests.tools.paybell import paybell, serving
from tests.unit.engine.store.sqlite.test_old_databases import EXPECTED, database

__all__ = ["database"]


def copied(database: Path, folder: Path) -> Path:
    """What an operator of 0.1.0 keeps: database and key, of a node that is stopped."""
    folder.mkdir()
    for name in ("node.db", "node.db.key"):
        shutil.copy(database.with_name(name), folder / name)
    return folder / "node.db"


def test_an_upgrade_keeps_what_was_and_the_way_back_is_the_copy_made_before(
    database: Path, tmp_path: Path
) -> None:
    kept = copied(database, tmp_path / "before")
    before = kept.read_bytes()
    with serving(tmp_path) as node:
        for name in EXPECTED["payments"]:
            assert node.payment(name)["id"] == name
        later = node.create(amount_sat=1_000)
        assert node.stop() == 0
    assert kept.read_bytes() == before  # the old version's own, untouched

    restored = paybell("restore", kept, "--db", database, "--replace", "--without-key")
    assert restored.returncode == 0, restored.stderr
    assert "Lost: " in restored.stdout
    with serving(tmp_path) as node:
        for name in EXPECTED["payments"]:
            assert node.payment(name)["id"] == name
        assert node.get(f"/v1/payments/{later['id']}").status_code == 404
        assert node.stop() == 0
