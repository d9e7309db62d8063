"""What the books must have of refunds, and which coins those concern.

For the judge of money, who sums up what our transactions brought to whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.chain.feed import ChainTx
from engine.payment.model import GivenBack
from engine.payment.refund import Refund, RefundState
from engine.store.writes import MoveRefund, Write
from tests.simulation.broken import Broken
from tests.simulation.chain import script_of
from tests.simulation.money_chain import MoneyChain

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["ENDED", "Known", "RefundBooks"]

S = RefundState

ENDED = frozenset({S.PAID, S.CANCELLED, S.EXPIRED})


@dataclass(slots=True)
class Known:
    """A refund as its rows say, and what was sent for it."""

    refund: Refund
    state: RefundState
    txs: dict[str, ChainTx] = field(default_factory=dict)  # of ours, by txid
    told: GivenBack | None = None
    by_hand: bool = False  # somebody says that it was paid by other means


class RefundBooks:
    """See the module docstring. `refunds`: by id, as their own judge keeps them."""

    def __init__(
        self, world: World, chain: MoneyChain, refunds: Mapping[str, Known]
    ) -> None:
        self._world = world
        self._chain = chain
        self._refunds = refunds
        self.moved = 0  # refunds that were told, and then paid otherwise

    def in_chain(self, known: Known) -> list[str]:
        """Transactions of ours in the best chain that pay it."""
        seen = self._chain.now
        return [txid for txid in known.txs if self._chain.has(seen, txid)]

    def is_owed(self, payment_id: str) -> bool:
        return any(
            known.refund.payment_id == payment_id and known.state not in ENDED
            for known in self._refunds.values()
        )

    def touches(self, payment_id: str) -> bool:
        """Whether its coins may have paid refunds, or its refunds were paid."""
        label = self._world.life.labels[payment_id]
        coins = {
            (output.txid, output.vout)
            for output in self._chain.outputs(self._chain.now, script_of(label))
        }
        return any(
            known.refund.payment_id == payment_id
            or any(coins & set(tx.spends) for tx in known.txs.values())
            for known in self._refunds.values()
        )

    def are_right(self, back: int, more: int, more_fees: int) -> None:
        """`back`: sat that the books say were given back. `more`: by which owners and
        payers have more by the books than by what our transactions brought them;
        `more_fees`: the same of miners."""
        told = [k for k in self._refunds.values() if k.told is not None]
        said = sum(k.told.amount_sat for k in told if k.told is not None)
        if back != said:
            raise Broken(f"{back} sat are booked as given back, {said} were told of")
        lost = [k for k in told if k.txs and not self.in_chain(k)]
        if not lost and (more or more_fees):
            raise Broken(f"the books have {more} sat and {more_fees} of fees too much")

    def moves(self, row: MoveRefund, write: Write) -> None:
        """It was told, and another transaction of ours for it is in the chain: the sums
        of that are what was told, and the differences that are told beside it."""
        after, known = row.refund, self._refunds[row.refund.id]
        before, told = known.refund, known.told
        if told is None or known.by_hand or after.state is not S.PAID:
            raise Broken(f"{after.id} was not told, or not by us: {after}")
        if after.txid not in known.txs or not self._chain.mined_in.get(after.txid):
            raise Broken(f"{after.id} is paid by {after.txid}, and was not")
        fields = {"txid": before.txid, "fee_sat": before.fee_sat}
        if replace(after, **fields) != before:
            raise Broken(f"{before} became {after}")
        known.refund = after
        said = [
            event.data.refund
            for entry in write.entries
            for event in entry.events
            if event.data.refund is not None and event.data.refund.id == after.id
        ]
        if not said and told.txid == after.txid:
            return  # written once more
        more = said[0] if len(said) == 1 else None
        if more is None or more.txid != after.txid or told.txid == after.txid:
            raise Broken(f"{after.id} is paid by {after.txid}, and {said} are told")
        sat, fee = told.amount_sat + more.amount_sat, told.fee_sat + more.fee_sat
        output = self._chain.txs[after.txid].outputs[0]
        if (sat, fee) != (output.amount_sat, after.fee_sat):
            raise Broken(f"{after.id} got {output}, {sat} sat for {fee} are told")
        known.told = replace(told, amount_sat=sat, fee_sat=fee, txid=after.txid)
        self.moved += 1
