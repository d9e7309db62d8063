"""What is read from a store: typed records, whatever store they come from."""

import msgspec

from engine.payment.events import Event, decode
from engine.payment.model import Payment
from engine.store.writes import Prune

__all__ = [
    "ATTEMPTS",
    "OWED",
    "AttemptView",
    "Backlog",
    "ChannelRecord",
    "DamagedPayment",
    "DamagedRow",
    "DeliveryRecord",
    "IdempotentAnswer",
    "JournalPage",
    "KeyRecord",
    "MerchantRecord",
    "Owed",
    "FileUse",
    "Page",
    "PaymentHistory",
    "Pending",
    "PendingPayment",
    "Prunable",
    "Pruned",
    "StoredEvent",
    "StreamDelivery",
]


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it is on the wire."""

    offset: int
    payment_id: str
    seq: int
    merchant: str
    wire: bytes

    @property
    def event(self) -> Event:
        return decode(self.wire)


class JournalPage(msgspec.Struct, frozen=True):
    """Events after an offset, and the journal's last offset at that moment."""

    events: list[StoredEvent]
    last_offset: int


class PaymentHistory(msgspec.Struct, frozen=True):
    """A payment, and events of it that it is the outcome of."""

    payment: Payment
    events: list[StoredEvent]


class Page(msgspec.Struct, frozen=True):
    """Payments in the order asked for; `next_place` continues, None at the end."""

    payments: tuple[Payment, ...]
    next_place: int | None


class DamagedPayment(msgspec.Struct, frozen=True):
    """A payment whose row is not as it was written: set aside, so that it costs no
    other its watcher. Its id and address are in columns of their own."""

    id: str
    address: str


class DamagedRow(msgspec.Struct, frozen=True):
    """In a page, in the place of what is not as it was written: set aside by name."""

    id: str


class KeyRecord(msgspec.Struct, frozen=True):
    """`is_damaged`: the row is not as it was written. Such a key opens nothing."""

    id: str
    name: str
    merchant: str | None
    hash: bytes
    created_at: int
    revoked_at: int | None
    scopes: tuple[str, ...]
    is_damaged: bool = False


class MerchantRecord(msgspec.Struct, frozen=True):
    """`state` None: the row is not as it was written. One such must not cost the
    others their records."""

    name: str
    version: int
    updated_at: int
    state: bytes | None


class IdempotentAnswer(msgspec.Struct, frozen=True):
    request_hash: bytes
    status: int
    body: bytes


class ChannelRecord(msgspec.Struct, frozen=True):
    id: str
    merchant: str
    enabled: bool
    created_at: int
    state: bytes


class ToldAlert(msgspec.Struct, frozen=True):
    """A channel was told that this stands, and not yet that it is over."""

    kind: str
    subject: str
    detail: str
    since: int  # ms


class Pending(msgspec.Struct, frozen=True):
    """One event that a channel has still to be told."""

    offset: int
    seq: int
    attempts: int
    next_at: int
    wire: bytes
    refusals: int = 0  # attempts that the endpoint answered so, and the first's time
    refused_at: int = 0
    skipped: tuple[int, ...] = ()
    """Of its payment, the `seq` of events that were given up, since the last that was
    delivered; the first hundred."""


class PendingPayment(msgspec.Struct, frozen=True):
    """A payment with something to tell a channel, and when (ms) that is due."""

    payment_id: str
    next_at: int


OWED = 300
"""Payments in one answer about what a channel is owed, half a millisecond; the next
answer goes on."""


class Owed(msgspec.Struct, frozen=True):
    """What a channel is owed at the moment when `last_offset` is the newest event; of
    the first payments, if it is owed more."""

    last_offset: int
    payments: list[PendingPayment]
    has_dead: bool = False
    """Whether anything at all was given up: then what comes next may have a gap before
    it, which only `next_pending` tells."""


class StreamDelivery(msgspec.Struct, frozen=True):
    """One event that a channel is, or was, to be told, whatever came of it. `wire` is
    empty where only the delivery was asked for."""

    offset: int
    payment_id: str
    seq: int
    attempts: int
    wire: bytes = b""


class AttemptView(msgspec.Struct, frozen=True):
    """One line of a channel's delivery log."""

    id: int
    event_id: str
    payment_id: str
    seq: int
    attempt: int
    at: int
    latency_ms: int
    status: int | None
    outcome: str
    error: str | None
    answer: str | None = None  # how it begins


ATTEMPTS = 20
"""Of one delivery so many are shown, the newest."""


class DeliveryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one channel, and what has come of it. `state`: "pending",
    "delivered" or "dead"; `next_at` (ms) 0: at once, if it is pending. Of a backlog
    there is neither `wire` nor `log`."""

    channel_id: str
    offset: int
    event_id: str
    payment_id: str
    seq: int
    type: str
    state: str
    attempts: int
    next_at: int
    wire: bytes = b""
    skipped: tuple[int, ...] = ()
    log: tuple[AttemptView, ...] = ()


class Backlog(msgspec.Struct, frozen=True):
    """What a channel has not been told: how much, and some of it."""

    pending: int
    dead: int
    deliveries: list[DeliveryRecord]


class Prunable(msgspec.Struct, frozen=True):
    """Payments whose events may go; `next_after` (an offset) goes on, None: the end."""

    payments: tuple[Prune, ...]
    next_after: int | None


class Pruned(msgspec.Struct, frozen=True):
    """What retention took out of the journal: how many events, and up to which offset
    some may be missing. A reader who is further than that has missed none."""

    events: int = 0
    through: int = 0


class FileUse(msgspec.Struct, frozen=True):
    """The store's file. `can_shrink`: free pages can be given back while it is used."""

    page_bytes: int
    pages: int
    free_pages: int
    can_shrink: bool
