"""What the gateway hands to edges and puts between them and the actors.

No actors: a session's handle. Used by `actors/edge/gateway.py` only.
"""

from __future__ import annotations

from actors.live.messages import Follow, FollowAll, Unfollow
from engine.runtime.ref import Ref
from engine.store.epochs import Position

__all__ = ["Handle"]


class Handle:
    """`SessionHandle` over a session's ref."""

    __slots__ = ("_ref",)

    def __init__(self, ref: Ref) -> None:
        self._ref = ref

    def follow(self, payment_id: str, since: Position | None) -> None:
        self._ref.tell(Follow(payment_id, since))

    def unfollow(self, payment_id: str) -> None:
        self._ref.tell(Unfollow(payment_id))

    def follow_all(self, after: int, merchant: str | None) -> None:
        self._ref.tell(FollowAll(after, merchant))

    def close(self) -> None:
        self._ref.stop()
