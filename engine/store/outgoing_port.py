"""What may be asked of a store about money on its way out: part of `StoreReader`.

Of what is to be looked after, one damaged row keeps no other waiting: it is there by
its name (of the queue: the payment's).
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from engine.payment.model import Payment
from engine.store.records import DamagedRow
from engine.wallet.outgoing import Outgoing

__all__ = ["OutgoingReader", "Paused", "Queued"]


class Queued(msgspec.Struct, frozen=True):
    """A payment that the forwarder is to look at; `seq`: as of which event."""

    payment: Payment
    seq: int


class Paused(msgspec.Struct, frozen=True):
    """Since when (ms) nothing new is sent on, and by whose order."""

    at: int
    by: str


class OutgoingReader(Protocol):
    """See `StoreReader`."""

    def outgoing(self, outgoing_id: str) -> Outgoing | None: ...

    def outgoing_open(
        self, after: str = "", limit: int = 100
    ) -> Sequence[Outgoing | DamagedRow]:
        """Those that are still looked after, by id."""

    def outgoing_family(self, family: str) -> list[Outgoing]:
        """One and all that bump it, the oldest first."""

    def outgoing_of_txid(self, txid: str) -> Outgoing | None:
        """The one of ours that has this id on the chain."""

    def outgoing_of_payment(self, payment_id: str) -> list[Outgoing]:
        """All that spend coins of the payment, the oldest first."""

    def outgoing_of_merchant(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[Outgoing]:
        """The newest first; `before`: the next after this id."""

    def sent_since(self, merchant: str, at: int) -> int:
        """What living sweeps of the merchant that were signed since (ms) send, sat."""

    def forward_due(self, at: int, within: int, limit: int = 100) -> list[str]:
        """Merchants of whom some payment is to be looked at then (ms). Nobody is put
        off for longer than `within` (ms): whose time is beyond that was put off before
        the wall clock was put back, and is due."""

    def forward_queue(
        self, merchant: str, limit: int = 1_000
    ) -> Sequence[Queued | DamagedRow]:
        """The merchant's, whatever their time; those that are due first come first."""

    def forward_paused(self) -> Paused | None: ...
