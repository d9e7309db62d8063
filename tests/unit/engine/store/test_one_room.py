"""No file but those of SQLite's room imports a database, whatever is added.

setup.cfg has the contract for folders and files that it names; a new one is not in it.
"""

import ast
from pathlib import Path

from tests.unit.test_packaging import ROOMS, ROOT

DATABASES = {"sqlite3", "sqlite_utils"}


def imported(file: Path) -> set[str]:
    """The packages that a file names in its imports, wherever these stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_a_database_is_imported_in_one_room_only() -> None:
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    files += [ROOT / "run.py", ROOT / "installation.py"]
    found = {
        file.parent.relative_to(ROOT).as_posix()
        for file in files
        if imported(file) & DATABASES
    }
    assert found == {"engine/store/sqlite"}
