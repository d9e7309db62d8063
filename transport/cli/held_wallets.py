"""`paybell wallet new` and `unlock`: wallets whose keys this node holds.

They open the database themselves, which no node may hold meanwhile. Nothing secret is
printed where it could be kept by accident: the words of a new seed go to a terminal, or
into a new file that only its owner reads. See docs/keys.md.
"""

import os
import time
from pathlib import Path
from typing import Any, get_args

import click
from msgspec.structs import replace

from engine.config import Config
from engine.errors import InvalidInput, KeyFileError
from engine.merchants.name import DEFAULT, merchant_name
from engine.store.key_writes import WalletSecretRow
from engine.store.port import StoreReader
from engine.store.wallet_rows import new_wallet_id
from engine.store.wallet_writes import WalletRecord
from engine.store.writes import Committed, Write
from engine.wallet.coin import SpendKind
from engine.wallet.descriptor import read_descriptor
from engine.wallet.drawn_key import DrawnKind
from engine.wallet.sealed_wallet import (
    SealedWallet,
    encode_wallet,
    new_keys_wallet,
    new_seed_wallet,
)
from engine.wallet.seed import checked_words, new_words
from transport.cli.database import open_database
from transport.cli.settings import all_settings, load_config
from transport.cli.unlocking import VARIABLE, filled_keyring, passphrase_of
from transport.cli.words import say

__all__ = ["new_wallet", "unlock"]

SHOWN = 3
MAX_WORDS_BYTES = 1_000


