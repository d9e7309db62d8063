"""Sender actors: the blocking side of a notifier. One delivery at a time each."""

import msgspec

from actors.node import Node
from engine.delivery.attempt import SendResult
from engine.delivery.channel import payload
from engine.ports import ChannelSender
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref
from engine.store.records import Pending

__all__ = ["Deliver", "Delivered", "SenderActor"]


class Deliver(msgspec.Struct, frozen=True):
    """Send this event; `reply_to` gets a `Delivered`. Secrets: never logged."""

    payment_id: str
    head: Pending
    url: str
    secrets: tuple[bytes, ...]
    timeout_s: float
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
        head = message.head
        now = self._node.clock.now()
        result = self._sender.send(
            message.url,
            message.secrets,
            f"evt_{head.offset}",
            body_of(head.wire),
            now // 1000,
            message.timeout_s,
        )
        message.reply_to.tell_system(
            Delivered(self.ref, message.payment_id, head, result)
        )


class _Head(msgspec.Struct):
    type: str
    at: str


def body_of(wire: bytes) -> bytes:
    """The Standard Webhooks body round an event: the same bytes at every attempt."""
    head = msgspec.json.decode(wire, type=_Head)
    return payload(wire, head.type, head.at)
