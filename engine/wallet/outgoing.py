"""A transaction of ours on its way out, and the steps that it can take.

`STEPS` is the whole machine: from a state, the states that may follow. Everything that
leaves goes through it, a sweep or a refund:

    prepared    signed and committed; nobody was told, nothing was sent
    broadcast   whom it concerns was told; its bytes are sent, again and again
    seen        a source has it in its mempool
    confirmed   it is in a block of the best chain, deep enough
    replaced    another one spends its inputs for a higher fee; it may win all the same
    failed      a coin of it is gone, or was spent by a stranger; or no node takes it,
                and then a miner may all the same

A coin is in one *living* transaction at most; a bump takes the place over in the write
that makes it. Pure.
"""

from enum import StrEnum
from typing import Final

import msgspec

from engine.wallet.plan import Plan

__all__ = [
    "LIVING",
    "STEPS",
    "UNDER_WAY",
    "Outgoing",
    "OutgoingKind",
    "OutgoingState",
    "moved",
    "tried_again",
]


class OutgoingKind(StrEnum):
    """What for."""

    SWEEP = "sweep"
    REFUND = "refund"


class OutgoingState(StrEnum):
    """See the module docstring."""

    PREPARED = "prepared"
    BROADCAST = "broadcast"
    SEEN = "seen"
    CONFIRMED = "confirmed"
    REPLACED = "replaced"
    FAILED = "failed"


_S = OutgoingState

STEPS: Final[dict[OutgoingState, frozenset[OutgoingState]]] = {
    _S.PREPARED: frozenset({_S.BROADCAST, _S.REPLACED, _S.FAILED}),
    _S.BROADCAST: frozenset({_S.SEEN, _S.CONFIRMED, _S.REPLACED, _S.FAILED}),
    # It left the mempool: it is sent again.
    _S.SEEN: frozenset({_S.BROADCAST, _S.CONFIRMED, _S.REPLACED, _S.FAILED}),
    # Its block is off the best chain.
    _S.CONFIRMED: frozenset({_S.BROADCAST, _S.SEEN}),
    # A miner took the first one and not the bump; or no node takes the bump, and the
    # first one is sent again.
    _S.REPLACED: frozenset({_S.CONFIRMED, _S.BROADCAST}),
    # A miner took what no node had.
    _S.FAILED: frozenset({_S.CONFIRMED}),
}

UNDER_WAY: Final = frozenset({_S.PREPARED, _S.BROADCAST, _S.SEEN})
"""It has not arrived yet."""

LIVING: Final = UNDER_WAY | {_S.CONFIRMED}
"""Its coins are in no other."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One signed transaction. `raw` never changes: the same bytes are sent again."""

    id: str  # out_…
    kind: OutgoingKind
    merchant: str
    state: OutgoingState = OutgoingState.PREPARED
    txid: str
    raw: bytes
    plan: Plan
    to: str  # the address that it pays
    vsize: int
    at: int  # ms, when it was signed
    height: int  # of the best chain then: it is in no block below
    moved_at: int = 0  # ms, when its state became what it is
    first: str = ""  # the id of the first of those that bump one another; empty: itself
    replaces: str = ""  # the id of the one that it bumps
    instead_of: tuple[str, ...] = ()  # ids of failed ones whose coins it takes
    cause: str = ""  # of a refund: its id
    block_hash: str = ""
    block_height: int | None = None
    reason: str = ""  # why it failed, or was replaced
    lost: tuple[tuple[str, int], ...] = ()  # coins of it that a stranger has spent
    is_open: bool = True  # it is still looked after

    def __post_init__(self) -> None:
        assert self.raw, "nothing is kept that is not signed"
        assert self.plan.fee_sat > 0, "no node relays a transaction for nothing"

    def __repr__(self) -> str:
        return f"Outgoing({self.id}, {self.kind}, {self.state}, {self.txid})"

    @property
    def family(self) -> str:
        """What it has in common with those that bump one another."""
        return self.first or self.id

    @property
    def is_living(self) -> bool:
        return self.state in LIVING

    @property
    def gave_its_change(self) -> bool:
        """Whether it is a bump for which all of the change went to the fee."""
        return bool(self.first) and not self.plan.payers

    @property
    def sent_sat(self) -> int:
        """What leaves us for somebody: all that it pays but change."""
        return sum(o.amount_sat for o in self.plan.outputs) - self.plan.change_sat

    @property
    def rate_sat_kvb(self) -> int:
        """What it really pays, rounded down."""
        return self.plan.fee_sat * 1_000 // self.vsize


def moved(before: Outgoing, state: OutgoingState, at: int, **more: object) -> Outgoing:
    """After a step. That there is such a step is asserted: another one is a bug."""
    assert state in STEPS[before.state], (before, state)
    return msgspec.structs.replace(before, state=state, moved_at=at, **more)


def tried_again(failed: Outgoing, payment_id: str) -> Outgoing:
    """After a person has said that this payment's coins are not lost: they are free."""
    assert failed.state is OutgoingState.FAILED, failed
    mine = {c.outpoint for c in failed.plan.coins if c.payment_id == payment_id}
    lost = tuple(coin for coin in failed.lost if coin not in mine)
    return msgspec.structs.replace(failed, lost=lost)
