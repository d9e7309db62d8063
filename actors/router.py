"""The router: hands committed events, in journal order, to whoever follows them.

It knows who follows which payment and nothing else. Subscribing is one turn: an event
is either routed after it (the session gets it) or committed before it (the session's
read, which begins after the subscription, finds it). So nothing falls between.

A session that cannot keep up is cut off; it can come back with its last seq. Nobody is
ever waited for.
"""

import logging

from actors.messages import (
    FreshnessChanged,
    Publish,
    Subscribe,
    Unsubscribe,
)
from actors.node import Node
from engine.events import CommittedEvent
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, ExitReason, Ref

__all__ = ["RouterActor"]

log = logging.getLogger("paybell.session")


class RouterActor(Actor):
    """Answers `Subscribe`, `Unsubscribe`; forwards `Publish`, `FreshnessChanged`."""

    __slots__ = ("_all", "_by_payment", "_everyone", "_node")

    mailbox_limit = 100_000

    def __init__(self, node: Node) -> None:
        self._node = node
        self._by_payment: dict[str, dict[Ref, None]] = {}
        self._all: dict[Ref, str | None] = {}  # follower of everything -> merchant
        self._everyone: dict[Ref, int] = {}  # every session -> its subscriptions

    @property
    def followers(self) -> int:
        return len(self._everyone)

    def on_receive(self, message: object) -> None:
        match message:
            case Publish(events):
                for event in events:
                    self._route(event)
            case Subscribe(payment_id, ref, merchant):
                self._subscribe(payment_id, ref, merchant)
            case Unsubscribe(payment_id, ref):
                self._unsubscribe(payment_id, ref)
            case FreshnessChanged():
                for ref in tuple(self._everyone):
                    ref.tell(message)
            case Exited(ref, reason=reason, error=error):
                self._node.sessions.pop(ref, None)
                if reason is not ExitReason.STOPPED:
                    self._node.counters["sessions.crashed"] += 1
                    log.error("session.crashed session=%s error=%r", ref.name, error)
                    ref.stop()

    def on_start(self) -> None:
        """Sessions of an earlier incarnation end; their clients come back."""
        for ref in tuple(self._node.sessions):
            ref.stop()

    def _subscribe(
        self, payment_id: str | None, ref: Ref, merchant: str | None
    ) -> None:
        if payment_id is None:
            known = ref in self._all
            self._all[ref] = merchant
        else:
            followers = self._by_payment.setdefault(payment_id, {})
            known = ref in followers
            followers[ref] = None
        if not known:
            self._everyone[ref] = self._everyone.get(ref, 0) + 1

    def _unsubscribe(self, payment_id: str | None, ref: Ref) -> None:
        if payment_id is None:
            known = self._all.pop(ref, self) is not self
        else:
            followers = self._by_payment.get(payment_id, {})
            known = ref in followers
            followers.pop(ref, None)
            if not followers:
                self._by_payment.pop(payment_id, None)
        if known:
            self._everyone[ref] -= 1
            if not self._everyone[ref]:
                del self._everyone[ref]

    def _route(self, event: CommittedEvent) -> None:
        for ref in tuple(self._by_payment.get(event.event.payment_id, ())):
            self._deliver(ref, event)
        for ref, merchant in tuple(self._all.items()):
            if merchant in {None, event.merchant}:
                self._deliver(ref, event)
        if self._node.notifiers is not None:
            self._node.notifiers.tell_system(event)

    def _deliver(self, ref: Ref, event: CommittedEvent) -> None:
        if not ref.tell(event):
            self._node.counters["sessions.too_slow"] += 1
            ref.stop()
