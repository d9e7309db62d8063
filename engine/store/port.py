"""The store, as the rest of the engine sees it: what may be asked of it and written.

Actors and edges read by the named methods of `StoreReader` and write the values of
`writes.py` through `StoreWriter`. Nothing else of a store is known outside its own
folder: no query, no row, no error of its database. The pure rules know no store.

What any store promises:

- A batch of writes is one transaction. Each write in it stands or falls by itself: a
  conflict undoes only the write that it is found in, and later writes of the batch see
  what earlier ones left.
- Offsets of events go up by one in the order of the writes, without a gap; so does
  the `seq` of one payment's events.
- The payments, and the outbox of every channel that wants an event, are written in
  the transaction of the events.
- `done` is called after the batch is safe from a power cut, or with `Unavailable`
  for each of its writes when nothing of it was done.
- An event's id and every other byte of its wire form never change, in no version and
  after no restore: its epoch is that of its offset (`epochs.py`).
- A reader sees what was committed before it was asked. One call of a method sees one
  moment; two calls may see two.

To add a store: a folder beside `sqlite/` whose classes have these methods, a case in
the fixture of `tests/unit/engine/store/conformance.py`, and the line that makes the
store in `installation.py`. To change what is stored: `writes.py`, `records.py`, this
file, each store's folder (SQLite: a new migration at the end of `schema_people.py`,
never an edit of an old one), and a case in the conformance suite.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from engine.payment.model import Payment
from engine.store.epochs import Epochs
from engine.store.further import ALL, Further
from engine.store.history_port import HistoryReader
from engine.store.key_port import SealedReader
from engine.store.ledger_port import LedgerReader
from engine.store.lightning_port import LightningReader
from engine.store.outgoing_port import OutgoingReader
from engine.store.records import (
    OWED,
    AttemptView,
    Backlog,
    ChannelRecord,
    DamagedPayment,
    DeliveryRecord,
    FileUse,
    IdempotentAnswer,
    JournalPage,
    KeyRecord,
    MerchantRecord,
    Owed,
    Page,
    PaymentHistory,
    Pending,
    PendingPayment,
    Prunable,
    Pruned,
    StoredEvent,
    StreamDelivery,
    ToldAlert,
)
from engine.store.refund_port import RefundReader
from engine.store.till_port import TillReader
from engine.store.wallet_port import WalletReader
from engine.store.writes import Outcome, Place, SourceTip, Write

__all__ = ["StoreReader", "StoreWriter"]


class StoreWriter(Protocol):
    """Port: writes a batch some time, then calls `done` in the hub's thread, once."""

    def submit(
        self, batch: Sequence[Write], done: Callable[[list[Outcome]], None]
    ) -> None:
        """`done` gets one outcome for each write, in their order. Batches are written
        in the order of their submission."""


