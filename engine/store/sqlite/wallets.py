"""Wallets and drawn addresses: how they are written, and what is asked of them.

Functions over a connection, in the writer's and in the readers' native threads; the
class is the part of `SqliteReads` that asks.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.payment.model import Payment
from engine.store.sqlite.checksum import checked, row_crc
from engine.store.sqlite.listing_rows import payment_of
from engine.store.sqlite.multi_insert import Many
from engine.store.wallet_port import UNPAID_AT_MOST, LastDrawn
from engine.store.wallet_writes import AddressRow, WalletRecord

__all__ = ["WalletReads", "wallets_in", "write_addresses", "write_wallet"]

_COLUMNS = (
    "id, merchant, kind, descriptor, identity, first_index, created_at, retired_at"
)
_DRAWN = Many(
    'INSERT INTO wallet_addresses (identity, "index", address, wallet, payment_id,'
    " epoch, crc) VALUES",
    7,
)
_ADDRESS = 'identity, "index", address, wallet, payment_id, epoch'


# -- writing ---------------------------------------------------------------------------


def write_wallet(sql: sqlite3.Connection, row: WalletRecord) -> int:
    values = tuple(getattr(row, name) for name in row.__struct_fields__)
    statement = (
        f"INSERT INTO wallets ({_COLUMNS}, crc)"  # noqa: S608 - constants
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " merchant = excluded.merchant, kind = excluded.kind,"
        " descriptor = excluded.descriptor, identity = excluded.identity,"
        " first_index = excluded.first_index, created_at = excluded.created_at,"
        " retired_at = excluded.retired_at, crc = excluded.crc"
    )
    return sql.execute(statement, (*values, row_crc(values))).rowcount


def write_addresses(sql: sqlite3.Connection, rows: Sequence[AddressRow]) -> None:
    """Those that are drawn again first: such an index is there already."""
    values: list[object] = []
    for row in rows:
        said = _said(row)
        if row.former is None:
            values += (*said, row_crc(said))
        else:
            _draw_again(sql, row)
    _DRAWN.run(sql, values)


def _draw_again(sql: sqlite3.Connection, row: AddressRow) -> None:
    said = _said(row)
    found = sql.execute(
        "UPDATE wallet_addresses SET wallet = ?, payment_id = ?, epoch = ?, crc = ?"
        ' WHERE identity = ? AND "index" = ? AND address = ? AND payment_id = ?',
        (*said[3:], row_crc(said), *said[:3], row.former),
    ).rowcount
    if found != 1:
        raise sqlite3.IntegrityError("wallet_addresses.payment_id: not the former one")


def _said(row: AddressRow) -> tuple[object, ...]:
    return (
        row.identity,
        row.index,
        row.address,
        row.wallet,
        row.payment_id,
        row.epoch,
    )


# -- reading ---------------------------------------------------------------------------


def wallets_in(sql: sqlite3.Connection, merchant: str | None) -> list[WalletRecord]:
    """Oldest first; None: of all merchants. Raises `Damaged`."""
    where = "" if merchant is None else " WHERE merchant = ?"
    rows = sql.execute(
        f"SELECT {_COLUMNS}, crc FROM wallets{where}",  # noqa: S608 - constants
        () if merchant is None else (merchant,),
    )
    found = [WalletRecord(*checked(f"wallet {row[0]}", row)) for row in rows]
    return sorted(found, key=lambda row: (row.created_at, row.id))


def _last_drawn(sql: sqlite3.Connection, identity: str) -> LastDrawn | None:
    row = next(_newest(sql, identity, 1), None)
    return None if row is None else LastDrawn(row.index, row.epoch)


def _newest(sql: sqlite3.Connection, identity: str, limit: int) -> Iterator[AddressRow]:
    rows = sql.execute(
        f"SELECT {_ADDRESS}, crc FROM wallet_addresses"  # noqa: S608 - constants
        ' WHERE identity = ? ORDER BY "index" DESC LIMIT ?',
        (identity, limit),
    )
    return (_address_of(row) for row in rows)


def _address_of(row: Sequence[Any]) -> AddressRow:
    return AddressRow(*checked(f"wallet address {row[1]}", row))


def _known(sql: sqlite3.Connection, addresses: Sequence[str]) -> set[str]:
    """One search in each index for each; they come some hundreds at a time."""
    return {address for address in addresses if _is_known(sql, address)}


def _is_known(sql: sqlite3.Connection, address: str) -> bool:
    (known,) = sql.execute(
        "SELECT EXISTS (SELECT 1 FROM payments WHERE address = ?1 AND watched = 1)"
        " OR EXISTS (SELECT 1 FROM payments WHERE address = ?1 AND watched = 0)"
        " OR EXISTS (SELECT 1 FROM wallet_addresses WHERE address = ?1)",
        (address,),
    ).fetchone()
    return bool(known)


def _drawn_at(sql: sqlite3.Connection, address: str) -> AddressRow | None:
    row = sql.execute(
        f"SELECT {_ADDRESS}, crc FROM wallet_addresses WHERE address = ?",  # noqa: S608
        (address,),
    ).fetchone()
    return None if row is None else _address_of(row)


def _drawn_of(sql: sqlite3.Connection, addresses: Sequence[str]) -> dict[str, str]:
    rows = (_drawn_at(sql, address) for address in addresses)
    return {row.address: row.identity for row in rows if row is not None}


def _unpaid(
    sql: sqlite3.Connection, identity: str, limit: int
) -> Iterator[tuple[AddressRow, bool]]:
    """The highest indexes that never saw money, in a row, downwards; whether each one's
    payment is over."""
    for row in _newest(sql, identity, min(limit, UNPAID_AT_MOST)):
        found = sql.execute(
            "SELECT state, crc, watched FROM payments WHERE id = ?", (row.payment_id,)
        ).fetchone()
        if found is None or _saw_money(payment_of(*found[:2])):
            return
        yield row, not found[2]


def _saw_money(payment: Payment) -> bool:
    """Also money that left again, or that a provider speaks of: somebody has used the
    address."""
    return bool(payment.receipts or payment.flags or payment.claimed.taken)


def _unpaid_run(sql: sqlite3.Connection, identity: str, limit: int) -> int:
    return sum(1 for _ in _unpaid(sql, identity, limit))


def _over_unpaid(
    sql: sqlite3.Connection, identity: str, limit: int
) -> list[AddressRow]:
    run = _unpaid(sql, identity, UNPAID_AT_MOST)
    return [row for row, is_over in run if is_over][::-1][:limit]


class WalletReads(ABC):
    """Implements `engine.store.wallet_port.WalletReader`; part of `SqliteReads`."""

    @abstractmethod
    def _ask(self, query: Callable[..., Any], *args: Any) -> Any:
        """See `SqliteReads`."""

    def wallets(self, merchant: str | None = None) -> list[WalletRecord]:
        found: list[WalletRecord] = self._ask(wallets_in, merchant)
        return found

    def last_drawn(self, identity: str) -> LastDrawn | None:
        found: LastDrawn | None = self._ask(_last_drawn, identity)
        return found

    def known_addresses(self, addresses: Sequence[str]) -> set[str]:
        found: set[str] = self._ask(_known, addresses)
        return found

    def drawn_of(self, addresses: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = self._ask(_drawn_of, addresses)
        return found

    def unpaid_run(self, identity: str, limit: int) -> int:
        found: int = self._ask(_unpaid_run, identity, limit)
        return found

    def over_unpaid(self, identity: str, limit: int) -> list[AddressRow]:
        found: list[AddressRow] = self._ask(_over_unpaid, identity, limit)
        return found
