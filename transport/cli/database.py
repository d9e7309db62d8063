"""The database, opened by a command itself while no node holds it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from engine.errors import CannotOpenStore, DatabaseInUse, StoreUnreadable
from engine.store.sqlite.offline import OfflineDatabase

__all__ = ["open_database"]


@contextmanager
def open_database(
    db: str,
    must_exist: bool,
    advice: Callable[[DatabaseInUse], str] = str,
) -> Iterator[OfflineDatabase]:
    """The database, held alone; trouble is one line and exit code 1.

    `advice` words the answer to a database that a node holds.
    """
    if must_exist and not Path(db).exists():
        raise click.ClickException(f"there is no database {db}; name it with --db")
    try:
        with OfflineDatabase(db) as database:
            yield database
    except DatabaseInUse as error:
        raise click.ClickException(advice(error)) from error
    except StoreUnreadable as error:
        raise click.ClickException(f"database {db}: {error.detail}") from error
    except CannotOpenStore as error:
        raise click.ClickException(str(error)) from error
