"""Refunds in the store in memory: the port's rules, said without SQL."""

from collections.abc import Iterator

from engine.payment.refund import COUNTS, Refund, RefundState
from engine.store.refund_port import REFUNDS_PER_PAGE
from engine.store.refund_writes import MoveRefund, OpenRefund
from tests.tools.memory_rows import Refused, Tables

__all__ = ["MemoryRefunds", "move_refund", "open_refund"]


def open_refund(tables: Tables, row: OpenRefund) -> int:
    refund = row.refund
    _must_be_at(tables, refund.payment_id, row.seq)
    mine = [r for r in tables.refunds.values() if r.payment_id == refund.payment_id]
    taken = sum(r.amount_sat for r in mine if r.state in COUNTS)
    if taken + refund.amount_sat > row.most_sat:
        raise Refused("refund", "more than can be refunded")
    if len(mine) >= row.most_of_payment:
        raise Refused("refund", "too many of this payment")
    others = (r for r in tables.refunds.values() if r.merchant == refund.merchant)
    if sum(r.is_living for r in others) >= row.most_of_merchant:
        raise Refused("refund", "too many of this merchant")
    if refund.id in tables.refunds:
        raise Refused("refund", "it is there already")
    tables.put(tables.refunds, refund.id, refund)
    return 1


def move_refund(tables: Tables, row: MoveRefund) -> int:
    if row.seq is not None:
        _must_be_at(tables, row.refund.payment_id, row.seq)
    stored = tables.refunds.get(row.refund.id)
    if stored is None or stored.state is not row.before:
        raise Refused("refund", f"it is not {row.before} any more")
    if overlooked := row.overlooks(stored):
        raise Refused("refund", overlooked)
    by = row.refund.outgoing_id
    others = (r for r in tables.refunds.values() if r.id != row.refund.id)
    if by and by in {r.outgoing_id for r in others}:
        raise Refused("refund", f"{by} pays another")
    tables.put(tables.refunds, row.refund.id, row.refund)
    return 1


def _must_be_at(tables: Tables, payment_id: str, seq: int) -> None:
    stored = tables.payments.get(payment_id)
    if stored is None or stored.payment.seq != seq:
        raise Refused("seq", "the payment has moved on")


class MemoryRefunds:
    """Implements `engine.store.refund_port.RefundReader`."""

    _tables: Tables

    def refund(self, refund_id: str) -> Refund | None:
        return self._tables.refunds.get(refund_id)

    def refunds_of(
        self, payment_id: str, limit: int = REFUNDS_PER_PAGE
    ) -> list[Refund]:
        return [r for r in self._by_id() if r.payment_id == payment_id][:limit]

    def refunds_page(
        self, merchant: str | None, before_id: str | None, limit: int
    ) -> list[Refund]:
        newest = reversed([*self._by_id()])
        mine = (r for r in newest if merchant in {None, r.merchant})
        return [r for r in mine if before_id is None or r.id < before_id][:limit]

    def refunds_in(
        self, state: RefundState, after_id: str = "", limit: int = REFUNDS_PER_PAGE
    ) -> list[Refund]:
        later = (r for r in self._by_id() if r.id > after_id)
        return [r for r in later if r.state is state][:limit]

    def refunds_due(self, before: int, limit: int = REFUNDS_PER_PAGE) -> list[Refund]:
        due = [r for r in self._by_id() if r.state is RefundState.OPEN]
        due = [r for r in due if r.expires_at <= before]
        return sorted(due, key=lambda r: r.expires_at)[:limit]

    def _by_id(self) -> Iterator[Refund]:
        for name in sorted(self._tables.refunds):
            yield self._tables.refunds[name]
