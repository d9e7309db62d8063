"""The command that rebuilds payments from their events. No node may run meanwhile."""

import sys
from typing import Any

import click

from engine.errors import StoreUnreadable
from engine.store.sqlite.offline import OfflineDatabase
from transport.cli.database import open_database
from transport.cli.settings import database_settings, load_config
from transport.cli.words import say, style

__all__ = ["replay"]

PAYMENTS_PER_STEP = 1_000
MAX_LINES = 50


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Only compare, change nothing; exit code 1 if anything differs.",
)
@database_settings
def replay(check: bool, **settings: Any) -> None:
    """Rebuild all payments from their events, and compare with what is stored.

    Without --check, payments that differ are corrected from their events. If events
    themselves are missing or damaged, the command only reports that, with exit code
    1: it never invents money. Stop the node first.

    \b
    Examples:
      paybell replay --check
      paybell replay --db /var/lib/paybell/paybell.db
    """
    db = load_config(settings).db
    with open_database(db, must_exist=True) as database:
        try:
            left = _replay(database, check)
        except StoreUnreadable as error:
            raise click.ClickException(
                f"database {db} cannot be read through: {error.detail}; restore a"
                " backup or run `sqlite3 .recover`"
            ) from error
    if left:
        raise SystemExit(1)


def _replay(database: OfflineDatabase, check: bool) -> int:
    """Compare, and unless `check` put right; how many stay different."""
    total = database.count_events()
    payments, found = 0, []
    with click.progressbar(
        length=total,
        label=f"{total} events",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:
        for events, difference in database.differences():
            payments += 1
            bar.update(events)
            if difference is not None:
                found.append(difference)
    missing = database.missing_events()
    if missing:
        text = f"{missing} events are missing from the journal: restore a backup"
        say(style(text, "red"))
    damaged = database.damaged_beside(MAX_LINES)
    for line in damaged:
        say(style(line, "red"))
    mendable = [d.rebuilt for d in found if d.rebuilt is not None]
    for difference in found[:MAX_LINES]:
        fate = "" if difference.rebuilt is not None else " (cannot be put right)"
        say(style(f"{difference.payment_id}: {difference.detail}{fate}", "red"))
    if len(found) > MAX_LINES:
        say(f"… and {len(found) - MAX_LINES} more")
    if not check:
        for at in range(0, len(mendable), PAYMENTS_PER_STEP):
            database.rebuild(mendable[at : at + PAYMENTS_PER_STEP])
    verb = "differ" if check else f"differed, {len(mendable)} put right"
    say(f"{payments} payments, {total} events: {len(found)} {verb}")
    return len(found) - (0 if check else len(mendable)) + missing + len(damaged)
