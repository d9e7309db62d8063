"""Faults inside of actors: a handler raises, a killed actor, an answer that is late.

The classes of the engine's actors get a wrapper round `on_receive` for the duration of
one run. The wrapper asks the world whether this message crashes this actor (before it
is handled, or after, when its effects are out), and shows the world what sources say.
"""

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from actors.delivery.notifier import NotifierActor
from actors.delivery.notifiers import NotifiersActor
from actors.delivery.sender import Deliver, SenderActor
from actors.journal.reader import ReaderActor
from actors.journal.writer import JournalActor
from actors.live.router import RouterActor
from actors.live.session import SessionActor
from actors.messages import Read
from actors.money.forwarder import ForwarderActor
from actors.money.refund_watch import RefundWatch
from actors.money.refunds import RefundsActor
from actors.sources.address_worker import AddressFeedWorker
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from actors.watching.address import AddressActor
from actors.watching.supervisor import SupervisorActor
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref
from tests.simulation.broken import Broken

__all__ = ["ACTORS", "Crash", "Injected", "instrumented"]

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


_SELDOM: tuple[type[Actor], ...] = (ForwarderActor, RefundsActor, RefundWatch)
"""Those that only matter in worlds with money."""


class Injected(Exception):
    """A crash that the simulation wanted."""


@dataclass(frozen=True, slots=True)
class Crash:
    """How an actor is to crash: before or after what it does, by which error."""

    when: str
    error: BaseException


class Watched(Protocol):
    """What the wrapper needs of the world."""

    @property
    def is_telling(self) -> bool:
        """Whether somebody wants to read every message."""

    @property
    def armed(self) -> Container[str]:
        """Classes, or "Class.on_start", that may crash at their next message."""

    def crash_now(self, name: str, message: object) -> Crash | None: ...

    def on_message(self, actor: Actor, message: object, *, is_lost: bool) -> None:
        """`is_lost`: it is about to crash before it has looked at it."""

    def on_start(self, actor: Actor) -> None: ...

    def on_crash(self, actor: Actor, message: object) -> None:
        """It is about to crash on this message, or when it has handled it."""

    def answer_delay_ms(self) -> int:
        """How long a blocking actor's answer is on its way; mostly 0."""

    def send_delay_ms(self, message: Deliver) -> int:
        """How long this delivery takes; its time-out, if the endpoint hangs."""

    def in_memory(self, delay_ms: int, then: Callable[[], None]) -> None: ...


class _LateRef:
    """Stands in for the ref that a sender answers to: the answer takes its time."""

    def __init__(self, world: Watched, worker: Ref, to: Ref, delay_ms: int) -> None:
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


def _slowed(world: Watched, actor: Actor, message: object) -> object:
    """The message as a slow blocking actor gets it."""
    if isinstance(message, Read):
        delay_ms = world.answer_delay_ms()
    elif isinstance(message, Deliver):
        delay_ms = world.send_delay_ms(message)
    else:
        return message
    if not delay_ms:
        return message
    if isinstance(message, Deliver):
        late: Any = _LateRef(world, actor.ref, message.reply_to, delay_ms)
        return msgspec.structs.replace(message, reply_to=late)
    reply = message.reply

    def answer_late(answer: object) -> None:
        world.in_memory(delay_ms, lambda: reply(answer))

    return msgspec.structs.replace(message, reply=answer_late)


_WATCHED = {"AddressActor", "AddressFeedWorker", "BlockFeedWorker", "SourceActor"}
"""Whose mail the rules look at."""

_BLOCKING = {"ReaderActor", "SenderActor"}  # whose answers may be late

_BUGS = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""Raised by no fault of a world: an actor that does has a bug, or saw one. That its
supervisor starts it again must not hide it."""


def _examined(kind: type[Actor]) -> Callable[..., None]:
    """`on_failure`, which every failure passes: in mail, in an answer, in a start."""
    original: Callable[..., None] = kind.on_failure

    def on_failure(self: Actor, *failure: Any) -> None:
        error = failure[1]
        if isinstance(error, _BUGS) and not isinstance(error, Broken):
            Broken(f"{self} crashed by itself: {error!r}")  # noted, and looked at
        original(self, *failure)

    return on_failure


def _wrapped(world: Watched, kind: type[Actor]) -> Callable[[Actor, object], None]:
    original: Callable[[Actor, object], None] = kind.on_receive
    name, armed = kind.__name__, world.armed
    watched = name in _WATCHED or world.is_telling
    blocking = name in _BLOCKING

    def on_receive(self: Actor, message: object) -> None:
        if not watched and name not in armed:  # most mail
            original(self, _slowed(world, self, message) if blocking else message)
            return
        crash = world.crash_now(name, message) if name in armed else None
        is_lost = crash is not None and crash.when == "before"
        if watched:
            world.on_message(self, message, is_lost=is_lost)
        if crash is not None and watched:
            world.on_crash(self, message)
        if crash is not None and is_lost:
            raise crash.error
        original(self, _slowed(world, self, message) if blocking else message)
        if crash is not None and crash.when == "after":
            raise crash.error

    return on_receive


def _guarded(world: Watched, kind: type[Actor], method: str) -> Callable[[Actor], None]:
    """`on_start` or `on_stop`, which may crash too."""
    original: Callable[[Actor], None] = getattr(kind, method)
    name, armed = f"{kind.__name__}.{method}", world.armed

    def guarded(self: Actor) -> None:
        if method == "on_start":
            world.on_start(self)
        crash = world.crash_now(name, None) if name in armed else None
        if crash is not None and crash.when == "before":
            raise crash.error
        original(self)
        if crash is not None:
            raise crash.error

    return guarded


@contextmanager
def instrumented(world: Watched) -> Iterator[None]:
    """Wrap the handlers of all actor classes for one run."""
    originals: list[tuple[type[Actor], str, Any]] = []
    try:
        for kind in (*ACTORS.values(), *_SELDOM):
            wrappers: dict[str, Any] = {"on_receive": _wrapped(world, kind)}
            wrappers["on_failure"] = _examined(kind)
            for method in ("on_start", "on_stop"):
                wrappers[method] = _guarded(world, kind, method)
            for method, wrapper in wrappers.items():
                originals.append((kind, method, kind.__dict__.get(method)))
                setattr(kind, method, wrapper)
        yield
    finally:
        for kind, method, original in originals:
            if original is None:
                delattr(kind, method)
            else:
                setattr(kind, method, original)
