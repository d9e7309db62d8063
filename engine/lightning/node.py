"""The port of a Lightning node (or of an account at a service), and what it says.

phoenixd, Blink and Electrum implement it in `transport/lightning/`. Every method but
`stream` asks once, blocks for a bounded time and may be asked from any greenlet.
Amounts are integer millisatoshi here, as the network has them (BOLT 11); satoshi begin
at the payment (`msat` of what came in beyond whole satoshi is kept beside them).

What a node says of *its own* invoices and payments is believed: nobody else can say.
What it shows a payer is not: `engine/lightning/invoice.py` reads each invoice and holds
it against what was asked.

Raises, each of them: `NodeUnavailable` (no answer, or none in time: what was asked may
have been done), `NodeBusy` (asked to slow down: nothing was done), `NodeRefused` (it
says no, for good: nothing was done), `NodeGarbage` (an answer that cannot be believed:
what was asked may have been done).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

__all__ = [
    "Balance",
    "Can",
    "SignOfLife",
    "InvoiceAsked",
    "InvoiceMade",
    "InvoiceSeen",
    "InvoiceStatus",
    "LightningNode",
    "NodeListener",
    "PaidPage",
    "Payout",
    "PayoutStatus",
]


class Can(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of node offers; the rest is never asked of it."""

    push: bool  # it tells of a paid invoice by itself
    description_hash: bool  # an invoice can carry the hash of a text (LNURL-pay)
    amountless: bool  # an invoice can be without an amount
    pay: bool  # it pays invoices of others


class InvoiceAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The invoice that is wanted. `payment_id`: ours, kept beside the invoice at the
    node where it can be."""

    payment_id: str
    amount_msat: int | None  # None: whatever comes
    description: str = ""
    description_hash: str = ""  # 64 hexadecimal digits; instead of the description
    expires_in_s: int


class InvoiceMade(msgspec.Struct, frozen=True, kw_only=True):
    """What the node made of it; not yet read by us."""

    bolt11: str
    payment_hash: str  # 64 small hexadecimal digits


class InvoiceStatus(StrEnum):
    """How an invoice stands at the node that made it."""

    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"  # it can be paid no more, and was not
    UNKNOWN = "unknown"  # the node has no such invoice


class InvoiceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice, as its node has it. The sums are there of a paid one.

    `received_msat` is what the payer sent (gross); `fee_msat` what the node kept of it
    (a channel that it needed, say); `credit_msat` what of the rest cannot be spent yet
    (phoenixd's fee credit). So received - fee - credit has come to the balance.
    """

    payment_hash: str
    status: InvoiceStatus
    received_msat: int = 0
    fee_msat: int = 0
    credit_msat: int = 0
    settled_at: int | None = None  # ms, as the node has it
    payment_id: str = ""  # that the node keeps beside it, if it does


class PaidPage(msgspec.Struct, frozen=True, kw_only=True):
    """Invoices that were paid since a cursor, oldest first, each once or more often.
    `cursor` goes on after them: text that only its adapter reads, safe to keep after
    all of them are committed. `more`: ask again at once."""

    paid: tuple[InvoiceSeen, ...]
    cursor: str
    more: bool = False


class PayoutStatus(StrEnum):
    """How a payment of ours stands at the node that is to make it."""

    PAID = "paid"
    PENDING = "pending"  # on its way: it may yet be paid, or fail
    FAILED = "failed"  # for good: nothing left the node
    UNKNOWN = "unknown"  # the node knows of no attempt


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """`fee_msat`: what the network took beside the amount. `reason`: one line for
    people, of one that failed."""

    status: PayoutStatus
    fee_msat: int = 0
    preimage: str = ""
    reason: str = ""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What can be spent now; None: the node does not say."""

    spendable_msat: int
    credit_msat: int = 0  # received and not to be spent: phoenixd's fee credit
    receivable_msat: int | None = None  # by all channels together (inbound liquidity)


class SignOfLife(StrEnum):
    """What a held connection tells beside paid invoices."""

    OPENED = "opened"  # it is subscribed, and the key is good: from now on it pushes
    ALIVE = "alive"  # it answered; told at least every `Listener.silence_s` / 2


class NodeListener(Protocol):
    """Who listens to a held connection. Nothing blocks."""

    @property
    def silence_s(self) -> float:
        """So long without any word the connection counts as dead: whoever holds it
        asks for a sign of life in time, and gives it up."""

    def word(self, heard: SignOfLife) -> None: ...

    def paid(self, invoice: InvoiceSeen) -> None:
        """Maybe told before, maybe out of order, maybe not of an invoice of ours."""


class LightningNode(Protocol):
    """See the module docstring."""

    @property
    def can(self) -> Can: ...

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        """Not to be repeated without thought: each call is another invoice."""

    def lookup(self, payment_hash: str) -> InvoiceSeen: ...

    def paid_since(self, cursor: str) -> PaidPage:
        """Empty cursor: since now, nothing of before (a fresh installation)."""

    def stream(self, listener: NodeListener, ended: Callable[[], bool]) -> None:
        """Hold a connection (`can.push` only) until it ends, or soon after `ended()`
        is true; then return. Raises like the others when it cannot be held."""

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        """Pay this invoice. `key`: a UUID, the same at each attempt for one payment.
        No repetition is safe by itself: `payout` is asked first."""

    def payout(self, payment_hash: str) -> Payout:
        """How our payment of the invoice with this hash stands."""

    def balance(self) -> Balance: ...
