"""What the books must have of refunds, and which coins those concern.

For the judge of money, who sums up what our transactions brought to whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.chain.feed import ChainTx
from engine.payment.model import GivenBack
from engine.payment.refund import Refund, RefundState
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
        self.never_taken: set[str] = set()  # as the judge has it

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
        # One was given up, and what it was to replace was mined: its rest is not told
        # (docs/reliability.md says so).
        lost += [k for k in told if self.never_taken & k.txs.keys()]
        shifted = sum(self._shifted(k) for k in told)
        if not lost and (more, more_fees) != (shifted, -shifted):
            raise Broken(f"the books have {more} sat and {more_fees} of fees too much")

    def _shifted(self, known: Known) -> int:
        """It is told once, with what goes on beside it. If its block is lost after that
        and a bump is mined in its place, the miners have more, and that is not told."""
        told, there = known.told, self.in_chain(known)
        if told is None or told.txid in there or not there:
            return 0
        then, now = self._chain.txs[told.txid], self._chain.txs[there[0]]
        return sum(o.amount_sat for o in then.outputs) - sum(
            o.amount_sat for o in now.outputs
        )
