"""Electrum's answers, as far as they are read; and its numbers for how things stand
(`invoices.py`, `lnworker.py` of 4.3.4). Pure.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

__all__ = [
    "EXPIRED",
    "IN_FLIGHT",
    "NOT_FOUND",
    "NO_WALLET",
    "PAID",
    "RpcReply",
    "Channel",
    "Moved",
    "Outgoing",
    "Request",
    "in_bitcoin",
    "paid_msat",
    "sent_of",
]

EXPIRED, PAID, IN_FLIGHT = 1, 3, 4
"""Of PR_UNPAID to PR_UNCONFIRMED, those that are told apart."""

SENT, RECEIVED = 0, 1  # PaymentDirection
SELF_PAYMENT: Final = 2

NO_WALLET: Final = "wallet not loaded"
NOT_FOUND: Final = "Request not found"  # of an invoice to be paid, too

Hash = Annotated[str, msgspec.Meta(pattern="^(?:[0-9a-f]{64})?$")]


class Failure(msgspec.Struct, frozen=True):
    message: str = ""


class RpcReply(msgspec.Struct, frozen=True):
    """The envelope of JSON-RPC."""

    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Failure | None = None


class Request(msgspec.Struct, frozen=True):
    """`export_request`: an invoice that this wallet made."""

    status: int
    rhash: Hash = ""
    lightning_invoice: str = ""
    amount_msat: int | None = None  # 0: whatever comes
    expiration: int = 0  # unix s; 0: never
    confirmations: int | None = None  # it was paid on the chain

    @property
    def is_paid(self) -> bool:
        """By Lightning. A payment to its address of the chain is none of ours."""
        return self.status == PAID and self.confirmations is None


class Outgoing(msgspec.Struct, frozen=True):
    """`export_invoice`: one that it pays, or was to pay."""

    status: int


class Moved(msgspec.Struct, frozen=True):
    """A row of `lightning_history`; those of channels are no payments. `amount_msat`:
    of all parts; less than 0 of what was sent, with the fee."""

    type: str = ""
    direction: int | None = None
    payment_hash: Hash = ""
    amount_msat: int = 0
    fee_msat: int | None = None
    preimage: str | None = None
    timestamp: int = 0  # when its first part arrived, unix s

    @property
    def came_in(self) -> bool:
        return self.type == "payment" and self.direction == RECEIVED


class Channel(msgspec.Struct, frozen=True):
    """A row of `list_channels`; sums in satoshi, of which the pending are part."""

    type: str
    state: str
    peer_state: str = ""
    remote_pubkey: str = ""
    local_balance: int = 0
    remote_balance: int = 0
    local_reserve: int = 0  # what we must leave in it
    remote_reserve: int = 0
    local_unsettled_sent: int = 0
    remote_unsettled_sent: int = 0

    @property
    def is_usable(self) -> bool:
        return (self.type, self.state, self.peer_state) == ("CHANNEL", "OPEN", "GOOD")

    @property
    def spendable_msat(self) -> int:
        kept = self.local_reserve + self.local_unsettled_sent
        return max(0, self.local_balance - kept) * 1_000

    @property
    def receivable_msat(self) -> int:
        kept = self.remote_reserve + self.remote_unsettled_sent
        return max(0, self.remote_balance - kept) * 1_000


def in_bitcoin(msat: int) -> str:
    """A sum of whole satoshi as Electrum takes it."""
    assert msat % 1_000 == 0, msat
    assert msat >= 0, msat
    sat = msat // 1_000
    return f"{sat // 100_000_000}.{sat % 100_000_000:08d}"


def paid_msat(rows: Sequence[Moved], asked_msat: int) -> int:
    """What came for an invoice of which something is settled. No part is before all
    are there, so it is no less than was asked, whatever is settled so far."""
    return max(sum(row.amount_msat for row in rows), asked_msat)


def sent_of(rows: Iterable[Moved], payment_hash: str) -> Moved | None:
    """Our payment of this hash, once somebody has its preimage."""
    for row in rows:
        is_sent = row.type == "payment" and row.direction in (SENT, SELF_PAYMENT)
        if is_sent and row.payment_hash == payment_hash:
            return row
    return None
