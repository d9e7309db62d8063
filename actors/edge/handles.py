"""What the gateway hands to edges and puts between them and the actors.

No actors: a session's handle, and the ear of a long poll. Used by
`actors/edge/gateway.py` only.
"""

from __future__ import annotations

from collections.abc import Callable

from gevent.event import Event as Signal

from actors.messages import Follow, FollowAll, Unfollow
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.runtime.ref import Ref

__all__ = ["FirstEvent", "Handle"]


class Handle:
    """`SessionHandle` over a session's ref."""

    __slots__ = ("_ref",)

    def __init__(self, ref: Ref) -> None:
        self._ref = ref

    def follow(self, payment_id: str, since: int | None) -> None:
        self._ref.tell(Follow(payment_id, since))

    def unfollow(self, payment_id: str) -> None:
        self._ref.tell(Unfollow(payment_id))

    def follow_all(self, after: int, merchant: str | None) -> None:
        self._ref.tell(FollowAll(after, merchant))

    def close(self) -> None:
        self._ref.stop()


class FirstEvent:
    """A sink that only tells that something happened: the long poll's ear."""

    def __init__(self) -> None:
        self.heard = Signal()

    def has_room(self, again: Callable[[], None]) -> bool:
        return True

    def state(self, payment: Payment, since: int | None) -> bool:
        return True

    def event(self, event: CommittedEvent) -> bool:
        self.heard.set()
        return True

    def freshness(self, freshness: Freshness) -> bool:
        return True

    def problem(self, code: str, message: str) -> bool:
        return True

    def close(self, code: int, reason: str) -> None:
        self.heard.set()
