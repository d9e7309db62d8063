"""Sender actors: the blocking side of a notifier. One delivery at a time each."""

from collections.abc import Callable
from typing import Any

import msgspec

from actors.node import Node
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.bodies import BODIES, no_such_version
from engine.delivery.endpoint import Endpoint
from engine.delivery.kinds import kind_named
from engine.payment.model import Payment
from engine.ports import ChannelSender
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.store.records import Pending

__all__ = ["Deliver", "Delivered", "SenderActor", "SenderPool"]


class Deliver(msgspec.Struct, frozen=True):
    """Send this event; `reply_to` gets a `Delivered`. Secrets: never logged."""

    payment_id: str
    head: Pending
    endpoint: Endpoint
    reply_to: Ref

    def __repr__(self) -> str:
        return f"Deliver({self.payment_id}, {self.head.offset})"


class Delivered(msgspec.Struct, frozen=True):
    worker: Ref
    payment_id: str
    head: Pending
    result: SendResult


class SenderActor(Actor):
    """Answers `Deliver`."""

    __slots__ = ("_node", "_sender")

    blocking = True

    def __init__(self, node: Node, sender: ChannelSender) -> None:
        self._node = node
        self._sender = sender

    def on_receive(self, message: object) -> None:
        if not isinstance(message, Deliver):
            return
        event = msgspec.json.decode(message.head.wire, type=_Head)
        wants_payment = kind_named(message.endpoint.kind).wants_payment
        if not wants_payment or event.payment_id is None:
            self._answer(message, self._attempt(message, event, None))
            return
        payment_id = event.payment_id
        self.await_reply(
            lambda reply: self._node.read(lambda s: s.payment(payment_id), reply),
            lambda found: self._on_payment(message, event, found),
        )

    def _on_payment(self, order: Deliver, event: "_Head", found: Any) -> None:
        if found is None or isinstance(found, Payment):
            result = self._attempt(order, event, found)
        else:
            error = "the database could not be read"
            result = SendResult(AttemptOutcome.RETRY, None, error, None, 0.0)
        self._answer(order, result)

    def _attempt(
        self, order: Deliver, event: "_Head", payment: Payment | None
    ) -> SendResult:
        head, endpoint = order.head, order.endpoint
        body_of = BODIES.get(endpoint.event_version)
        if body_of is None:
            return no_such_version(endpoint.event_version)
        body = body_of(head.wire, event.type, event.at, head.skipped)
        now_s = self._node.clock.now() // 1000
        return self._sender.send(endpoint, event.id, body, now_s, payment)

    def _answer(self, order: Deliver, result: SendResult) -> None:
        order.reply_to.tell_system(
            Delivered(self.ref, order.payment_id, order.head, result)
        )


class SenderPool:
    """The senders of one notifier, at most `size`: made as they are needed, kept."""

    __slots__ = ("_busy_with", "_idle", "_made", "_make", "_size")

    def __init__(self, size: int, make: Callable[[int], Ref]) -> None:
        """`make` starts the sender with this number."""
        self._size = size
        self._make = make
        self._made = 0
        self._idle: list[Ref] = []
        self._busy_with: dict[Ref, str | None] = {}  # each with the payment it sends

    @property
    def has_room(self) -> bool:
        return bool(self._idle) or len(self._busy_with) < self._size

    def send(self, order: Deliver) -> None:
        """Have one that is free carry it out; there must be room."""
        assert self.has_room
        if not self._idle:
            self._made += 1
            self._idle.append(self._make(self._made))
        worker = self._idle.pop()
        self._busy_with[worker] = order.payment_id
        worker.tell(order)

    def release(self, answer: Delivered) -> bool:
        """The sender is free again. False: the answer is of none of ours."""
        if self._busy_with.get(answer.worker) != answer.payment_id:
            return False
        self._busy_with[answer.worker] = None
        self._idle.append(answer.worker)
        return True

    def __contains__(self, worker: Ref) -> bool:
        return worker in self._busy_with

    def remove(self, worker: Ref) -> str | None:
        """It died; the payment that it was sending, if it was."""
        payment_id = self._busy_with.pop(worker)
        self._idle = [ref for ref in self._idle if ref is not worker]
        worker.stop()
        return payment_id

    def end(self) -> None:
        """At once: a late attempt could overtake those of a successor."""
        for worker in self._busy_with:
            worker.kill()
            worker.stop()


def sender_scope(node: Node, sender: ChannelSender, parent: Ref) -> ActorScope:
    """What the senders of one notifier share."""
    return ActorScope(
        dispatcher=node.dispatcher,
        factory=lambda _name: SenderActor(node, sender),
        parent=parent,
        blocking=SenderActor.blocking,
        waits_outside=True,
    )


class _Head(msgspec.Struct, frozen=True):
    """What is said of an event round it, so that it is the same at every attempt."""

    id: str
    type: str
    at: str
    payment_id: str | None = None  # of an alert, none
