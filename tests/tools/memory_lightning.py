"""Invoices and accounts of the store in memory: the port's rules, said without SQL."""

from engine.payment.model import Payment
from engine.store.lightning_port import OpenInvoice
from engine.store.lightning_writes import UpstreamCursor, closed_by, opened_by
from engine.store.writes import Entry
from tests.tools.memory_rows import Refused, Tables

__all__ = ["MemoryLightning", "note_invoice"]


class MemoryLightning:
    """Implements `LightningReader`."""

    _tables: Tables

    def payment_of_invoice(self, payment_hash: str) -> Payment | None:
        kept = self._tables.invoices.get(payment_hash)
        return None if kept is None else self._tables.payments[kept[0]].payment

    def open_invoices(
        self, node: str, after: str = "", limit: int = 100
    ) -> list[OpenInvoice]:
        tables, found = self._tables, []
        for payment_hash in sorted(tables.invoices):
            name, is_open = tables.invoices[payment_hash]
            (invoice,) = [
                one
                for one in tables.payments[name].terms.invoices
                if one.payment_hash == payment_hash
            ]
            if is_open and invoice.node == node and payment_hash > after:
                found.append(OpenInvoice(payment_hash, name, invoice.expires_at))
        return found[:limit]

    def has_payable_invoice(self, node: str, since: int) -> bool:
        every = self.open_invoices(node, limit=len(self._tables.invoices))
        return any(one.expires_at >= since for one in every)

    def upstream_cursor(self, name: str) -> UpstreamCursor | None:
        return self._tables.upstreams.get(name)


def note_invoice(tables: Tables, entry: Entry) -> None:
    """As a store does in the transaction of the events."""
    terms = entry.payment.terms
    if terms.lightning is None:
        return
    for event in entry.events:
        if (opened := opened_by(event, terms)) is not None:
            name = opened.payment_hash
            if name in tables.invoices:
                raise Refused("address", f"{name} is followed by another payment")
            tables.put(tables.invoices, name, (terms.id, True))
        for name in closed_by(event, terms):
            tables.put(tables.invoices, name, (terms.id, False))
