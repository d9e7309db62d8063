"""The database, opened by a command itself while no node holds it."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from engine.errors import DatabaseInUse, JournalError, LockFileError
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.lock import DatabaseLock

__all__ = ["open_journal"]


@contextmanager
def open_journal(
    db: str,
    must_exist: bool,
    advice: Callable[[DatabaseInUse], str] = str,
) -> Iterator[Journal]:
    """The journal, held alone; trouble is one line and exit code 1.

    `advice` words the answer to a database that a node holds.
    """
    if must_exist and not Path(db).exists():
        raise click.ClickException(f"there is no database {db}; name it with --db")
    try:
        with DatabaseLock(db), closing(Journal(db)) as journal:
            yield journal
    except DatabaseInUse as error:
        raise click.ClickException(advice(error)) from error
    except (LockFileError, JournalError) as error:
        raise click.ClickException(str(error)) from error
