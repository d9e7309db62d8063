"""`paybell compact`: the database file written anew, without what is free in it."""

from pathlib import Path
from typing import Any

import click

from engine.errors import StoreUnreadable
from transport.cli.database import open_database
from transport.cli.settings import database_settings, load_config
from transport.cli.words import say

__all__ = ["compact"]

MB = 1_000_000


@click.command()
@database_settings
def compact(**settings: Any) -> None:
    """Make the database file as small as what is in it.

    A database that version 0.1.0 made needs it once: from then on the node itself gives
    back what retention frees. Stop the node first. It needs as much free disk space as
    the file has now, and a second for every 100 MB or so.

    \b
    Examples:
      paybell compact --db /var/lib/paybell/paybell.db
    """
    db = load_config(settings).db
    with open_database(db, must_exist=True) as database:
        before = Path(db).stat().st_size
        try:
            database.compact()
        except StoreUnreadable as error:
            raise click.ClickException(
                f"database {db} was not compacted, and is as it was: {error.detail}"
            ) from error
        after = Path(db).stat().st_size
    say(f"{db}: {before / MB:.1f} MB before, {after / MB:.1f} MB now")
