"""How a payment's money goes on to its owner, as the payment keeps it.

The forwarder's table is the truth of each transaction; a payment keeps, for its clients
and its books, the part that its own coins have in it. `Forward` says how that part
stands now, as often as one likes: `engine/payment/forward_rules.py` tells what is new
of it. Values.

A part is on its way (`payment.forwarding`), has arrived (`payment.forwarded`: its
transaction has the confirmations that are asked for), or has failed for good
(`payment.failed`). One that had arrived may be on its way again: its block was lost.
"""

import msgspec
from msgspec.structs import replace

from engine.money.worth import Quoted

__all__ = ["ForwardPart", "Forwarding", "known_as"]


class ForwardPart(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """What one outgoing transaction takes along of one payment; or a till's forward
    (`engine/lightning/till.py`), with the hash of its invoice as txid."""

    outgoing: str  # its id among our outgoing transactions
    txid: str
    amount_sat: int  # of the payment's coins that it spends
    fee_sat: int  # the payment's share of its fee; the rest arrives
    at: int = 0  # ms, when it was signed
    completed_at: int | None = None  # ms, when it had arrived; None: it has not
    failed: str = ""  # why it never will
    instead_of: str = ""  # the id of one that it stands in for: a bump, a new attempt
    till: str = ""  # the Lightning account that it leaves; empty: our addresses
    quoted: Quoted | None = None  # the rate at which the books have its arrival

    @property
    def arrived_sat(self) -> tuple[int, int]:
        """(what left our addresses for good, how much of that as fee)."""
        if self.completed_at is None:
            return 0, 0
        return self.amount_sat, self.fee_sat


class Forwarding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All parts of a payment; mostly one."""

    parts: tuple[ForwardPart, ...]

    def part(self, outgoing: str) -> ForwardPart | None:
        return next((p for p in self.parts if p.outgoing == outgoing), None)

    def with_part(self, part: ForwardPart) -> "Forwarding":
        """With this in the place of what was known of it, or of what it stands for."""
        gone = {part.outgoing, part.instead_of}
        return Forwarding((*(p for p in self.parts if p.outgoing not in gone), part))

    def quoted_for(self, part: ForwardPart) -> Quoted | None:
        """The rate at which the books have what this one takes the place of."""
        gone = {part.outgoing, part.instead_of}
        rates = (p.quoted for p in self.parts if p.outgoing in gone)
        return next((rate for rate in rates if rate is not None), None)

    @property
    def txid(self) -> str:
        """Of the newest."""
        return self.parts[-1].txid

    @property
    def completed_at(self) -> int | None:
        """When (ms) the last had arrived; None: one has not."""
        times = [part.completed_at for part in self.parts]
        return None if None in times else max(t for t in times if t is not None)

    @property
    def has_failed(self) -> bool:
        """Nothing is on its way any more, and not all has arrived."""
        open_parts = (p for p in self.parts if p.completed_at is None)
        return self.completed_at is None and all(p.failed for p in open_parts)

    @property
    def arrived_sat(self) -> tuple[int, int]:
        """Sums of `ForwardPart.arrived_sat`."""
        pairs = [part.arrived_sat for part in self.parts]
        return sum(sat for sat, _ in pairs), sum(fee for _, fee in pairs)


def known_as(part: ForwardPart) -> ForwardPart:
    """What makes two words about a part the same: not when they were said, nor what
    the books made of them."""
    done = None if part.completed_at is None else 0
    return replace(part, at=0, completed_at=done, instead_of="", quoted=None)
