"""Merchants of the file: the first word about whom nothing is kept, and no more."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.merchants.book import MerchantBook
from engine.merchants.lightning_address import LightningAddress
from engine.merchants.record import Limits, MerchantSettings, OwnLimits
from engine.merchants.rules import replaced
from engine.secrets.vault import Vault
from engine.store.merchant_rows import merchant_row
from engine.store.sqlite.journal import Journal
from engine.store.writes import MerchantRow, Write
from tests.tools.direct_store import DirectStore
from tests.tools.memory_store import MemoryStore
from transport.cli.seeding import fill_book

VAULT = Vault(b"k" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectStore]:
    journal = Journal(tmp_path / "paybell.db")
    yield DirectStore(journal)
    journal.close()


def filled(store: DirectStore | MemoryStore, **seeds: MerchantSettings) -> MerchantBook:
    book = MerchantBook(Limits(claims=16))
    fill_book(book, store, store, VAULT.seal, seeds)
    return book


def test_the_row_of_a_merchant_survives_a_restart_and_the_file_does_not_touch_it(
    store: DirectStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paybell")
    first = MerchantSettings(
        display_name="From the file", webhook_secrets={"btc": "secret-1"}
    )
    made = filled(store, ann=first).get("ann")
    assert (made.version, made.display_name) == (1, "From the file")
    sealed = made.webhook_secrets["btc"]
    assert VAULT.open(sealed, made.secret_owner("btc")) == b"secret-1"
    assert filled(store).get("ann") == made, "a restart without the file's table"

    # Somebody changes it over the API, and the node starts with the old file.
    asked = MerchantSettings(limits=OwnLimits(claims=2))
    changed = replaced(made, asked, VAULT.seal, Limits(claims=16), made.updated_at + 1)
    store.submit([Write(rows=(merchant_row(changed),))], lambda _outcomes: None)
    again = filled(store, ann=first, bob=MerchantSettings(display_name="Bob"))
    assert again.get("ann") == changed, "the row is the truth"
    assert again.get("ann").limits.claims == 2
    assert again.get("bob").display_name == "Bob"
    assert "merchants.kept names=ann " in caplog.text
    assert filled(store).get("bob") == again.get("bob")


def test_no_line_of_a_file_takes_a_lightning_address_from_who_has_it(
    store: DirectStore, caplog: pytest.LogCaptureFixture
) -> None:
    tips = MerchantSettings(lightning_address=LightningAddress(name="tips"))
    filled(store, ann=tips)
    book = filled(store, bob=tips, cleo=MerchantSettings(display_name="Cleo"))
    assert book.at_lightning_address("tips") == book.get("ann")
    assert book.get("bob").lightning_address is None
    assert "merchant.address_taken merchant=bob address=tips" in caplog.text
    assert "merchant=cleo" not in caplog.text


def test_a_damaged_row_is_named_and_keeps_nobody_from_starting(
    store: DirectStore, caplog: pytest.LogCaptureFixture
) -> None:
    rows = (MerchantRow("ann", 1, 5, b"{}"), MerchantRow("bob", 1, 5, b"{}"))
    store.submit([Write(rows=rows)], lambda _outcomes: None)
    store.journal.connection.execute(
        "UPDATE merchants SET state = x'7b7d20' WHERE name = 'ann'"
    )
    book = filled(store, ann=MerchantSettings(display_name="not over a damaged row"))
    assert book.get("ann").is_damaged
    assert not book.get("bob").is_damaged
    assert "merchant.damaged merchant=ann" in caplog.text


def test_merchants_that_cannot_be_kept_keep_the_node_from_starting() -> None:
    store = MemoryStore()
    store.refuses = "the disk is full"
    filled(store)  # there is nothing to write
    with pytest.raises(JournalError, match=r"cannot be kept.*the disk is full"):
        filled(store, ann=MerchantSettings())