@click.command("new")
@click.option(
    "--kind",
    type=click.Choice(["seed", "keys"]),
    default="seed",
    show_default=True,
    help="seed: all keys follow from words on paper. keys: a fresh random one for each"
    " payment, in the database only; without a backup of it they are gone.",
)
@click.option(
    "--addresses",
    type=click.Choice([*get_args(SpendKind)]),
    help="What its addresses look like; default: p2wpkh for a seed, p2sh-p2wpkh for"
    " keys (which can also be p2pkh).",
)
@click.option(
    "--merchant",
    default=DEFAULT,
    show_default=True,
    metavar="NAME",
    help="Whose payments get its addresses.",
)
@click.option(
    "--account",
    type=click.IntRange(0, (1 << 31) - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Which account of the seed (BIP 44).",
)
@click.option(
    "--words-from",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take the words of a seed that exists from this file; - asks at the terminal.",
)
@click.option(
    "--words-to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the words of the new seed into this new file, for its owner only.",
)
@all_settings
def new_wallet(
    kind: str,
    addresses: str | None,
    merchant: str,
    account: int,
    words_from: Path | None,
    words_to: Path | None,
    **settings: Any,
) -> None:
    """Make a wallet whose keys this node holds, sealed under a passphrase.

    New payments of the merchant get their addresses from it. The passphrase comes from
    PAYBELL_WALLET_PASSPHRASE, --wallet-passphrase-file, or you are asked.

    \b
    Examples:
      paybell wallet new                        a seed, its words shown once
      paybell wallet new --addresses p2tr --merchant cafe
      paybell wallet new --kind keys            a fresh key for each payment
    """
    config = load_config(settings)
    try:
        merchant_name(merchant)
        if kind == "keys":
            sealed, row = _keys_wallet(config, merchant, addresses)
            words = None
        else:
            words = _words(words_from, words_to)
            sealed, row = _seed_wallet(config, merchant, addresses, account, words)
    except (InvalidInput, KeyFileError) as error:
        raise click.ClickException(str(error)) from error
    with open_database(config.db, must_exist=False) as database:
        if words is not None and words_from is None:
            _hand_over(words, words_to)  # of a wallet that there will be
        outcome = database.commit(Write(rows=_rows(database, row, sealed)))
    if not isinstance(outcome, Committed):
        raise click.ClickException(getattr(outcome, "detail", str(outcome)))
    say(f"{row.id}  {kind}  {sealed.script_kind}  merchant: {merchant}")
    if row.descriptor:
        public = read_descriptor(row.descriptor, config.network)
        say(f"watch it elsewhere with: {public.text}")
        for index in range(SHOWN):
            say(f"{public.path(index)}  {public.address(index)}")


@click.command("unlock")
@all_settings
def unlock(**settings: Any) -> None:
    """Try the passphrase on all wallets; a node opens them at its start.

    Exit code 1 if one stays locked.
    """
    config = load_config(settings)
    with open_database(config.db, must_exist=True) as database:
        ring = filled_keyring(database)
        names = [name for name, _ in database.sealed_wallets()]
    try:
        locked = ring.unlock(_passphrase(config, is_new=False)) if names else {}
    except KeyFileError as error:
        raise click.ClickException(str(error)) from error
    for name in names:
        say(f"{name}  {locked.get(name, 'opens')}")
    if not names:
        say("no wallet whose keys are here; make one with `paybell wallet new`")
    if locked:
        raise SystemExit(1)


def _keys_wallet(
    config: Config, merchant: str, addresses: str | None
) -> tuple[SealedWallet, WalletRecord]:
    kind = addresses or "p2sh-p2wpkh"
    if kind not in get_args(DrawnKind):
        raise InvalidInput("single keys have p2pkh or p2sh-p2wpkh addresses")
    row = _row(merchant, "keys")
    drawn: DrawnKind = "p2pkh" if kind == "p2pkh" else "p2sh-p2wpkh"
    sealed = new_keys_wallet(
        row.id, drawn, config.network, _passphrase(config, is_new=True)
    )
    return sealed, replace(row, identity=f"keys of {row.id}")


def _seed_wallet(
    config: Config, merchant: str, addresses: str | None, account: int, words: str
) -> tuple[SealedWallet, WalletRecord]:
    wanted = addresses or "p2wpkh"
    kind: SpendKind = next(kind for kind in get_args(SpendKind) if kind == wanted)
    row = _row(merchant, "seed")
    sealed, text = new_seed_wallet(
        row.id,
        words,
        "",
        kind,
        config.network,
        _passphrase(config, is_new=True),
        account,
    )
    public = read_descriptor(text, config.network)
    return sealed, replace(row, descriptor=public.text, identity=public.identity)


def _row(merchant: str, kind: str) -> WalletRecord:
    return WalletRecord(
        id=new_wallet_id(),
        merchant=merchant,
        kind=kind,
        descriptor="",
        identity="",
        first_index=0,
        created_at=time.time_ns() // 1_000_000,
    )


def _rows(
    database: StoreReader, row: WalletRecord, sealed: SealedWallet
) -> tuple[WalletRecord | WalletSecretRow, ...]:
    """The new one in the place of those whose keys we hold; these stay known."""
    former = [
        replace(there, retired_at=row.created_at)
        for there in database.wallets(row.merchant)
        if there.kind != "descriptor" and there.retired_at is None
    ]
    return (*former, row, WalletSecretRow(row.id, encode_wallet(sealed)))


def _words(words_from: Path | None, words_to: Path | None) -> str:
    """New ones, or the owner's. Raises `InvalidInput`."""
    if words_from is None:
        if words_to is not None and words_to.exists():
            raise InvalidInput(f"--words-to {words_to}: File exists")
        if words_to is None and not os.isatty(1):
            raise InvalidInput(
                "the words of the new seed must go somewhere: run it at a terminal, or"
                " name a new file with --words-to"
            )
        return new_words()
    if str(words_from) == "-":
        return checked_words(click.prompt("Words", hide_input=True, err=True))
    try:
        with words_from.open("rb") as file:
            return checked_words(file.read(MAX_WORDS_BYTES).decode())
    except OSError as error:
        raise InvalidInput(f"{words_from}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise InvalidInput(f"{words_from} is not UTF-8 text") from None


def _hand_over(words: str, words_to: Path | None) -> None:
    """Before the wallet is there: a crash leaves words without one, never money without
    words."""
    if words_to is None:
        say("Write these words down, in this order; keep them where no computer is.")
        say("Who has them has the money; they are not shown again.")
        for number, word in enumerate(words.split(), 1):
            say(f"{number:3} {word}")
        return
    try:
        fd = os.open(words_to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w", encoding="ascii") as file:
            file.write(words + "\n")
            file.flush()
            os.fsync(fd)
    except OSError as error:
        text = f"--words-to {words_to}: {error.strerror}"
        raise click.ClickException(text) from error


def _passphrase(config: Config, *, is_new: bool) -> str:
    """As the settings say, or asked at the terminal. Raises `KeyFileError`."""
    found = passphrase_of(config, is_new=is_new)
    if found is None:
        if not os.isatty(0):
            raise KeyFileError(
                f"the wallets' passphrase is needed: {VARIABLE}, or"
                " --wallet-passphrase-file FILE"
            )
        asked = replace(config, wallet_passphrase_file="-")  # noqa: S106 - ask
        found = passphrase_of(asked, is_new=is_new)
        assert found is not None, "it was asked for"
    return found
