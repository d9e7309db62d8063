"""Refunds, as the edges ask for them: each step is one commit.

That a refund is paid is told by its payment: through its watcher if it has one, else
beside it, as nobody else writes to a payment that is over.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from actors.edge.tree import TreeViews
from actors.messages import RefundMoved
from engine.errors import EngineBusy, Refused
from engine.payment.model import GivenBack, Payment
from engine.payment.observations import RefundPaid
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import paid
from engine.store.writes import (
    ForgetIdempotency,
    KeptAnswer,
    MoveRefund,
    OpenRefund,
    Row,
    Write,
)

__all__ = ["RefundEdge"]


def _nothing(_refund: Refund) -> KeptAnswer | None:
    return None


class RefundEdge(TreeViews):
    """Implements `engine.gateways.refunds.RefundGateway`."""

    def open_refund(
        self,
        refund: Refund,
        payment: Payment,
        most_sat: int,
        keep: Callable[[Refund], KeptAnswer | None] = _nothing,
    ) -> Refund:
        assert refund.payment_id == payment.id, refund.id
        limits = self.merchant(refund.merchant).limits
        row = OpenRefund(
            refund,
            payment.seq,
            most_sat,
            limits.refunds_per_payment,
            limits.refunds_open,
        )
        rows: tuple[Row, ...] = (row,)
        kept = keep(refund)
        if kept is not None:
            old = self.replayed_since()
            rows = (*rows, ForgetIdempotency(old, kept.scope, kept.key), kept)
        self._commit(Write(rows=rows), lambda: self._tell(refund))
        return refund

    def move_refund(self, before: Refund, after: Refund) -> Refund:
        if after.state is RefundState.CANCELLED:
            self._must_not_be_sent(before)
        row = MoveRefund(after, before.state)
        self._commit(Write(rows=(row,)), lambda: self._tell(after))
        return after

    def _must_not_be_sent(self, refund: Refund) -> None:
        """Raises `Refused`: what no node took of it a miner may yet take."""
        store = self._store
        last = store.outgoing(refund.outgoing_id) if refund.outgoing_id else None
        if last is None:
            return
        tries = store.outgoing_family(last.family)
        for name in {name for one in tries for name in one.instead_of}:
            before = store.outgoing(name)
            if before is not None and before.cause == refund.id:
                tries.append(before)
        for one in tries:
            if one.is_open and not one.lost:
                raise Refused(
                    f"no node took the transaction that pays it ({one.txid}), and a"
                    " miner may: it cannot be withdrawn"
                )

    def refund_by_hand(self, before: Refund, txid: str, by: str) -> Refund:
        after = paid(before, txid, 0, self.now(), by)
        told = GivenBack(
            id=after.id, amount_sat=after.amount_sat, txid=txid, worth=after.worth
        )
        payment = self.payment(before.payment_id)
        assert payment is not None, before.payment_id
        self.tell_refund(
            payment,
            RefundPaid(refund=told, by=by),
            MoveRefund(after, before.state),
        )
        self._tell(after)
        return after

    def refund(self, refund_id: str) -> Refund | None:
        return self._store.refund(refund_id)

    def refunds_of(self, payment_id: str) -> list[Refund]:
        return self._store.refunds_of(payment_id)

    def refunds_page(
        self, merchant: str | None, before_id: str | None, limit: int
    ) -> list[Refund]:
        return self._store.refunds_page(merchant, before_id, limit)

    def best_height(self) -> int:
        best = self._node.source_report.now.best
        if best is None:  # an old output of that sum would count as the refund
            raise EngineBusy("no block of the chain has been seen yet", 5)
        return best.tip.height

    @abstractmethod
    def tell_refund(self, payment: Payment, told: RefundPaid, row: MoveRefund) -> None:
        """The gateway's own."""

    def _tell(self, refund: Refund) -> None:
        """Whoever pays and watches refunds; it reads all of them back at its start."""
        self._node.refunds.tell(RefundMoved(refund.id))
