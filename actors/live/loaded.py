"""What a session was read by a reader: part of a payment's story, or the journal."""

import msgspec

from engine.payment.model import Payment
from engine.store.records import StoredEvent

__all__ = ["Loaded", "LoadedPage"]


class Loaded(msgspec.Struct, frozen=True):
    """Reader to session: a payment and what of its history was asked for, after
    `since`. `is_anew`: the client has read another story, of another epoch, or one
    whose next events are kept no longer."""

    payment_id: str
    payment: Payment | None
    events: tuple[StoredEvent, ...] = ()
    more: bool = False
    since: int | None = None
    is_anew: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether what comes after `since` is all there."""
        if self.payment is None or self.since is None:
            return True
        if self.since >= self.payment.seq:
            return True
        return bool(self.events) and self.events[0].seq == self.since + 1


class LoadedPage(msgspec.Struct, frozen=True):
    """Reader to session: a page of the journal, and the journal's last offset then."""

    events: tuple[StoredEvent, ...]
    last: int
