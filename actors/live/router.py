"""The router: hands committed events, in journal order, to whoever follows them.

It knows who follows which payment and nothing else. Subscribing is one turn: an event
is either routed after it (the session gets it) or committed before it (the session's
read, which begins after the subscription, finds it). So nothing falls between.

Events are told by calling the followers, a few in one turn (fanout.py): the path from
a commit to a socket that is ready has no queue in it. Nobody is ever waited for.
"""

import logging
from functools import partial
from typing import ClassVar

import msgspec

from actors.live.fanout import FanOut, Hear
from actors.messages import (
    FreshnessChanged,
    Publish,
    Subscribe,
    Unsubscribe,
)
from actors.node import Node
from engine.payment.events import CommittedEvent
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, ExitReason, Ref

__all__ = ["RouterActor"]

log = logging.getLogger("paybell.session")

# Topics beside the payments, whose ids these are not.
_EVERYONE = "*"  # what all sessions are told
_JOURNAL = "journal"  # for who follows everything, in the journal's order


class _GoOn(msgspec.Struct, frozen=True):
    """To itself: somebody is still to be told something."""

    coalesce: ClassVar[bool] = True


class RouterActor(Actor):
    """Answers `Subscribe`, `Unsubscribe`; forwards `Publish`, `FreshnessChanged`."""

    __slots__ = ("_all", "_by_payment", "_everyone", "_fan_out", "_node")

    mailbox_limit = 100_000

    def __init__(self, node: Node) -> None:
        self._node = node
        self._fan_out = FanOut()
        self._by_payment: dict[str, dict[Ref, Hear]] = {}
        # follower of everything -> whose events it wants, and how it is told
        self._all: dict[Ref, tuple[str | None, Hear]] = {}
        self._everyone: dict[Ref, int] = {}  # every session -> its subscriptions

    @property
    def followers(self) -> int:
        return len(self._everyone)

    def on_receive(self, message: object) -> None:
        match message:
            case _GoOn():
                self._go_on()
            case Publish(events):
                for event in events:
                    self._route(event)
            case Subscribe():
                self._subscribe(message)
            case Unsubscribe(payment_id, ref):
                self._unsubscribe(payment_id, ref)
            case FreshnessChanged():
                self._tell(_EVERYONE, message, {r: r.tell for r in self._everyone})
            case Exited(ref, reason=reason, error=error):
                sink = self._node.sessions.pop(ref, None)
                if reason is not ExitReason.STOPPED:
                    if sink is not None:  # it ended before its first turn
                        sink.close(1011, "internal error")
                    self._node.counters["sessions.crashed"] += 1
                    log.error("session.crashed session=%s error=%r", ref.name, error)
                    ref.stop()

    def on_start(self) -> None:
        """Sessions of an earlier incarnation end; their clients come back."""
        for ref in tuple(self._node.sessions):
            ref.stop()

    def _subscribe(self, wanted: Subscribe) -> None:
        payment_id, ref = wanted.payment_id, wanted.ref
        hear = wanted.hear or partial(self._mail, ref)
        if payment_id is None:
            known = ref in self._all
            self._all[ref] = (wanted.merchant, hear)
        else:
            followers = self._by_payment.setdefault(payment_id, {})
            known = ref in followers
            followers[ref] = hear
        if not known:
            self._everyone[ref] = self._everyone.get(ref, 0) + 1

    def _unsubscribe(self, payment_id: str | None, ref: Ref) -> None:
        if payment_id is None:
            known = self._all.pop(ref, None) is not None
        else:
            followers = self._by_payment.get(payment_id, {})
            known = followers.pop(ref, None) is not None
            if not followers:
                self._by_payment.pop(payment_id, None)
        if known:
            self._everyone[ref] -= 1
            if not self._everyone[ref]:
                del self._everyone[ref]

    def _route(self, event: CommittedEvent) -> None:
        payment_id = event.event.payment_id
        followers = self._by_payment.get(payment_id)
        if followers is not None:
            self._tell(payment_id, event, followers)
        if self._all:
            wanted = {
                ref: hear
                for ref, (merchant, hear) in self._all.items()
                if merchant in {None, event.merchant}
            }
            self._tell(_JOURNAL, event, wanted)
        if self._node.notifiers is not None:
            self._node.notifiers.tell_system(event)

    def _tell(self, topic: str, thing: object, followers: dict[Ref, Hear]) -> None:
        if not self._fan_out.tell(topic, thing, followers.items()):
            # They come back and read what they missed.
            self._node.counters["sessions.too_slow"] += len(followers)
            for ref in followers:
                ref.stop()
        self._go_on_later()

    def _go_on(self) -> None:
        self._fan_out.step()
        self._go_on_later()

    def _go_on_later(self) -> None:
        # Behind the mail that waits, so that other payments have their turn.
        if self._fan_out.waits:
            self.ref.tell(_GoOn())

    def _mail(self, ref: Ref, event: CommittedEvent) -> None:
        if not ref.tell(event):
            self._node.counters["sessions.too_slow"] += 1
            ref.stop()
