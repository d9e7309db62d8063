"""What can be written: a `Write` is one atomic unit, the journal's only input.

A `Write` carries events with the payments they leave (the projection), and rows beside
them that must stand or fall with them: an idempotent answer, a webhook that was heard,
a delivery's outcome. The journal commits many writes in one transaction; a conflict in
one (a savepoint each) harms no other.

Results: `Committed` or `Conflict`; of a whole batch that could not be written, the
journal answers `Unavailable` to each.
"""

import msgspec

from engine.payment.events import CommittedEvent, Event
from engine.payment.model import Payment
from engine.store.history_writes import HistoryRow
from engine.store.key_writes import WalletKeyRow, WalletSecretRow
from engine.store.ledger_writes import LedgerEntry
from engine.store.lightning_writes import UpstreamCursor
from engine.store.outgoing_writes import (
    MoveOutgoing,
    NewOutgoing,
    PauseForwarding,
    QueueForward,
    Unqueue,
)
from engine.store.refund_writes import MoveRefund, OpenRefund
from engine.store.till_writes import MoveTill, NewTill, UnqueueTill
from engine.store.upkeep_writes import (
    FillSearch,
    Forget,
    ForgetDeliveries,
    OrdersRow,
    Prune,
    ShrinkFile,
    ToldRow,
    UpkeepRow,
    Whole,
)
from engine.store.wallet_writes import AddressRow, WalletRecord

__all__ = [
    "AddressRow",
    "ChannelRow",
    "Committed",
    "Conflict",
    "CustomerRow",
    "DeliveryResult",
    "Entry",
    "FIRST",
    "FillSearch",
    "Forget",
    "ForgetDeliveries",
    "ForgetIdempotency",
    "KeptAnswer",
    "InboundWebhook",
    "ApiKey",
    "LedgerEntry",
    "MerchantRow",
    "Outcome",
    "BEST_TIP",
    "NO_PLACE",
    "OrdersRow",
    "PROBE",
    "Prune",
    "ShrinkFile",
    "MAX_BLOCKS_READ_AGAIN",
    "MoveRefund",
    "MoveTill",
    "OpenRefund",
    "MoveOutgoing",
    "NewOutgoing",
    "NewTill",
    "PauseForwarding",
    "QueueForward",
    "Unqueue",
    "UnqueueTill",
    "Place",
    "PurgeDeliveries",
    "RETENTION",
    "ReadAgain",
    "Release",
    "RemoveChannel",
    "Requeue",
    "RevokeKey",
    "Row",
    "STEP",
    "SourceTip",
    "ToldRow",
    "UNREAD_AFTER",
    "UNREAD_BELOW",
    "Unavailable",
    "UpstreamCursor",
    "WalletKeyRow",
    "WalletRecord",
    "WalletSecretRow",
    "Whole",
    "Write",
]


STEP = 1_000
"""Deliveries that one write looks at: some ms of the only writer. Whoever wants more
comes again, after others had their turn."""

Place = tuple[str, int]
"""A channel and an offset: a place among all deliveries, in the order of both."""

FIRST: Place = ("", 0)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """Events of one payment, in order, and the payment after the last of them."""

    payment: Payment
    events: tuple[Event, ...]


class KeptAnswer(msgspec.Struct, frozen=True):
    """The first answer to an Idempotency-Key. Conflict: the key was used already."""

    scope: str
    key: str
    request_hash: bytes
    status: int
    body: bytes
    at: int


class ForgetIdempotency(msgspec.Struct, frozen=True):
    """Answers older than this (ms) need not be replayed any more.

    A few of the oldest go, and in any case the one to this key, so that it can be used
    anew. A write that keeps an answer forgets more than one: they never grow.
    """

    before: int
    scope: str = ""
    key: str = ""
    limit: int = 4


class InboundWebhook(msgspec.Struct, frozen=True):
    """A webhook that was heard and authenticated. Conflict: heard before."""

    provider: str
    dedupe: str
    at: int
    payment_id: str | None
    verdict: str
    body: bytes


class CustomerRow(msgspec.Struct, frozen=True):
    """The payer's e-mail address, sealed. It goes when the payment loses its events."""

    payment_id: str
    email: str

    def __repr__(self) -> str:
        return f"CustomerRow({self.payment_id!r})"


class Release(msgspec.Struct, frozen=True):
    """The payment is watched no more; its address is free for another."""

    payment_id: str


class SourceTip(msgspec.Struct, frozen=True):
    """How far a source's blocks were read; catching up starts here."""

    source: str
    height: int
    hash: str


PROBE = "probe"
"""The journal's own row among the sources' tips: whether it can be written."""
RETENTION = "time of retention"
"""In place of a source: the time (ms, as text) by which retention goes."""

BEST_TIP = "best tip"
"""Among the sources' tips, the best that any has shown and that was believed: who is
lower is behind. Not a place where reading may start."""

UNREAD_AFTER = "unread after"
UNREAD_BELOW = "unread below"
"""Among the sources' tips, blocks that no source has read: those above the first and
below the second were gone (a pruned node), or too many, when reading went on. Of a
payment that was open then nobody can say that nothing came; see `engine.chain.unread`.
The same height in both: all was read since."""

