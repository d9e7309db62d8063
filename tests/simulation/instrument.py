"""Faults inside of actors: a handler raises, a killed actor, an answer that is late.

The classes of the engine's actors get a wrapper round `on_receive` for the duration of
one run. The wrapper asks the world whether this message crashes this actor (before it
is handled, or after, when its effects are out), and shows the world what sources say.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from actors.address import AddressActor
from actors.feeds import AddressFeedWorker, BlockFeedWorker
from actors.journal import JournalActor
from actors.messages import Read
from actors.notifier import NotifierActor
from actors.notifiers import NotifiersActor
from actors.reader import ReaderActor
from actors.router import RouterActor
from actors.senders import Deliver, SenderActor
from actors.session import SessionActor
from actors.source import SourceActor
from actors.supervisor import SupervisorActor
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref

__all__ = ["ACTORS", "Injected", "instrumented"]

ACTORS: dict[str, type[Actor]] = {
    kind.__name__: kind
    for kind in (
        AddressActor,
        AddressFeedWorker,
        BlockFeedWorker,
        JournalActor,
        NotifierActor,
        NotifiersActor,
        ReaderActor,
        RouterActor,
        SenderActor,
        SessionActor,
        SourceActor,
        SupervisorActor,
    )
}


class Injected(Exception):
    """A crash that the simulation wanted."""


class Witness(Protocol):
    """What the wrapper needs of the world."""

    def crash_now(self, actor: Actor, message: object) -> str | None:
        """None, "before" or "after"."""

    def on_message(self, actor: Actor, message: object) -> None: ...

    def answer_delay_ms(self) -> int:
        """How long a blocking actor's answer is on its way; mostly 0."""

    def in_memory(self, delay_ms: int, then: Callable[[], None]) -> None: ...


class _LateRef:
    """Stands in for the ref that a sender answers to: the answer takes its time."""

    def __init__(self, world: Witness, worker: Ref, to: Ref, delay_ms: int) -> None:
        self._world = world
        self._worker = worker
        self._incarnation = worker.incarnation
        self._to = to
        self._delay_ms = delay_ms

    def tell_system(self, message: object) -> None:
        def arrive() -> None:
            worker = self._worker
            if worker.incarnation == self._incarnation and worker.is_alive:
                self._to.tell_system(message)

        self._world.in_memory(self._delay_ms, arrive)


def _slowed(world: Witness, actor: Actor, message: object) -> object:
    """The message as a slow blocking actor gets it."""
    if not isinstance(message, Read | Deliver):
        return message
    delay_ms = world.answer_delay_ms()
    if not delay_ms:
        return message
    if isinstance(message, Deliver):
        late: Any = _LateRef(world, actor.ref, message.reply_to, delay_ms)
        return msgspec.structs.replace(message, reply_to=late)
    reply = message.reply

    def answer_late(answer: object) -> None:
        world.in_memory(delay_ms, lambda: reply(answer))

    return msgspec.structs.replace(message, reply=answer_late)


@contextmanager
def instrumented(world: Witness) -> Iterator[None]:
    """Wrap the handlers of all actor classes for one run."""
    originals = {kind: kind.__dict__["on_receive"] for kind in ACTORS.values()}

    def wrap(original: Callable[[Actor, object], None]) -> Any:
        def on_receive(self: Actor, message: object) -> None:
            world.on_message(self, message)
            when = world.crash_now(self, message)
            if when == "before":
                raise Injected(f"before {type(message).__name__}")
            original(self, _slowed(world, self, message))
            if when == "after":
                raise Injected(f"after {type(message).__name__}")

        return on_receive

    for kind, original in originals.items():
        kind.on_receive = wrap(original)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for kind, original in originals.items():
            kind.on_receive = original  # type: ignore[method-assign]
