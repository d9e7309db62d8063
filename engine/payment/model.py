"""The nouns: a payment, its terms, receipts and claims. Values without behaviour.

Everything is frozen; amounts are integer satoshi, times integer milliseconds (UTC).
`gc=False`: values hold only values, never a cycle, and there may be millions of them,
which the collector then need not walk.
The rules that change a payment are in `engine/payment/rules.py`.
"""

from enum import StrEnum

import msgspec

from engine.payment.forwarding import Forwarding
from engine.payment.lightning_terms import LIGHTNING, Invoice, Settled, lightning_key
from engine.payment.money_terms import Credit, Derived, Price, Worth

__all__ = [
    "COINBASE_MATURITY",
    "EXTERNAL",
    "MAX_TOKENS",
    "NOTHING_SAID",
    "LIGHTNING",
    "External",
    "GivenBack",
    "Invoice",
    "SavedToken",
    "MAX_CLAIMS",
    "MAX_RECEIPTS",
    "FINAL",
    "NOT_CLAIMED",
    "OVER",
    "PAID",
    "PAID_ONCE",
    "TIME_IS_OVER",
    "UNPAID",
    "WAITED_FOR",
    "Claim",
    "Claimed",
    "EventType",
    "Flag",
    "Payment",
    "Receipt",
    "Settled",
    "Status",
    "Terms",
    "counts_as_paid",
    "external_key",
    "lightning_key",
]

MAX_RECEIPTS = 1_000
"""Outputs that one payment follows whatever they are (`engine/payment/crowd.py`)."""

MAX_CLAIMS = 16
"""Unproven webhook claims kept at one time for one payment."""

MAX_TOKENS = 16
"""Saved cards and the like that one payment tells of."""

EXTERNAL = "external"
"""The method of a payment without a chain: a gateway's signed word confirms it."""

COINBASE_MATURITY = 100
"""Depth from which a miner's reward can be spent (Bitcoin Core, consensus/consensus.h):
before, a reorg would take it away for good."""


class Status(StrEnum):
    """Where a payment stands. What is unusual is a `Flag`, never a status."""

    PENDING = "pending"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    FORWARDED = "forwarded"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"


PAID = frozenset({Status.CONFIRMED, Status.FORWARDED})
"""Somebody was told that the money is there. See `Payment.counts_as_paid`."""

PAID_ONCE = PAID | {Status.FAILED}
"""And those whose money came and may not have gone on."""


def counts_as_paid(status: Status, confirmed_at: int | None) -> bool:
    """`Payment.counts_as_paid`, of one with this status, confirmed then (ms)."""
    return status in PAID or (status is Status.FAILED and confirmed_at is not None)


WAITED_FOR = frozenset({Status.PENDING, Status.CONFIRMING})
"""Somebody waits for the money, before the deadline or while it is on its way."""

OVER = frozenset(Status) - WAITED_FOR
"""Nobody waits any more: it was paid, or it will not be."""

UNPAID = OVER - PAID
"""Over, and not `PAID`; of one that failed see `counts_as_paid`."""

TIME_IS_OVER = frozenset({Status.EXPIRED, Status.CANCELLED})
"""Money that comes now is late."""

FINAL = frozenset({Status.CANCELLED, Status.FAILED})
"""What a webhook claims of such a payment is not listened to."""


class Flag(StrEnum):
    """What is unusual about a payment, beside its status."""

    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    LATE = "late"
    REPLACED = "replaced"
    REORGED = "reorged"


