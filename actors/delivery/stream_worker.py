"""The blocking side of a stream's notifier, one attempt at a time; and what else the
notifier is told."""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.node import Node
from engine.delivery.endpoint import Endpoint
from engine.delivery.stream_ids import StreamPlan, StreamTold
from engine.ports import StreamSender
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref

__all__ = [
    "Answered",
    "Written",
    "Rested",
    "StreamWorkerActor",
    "Tell",
    "worker_scope",
]


class Tell(msgspec.Struct, frozen=True):
    """Carry out this plan, or only look; `reply_to` gets an `Answered`. Secrets:
    never logged."""

    endpoint: Endpoint
    plan: StreamPlan | None
    starts: Sequence[int]
    reply_to: Ref

    def __repr__(self) -> str:
        return f"Tell({0 if self.plan is None else len(self.plan.entries)} events)"


class Answered(msgspec.Struct, frozen=True):
    worker: Ref
    told: StreamTold


class Rested(msgspec.Struct, frozen=True):
    """The rest after a failure is over."""

    incarnation: int


class Written(msgspec.Struct, frozen=True):
    """Outcomes were committed, or could not be."""

    incarnation: int
    outcome: Any


class StreamWorkerActor(Actor):
    """Answers `Tell`."""

    __slots__ = ("_sender",)

    blocking = True

    def __init__(self, sender: StreamSender) -> None:
        self._sender = sender

    def on_receive(self, message: object) -> None:
        if isinstance(message, Tell):
            told = self._sender.tell(message.endpoint, message.plan, message.starts)
            message.reply_to.tell_system(Answered(self.ref, told))


def worker_scope(node: Node, sender: StreamSender, parent: Ref) -> ActorScope:
    """Of the one worker of a notifier."""
    return ActorScope(
        dispatcher=node.dispatcher,
        factory=lambda _name: StreamWorkerActor(sender),
        parent=parent,
        blocking=StreamWorkerActor.blocking,
        waits_outside=True,
    )
