"""What around the node is not as it should be: told at the start, and by the doctor.

It runs all the same: too few open files, and files with secrets that others may read.
"""

import logging
import tomllib
from collections.abc import Iterator
from pathlib import Path

from engine.files.database_files import beside, real
from engine.settings.table import OPTIONS
from transport.cli.open_files import client_connections, raise_limit
from transport.server.limits import ServerLimits

__all__ = ["FEW_CLIENTS", "exposed_files", "warn_of_surroundings"]

_log = logging.getLogger("paybell.process")

FEW_CLIENTS = 1_000
"""Whoever may have fewer has a limit that was not made for a server."""

OTHERS = 0o006
SECRETS = {"sources", "merchants", *(o.name for o in OPTIONS if o.secret)}
"""Keys of the file that are secrets, or hold some: passwords, webhook secrets."""


def warn_of_surroundings(db: str, config_path: str | None) -> None:
    """A line of the log for each."""
    files = raise_limit()
    clients = client_connections(files, ServerLimits().connections)
    if clients < FEW_CLIENTS:
        _log.warning(
            "files.few open_files=%d clients=%d detail=more connections are refused;"
            " raise the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd)",
            files,
            clients,
        )
    for path, mode in exposed_files(db, config_path):
        _log.warning("file.exposed path=%s mode=%03o detail=everybody on this machine"
                     " can open it: chmod o-rwx", path, mode)  # fmt: skip


def exposed_files(db: str, config_path: str | None) -> Iterator[tuple[Path, int]]:
    """Files with secrets, or with what customers paid, that any user of this machine
    may read or write. (A key file that others can read is refused.)"""
    wanted = [Path(real(db))]
    wanted += [beside(db, suffix) for suffix in ("-wal", "-shm", ".lock", ".acked")]
    if config_path is not None and _holds_secrets(Path(config_path)):
        wanted.append(Path(config_path))
    for path in wanted:
        try:
            mode = path.stat().st_mode & 0o777
        except OSError:  # it is not there, or not ours to see
            continue
        if mode & OTHERS:
            yield path, mode


def _holds_secrets(path: Path) -> bool:
    try:
        return not SECRETS.isdisjoint(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # whoever reads it in earnest says so
        return False
