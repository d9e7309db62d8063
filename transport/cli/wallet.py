"""`paybell wallet`: give a merchant a wallet to watch, and compare its addresses.

They open the database themselves, which no node may hold meanwhile. What is given is
read from standard input or a file, never from the command line, which others can read;
a private key that is given by mistake is refused, and nothing of it is kept or shown.
"""

import sys
import time
from pathlib import Path
from typing import Any, Final, get_args

import click
from msgspec.structs import replace

from engine.config import Config
from engine.errors import InvalidDescriptor, InvalidMerchant
from engine.merchants.name import merchant_name
from engine.merchants.record import Merchant
from engine.store.merchant_rows import merchant_row, merchants_of
from engine.store.sqlite.offline import OfflineDatabase
from engine.store.wallet_port import UNPAID_AT_MOST
from engine.store.wallet_rows import present_wallet, rows_of_descriptor
from engine.store.writes import Committed, WalletRecord, Write
from engine.wallet.descriptor import (
    MAX_LENGTH,
    Descriptor,
    kept_descriptor,
    read_descriptor,
)
from engine.wallet.extended_key import HARDENED, ScriptKind
from transport.cli.database import open_database
from transport.cli.held_wallets import new_wallet, unlock
from transport.cli.settings import database_settings, load_config
from transport.cli.words import say

__all__ = ["wallet"]

SHOWN: Final = 5
"""Addresses to compare: two wallets that agree on the first agree on all; the others
are for who has used some."""


@click.group()
def wallet() -> None:
    """Where a merchant's addresses come from.

    add, list and check are of wallets to watch, whose keys are elsewhere; new and
    unlock of wallets whose keys this node holds (docs/wallets.md, docs/keys.md). Stop
    the node first; a running one takes a wallet to watch as `descriptor` of
    PUT /v1/merchants/NAME.

    \b
    Examples:
      paybell wallet add cafe < descriptor.txt
      paybell wallet add cafe --kind wpkh --file xpub.txt
      paybell wallet list
      paybell wallet check cafe
      paybell wallet new --merchant cafe
      paybell wallet unlock
    """


wallet.add_command(new_wallet)
wallet.add_command(unlock)


@wallet.command("add")
@click.argument("merchant")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False),
    help="Read it from this file instead of standard input.",
)
@click.option(
    "--kind",
    type=click.Choice(get_args(ScriptKind)),
    help="What an xpub or tpub alone is for; ypub and zpub say it themselves.",
)
@click.option(
    "--first-index",
    type=click.IntRange(0, HARDENED - 1),
    default=0,
    show_default=True,
    metavar="INDEX",
    help="Give out no address below this one: others have drawn from it before.",
)
@click.option("--yes", is_flag=True, help="Do not ask whether the addresses are right.")
@database_settings
def add_wallet(
    merchant: str,
    path: str | None,
    kind: ScriptKind | None,
    first_index: int,
    yes: bool,
    **settings: Any,
) -> None:
    """Give MERCHANT a wallet to watch: a descriptor, xpub, ypub or zpub.

    It is read from standard input or a file. Its first addresses are shown before
    anything is kept: compare them with those of your wallet program.
    """
    config = load_config(settings)
    name = _name(merchant)
    said = _given(path)
    try:
        read = read_descriptor(said, config.network, kind)
    except InvalidDescriptor as error:
        raise click.ClickException(f"this wallet is refused: {error}") from None
    _show_first(read, first_index)
    if not yes and sys.stdin.isatty():
        click.confirm("Does your wallet program show these?", abort=True, err=True)
    with open_database(config.db, must_exist=False) as database:
        _keep(database, config, name, read, first_index)


