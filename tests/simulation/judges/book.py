"""A payment as the judges keep it: what all its events say, added up once more.

Written beside the engine's own fold and not with it, so that a mistake in one of the
two shows as a difference (`differs`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.payment.events import Event
from engine.payment.forwarding import ForwardPart
from engine.payment.model import (
    Claim,
    EventType,
    Flag,
    Payment,
    Receipt,
    Status,
    Terms,
)
from tests.simulation.judges.amended_terms import after_the_change
from tests.simulation.record import Outpoint

__all__ = ["OVER", "SETTLED", "WAITING", "Book"]

WAITING = frozenset({Status.PENDING, Status.CONFIRMING})
SETTLED = frozenset({Status.CONFIRMED, Status.FORWARDED, Status.FAILED})
OVER = frozenset({Status.EXPIRED, Status.CANCELLED})

_STAYS = {
    EventType.LATE: Flag.LATE,
    EventType.REORGED: Flag.REORGED,
    EventType.REPLACED: Flag.REPLACED,
}


@dataclass(slots=True)
class Book:
    """See the module docstring."""

    terms: Terms
    seq: int = 0
    status: Status = Status.PENDING
    receipts: dict[Outpoint, Receipt] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    marks: set[Flag] = field(default_factory=set)  # of flags, those that stay
    settled_sat: int = 0
    confirmed_at: int | None = None
    parts: dict[str, ForwardPart] = field(default_factory=dict)  # of its money, on
    refunds: frozenset[str] = frozenset()  # that were told of
    has_lost: bool = False  # a receipt, its block or depth, since it was confirmed
    reversed_at: int = 0  # ms, when it was last: from then on it may run out again
    held: tuple[tuple[int, int], ...] = ()  # ms, from and to when claims could stand

    def copy(self) -> Book:
        return Book(
            self.terms, self.seq, self.status, dict(self.receipts), list(self.claims),
            set(self.marks), self.settled_sat, self.confirmed_at, dict(self.parts),
            self.refunds, self.has_lost, self.reversed_at, self.held,
        )  # fmt: skip

    @property
    def held_ms(self) -> int:
        """How long at least one claim could stand, up to now."""
        total_ms = end = 0
        for start, until in sorted(self.held):
            total_ms += max(until - max(start, end), 0)
            end = max(end, until)
        return total_ms

    # -- sums ------------------------------------------------------------------------

    @property
    def asked_sat(self) -> int | None:
        return self.terms.amount_sat

    @property
    def enough_sat(self) -> int:
        """From this sum on it is paid."""
        asked = self.terms.amount_sat
        return 1 if asked is None else max(1, asked - self.terms.tolerance_sat)

    @property
    def received_sat(self) -> int:
        return sum(receipt.amount_sat for receipt in self.receipts.values())

    @property
    def is_paid(self) -> bool:
        return self.received_sat >= self.enough_sat

    @property
    def too_much_sat(self) -> int:
        """What came beyond the asked sum and its tolerance; 0 if nothing did."""
        asked = self.terms.amount_sat
        if asked is None or self.received_sat <= asked + self.terms.tolerance_sat:
            return 0
        return self.received_sat - asked

    @property
    def depth(self) -> int:
        """The greatest depth that enough money has; of too little, all money's."""
        depths = sorted({r.confirmations for r in self.receipts.values()})
        for depth in reversed(depths):
            if self.deep_sat(depth) >= self.enough_sat:
                return depth
        return depths[0] if depths else 0

    def deep_sat(self, depth: int) -> int:
        """What is at least so deep, as it was last told."""
        return sum(
            receipt.amount_sat
            for receipt in self.receipts.values()
            if receipt.confirmations >= depth
        )

    @property
    def flags(self) -> tuple[Flag, ...]:
        flags = set(self.marks)
        if 0 < self.received_sat < self.enough_sat:
            flags.add(Flag.UNDERPAID)
        if self.too_much_sat:
            flags.add(Flag.OVERPAID)
        return tuple(flag for flag in Flag if flag in flags)

    # -- the story -------------------------------------------------------------------

    def enter(self, event: Event) -> None:
        """What the event says is so from now on."""
        data = event.data
        self.seq, self.status = event.seq, event.status
        if event.type in _STAYS and data.claim is None:
            self.marks.add(_STAYS[event.type])
        match event.type:
            case EventType.UPDATED if data.changed is not None:
                self.terms = after_the_change(self.terms, data.changed)
            case EventType.DETECTED if data.claim is not None:
                self.claims.append(data.claim)
                self.held += ((event.at, data.claim.withdraw_at),)
            case EventType.DETECTED | EventType.REORGED if data.receipt is not None:
                self._put(data.receipt)
            case EventType.CONFIRMING:
                for receipt in data.receipts:
                    self._put(receipt)
                if data.claim is not None:
                    self.claims.remove(data.claim)
            case EventType.REPLACED if data.receipt is not None:
                del self.receipts[data.receipt.txid, data.receipt.vout]
            case EventType.REPLACED if data.claim is not None:
                self.claims.remove(data.claim)
            case EventType.CONFIRMED:
                self.settled_sat = data.settled_sat or 0
                self.confirmed_at, self.has_lost = event.at, False
            case EventType.REVERSED:
                self.settled_sat, self.confirmed_at = 0, None
                self.reversed_at = event.at
            case EventType.REFUNDED if data.refund is not None:
                self.refunds |= {data.refund.id}
            case EventType.FORWARDING | EventType.FORWARDED | EventType.FAILED:
                if data.forward is not None:
                    self.parts.pop(data.forward.instead_of, None)
                    self.parts[data.forward.outgoing] = data.forward
        if event.type in {EventType.REORGED, EventType.REPLACED}:
            self.has_lost = True

    def status_by_parts(self) -> Status:
        """Of a payment that is paid, by where its money is."""
        if self.status not in SETTLED:
            return self.status
        under_way = [p for p in self.parts.values() if p.completed_at is None]
        if not under_way:
            return Status.FORWARDED
        has_failed = all(part.failed for part in under_way)
        return Status.FAILED if has_failed else Status.CONFIRMED

    def _put(self, receipt: Receipt) -> None:
        known = self.receipts.get((receipt.txid, receipt.vout))
        if known is not None and receipt.confirmations < known.confirmations:
            self.has_lost = True
        self.receipts[receipt.txid, receipt.vout] = receipt

    def differs(self, payment: Payment) -> str | None:
        """What the engine's own payment says otherwise."""
        ours = (
            self.terms, self.status, self.flags, tuple(self.receipts.values()),
            tuple(self.claims), self.seq, self.settled_sat, self.confirmed_at,
        )  # fmt: skip
        theirs = (
            payment.terms, payment.status, payment.flags, payment.receipts,
            payment.claims, payment.seq, payment.settled_sat, payment.confirmed_at,
        )  # fmt: skip
        for one, other in zip(ours, theirs, strict=True):
            if one != other:
                return f"its events say {one}, it is kept as {other}"
        return None
