"""What Blink's transactions say, in the words of the port. Pure.

A transaction is a line of one wallet's ledger (`domain/wallets/tx-history.ts`). Its
amount is signed and has the fee in it; satoshi in a BTC wallet, cents in a USD wallet,
and only the first are read here. What was paid over Lightning is `InitiationViaLn` on
both sides, also where it was settled within Blink.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from engine.errors.lightning import NodeGarbage
from engine.lightning.node import InvoiceSeen, InvoiceStatus, Payout, PayoutStatus
from engine.money.amount import MAX_SAT

__all__ = [
    "LINE",
    "Cursor",
    "Edge",
    "Line",
    "next_cursor",
    "payout_of",
    "receipt_of",
    "receipts",
]

LINE: Final = """{ id createdAt direction status settlementAmount settlementFee
  settlementCurrency initiationVia { ... on InitiationViaLn { paymentHash } }
  settlementVia { ... on SettlementViaLn { preImage }
    ... on SettlementViaIntraLedger { preImage } } }"""
"""The fields of `Line`."""

OVERLAP_S: Final = 120
"""So much of what is newest is read again. A cursor is an id of MongoDB, whose order is
by second, then by process, then by count: of two lines of one second the smaller id may
be the later one, and a line may be seen after one with a greater id was."""

LONG_AGO_S: Final = 900
"""What is older by our clock is in its order, however little came since."""

HELD_S: Final = 3_600
"""So long a receipt that is pending is waited for, before reading goes on after it. (By
Blink's source it writes a receipt over Lightning down when it has it, and not before.)
"""

_HASH: Final = re.compile(r"[0-9a-f]{64}")


class _Via(msgspec.Struct, frozen=True, rename="camel"):
    payment_hash: str = ""
    pre_image: str | None = None


class Line(msgspec.Struct, rename="camel"):
    """A `Transaction`."""

    id: str
    created_at: int  # seconds
    direction: str
    status: str
    settlement_amount: int
    settlement_fee: int
    settlement_currency: str
    initiation_via: _Via
    settlement_via: _Via = _Via()

    @property
    def payment_hash(self) -> str:
        """Empty: it was not made over Lightning."""
        return self.initiation_via.payment_hash


class Edge(msgspec.Struct):
    cursor: str
    node: Line


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far the lines were read. Everything up to `safe` was, for ever; reading goes
    on after `next` until there is no more, and then again after `safe`. Empty: from the
    beginning. `held`: something before `next` is to be read again."""

    safe: str = ""
    next: str = ""
    held: bool = False

    @property
    def before(self) -> str | None:
        """Blink lists the newest first, so what came later comes before."""
        return self.next or self.safe or None

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, text: str) -> "Cursor":
        """One that we cannot read (of another kind of node, say) is the beginning:
        reading all again tells nobody anything twice."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return cls()


def receipt_of(line: Line, where: str) -> InvoiceSeen | None:
    """The paid invoice that this line is, if it is one: of a BTC wallet, settled.

    The line that takes a failed payment of ours back looks alike, but for its status.
    Raises `NodeGarbage`.
    """
    if line.direction != "RECEIVE" or line.status != "SUCCESS":
        return None
    if line.settlement_currency != "BTC" or not line.payment_hash:
        return None
    amount, fee = line.settlement_amount, line.settlement_fee
    is_hash = _HASH.fullmatch(line.payment_hash)
    if not is_hash or not 0 < amount <= MAX_SAT or not 0 <= fee <= MAX_SAT:
        raise NodeGarbage(f"{where} sent a receipt that cannot be")
    return InvoiceSeen(
        payment_hash=line.payment_hash,
        status=InvoiceStatus.PAID,
        received_msat=(amount + fee) * 1000,
        fee_msat=fee * 1000,
        settled_at=line.created_at * 1000,
    )


def payout_of(lines: Sequence[Line], where: str) -> Payout:
    """How the payment stands that left all of these lines in our wallet: the send, what
    took it back, what of its fee came back. Raises `NodeGarbage`."""
    sends = [x for x in lines if x.settlement_amount < 0]
    if not sends:
        return Payout(status=PayoutStatus.UNKNOWN)
    if any(x.status == "PENDING" for x in lines):
        return Payout(status=PayoutStatus.PENDING)
    cost = -sum(x.settlement_amount for x in lines)
    paid = [x for x in sends if x.status == "SUCCESS"]
    if not paid or cost == 0:
        # Marked as failed, and the money not back: it may yet go either way.
        done = PayoutStatus.FAILED if cost == 0 else PayoutStatus.PENDING
        return Payout(status=done, reason="Blink could not pay it")
    sent = max(paid, key=lambda x: x.id)
    fee = cost + sent.settlement_amount + sent.settlement_fee
    if not 0 <= fee <= MAX_SAT:
        raise NodeGarbage(f"{where} sent a payment whose sums cannot be")
    return Payout(
        status=PayoutStatus.PAID,
        fee_msat=fee * 1000,
        preimage=sent.settlement_via.pre_image or "",
    )


def next_cursor(
    cursor: Cursor, edges: Sequence[Edge], *, more: bool, now_s: float
) -> Cursor:
    """Where to go on after this page, its oldest line first."""
    if not edges:
        return Cursor(safe=cursor.safe)
    newest_s = max(edge.node.created_at for edge in edges)
    ordered_until_s = max(newest_s - OVERLAP_S, now_s - LONG_AGO_S)
    safe, held = cursor.safe, cursor.held
    for edge in edges:
        held = held or _is_held(edge.node, now_s)
        if held or edge.node.created_at > ordered_until_s:
            break
        safe = edge.cursor
    return Cursor(safe, edges[-1].cursor, held) if more else Cursor(safe)


def receipts(edges: Iterable[Edge], where: str) -> tuple[InvoiceSeen, ...]:
    """Those among them."""
    seen = (receipt_of(edge.node, where) for edge in edges)
    return tuple(x for x in seen if x is not None)


def _is_held(line: Line, now_s: float) -> bool:
    return (
        line.status == "PENDING"
        and line.direction == "RECEIVE"
        and bool(line.payment_hash)
        and line.created_at > now_s - HELD_S
    )
