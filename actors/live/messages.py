"""What edges, sessions and the router say to one another; see `actors/messages.py`."""

from collections.abc import Callable

import msgspec

from engine.payment.events import CommittedEvent
from engine.ports import Sink
from engine.runtime.ref import Ref
from engine.store.epochs import Position

__all__ = [
    "Follow",
    "FollowAll",
    "OpenSession",
    "Subscribe",
    "Unfollow",
    "Unsubscribe",
]


class OpenSession(msgspec.Struct, frozen=True):
    """Edge to router: start this session, and hang up on its client if it fails."""

    ref: Ref
    sink: Sink

    def on_dropped(self) -> None:
        """The router crashed on it, or ended before it: nobody else knows the client,
        who would wait in silence."""
        self.sink.close(1001, "the server ends this session")
        self.ref.stop()


class Subscribe(msgspec.Struct, frozen=True):
    """From now on, tell `ref` the events of this payment (None: of all).

    `on_event` is called with each, in the router's turn, and must not wait: ten
    thousand clients of one payment are too many for a message each. None: the events
    come as messages.
    """

    payment_id: str | None
    ref: Ref
    merchant: str | None = None
    on_event: Callable[[CommittedEvent], object] | None = None


class Unsubscribe(msgspec.Struct, frozen=True):
    payment_id: str | None
    ref: Ref


class Follow(msgspec.Struct, frozen=True):
    """Edge to session: follow a payment from after `since` (None: from its state)."""

    payment_id: str
    since: Position | None = None


class Unfollow(msgspec.Struct, frozen=True):
    payment_id: str


class FollowAll(msgspec.Struct, frozen=True):
    """Edge to session: follow every event after a journal offset."""

    after: int
    merchant: str | None = None
