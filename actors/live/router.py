"""The router: hands committed events, in journal order, to whoever follows them.

It knows who follows which payment and nothing else. Subscribing is one turn: an event
is either routed after it (the session gets it) or committed before it (the session's
read, which begins after the subscription, finds it). So nothing falls between.

Events are told by calling the followers, a few in one turn (fanout.py): the path from
a commit to a socket that is ready has no queue in it. Nobody is ever waited for.
"""

import logging
from functools import partial
from typing import Any, ClassVar

import msgspec

from actors.facts.published import Published
from actors.live.fanout import FanOut, TellOne
from actors.live.messages import OpenSession, Subscribe, Unsubscribe
from actors.live.session import SessionActor
from actors.messages import FreshnessChanged, Publish
from actors.node import Node
from engine.payment.events import CommittedEvent
from engine.ports import Sink
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
    """Parent of the sessions. Answers `Subscribe`, `Unsubscribe`; forwards `Publish`,
    `FreshnessChanged`."""

    __slots__ = (
        "_all",
        "_by_payment",
        "_count",
        "_everyone",
        "_fan_out",
        "_node",
        "_offset",
        "_sessions",
    )

    def __init__(self, node: Node, sessions: Published[int]) -> None:
        """`sessions`: where to publish how many there are."""
        self._node = node
        self._count = sessions
        self._sessions: dict[Ref, SessionActor] = {}
        self._fan_out = FanOut()
        self._by_payment: dict[str, dict[Ref, TellOne]] = {}
        # follower of everything -> whose events it wants, and how it is told
        self._all: dict[Ref, tuple[str | None, TellOne]] = {}
        self._everyone: dict[Ref, int] = {}  # every follower -> its subscriptions
        self._offset = 0  # of the newest event that was routed

    def on_start(self) -> None:
        self._count.publish(0)

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
            case OpenSession(ref, sink):
                self._open(ref, sink)
            case Exited():
                self._on_exit(message)

    def on_stop(self) -> None:
        self._end_sessions()

    def on_failure(self, *_exc_info: Any) -> None:
        """Nobody would tell the sessions anything any more; their clients come back."""
        self._end_sessions()

    # -- sessions --------------------------------------------------------------------

    def _open(self, ref: Ref, sink: Sink) -> None:
        if ref.is_stopped:
            return  # its client is gone already
        self._sessions[ref] = session = SessionActor(self._node, sink)
        self._count.publish(len(self._sessions))
        ref.start(session)

    def _on_exit(self, report: Exited) -> None:
        ref = report.ref
        session = self._sessions.pop(ref, None)
        self._count.publish(len(self._sessions))
        if report.reason is ExitReason.STOPPED:
            return
        if session is not None:
            session.hang_up()
        self._node.counters.add("sessions.crashed")
        log.error("session.crashed session=%s error=%r", ref.name, report.error)
        ref.stop()

    def _end_sessions(self) -> None:
        for ref in self._sessions:
            ref.stop()

    # -- who follows what ------------------------------------------------------------

    def _subscribe(self, wanted: Subscribe) -> None:
        payment_id, ref = wanted.payment_id, wanted.ref
        tell = wanted.on_event or partial(self._mail, ref)
        if payment_id is None:
            known = ref in self._all
            self._all[ref] = (wanted.merchant, tell)
        else:
            followers = self._by_payment.setdefault(payment_id, {})
            known = ref in followers
            followers[ref] = tell
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

    # -- telling ---------------------------------------------------------------------

    def _route(self, event: CommittedEvent) -> None:
        assert self._offset < event.offset <= self._node.journal_report.now.last_offset
        self._offset = event.offset
        payment_id = event.event.payment_id
        followers = self._by_payment.get(payment_id)
        if followers is not None:
            self._tell(payment_id, event, followers)
        if self._all:
            wanted = {
                ref: tell
                for ref, (merchant, tell) in self._all.items()
                if merchant in {None, event.merchant}
            }
            self._tell(_JOURNAL, event, wanted)
        self._node.notifiers.tell_system(event)

    def _tell(self, topic: str, thing: object, followers: dict[Ref, TellOne]) -> None:
        if not self._fan_out.tell(topic, thing, followers.items()):
            # They come back and read what they missed.
            self._node.counters.add("sessions.too_slow", len(followers))
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
            self._node.counters.add("sessions.too_slow")
            ref.stop()
