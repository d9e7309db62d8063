"""The ledger on the command line: is it right, and the books as a file."""

import sys
from pathlib import Path
from typing import IO, Any

import click

from engine.errors import OlderSchema, StoreUnreadable
from engine.merchants.name import DEFAULT
from engine.store.ledger_port import PostingRecord
from engine.store.sqlite.ledger_file import open_ledger
from transport.cli.settings import database_settings, load_config
from transport.cli.words import say, style
from transport.http.export_lines import WRITERS, exported

__all__ = ["export", "ledger"]

MAX_LINES = 50


@click.group("ledger")
def ledger() -> None:
    """Look after the ledger: what was sold, credited, swept and given back."""


@ledger.command("check")
@database_settings
def check(**settings: Any) -> None:
    """Hold the ledger against the payments, their events, and itself.

    Exit code 1 if anything is wrong, with a line for each such thing. It changes
    nothing, and a node may run meanwhile.

    \b
    Examples:
      paybell ledger check
      paybell ledger check --db /var/lib/paybell/paybell.db
    """
    db = _existing(settings)
    try:
        with open_ledger(db) as book:
            postings, accounts = book.sizes()
            found = 0
            for line in book.findings():
                found += 1
                if found <= MAX_LINES:
                    say(style(line, "red"))
    except OlderSchema as error:
        raise click.ClickException(_OLDER.format(db)) from error
    except StoreUnreadable as error:
        raise click.ClickException(f"database {db}: {error.detail}") from error
    if found > MAX_LINES:
        say(f"… and {found - MAX_LINES} more")
    wrong = f"{found} wrong" if found else "all zero in sum, nothing wrong"
    say(f"{postings} postings in {accounts} accounts: {wrong}")
    if found:
        raise SystemExit(1)


@click.command("export")
@click.option("--merchant", default=DEFAULT, show_default=True, help="Whose ledger.")
@click.option("--account", help="Only what concerns this user's account.")
@click.option(
    "--format",
    "kind",
    type=click.Choice([*WRITERS]),
    default="csv",
    show_default=True,
    help="A file for spreadsheets, or a JSON object a line.",
)
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    metavar="ID",
    help="Only what was posted after this entry.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here; as a rule to the standard output.",
)
@database_settings
def export(
    merchant: str,
    account: str | None,
    kind: str,
    after: int,
    output: Path | None,
    **settings: Any,
) -> None:
    """Write a merchant's ledger, oldest first, with its worth in money as posted.

    It reads the database alone, of one moment, and a node may run meanwhile.

    \b
    Examples:
      paybell export --merchant shop > shop.csv
      paybell export --account alice --format jsonl --output alice.jsonl
    """
    db = _existing(settings)
    try:
        if output is None:
            _write(sys.stdout.buffer, db, merchant, account, kind, after)
        else:
            with output.open("xb") as file:
                _write(file, db, merchant, account, kind, after)
    except FileExistsError as error:
        raise click.ClickException(f"{output} is there already") from error
    except OlderSchema as error:
        raise click.ClickException(_OLDER.format(db)) from error
    except StoreUnreadable as error:
        raise click.ClickException(f"database {db}: {error.detail}") from error


_OLDER = (
    "database {} is of an earlier version and has no ledger yet: start `serve` once"
)


def _existing(settings: dict[str, Any]) -> str:
    db = load_config(settings).db
    if not Path(db).exists():
        raise click.ClickException(f"there is no database {db}; name it with --db")
    return db


def _write(
    file: IO[bytes], db: str, merchant: str, account: str | None, kind: str, after: int
) -> None:
    _, head, line = WRITERS[kind]
    with open_ledger(db) as book:

        def pages(last: int, limit: int) -> list[PostingRecord]:
            return book.postings(merchant, account, last, limit)

        for part in exported(pages, line, head, after):
            file.write(part)
    file.flush()
