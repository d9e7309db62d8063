"""`paybell backup` and `paybell restore`.

A backup needs no node to stop and no key of it: it is read from the database beside
the node. A restore is made while no node runs. See docs/backup.md.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.config import Config
from engine.errors import BackupError, CannotOpenStore, KeyFileError
from engine.secrets.key_file import keep_key, key_path, node_key
from engine.secrets.sealed_key import MIN_PASSPHRASE, open_key, seal_key
from engine.store.sqlite.backup import make_backup, sync
from engine.store.sqlite.restore import Contents, Replaced, Restore
from transport.cli.settings import database_settings, load_config
from transport.cli.words import say

__all__ = ["backup", "restore"]

PASSPHRASE = "PAYBELL_BACKUP_PASSPHRASE"  # noqa: S105 - a name, not the passphrase
MAX_PASSPHRASE_BYTES = 1_000
MAX_KEY_FILE_BYTES = 10_000

Command = TypeVar("Command", bound=Callable[..., Any])


def _key_options(command: Command) -> Command:
    from_file = click.option(
        "--passphrase-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="File whose first line is the passphrase of the backup's key; else"
        f" {PASSPHRASE}, else you are asked.",
    )
    without = click.option(
        "--without-key",
        is_flag=True,
        help="Leave the node's key out. Keep it elsewhere: without it the secrets of"
        " webhooks cannot be read.",
    )
    return without(from_file(command))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@_key_options
@database_settings
def backup(
    file: Path, passphrase_file: Path | None, without_key: bool, **settings: Any
) -> None:
    """Write all that is committed into the new file FILE; a node may run meanwhile.

    The node's key is sealed under a passphrase and put beside it, as FILE.key.

    \b
    Examples:
      paybell backup /backups/paybell-monday.db --passphrase-file /root/passphrase
      paybell backup monday.db --without-key
    """
    config = load_config(settings)
    sealed_file = Path(f"{file}.key")
    try:
        sealed = None
        if not without_key:
            sealed = _sealed_key(config, sealed_file, passphrase_file)
        note = make_backup(config.db, file, _now_ms())
        if sealed is not None:
            _write_new(sealed_file, sealed)
    except (CannotOpenStore, KeyFileError) as error:
        raise click.ClickException(str(error)) from error
    size_mb = file.stat().st_size / 1e6
    say(f"{file}: {size_mb:.1f} MB, all up to event {note.last_offset}")
    if sealed is not None:
        say(f"{sealed_file}: the node's key, sealed under the passphrase")
    else:
        say(f"without the node's key: keep {key_path(config.db)} elsewhere")


def _sealed_key(config: Config, path: Path, passphrase_file: Path | None) -> bytes:
    if os.path.lexists(path):
        raise KeyFileError(f"{path} exists already; name another file")
    key = config.node_key
    raw = bytes.fromhex(key) if key else None
    if raw is None:
        if not key_path(config.db).exists():
            raise KeyFileError(
                f"key file {key_path(config.db)} is missing; set PAYBELL_NODE_KEY if"
                " the node's key is there, or leave it out with --without-key"
            )
        raw = node_key(config.db, may_make=False)
    return seal_key(raw, _passphrase(passphrase_file, is_new=True))


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync(path.absolute().parent)
    except OSError as error:
        raise KeyFileError(
            f"the backup is made, but its key file {path} is not: {error.strerror};"
            " make both again under another name"
        ) from error


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--replace",
    is_flag=True,
    help="Accept it in the place of a database that has more than the backup. What is"
    " there is moved aside, not deleted.",
)
@_key_options
@database_settings
def restore(
    file: Path,
    replace: bool,
    passphrase_file: Path | None,
    without_key: bool,
    **settings: Any,
) -> None:
    """Put the backup FILE in the place of the database. Stop the node first.

    It is looked through first, and what stands in its place is moved aside. The
    database goes on as a new epoch: ids of its events and cursors are none that were
    given out before. When the node starts, it reads the chain again from where the
    backup had read it, so that money paid meanwhile to addresses that the backup
    knows is found. What the backup does not know is said.

    \b
    Examples:
      paybell restore /backups/paybell-monday.db --db paybell.db
      paybell restore paybell.db --db paybell.db   (a snapshot put back by hand)
    """
    config = load_config(settings)
    aside = "before-restore-" + datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        with Restore(file, config.db) as place:
            found = place.look()
            replaced, acknowledged = place.replaced(), place.acknowledged()
            _must_be_meant(config.db, found, replaced, replace=replace)
            key = None
            if not without_key:
                key = _key_of(config, file, found, passphrase_file)
            carried = place.carry_keys()
            place.accept(aside)
            if key is not None:
                _put_key(key_path(config.db), key, aside)
    except (CannotOpenStore, KeyFileError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _say(config, found, replaced, acknowledged, aside)
    _say_of_keys(found, replaced, carried, f"{config.db}.{aside}")


def _must_be_meant(
    db: str, found: Contents, replaced: Replaced | None, *, replace: bool
) -> None:
    if replaced is None or replaced.is_older_part or replace:
        return
    if replaced.last_offset is None:
        what = "cannot be read, and may have more than the backup"
    elif replaced.last_offset > found.last_offset:
        what = (
            f"goes up to event {replaced.last_offset}, the backup only to"
            f" {found.last_offset}"
        )
    else:
        what = "has another story than the backup"
    raise BackupError(
        f"database {db} is there and {what}. Nothing was changed. To put the backup in"
        " its place all the same (it is moved aside, not deleted), add --replace"
    )


def _key_of(
    config: Config, file: Path, found: Contents, passphrase_file: Path | None
) -> bytes | None:
    """The key to put in place; None: it is there, or is in the environment."""
    sealed = Path(f"{file}.key")
    if config.node_key is not None or (
        file.exists()
        and Path(config.db).exists()
        and file.samefile(config.db)
        and key_path(config.db).exists()
    ):
        return None
    if not sealed.exists():
        if key_path(config.db).exists() or not found.relies_on_key:
            return None
        raise KeyFileError(
            f"there is no {sealed}, and no key file {key_path(config.db)} yet: without"
            " the node's key the secrets of webhooks cannot be read. Put it there, set"
            " PAYBELL_NODE_KEY, or add --without-key and put it there later"
        )
    content = sealed.read_bytes()[:MAX_KEY_FILE_BYTES]
    try:
        return open_key(content, _passphrase(passphrase_file, is_new=False))
    except KeyFileError as error:
        raise KeyFileError(f"{sealed}: {error}") from error


def _put_key(path: Path, key: bytes, aside: str) -> None:
    if path.exists():
        if path.read_bytes() == key:
            return
        path.rename(f"{path}.{aside}")
    keep_key(path, key)


def _passphrase(file: Path | None, *, is_new: bool) -> str:
    """From the file, the environment, or whoever sits there. Raises `KeyFileError`."""
    if file is not None:
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_PASSPHRASE_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"--passphrase-file {file}: {error}") from error
        found = content.partition("\n")[0].rstrip("\r")
    elif PASSPHRASE in os.environ:
        found = os.environ[PASSPHRASE]
    elif os.isatty(0):
        found = click.prompt(
            "Passphrase of the backup's key",
            hide_input=True,
            confirmation_prompt=is_new,
            err=True,
        )
    else:
        raise KeyFileError(
            "a passphrase is needed for the node's key: --passphrase-file FILE,"
            f" {PASSPHRASE}, or --without-key"
        )
    if is_new and len(found) < MIN_PASSPHRASE:
        raise KeyFileError(f"the passphrase must have {MIN_PASSPHRASE} characters")
    return found


def _say(
    config: Config,
    found: Contents,
    replaced: Replaced | None,
    acknowledged: int,
    aside: str,
) -> None:
    """What there is now, what may be lost, and what comes next."""
    made = found.note.made_at if found.note is not None else found.last_at
    when = _utc(made) if made is not None else "unknown"
    say(f"restored {config.db}: {found.payments} payments, {found.watched} of them"
        f" watched, events up to {found.last_offset}; as of {when}")  # fmt: skip
    if found.note is None:
        say("It was not made by `paybell backup`: a copied file of a running node may"
            " lack what was in its -wal.")  # fmt: skip
    for line in found.damaged:
        say(f"DAMAGED: {line}; see `paybell replay --check`")
    if replaced is not None:
        say(f"What was there is {config.db}.{aside}")
    ended = max(acknowledged, (replaced.last_offset or 0) if replaced else 0)
    lost = ended - found.last_offset
    how_many = f"{lost} events" if lost > 0 else "all that was committed"
    say(f"Lost: {how_many} after {when}. Orders made after that are not known here,"
        " and nobody watches their addresses: shops must look for orders that Paybell"
        " answers 404 for, and see by hand what came to their addresses.")  # fmt: skip
    tip = found.tip
    place = f"block {tip.height}" if tip is not None else "its oldest order"
    say(f"The chain is read again from {place} on when the node starts: money paid"
        " meanwhile to addresses that are known here is found and told. Where blocks"
        " are gone (a pruned node), orders wait, and an alert names them.")  # fmt: skip
    say("Events from now on have ids of a new epoch; cursors of /v1/events from after"
        " the backup get 410 with the one to go on from.")  # fmt: skip
    if found.relies_on_key and not key_path(config.db).exists() and not config.node_key:
        say(f"Put the node's key at {key_path(config.db)} before you start the node.")


def _say_of_keys(
    found: Contents, replaced: Replaced | None, carried: int | None, old: str
) -> None:
    """Of wallets of single keys: what was drawn after the backup."""
    if carried:
        say(
            f"Taken over from {old}: {carried} keys of wallets, drawn after the backup."
        )
    elif found.holds_drawn_keys and (carried is None or replaced is None):
        say("KEYS: it has wallets of single keys (docs/keys.md). Money on addresses"
            " that were given out after the backup cannot be moved: their keys are in"
            " the lost database only. Keep what is left of that.")  # fmt: skip


def _utc(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
