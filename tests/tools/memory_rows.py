"""What a store in memory holds: its rows, and how a change is taken back."""

from collections.abc import Callable
from typing import Any

import msgspec

from engine.lightning.till import TillForward
from engine.payment.events import Event, encode, with_offset
from engine.payment.history import Sum
from engine.payment.model import Payment, Terms
from engine.payment.refund import Refund
from engine.store.epochs import Epochs, EpochStart
from engine.store.key_writes import WalletKeyRow, WalletSecretRow
from engine.store.ledger_port import PostingRecord
from engine.store.outgoing_port import Paused
from engine.store.outgoing_writes import QueueForward
from engine.store.records import KeyRecord, MerchantRecord, ToldAlert
from engine.store.writes import (
    AddressRow,
    ChannelRow,
    Conflict,
    CustomerRow,
    DeliveryResult,
    InboundWebhook,
    KeptAnswer,
    SourceTip,
    UpstreamCursor,
    WalletRecord,
    Whole,
)
from engine.wallet.outgoing import Outgoing

__all__ = [
    "Delivery",
    "EventRow",
    "PaymentRow",
    "Refused",
    "Tables",
    "must_be_whole",
]


class EventRow(msgspec.Struct, frozen=True):
    event: Event
    terms: Terms


class PaymentRow(msgspec.Struct, frozen=True):
    rank: int
    payment: Payment
    watched: bool

    @property
    def terms(self) -> Terms:
        return self.payment.terms


class Delivery(msgspec.Struct, frozen=True):
    payment_id: str
    seq: int
    state: str = "pending"
    attempts: int = 0
    next_at: int = 0
    refusals: int = 0
    refused_at: int = 0


class Refused(Exception):
    """The conflict that stands in the way of a write."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(detail)
        self.conflict = Conflict(what, detail)


class Tables:
    """What is stored. Change it with `put` and `drop` only."""

    def __init__(self) -> None:
        self.events: dict[int, EventRow] = {}  # by offset
        self.payments: dict[str, PaymentRow] = {}
        self.watched: dict[str, str] = {}  # address: payment id
        self.answers: dict[tuple[str, str], KeptAnswer] = {}
        self.inbound: dict[tuple[str, str], InboundWebhook] = {}
        self.customers: dict[str, CustomerRow] = {}
        self.wallets: dict[str, WalletRecord] = {}
        self.drawn: dict[tuple[str, int], AddressRow] = {}
        self.tips: dict[str, SourceTip] = {}
        self.keys: dict[str, KeyRecord] = {}
        self.merchants: dict[str, MerchantRecord] = {}
        self.channels: dict[str, ChannelRow] = {}
        self.outbox: dict[tuple[str, int], Delivery] = {}
        self.attempts: dict[int, DeliveryResult] = {}
        self.epochs = [EpochStart(1, "inmemory", 1)]
        self.told: dict[tuple[str, str, str], ToldAlert] = {}
        self.hours: dict[tuple[str, int], int] = {}
        self.refunds: dict[str, Refund] = {}
        self.wallet_secrets: dict[str, WalletSecretRow] = {}
        self.wallet_keys: dict[tuple[str, bytes], WalletKeyRow] = {}
        self.ledger: dict[int, PostingRecord] = {}
        self.pruned: dict[int, PaymentRow] = {}  # whose, by offset
        self.outgoing: dict[str, Outgoing] = {}
        self.forward_queue: dict[str, QueueForward] = {}
        self.forward_pause: dict[str, Paused] = {}
        self.till_forwards: dict[str, TillForward] = {}
        self.till_queue: dict[str, tuple[str, int]] = {}  # account, seq
        self.invoices: dict[str, tuple[str, bool]] = {}  # payment, whether it is open
        self.upstreams: dict[str, UpstreamCursor] = {}
        self.history: dict[tuple[int, str, str, int], Sum] = {}
        self.history_position: dict[int, int] = {1: 0}
        self._undo: list[Callable[[], object]] = []

    def wire(self, offset: int, event: Event, terms: Terms) -> bytes:
        """The event on every channel."""
        epoch = Epochs(self.epochs).of(offset)
        return with_offset(offset, encode(event, terms), epoch)

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        if key in table:
            before = table[key]
            self._undo.append(lambda: table.__setitem__(key, before))
        else:
            self._undo.append(lambda: table.pop(key))
        table[key] = value

    def drop(self, table: dict[Any, Any], key: Any) -> None:
        before = table.pop(key)
        self._undo.append(lambda: table.__setitem__(key, before))

    def keep(self) -> None:
        self._undo.clear()

    def take_back(self) -> None:
        while self._undo:
            self._undo.pop()()


def must_be_whole(tables: Tables, row: Whole) -> int:
    if any(one.payment.id == row.payment_id for one in tables.pruned.values()):
        raise Refused("seq", f"{row.payment_id} has lost events")
    return 0
