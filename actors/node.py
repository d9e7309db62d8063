"""What the actors of one node share: ports, settings, and each other's refs.

`run.py` (or a simulation) makes one `Node` and fills in the refs while it starts the
tree; after that nothing here changes but the health notes.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeVar

import msgspec

from actors.messages import Append, Read
from actors.published import Published, Readable, SourceReport
from engine.chain.restart_point import RestartPoint
from engine.ports import Sink
from engine.runtime.clock import Clock
from engine.runtime.ref import Dispatcher, Ref
from engine.runtime.registry import Registry
from engine.store.port import StoreReader
from engine.store.writes import Outcome, Unavailable, Write

__all__ = ["Health", "Node", "Settings"]

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True):
    """Numbers that the actors go by. Times in seconds."""

    poll_slow_s: int = 600  # how often to look at a payment that nobody waits for
    poll_ageing_s: int = 3_600  # each time this old, the wait between polls doubles
    recheck_s: int = 3_600  # a payment over its time whose money is still on its way
    session_buffer: int = 1_000  # events a session holds while its backlog is read


class Health(msgspec.Struct):
    """What is wrong now, for the edges: new work is refused while it is."""

    journal: str | None = None  # why the journal cannot write, or None
    booted: bool = False  # all watched payments have their watcher
    fatal: bool = False  # only a restart by hand can help


class Node:
    """See the module docstring."""

    def __init__(
        self,
        clock: Clock,
        dispatcher: Dispatcher,
        random: Random,
        settings: Settings,
        yield_to_hub: Callable[[], None] = lambda: None,
    ) -> None:
        self.clock = clock
        self.dispatcher = dispatcher
        self.random = random
        self.settings = settings
        self.yield_to_hub = (
            yield_to_hub  # lets others run, in long work of blocking actors
        )
        self.health = Health()
        # What the source actor publishes; it alone holds the side that writes.
        self.source_report: Readable[SourceReport] = Published(SourceReport())
        self.restart_point = RestartPoint()  # the source's; watchers say what they have
        self.counters: Counter[str] = Counter()
        self.journal: Ref
        self.router: Ref
        self.supervisor: Ref
        self.source: Ref
        self.notifiers: Ref | None = None
        self.readers: list[Ref] = []
        self.watchers: Registry[str, Ref] = Registry()  # by payment id
        self.by_address: Registry[str, str] = Registry()  # watched -> payment id
        self.sessions: dict[Ref, Sink] = {}  # with their clients' wires
        self._next_reader = 0

    def append(self, write: Write, reply: Callable[[Outcome], None]) -> None:
        """Commit `write`; `reply` gets the outcome, also when the journal is full."""
        if not self.journal.tell(Append(write, reply)):
            reply(Unavailable("the journal has too much to do"))

    def read(
        self, ask: Callable[[StoreReader], T], reply: Callable[[T | Exception], None]
    ) -> None:
        """Ask the store; `reply` gets the answer, or an exception as a value."""
        self._next_reader = (self._next_reader + 1) % len(self.readers)
        if not self.readers[self._next_reader].tell(Read(ask, reply)):
            reply(RuntimeError("too many queries wait"))
