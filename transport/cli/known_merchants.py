"""The book of merchants that a node starts with. Called by run.py."""

from engine.config import Config
from engine.errors import CannotOpenStore, StoreUnreadable
from engine.merchants.book import MerchantBook
from engine.secrets.vault import Vault
from engine.store.sqlite.store import SqliteStore
from transport.cli.lightning import refuse_unknown_owners
from transport.cli.seeding import fill_book
from transport.cli.starting import CannotStart, refuse_unknown_seeds

__all__ = ["known_merchants"]


def known_merchants(config: Config, store: SqliteStore, vault: Vault) -> MerchantBook:
    """What the database keeps, and the file's first word. Raises `CannotStart`."""
    # The document that `phoenixd` is made for identifies without a secret.
    seed = config.seeds.get("phoenixd")
    book = MerchantBook(config.limits, () if seed is None else (seed,))
    at = store.reader, store.writer
    try:
        fill_book(book, *at, vault.seal, config.merchants, config.network)
    except (CannotOpenStore, StoreUnreadable) as error:
        raise CannotStart(str(error)) from error
    refuse_unknown_seeds(config, book)
    refuse_unknown_owners(config, book)
    return book
