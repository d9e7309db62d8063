"""The wallets' passphrase, and the keyring that it opens when a node starts.

It comes from the environment (or the file of settings), from a file of its own, or from
whoever sits at the terminal. It is taken out of this process's environment, so that no
child inherits it, and is kept nowhere else. A node without it, or with a wrong one,
starts all the same: it watches, tells, and moves no money.
"""

import logging
import os
from pathlib import Path

import click

from engine.config import Config
from engine.errors import KeyFileError
from engine.secrets.passphrase import check_passphrase
from engine.store.port import StoreReader
from engine.wallet.keyring import Keyring
from engine.wallet.sealed_wallet import decode_wallet

__all__ = ["VARIABLE", "filled_keyring", "keyring_of", "passphrase_of"]

VARIABLE = "PAYBELL_WALLET_PASSPHRASE"
MAX_BYTES = 4_000
"""Of a file with a passphrase: 1,000 characters of four bytes each."""

_DAMAGED = "its row in the database was changed or damaged: restore it from a backup"

log = logging.getLogger("paybell.wallets")


def keyring_of(config: Config, store: StoreReader) -> Keyring:
    """All wallets that we hold a secret of, open if the passphrase opens them.

    Some tenths of a second for each, once, before the node starts.
    """
    ring = filled_keyring(store)
    if not ring.locked():
        return ring  # nothing to open: nobody is asked
    try:
        passphrase = passphrase_of(config, is_new=False)
    except KeyFileError as error:
        log.warning("wallet.passphrase detail=%s", error)
        passphrase = None
    if passphrase is not None:
        ring.unlock(passphrase)
    for wallet, why in ring.locked().items():
        log.warning("wallet.locked wallet=%s detail=%s", wallet, why)
    return ring


def filled_keyring(store: StoreReader) -> Keyring:
    """All of them, locked. Raises `StoreUnreadable`."""
    ring = Keyring(store.sealed_key)
    for name, state in store.sealed_wallets():
        try:
            if state is None:
                raise KeyFileError(_DAMAGED)
            ring.add([decode_wallet(state)])
        except KeyFileError as error:
            ring.add_damaged(name, str(error))
    return ring


def passphrase_of(config: Config, *, is_new: bool) -> str | None:
    """Where the settings say that it is; None: they say nothing.

    `is_new`: something is sealed with it for the first time. Raises `KeyFileError`.
    """
    found = config.wallet_passphrase
    os.environ.pop(VARIABLE, None)
    path = config.wallet_passphrase_file
    if found is None and path == "-":
        found = _asked(is_new=is_new)
    elif found is None and path is not None:
        found = _first_line(Path(path))
    if found is not None and is_new:
        check_passphrase(found)
    return found


def _asked(*, is_new: bool) -> str:
    if not os.isatty(0):
        raise KeyFileError("the wallets' passphrase is to be asked: nobody is there")
    answer: str = click.prompt(
        "Passphrase of the wallets",
        hide_input=True,
        confirmation_prompt=is_new,
        err=True,
    )
    return answer


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o077
            content = file.read(MAX_BYTES + 1)
        text = content.decode()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise KeyFileError(f"wallet_passphrase_file {path}: {why}") from error
    except UnicodeDecodeError:
        raise KeyFileError(f"wallet_passphrase_file {path}: not UTF-8 text") from None
    if len(content) > MAX_BYTES:
        raise KeyFileError(f"wallet_passphrase_file {path}: over {MAX_BYTES} bytes")
    if mode:
        raise KeyFileError(
            f"wallet_passphrase_file {path} can be read by others: chmod 600 {path}"
        )
    return text.partition("\n")[0].rstrip("\r")
