"""Wallets and drawn addresses of the store in memory."""

from collections.abc import Iterator, Sequence

from engine.store.wallet_port import LastDrawn
from engine.store.wallet_writes import AddressRow, WalletRecord
from tests.tools.memory_rows import Refused, Tables

__all__ = ["WalletTables", "draw"]


def draw(tables: Tables, row: AddressRow) -> None:
    """The rule of `AddressRow`, said without SQL."""
    key = row.identity, row.index
    there = tables.drawn.get(key)
    if row.former is None:
        is_taken = any(other.address == row.address for other in tables.drawn.values())
        if there is not None or is_taken:
            raise Refused("wallet", "address was drawn for another payment")
    elif there is None or (there.payment_id, there.address) != (
        row.former,
        row.address,
    ):
        raise Refused("wallet", "address was drawn for another payment")
    tables.put(tables.drawn, key, _kept(row))


def _kept(row: AddressRow) -> AddressRow:
    return AddressRow(
        row.identity, row.index, row.address, row.wallet, row.payment_id, row.epoch
    )


class WalletTables:
    """Implements `engine.store.wallet_port.WalletReader`."""

    _tables: Tables

    def wallets(self, merchant: str | None = None) -> list[WalletRecord]:
        rows = self._tables.wallets.values()
        mine = [row for row in rows if merchant in {None, row.merchant}]
        return sorted(mine, key=lambda row: (row.created_at, row.id))

    def last_drawn(self, identity: str) -> LastDrawn | None:
        row = next(self._downwards(identity), None)
        return None if row is None else LastDrawn(row.index, row.epoch)

    def _downwards(self, identity: str) -> Iterator[AddressRow]:
        rows = [row for key, row in self._tables.drawn.items() if key[0] == identity]
        return iter(sorted(rows, key=lambda row: -row.index))

    def known_addresses(self, addresses: Sequence[str]) -> set[str]:
        known = {row.terms.address for row in self._tables.payments.values()}
        known |= {row.address for row in self._tables.drawn.values()}
        return known & set(addresses)

    def drawn_of(self, addresses: Sequence[str]) -> dict[str, str]:
        rows = self._tables.drawn.values()
        return {row.address: row.identity for row in rows if row.address in addresses}

    def unpaid_run(self, identity: str, limit: int) -> int:
        return len(self._unpaid(identity)[:limit])

    def over_unpaid(self, identity: str, limit: int) -> list[AddressRow]:
        payments = self._tables.payments
        unpaid = self._unpaid(identity)
        over = [row for row in unpaid if not payments[row.payment_id].watched]
        return over[::-1][:limit]

    def _unpaid(self, identity: str) -> list[AddressRow]:
        found = []
        for row in self._downwards(identity):
            stored = self._tables.payments.get(row.payment_id)
            if stored is None:
                break
            payment = stored.payment
            if payment.receipts or payment.flags or payment.claimed.taken:
                break
            found.append(row)
        return found