class EventType(StrEnum):
    """What can happen to a payment."""

    CREATED = "payment.created"
    DETECTED = "payment.detected"
    CONFIRMING = "payment.confirming"
    CONFIRMED = "payment.confirmed"
    CREDITED = "payment.credited"
    FORWARDING = "payment.forwarding"
    FORWARDED = "payment.forwarded"
    EXPIRED = "payment.expired"
    UNDERPAID = "payment.underpaid"
    OVERPAID = "payment.overpaid"
    LATE = "payment.late"
    REPLACED = "payment.replaced"
    REORGED = "payment.reorged"
    REVERSED = "payment.reversed"
    FAILED = "payment.failed"
    CANCELLED = "payment.cancelled"
    TOKEN_SAVED = "payment.token_saved"  # noqa: S105 - a word
    REFUNDED = "payment.refunded"
    UPDATED = "payment.updated"


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was agreed when the payment was created. What may change of it later is
    `engine/payment/amendment.py`'s to say."""

    id: str
    method: str = "onchain"
    network: str
    asset: str = "BTC"
    address: str
    amount_sat: int | None = None  # None: any amount
    tolerance_sat: int = 0  # so much too little still counts as paid
    confirmations_required: int = 3
    created_at: int  # ms
    expires_at: int  # ms
    monitor_until: int  # ms; late payments are looked for until then
    poll_interval_s: int = 60
    external_id: str | None = None
    merchant: str = "default"
    metadata: dict[str, str | int | bool | None] = {}
    # Outpoints that earlier payments counted, or that paid the address before this one:
    ignore: tuple[tuple[str, int], ...] = ()
    # The best tip that was known when the address was given out; None: of a payment
    # from before tips were kept. See `engine/payment/old_outputs.py`.
    tip_height: int | None = None
    tip_hash: str = ""
    is_past_known: bool = False  # `ignore` has all of the last blocks and the mempool
    # More than this is confirmed only if two independent sources show it.
    quorum_above_sat: int | None = None
    # Of an `external` payment, whose `asset` is a currency and `address` a key of ours:
    gateway: str = ""
    amount_minor: int | None = None  # in units of 10^-decimals; None: any amount
    decimals: int = 8
    # What only some payments have; see `engine/payment/money_terms.py`:
    price: Price | None = None  # None: the sum was given in satoshi
    derived: Derived | None = None  # None: the caller gave the address
    credit: Credit | None = None  # None: nobody's account is credited
    forward_to: str = ""  # an address; empty: the money stays
    return_url: str = ""  # where the payer goes on when it is paid
    lightning: Invoice | None = None  # None: Lightning cannot pay it
    description: str = ""  # what it is for, in the shop's words to its payer
    # For what was missing of it, each time that it was asked for; the newest last.
    rests: tuple[Invoice, ...] = ()

    @property
    def is_external(self) -> bool:
        """Whether it has no chain, and so no address."""
        return self.method == EXTERNAL

    @property
    def has_chain(self) -> bool:
        """Whether coins at an address can pay it: no gateway's, and not Lightning's
        alone."""
        return self.method not in {EXTERNAL, LIGHTNING}

    @property
    def invoices(self) -> tuple[Invoice, ...]:
        """All that a node may take money for: the one for the whole sum first."""
        return () if self.lightning is None else (self.lightning, *self.rests)

    @property
    def shown_address(self) -> str | None:
        """The address, as others may see it: what stands in the place of one is ours
        alone."""
        return self.address if self.has_chain else None


def external_key(merchant: str, gateway: str, invoice: str) -> str:
    """What stands in the place of an external payment's address: one invoice of one
    gateway of one merchant is waited for by one payment. No address holds a colon, and
    neither does the name of a merchant or gateway."""
    return f"{EXTERNAL}:{merchant}:{gateway}:{invoice}"


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """One output that pays a payment, or one settled Lightning invoice: final as it
    comes, with its payment hash in the place of a txid."""

    txid: str
    vout: int
    amount_sat: int
    block_hash: str | None = None
    block_height: int | None = None
    confirmations: int = 0  # as last told; not counted on beyond what is needed
    source: str = ""  # who saw it last
    seen_at: int = 0  # ms
    is_coinbase: bool = False
    # Of a settled invoice; not there of an output of the chain, so that its events and
    # its memory are what they were.
    settled: Settled | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_lightning(self) -> bool:
        """Whether it is a settled invoice, which no block holds and no chain undoes."""
        return self.settled is not msgspec.UNSET

    def depth_needed(self, required: int) -> int:
        """From this depth on it counts, where so many confirmations are required."""
        if self.is_lightning:
            return 0
        return max(required, COINBASE_MATURITY) if self.is_coinbase else required

    def depth_shown(self, required: int) -> int:
        """Its depth, for people, where so many confirmations are required."""
        return required if self.is_lightning else self.confirmations


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a provider's webhook says it saw, not yet corroborated by the chain."""

    provider: str
    txid: str | None
    amount_sat: int | None
    at: int  # ms
    withdraw_at: int  # ms; without proof until then it is withdrawn
    replaceable: bool = False  # the provider says the transaction signals RBF
    # Which of the payment's claims this is, from 1; of one from before they were
    # counted, nothing.
    number: int | msgspec.UnsetType = msgspec.UNSET


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """How much of a payment's life was claimed, proven or not: that has an end."""

    taken: int  # claims in all
    held_ms: int  # while at least one of them could stand
    until: int  # ms, the last moment of that

    def and_from(self, at: int, until: int) -> "Claimed":
        """With one more claim that stands from `at` (ms) until `until`."""
        more = max(until - max(at, self.until), 0)
        return Claimed(self.taken + 1, self.held_ms + more, max(until, self.until))