NO_PLACE = ("devchain", PROBE, BEST_TIP, UNREAD_AFTER, UNREAD_BELOW, RETENTION)
"""Whose tip is no place in the chain of the payments: the dev chain is its own."""


class ReadAgain(msgspec.Struct, frozen=True):
    """A receipt lost this block, on one source's word; another may yet have it.

    Whoever had been read further than that is read from there again, before it is
    believed that there is nothing. Not if that is `MAX_BLOCKS_READ_AGAIN` blocks away.
    """

    height: int
    hash: str


MAX_BLOCKS_READ_AGAIN = 1_008
"""Blocks, a week: a catch-up of two weeks (`engine.chain.sync`) would leave a gap
instead."""


class ApiKey(msgspec.Struct, frozen=True):
    """An API key: only its hash is kept. `merchant` None: the whole node's. `scopes`:
    what it may, in words (`engine/merchants/scopes.py`)."""

    id: str
    name: str
    merchant: str | None
    hash: bytes
    created_at: int
    scopes: tuple[str, ...]


class RevokeKey(msgspec.Struct, frozen=True):
    id: str
    at: int


class MerchantRow(msgspec.Struct, frozen=True):
    """A merchant, in place of what was kept of it; `state` is its encoded form,
    secrets sealed. `version`: 1 for the first, then one more each time."""

    name: str
    version: int
    updated_at: int
    state: bytes


class ChannelRow(msgspec.Struct, frozen=True):
    """An outbound channel; `state` is its encoded form, secrets sealed.

    `replaces`: it is written only in the place of one of these states. A notifier that
    changes its channel may find that somebody has changed or removed it meanwhile.
    """

    id: str
    merchant: str
    enabled: bool
    types: tuple[str, ...]  # event types it wants; empty: all
    created_at: int
    state: bytes
    replaces: tuple[bytes, ...] | None = None


class RemoveChannel(msgspec.Struct, frozen=True):
    """The channel goes at once, what it was told and owed in steps of `limit`.

    `Committed.changed`: how many channels that were. `Committed.more_after`: there is
    more that `PurgeDeliveries` has to take away.
    """

    id: str
    limit: int = STEP


class PurgeDeliveries(msgspec.Struct, frozen=True):
    """Take away so many deliveries of channels that were removed.

    `Committed.changed`: how many were. `Committed.more_after`: there is more.
    """

    limit: int = STEP


class DeliveryResult(msgspec.Struct, frozen=True):
    """What one attempt came to, and what the outbox row becomes.

    `state`: "delivered", "pending" (try again at `next_at`) or "dead".
    """

    channel_id: str
    payment_id: str
    offset: int
    seq: int
    attempt: int
    at: int
    latency_ms: int
    status: int | None
    outcome: str
    error: str | None
    state: str
    next_at: int
    refusals: int = 0
    """Attempts at which the endpoint refused this very event, and (ms) the first."""

    refused_at: int = 0
    answer: str | None = None
    """The beginning of what the endpoint answered, without credentials of ours."""


class Requeue(msgspec.Struct, frozen=True):
    """Deliver again: one event, a payment's, or those of a time range (ms).

    Filters that are None do not restrict. `dead_only` revives dead letters only.

    One write looks at about `limit` deliveries, those behind `after`. If there may be
    more, `Committed.more_after` says where the next write goes on.
    """

    merchant: str | None = None
    channel_id: str | None = None
    payment_id: str | None = None
    offset: int | None = None
    since: int | None = None
    until: int | None = None
    dead_only: bool = False
    at: int = 0
    after: Place = FIRST
    limit: int = STEP


Row = (
    KeptAnswer
    | ForgetIdempotency
    | InboundWebhook
    | CustomerRow
    | Release
    | SourceTip
    | ReadAgain
    | ApiKey
    | RevokeKey
    | MerchantRow
    | ChannelRow
    | RemoveChannel
    | PurgeDeliveries
    | DeliveryResult
    | Requeue
    | HistoryRow
    | OpenRefund
    | MoveRefund
    | WalletRecord
    | WalletKeyRow
    | WalletSecretRow
    | AddressRow
    | NewOutgoing
    | MoveOutgoing
    | QueueForward
    | Unqueue
    | PauseForwarding
    | NewTill
    | MoveTill
    | UnqueueTill
    | UpstreamCursor
    | LedgerEntry
    | UpkeepRow
)


class Write(msgspec.Struct, frozen=True, gc=False):
    """One atomic unit of writing."""

    entries: tuple[Entry, ...] = ()
    rows: tuple[Row, ...] = ()


class Committed(msgspec.Struct, frozen=True, gc=False):
    """It is on disk. `changed` counts what row writes changed (of a `Requeue`).

    `more_after`: what was asked for in steps is not done yet, and goes on there.
    """

    events: tuple[CommittedEvent, ...] = ()
    changed: int = 0
    more_after: Place | None = None


class Conflict(msgspec.Struct, frozen=True):
    """A unique key stood in the way; nothing of this write was done.

    `what` names it: "address", "seq", "idempotency", "inbound", "outgoing", "refund",
    "wallet", "cause", "balance", "till" or "other".
    """

    what: str
    detail: str


class Unavailable(msgspec.Struct, frozen=True):
    """The journal cannot write now (disk full, locked, damaged); nothing was done."""

    detail: str
    fatal: bool = False


Outcome = Committed | Conflict | Unavailable
