"""Rows of Lightning that changed on the disk: told, and no other's harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreDamaged
from engine.store.sqlite.checksum import Damaged
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import NewTill, Write
from tests.unit.engine.store.lightning_cases import hash_of, invoiced
from tests.unit.engine.store.till_cases import forward


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    opened.commit([invoiced(1), invoiced(2)])
    opened.commit([Write(rows=(NewTill(forward(n)),)) for n in (1, 2)])
    yield opened
    opened.close()


def harmed(journal: Journal, path: Path, change: str) -> SqliteStore:
    assert journal.connection.execute(f"UPDATE {change}").rowcount == 1
    journal.connection.commit()
    journal.close()
    return SqliteStore(path / "paybell.db")


def test_a_damaged_forward_costs_the_others_nothing_and_alone_it_is_told(
    journal: Journal, tmp_path: Path
) -> None:
    with harmed(
        journal,
        tmp_path,
        f"till_forwards SET crc = crc + 1 WHERE id = '{forward(1).id}'",
    ) as store:
        found = store.reader.till_due("till", 2**53 - 2, 0)
        assert [one.id for one in found] == [forward(2).id]
        with pytest.raises((StoreDamaged, Damaged)):
            store.reader.till_due("till", 2**53 - 2, 0, 1)


def test_an_invoice_whose_row_names_another_payment_is_nobodys(
    journal: Journal, tmp_path: Path
) -> None:
    other = invoiced(2).entries[0].payment.id
    change = f"invoices SET payment_id = '{other}' WHERE payment_hash = '{hash_of(1)}'"
    with harmed(journal, tmp_path, change) as store:
        with pytest.raises(StoreDamaged, match=f"is not of {other}"):
            store.reader.payment_of_invoice(hash_of(1))
        found = store.reader.payment_of_invoice(hash_of(2))
        assert found is not None
        assert found.id == other