NOT_CLAIMED = Claimed(0, 0, 0)


class External(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a gateway has said of money, all its words together, in whatever order they
    came: each field only grows. Sums are in minor units of the payment's currency."""

    is_paid: bool = False  # a SUCCESS came, in this currency
    received_minor: int = 0  # the most that one spoke of
    returned_minor: int = 0  # the most that was said to be taken back
    is_returned: bool = False  # all of it was, whatever it was
    other_currency: str = ""  # a SUCCESS came in this one, which was not asked for


NOTHING_SAID = External()


class SavedToken(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A card or account that a gateway keeps for its customer: its name there, and
    what a page shows of it. Never the number of a card."""

    id: str
    display: dict[str, str] = {}


class GivenBack(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A refund that was paid: what `payment.refunded` tells of it. Not to whom: who
    follows a payment by its address alone does not learn the transaction either. In
    `payment.updated` sums are differences from what was told, worth that of the first.
    """

    id: str
    amount_sat: int  # what was sent back
    txid: str = ""  # empty: a person says that it is paid, by other means
    fee_sat: int = 0  # what the network took of us beside it, where we know
    is_ours: bool = False  # with coins at our addresses; else from elsewhere
    worth: Worth | None = None


class Payment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A payment as the fold of its events."""

    terms: Terms
    status: Status = Status.PENDING
    flags: tuple[Flag, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    claims: tuple[Claim, ...] = ()
    seq: int = 0
    settled_sat: int = 0  # what `confirmed` was told for; 0 when settled by hand
    confirmed_at: int | None = None  # ms
    claimed: Claimed = NOT_CLAIMED
    external: External = NOTHING_SAID
    tokens: tuple[str, ...] = ()  # ids of those that were told
    refunds: tuple[str, ...] = ()  # ids of those that are paid
    refunded_sat: int = 0  # what these came to
    # Of refunds that other transactions than those first told of have paid: which.
    paid_otherwise: dict[str, str] = {}
    forward: Forwarding | None = None  # None: its money was not sent on
    worth: Worth | None = None  # of what is booked as sold; None: nobody knew a rate
    held_worth: Worth | None = None  # the same of what is held
    credited: Worth | None = None  # what was paid for the credits that were given
    updates: int = 0  # how often its terms were changed

    @property
    def id(self) -> str:
        return self.terms.id

    @property
    def counts_as_paid(self) -> bool:
        """Whether somebody was told that the money is there, and nothing took that
        back: a forward that failed does not."""
        return counts_as_paid(self.status, self.confirmed_at)

    @property
    def is_by_hand(self) -> bool:
        """Whether a person said that it is paid, of one that counts as paid."""
        return self.confirmed_at is not None and not self.settled_sat

    @property
    def tx_hash(self) -> str | None:
        """The transaction that pays it; of several the one that was seen first. A
        settled invoice has none."""
        return next((r.txid for r in self.receipts if not r.is_lightning), None)

    @property
    def threshold_sat(self) -> int:
        """From this sum on the payment counts as paid."""
        if self.terms.amount_sat is None:
            return 1
        return max(self.terms.amount_sat - self.terms.tolerance_sat, 1)

    @property
    def received_sat(self) -> int:
        """Sum of the live receipts, in whatever depth."""
        return sum(receipt.amount_sat for receipt in self.receipts)

    @property
    def confirmed_sat(self) -> int:
        """Sum of the receipts that are deep enough."""
        required = self.terms.confirmations_required
        return sum(
            r.amount_sat
            for r in self.receipts
            if r.confirmations >= r.depth_needed(required)
        )

    @property
    def is_paid(self) -> bool:
        """Whether enough was received, in whatever depth."""
        return self.received_sat >= self.threshold_sat

    @property
    def confirmations(self) -> int:
        """The depth at which enough is confirmed; of too little, the shallowest. A
        settled invoice is as deep as is required: nobody waits for more."""
        required = self.terms.confirmations_required
        deepest_first = sorted(self.receipts, key=lambda r: -r.depth_shown(required))
        total = depth = 0
        for receipt in deepest_first:
            total += receipt.amount_sat
            depth = receipt.depth_shown(required)
            if total >= self.threshold_sat:
                break
        return depth
