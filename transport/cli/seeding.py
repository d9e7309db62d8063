"""The merchants of a node that starts: what it has kept, and the file's first word.

The row is the truth. A table `[merchants.<name>]` of paybell.toml makes the row of a
merchant who has none and is passed over for one who has: what was changed over the API
must not come back with a restart. Called by run.py before anything runs.
"""

import logging
import time
from collections.abc import Callable, Mapping

import msgspec
from gevent.event import AsyncResult

from engine.errors import JournalError
from engine.merchants.book import MerchantBook
from engine.merchants.record import Merchant, MerchantSettings
from engine.merchants.rules import address_name, replaced
from engine.store.merchant_rows import merchant_row, merchants_of
from engine.store.port import StoreReader, StoreWriter
from engine.store.wallet_rows import rows_of_descriptor
from engine.store.writes import Committed, Outcome, Row, Write

__all__ = ["fill_book"]

log = logging.getLogger("paybell")

COMMIT_S = 30.0


def fill_book(
    book: MerchantBook,
    reader: StoreReader,
    writer: StoreWriter,
    seal: Callable[[bytes, str], str],
    seeds: Mapping[str, MerchantSettings],
    network: str = "regtest",
) -> None:
    """Read all rows, and make those of new names among `seeds`.

    Raises `StoreUnreadable`, and `JournalError` if they cannot be written.
    """
    book.load(merchants_of(reader.merchants(), book.defaults))
    for merchant in book:
        if merchant.is_damaged:
            log.error(
                "merchant.damaged merchant=%s detail=its row is not as it was written:"
                " its webhooks are refused until PUT /v1/merchants/%s replaces it",
                merchant.name,
                merchant.name,
            )
    now = time.time_ns() // 1_000_000
    passed_over = sorted(name for name in seeds if name in book)
    made = [
        replaced(Merchant(name=name), said, seal, book.defaults, now)
        for name, said in _with_own_addresses(book, seeds).items()
    ]
    if passed_over:
        log.info(
            "merchants.kept names=%s detail=the database has them; the file's tables"
            " are only for new ones",
            ",".join(passed_over),
        )
    rows: list[Row] = [merchant_row(merchant) for merchant in made]
    with_wallet = {wallet.merchant for wallet in reader.wallets()}
    for merchant in (*book, *made):
        if merchant.descriptor and merchant.name not in with_wallet:
            rows += rows_of_descriptor(merchant, (), network, now)
    if rows:
        _commit(writer, Write(rows=tuple(rows)))
    book.load(made)


def _with_own_addresses(
    book: MerchantBook, seeds: Mapping[str, MerchantSettings]
) -> dict[str, MerchantSettings]:
    """Those of new names. Who comes first has a Lightning Address: it is taken from
    nobody by a line of a file."""
    found: dict[str, MerchantSettings] = {}
    taken = {address_name(merchant) for merchant in book} - {""}
    for name, said in seeds.items():
        if name in book:
            continue
        if address_name(said) in taken:
            log.error(
                "merchant.address_taken merchant=%s address=%s detail=another merchant"
                " has a Lightning Address of this name: this one has none",
                name,
                address_name(said),
            )
            said = msgspec.structs.replace(said, lightning_address=None)
        taken |= {address_name(said)} - {""}
        found[name] = said
    return found


def _commit(writer: StoreWriter, write: Write) -> None:
    done: AsyncResult[list[Outcome]] = AsyncResult()
    writer.submit([write], done.set)
    outcomes = done.get(timeout=COMMIT_S)
    if not outcomes or not isinstance(outcomes[0], Committed):
        raise JournalError(f"the merchants of the file cannot be kept: {outcomes}")