class StoreReader(
    HistoryReader,
    LedgerReader,
    LightningReader,
    RefundReader,
    SealedReader,
    WalletReader,
    OutgoingReader,
    TillReader,
    Protocol,
):
    """Port: named questions; each blocks the calling greenlet, not the hub.

    Every answer is bounded by a `limit`, or by what is configured (keys, channels,
    merchants). Times are in ms. All raise `StoreUnavailable` (that may
    pass) or `StoreDamaged` (it does not); both are `StoreUnreadable`.
    """

    # -- payments --------------------------------------------------------------------

    def payment(self, payment_id: str) -> Payment | None: ...

    def payment_at(self, address: str) -> Payment | None:
        """The payment that watches the address now, or else the newest that did."""

    def customer_email(self, payment_id: str) -> str | None:
        """The payer's e-mail address as it is kept: sealed."""

    def list_payments(
        self,
        filters: dict[str, str],
        place: int | None = None,
        limit: int = 50,
        further: Further = ALL,
    ) -> Page:
        """Newest first, if `further` does not say otherwise. `filters` may name status,
        external_id, address, merchant. `place`: the `next_place` of an earlier page."""

    def search_left(self) -> int:
        """How many payments at most cannot be searched yet (`FillSearch`)."""

    def counted_outpoints(
        self, addresses: Sequence[str]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        """Outputs (txid, vout) that payments to these addresses have counted, sorted;
        only the addresses that have any."""

    def watched(
        self, after_id: str = "", limit: int = 1_000
    ) -> list[Payment | DamagedPayment]:
        """Payments to watch after a start, in pages, oldest first. One whose row is
        damaged is named in its place, and costs the others nothing."""

    def oldest_watched(self) -> int | None:
        """When the oldest payment was made for which a chain is still watched."""

    # -- events ----------------------------------------------------------------------

    def history(
        self, payment_id: str, after_seq: int = 0, limit: int = 1_000
    ) -> list[StoredEvent]:
        """Events of one payment, in order."""

    def payment_history(
        self, payment_id: str, after_seq: int | None, limit: int
    ) -> PaymentHistory | None:
        """A payment and its events after a `seq` (None: no events), of one moment."""

    def events_after(
        self, offset: int, limit: int = 1_000, merchant: str | None = None
    ) -> list[StoredEvent]:
        """Events of the node (or of one merchant) after an offset, in order."""

    def journal_page(
        self, offset: int, limit: int, merchant: str | None = None
    ) -> JournalPage:
        """`events_after`, with the offset of the newest event at that moment."""

    def last_offset(self) -> int:
        """The offset of the newest event; 0 in an empty journal."""

    def epochs(self) -> Epochs:
        """All epochs of the journal; they do not change while the store is open."""

    # -- edges and sources -----------------------------------------------------------

    def api_keys(self) -> list[KeyRecord]:
        """All keys, the revoked among them, oldest first; of a damaged one its id."""

    def merchants(self) -> list[MerchantRecord]:
        """All merchants of whom something is kept, by name; damaged ones as such."""

    def idempotent_answer(
        self, scope: str, key: str, since: int, former: str | None = None
    ) -> IdempotentAnswer | None:
        """The first answer to this key, if it was given at or after `since`; if there
        is none in its scope, the one in the `former`."""

    def source_tip(self, source: str) -> SourceTip | None:
        """How far the chain was read: by this source, else by the one that came
        furthest. What another has read was told to the watchers just as well."""

    # -- delivery --------------------------------------------------------------------

    def channels(self, merchant: str | None = None) -> list[ChannelRecord]:
        """All channels, or those of one merchant, oldest first."""

    def channels_page(
        self, merchant: str | None, after: tuple[int, str], limit: int
    ) -> list[ChannelRecord]:
        """The next `limit` in that order after one that was made then (ms) and has this
        id."""

    def channel(self, channel_id: str) -> ChannelRecord | None: ...

    def owed(self, channel_id: str, limit: int = OWED) -> Owed:
        """What the channel has still to be told (of the first payments by id), and
        the newest offset at that moment."""

    def pending_payments(
        self, channel_id: str, after_id: str = "", limit: int = OWED
    ) -> list[PendingPayment]:
        """Payments with something left to tell the channel, in the order of ids."""

    def next_pending(self, channel_id: str, payment_id: str) -> Pending | None:
        """The next event to tell: the lowest offset that is pending, due or not."""

    def deliveries_after(
        self, channel_id: str, offset: int, limit: int
    ) -> list[StreamDelivery]:
        """The channel's next deliveries behind an offset, in whatever state, in the
        order of the journal."""

    def pending_up_to(
        self, channel_id: str, offset: int, limit: int
    ) -> list[StreamDelivery]:
        """Of the channel's deliveries up to this offset, some that are pending; without
        the events."""

    def last_deliveries_after(self, channel_id: str, count: int) -> int:
        """An offset behind which the channel's last `count` deliveries are; 0: all."""

    def attempts(
        self, channel_id: str, before_id: int | None, limit: int
    ) -> list[AttemptView]:
        """The channel's delivery log, newest first."""

    def deliveries_of(
        self, payment_id: str, merchant: str | None, after: Place, limit: int
    ) -> list[DeliveryRecord]:
        """What the channels of a merchant (None: all) were told of a payment, and are
        to be told: in the order of its events and then of channels, behind a place."""

    def backlog(
        self,
        channel_id: str,
        state: str,
        after: tuple[str, int],
        limit: int,
        count_up_to: int,
    ) -> Backlog:
        """What the channel has not been told. Those in a `state` ("pending", "dead"),
        by payment and offset, behind such a place; counted no further than that."""

    def outbox_counts(self) -> dict[str, int]:
        """How many deliveries are in which state, for metrics and the doctor."""

    def told_alerts(self, channel_id: str) -> list[ToldAlert]:
        """Of which alerts the channel was told, and not yet of their end."""

    def order_hours(self, merchant: str) -> dict[int, int]:
        """How many orders of the merchant came in each hour (number since 1970, UTC)
        that is kept; hours without any are left out."""

    # -- retention -------------------------------------------------------------------

    def prunable(self, before: int, after: int, limit: int) -> Prunable:
        """Payments that are over, whose last event was before (ms) and of which no
        enabled channel is owed anything; of the next `limit` events after an offset."""

    def pruned(self, merchant: str | None = None) -> Pruned:
        """What was taken out of the journal so far, of the node or of one merchant."""

    def offset_before(self, at: int) -> int:
        """An offset up to which all events are from before this time (ms); 0 if that
        is said of none. A thousand later ones may be so too."""

    def deliveries_up_to(
        self, channel_id: str, after: int, up_to: int, limit: int
    ) -> int | None:
        """The offset of the last of the channel's next `limit` deliveries after an
        offset, in whatever state; None: there is none up to that other offset."""

    def file_use(self) -> FileUse:
        """How large the store's file is, and how much of it is free."""
