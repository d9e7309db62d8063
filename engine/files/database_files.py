"""Where a database and the files beside it lie: by the file, not by its name.

SQLite keeps `-wal` and `-shm` beside the file that a symbolic link leads to, so all
else that belongs to a database lies there too: `.lock`, `.acked`, `.key`. Only the
names; opens nothing.
"""

import os
from pathlib import Path

__all__ = ["beside", "existing_beside", "real"]


def real(db: str | Path) -> str:
    """The file's own path, whatever links lead to it."""
    return os.path.realpath(db)


def beside(db: str | Path, suffix: str) -> Path:
    """The file of the database that ends with this, as ".key"."""
    return Path(f"{real(db)}{suffix}")


def existing_beside(db: str | Path, suffix: str) -> list[Path]:
    """Those that there are. An earlier version looked beside the name that it was
    given: where that is a link, its file is found too."""
    wanted = dict.fromkeys((beside(db, suffix), Path(f"{Path(db).absolute()}{suffix}")))
    return [path for path in wanted if path.exists()]
