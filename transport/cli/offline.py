"""Commands that open the database themselves: keys, replay, doctor.

No node may run on it meanwhile, but for the doctor, who only reads.
"""

import resource
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from engine.chain import SourceError
from engine.config import Config
from engine.store import queries
from engine.store import replay as replaying
from engine.store.files import KeyFileError, node_key
from engine.store.journal import Journal, JournalError
from engine.store.lock import DatabaseInUse, DatabaseLock
from engine.store.writes import Committed, KeyRow, RevokeKey, Write
from transport.auth import hash_key, new_key
from transport.chain.feeds import make_feed

__all__ = ["examine", "keys", "replay"]

REBUILD_AT_ONCE = 1_000

db_option = click.option(
    "--db",
    envvar="PAYBELL_DB",
    default="paybell.db",
    show_default=True,
    help="Database file.",
)


@contextmanager
def _journal(db: str, *, must_exist: bool = False) -> Iterator[Journal]:
    """The database, held alone; trouble is one line and exit code 1."""
    if must_exist and not Path(db).exists():
        raise click.ClickException(f"there is no database {db}; name it with --db")
    try:
        with DatabaseLock(db), closing(Journal(db)) as journal:
            yield journal
    except (DatabaseInUse, JournalError, OSError) as error:
        raise click.ClickException(str(error)) from error


# -- keys ------------------------------------------------------------------------------


@click.group()
def keys() -> None:
    """Make, list and revoke keys of the control API (while no node runs)."""


@keys.command("create")
@click.argument("name")
@click.option("--merchant", help="Bind the key to one merchant's payments.")
@db_option
def create_key(name: str, merchant: str | None, db: str) -> None:
    """Make a key called NAME and print it: this once, only its hash is kept."""
    text = new_key()
    row = KeyRow(
        id=f"key_{secrets.token_hex(6)}",
        name=name[:100],
        merchant=merchant,
        hash=hash_key(text),
        created_at=time.time_ns() // 1_000_000,
    )
    with _journal(db) as journal:
        _must(journal.commit([Write(rows=(row,))])[0])
    click.echo(f"{row.id}  {name}  merchant: {merchant or 'all'}", err=True)
    click.echo(text)


@keys.command("list")
@db_option
def list_keys(db: str) -> None:
    """List the keys; the keys themselves are not stored and cannot be shown."""
    with _journal(db, must_exist=True) as journal:
        found = queries.api_keys(journal.connection)
    for key in found:
        state = "revoked" if key.revoked_at else "active"
        click.echo(f"{key.id}  {state:<8} {key.merchant or 'all':<16} {key.name}")
    if not found:
        click.echo("no keys; make one with `keys create NAME`")


@keys.command("revoke")
@click.argument("key_id")
@db_option
def revoke_key(key_id: str, db: str) -> None:
    """Revoke KEY_ID (see `keys list`)."""
    row = RevokeKey(key_id, time.time_ns() // 1_000_000)
    with _journal(db, must_exist=True) as journal:
        outcome = _must(journal.commit([Write(rows=(row,))])[0])
    if not outcome.changed:
        raise click.ClickException(f"no active key {key_id}; see `keys list`")
    click.echo(f"revoked {key_id}")


def _must(outcome: object) -> Committed:
    if not isinstance(outcome, Committed):
        raise click.ClickException(getattr(outcome, "detail", str(outcome)))
    return outcome


# -- replay ----------------------------------------------------------------------------


@click.command()
@click.option("--check", is_flag=True, help="Only compare; exit code 1 if it differs.")
@db_option
def replay(check: bool, db: str) -> None:
    """Rebuild all payments from their events, and compare with what is stored.

    Without --check, what differs is put right. An event story that is broken in
    itself is only reported: nothing invents money.
    """
    with _journal(db, must_exist=True) as journal:
        sql = journal.connection
        total = replaying.count_events(sql)
        payments, found = 0, []
        with click.progressbar(length=total, label=f"{total} events") as bar:
            for events, difference in replaying.differences(sql):
                payments += 1
                bar.update(events)
                if difference is not None:
                    found.append(difference)
        for difference in found[:50]:
            click.secho(f"{difference.payment_id}: {difference.detail}", fg="red")
        mendable = [d.rebuilt for d in found if d.rebuilt is not None]
        if not check:
            for at in range(0, len(mendable), REBUILD_AT_ONCE):
                replaying.rebuild(sql, mendable[at : at + REBUILD_AT_ONCE])
    verb = "differ" if check else f"differed, {len(mendable)} put right"
    click.echo(f"{payments} payments, {total} events: {len(found)} {verb}")
    if len(found) > (0 if check else len(mendable)):
        raise SystemExit(1)


# -- doctor ----------------------------------------------------------------------------


def examine(config: Config) -> int:
    """Print what is well and what is not; 0 if all is well."""
    checks = [
        *_check_database(config),
        *_check_sources(config),
        *_check_machine(),
    ]
    for well, text in checks:
        mark = (
            click.style("ok  ", fg="green") if well else click.style("FAIL", fg="red")
        )
        click.echo(f"{mark} {text}")
    return 0 if all(well for well, _ in checks) else 1


Check = tuple[bool, str]


def _check_database(config: Config) -> Iterator[Check]:
    path = Path(config.db)
    if not path.exists():
        writable = path.absolute().parent.is_dir()
        text = f"database {path}: none yet, " + (
            "`serve` will make it" if writable else "and its folder does not exist"
        )
        yield writable, text
        return
    try:
        with closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        ) as sql:
            (verdict,) = sql.execute("PRAGMA quick_check(1)").fetchone()
            events = replaying.count_events(sql)
            dead = queries.outbox_counts(sql).get("dead", 0)
            have_keys = any(k.revoked_at is None for k in queries.api_keys(sql))
    except sqlite3.Error as error:
        yield False, f"database {path}: {error}; restore a backup or `sqlite3 .recover`"
        return
    yield verdict == "ok", f"database {path}: {events} events, quick check: {verdict}"
    yield (
        not dead,
        f"deliveries given up: {dead}"
        + ("; revive them with POST /v1/redeliver" if dead else ""),
    )
    yield have_keys or config.api_key is not None, (
        "API keys" if have_keys or config.api_key else
        "API keys: none; make one with `keys create NAME`"
    )  # fmt: skip
    if config.node_key is None:
        try:
            node_key(config.db)
        except KeyFileError as error:
            yield False, str(error)
        else:
            yield True, f"key file {path}.key"


def _check_sources(config: Config) -> Iterator[Check]:
    for source in config.sources:
        try:
            feed = make_feed(source, config.network)
            tip = feed.tip()
        except (SourceError, ValueError) as error:
            yield False, f"source {source.kind}: {error}"
        else:
            yield True, f"source {source.kind}: height {tip.height}"
            header = getattr(feed, "header", None)
            found = header(tip.hash) if header is not None else None
            if found is not None:
                ahead = found.time_s - time.time()
                yield (
                    ahead < 7_200,
                    (
                        f"clock: the newest block is from {-ahead:.0f} s ago"
                        if ahead < 7_200
                        else f"clock: the newest block is {ahead:.0f} s ahead of this"
                        " machine's clock: set it (NTP)"
                    ),
                )


def _check_machine() -> Iterator[Check]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"open files: {files}"
    yield (
        files >= 4_096,
        text
        + (
            ""
            if files >= 4_096
            else "; each client needs one: raise it with `ulimit -n`"
        ),
    )
    year = time.gmtime().tm_year
    yield year >= 2025, f"clock: year {year}"
    yield True, f"SQLite {sqlite3.sqlite_version}, one writer and one checkpointer"
