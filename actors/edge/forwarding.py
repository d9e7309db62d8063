"""The way in to money that is sent on: part of the gateway."""

from collections.abc import Sequence

from actors.edge.kept import KeptRows
from actors.facts.upstreams import MoneyCame
from engine.errors import Duplicate
from engine.lightning.till import TillForward, given_up, resumed
from engine.payment.model import Payment
from engine.policy.periods import DAY_MS
from engine.store.outgoing_port import Paused
from engine.store.writes import (
    MoveOutgoing,
    MoveTill,
    PauseForwarding,
    QueueForward,
    Row,
    Write,
)
from engine.wallet.outgoing import Outgoing, OutgoingState, tried_again

__all__ = ["ForwardingDesk", "retry_rows"]


class ForwardingDesk(KeptRows):
    """Implements `engine.gateways.forwarding.ForwardingGateway`."""

    def forwarding_paused(self) -> Paused | None:
        return self._store.forward_paused()

    def pause_forwarding(self, by: str) -> None:
        self._write(PauseForwarding(self.now(), by))

    def resume_forwarding(self) -> None:
        self._write(PauseForwarding(0))

    def sent_today(self, merchant: str) -> int:
        return self._store.sent_since(merchant, self.now() - DAY_MS)

    def retry_forward(self, payment: Payment) -> int:
        rows = retry_rows(payment, self._store.outgoing_of_payment(payment.id))
        if rows:
            self._commit(Write(rows=tuple(rows)))
        return max(len(rows) - 1, 0)

    def outgoing(self, outgoing_id: str) -> Outgoing | None:
        return self._store.outgoing(outgoing_id)

    def outgoing_of(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[Outgoing]:
        return self._store.outgoing_of_merchant(merchant, before, limit)

    def till_forward(self, forward_id: str) -> TillForward | None:
        return self._store.till_forward(forward_id)

    def till_forwards_of(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[TillForward]:
        return self._store.till_forwards_of_merchant(merchant, before, limit)

    def resume_till_forward(self, forward: TillForward) -> TillForward | None:
        return self._moved(forward, resumed(forward, self.now()))

    def give_up_till_forward(self, forward: TillForward) -> TillForward | None:
        return self._moved(forward, given_up(forward, self.now(), "given up by hand"))

    def _moved(
        self, before: TillForward, after: TillForward | None
    ) -> TillForward | None:
        """`after`, once it is committed; its till hears of it."""
        if after is None:
            return None
        try:
            self._commit(Write(rows=(MoveTill(after, before.step),)))
        except Duplicate:
            return None
        till = self._node.tills.get(after.source)
        if till is not None:
            till.tell(MoneyCame())
        return after


def retry_rows(payment: Payment, made: Sequence[Outgoing]) -> list[Row]:
    """`made`: all that took coins of it. Empty: none has failed. One that is still
    looked after is left alone if its payment is yet to be told, or another of its
    family stands."""
    rows: list[Row] = [
        MoveOutgoing(tried_again(one, payment.id), one.state)
        for one in made
        if one.state is OutgoingState.FAILED and _is_told(payment, one)
    ]
    if rows:
        rows.append(QueueForward(payment.id, payment.terms.merchant, payment.seq))
    return rows


def _is_told(payment: Payment, failed: Outgoing) -> bool:
    if not failed.is_open:
        return True
    known = None if payment.forward is None else payment.forward.part(failed.id)
    return known is not None and bool(known.failed)