def _keep(
    database: OfflineDatabase,
    config: Config,
    name: str,
    read: Descriptor,
    first_index: int,
) -> None:
    records = merchants_of(database.merchants(), config.limits)
    known = {one.name: one for one in records}
    before = known.get(name) or Merchant(name=name, limits=config.limits)
    if before.is_damaged:
        raise click.ClickException(f"the record of {name} is damaged: replace it first")
    now = max(time.time_ns() // 1_000_000, before.updated_at)
    after = replace(
        before, descriptor=read.text, version=before.version + 1, updated_at=now
    )
    mine = database.wallets(name)
    rows = rows_of_descriptor(after, mine, config.network, now, first_index)
    outcome = database.commit(Write(rows=(merchant_row(after), *rows)))
    if not isinstance(outcome, Committed):
        raise click.ClickException(getattr(outcome, "detail", str(outcome)))
    changed = {row.id: row for row in (*mine, *rows)}
    present = present_wallet(list(changed.values()))
    assert present is not None, "it was written just now"
    say(f"{present.id}  {name}  {read.form}  next: {_next(database, present)}")


@wallet.command("list")
@database_settings
def list_wallets(**settings: Any) -> None:
    """List the wallets of all merchants, oldest first."""
    config = load_config(settings)
    with open_database(config.db, must_exist=True) as database:
        rows = database.wallets()
        for row in rows:
            state = "active" if row.retired_at is None else "retired"
            form = _form(row, config.network)
            say(
                f"{row.id}  {state:<8} {row.merchant:<16} {row.kind} {form}"
                f"  next: {_next(database, row)}"
            )
    if not rows:
        say("no wallets; give a merchant one with `paybell wallet add MERCHANT`")


@wallet.command("check")
@click.argument("merchant")
@database_settings
def check_wallet(merchant: str, **settings: Any) -> None:
    """Show MERCHANT's wallet: its first and next addresses, and how many in a row were
    never paid.

    Compare the first ones with those that your wallet program shows.
    """
    config = load_config(settings)
    name = _name(merchant)
    with open_database(config.db, must_exist=True) as database:
        row = present_wallet(database.wallets(name))
        if row is None:
            raise click.ClickException(f"{name} has no wallet: `paybell wallet add`")
        following = _next(database, row)
        unpaid = database.unpaid_run(row.identity, UNPAID_AT_MOST)
        shared = [
            other.merchant
            for other in database.wallets()
            if other.identity == row.identity and other.merchant != name
        ]
    say(f"{row.id}  {name}  {row.kind}")
    if row.descriptor:
        read = kept_descriptor(row.descriptor, config.network)
        say(read.text)
        _show_first(read, 0)
        say(f"next: {following}  {read.path(following)}  {read.address(following)}")
    else:
        say(f"next: {following}")
    say(f"never paid, of the last ones in a row: {unpaid}")
    if unpaid >= config.wallet_gap:
        say(f"most wallet programs look {config.wallet_gap} ahead: raise the gap limit")
    if shared:
        say(f"the same addresses are drawn for {', '.join(sorted(set(shared)))}, too")


def _name(merchant: str) -> str:
    try:
        return merchant_name(merchant)
    except InvalidMerchant as error:
        raise click.UsageError(str(error)) from error


def _given(path: str | None) -> str:
    """What stands in the file, or is piped in, or is typed unseen: it may be what it
    should not be."""
    if path is not None:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_LENGTH + 2).strip()
    if sys.stdin.isatty():
        prompt = "descriptor, xpub, ypub or zpub (not shown)"
        return str(click.prompt(prompt, hide_input=True, err=True)).strip()
    return sys.stdin.read(MAX_LENGTH + 2).strip()


def _show_first(read: Descriptor, first: int) -> None:
    for number, address in enumerate(read.addresses(first, SHOWN), first):
        say(f"{read.path(number):<24} {address}")


def _next(database: OfflineDatabase, row: WalletRecord) -> int:
    last = database.last_drawn(row.identity)
    return row.first_index if last is None else max(row.first_index, last.index + 1)


def _form(row: WalletRecord, network: str) -> str:
    if not row.descriptor:
        return ""
    try:
        return kept_descriptor(row.descriptor, network).form
    except InvalidDescriptor:
        return "?"
