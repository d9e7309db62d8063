"""When something goes wrong, and inside of what: a process, an actor, a write, a send.

Each world has its own choice of troubles. That every seed enables only some kinds of
faults is on purpose (swarm testing): some bugs show only while others do not hide
them. What goes wrong outside of the process is in `troubles.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import gevent

from actors.node import Node
from engine.errors import TurnTimeout
from engine.runtime.ref import Ref
from tests.simulation.instrument import ACTORS, Crash, Injected
from tests.simulation.troubles import TROUBLES

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["KINDS", "Faults"]

INSIDE = (
    "actor crash", "actor crash", "actor kill", "crash loop", "mailbox full",
    "process", "process", "process at commit", "process in send",
)  # fmt: skip

KINDS = (*INSIDE, *TROUBLES)

A_WHILE_MS = ((100, 5_000), (5_000, 300_000), (60_000, 5_400_000))

_BLOCKING = {"AddressFeedWorker", "BlockFeedWorker", "ReaderActor", "SenderActor"}


class Faults:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.kinds = [kind for kind in KINDS if random.random() < 0.5]
        self._actors = sorted(ACTORS)
        if world.money is not None:
            self._actors += ["ForwarderActor"] * 3
            self.kinds += ["process in broadcast"] * 4
        if world.shape.refunds:
            self._actors += ["RefundsActor", "RefundWatch"] * 2
        self.armed: dict[str, tuple[str, int]] = {}  # class -> (when, how often)
        # So many steps from now, and what strikes then.
        self.countdown: tuple[int, Callable[[], None]] | None = None
        self._dies: dict[str, int] = {}  # where, and how often it is to pass before
        self.jumped_ms = 0  # the node's clock against the world's

    def begin(self) -> None:
        if not self.kinds:
            return
        self._next()
        if self.random.random() < 0.1:
            # Nobody has shown a better tip yet: only its age tells, where it does.
            self.world.fault("sources days old")
            for source in self.world.sources:
                source.set_mode("days old")
                wait_ms = self.random.randrange(1_000, 30 * 3_600_000)
                self.world.in_life(wait_ms, partial(source.set_mode, "ok"))

    def _next(self) -> None:
        """More often while something is under way: there is more to lose."""
        mean_ms = self.world.shape.trouble_mean_ms
        if not self.world.life.is_busy:
            mean_ms *= 12
        wait_ms = int(self.random.expovariate(1 / mean_ms))
        self.world.in_life(wait_ms, self._strike)

    def _strike(self) -> None:
        kind = self.random.choice(self.kinds)
        trouble = TROUBLES.get(kind)
        if trouble is not None:
            trouble(self)
        else:
            getattr(self, "_" + kind.replace(" ", "_"))()
        self._next()

    def for_a_while(
        self,
        begin: Callable[[], None],
        end: Callable[[], None],
        lasting: Sequence[tuple[int, int]] = A_WHILE_MS,
    ) -> None:
        begin()
        low, high = self.random.choice(lasting)
        self.world.in_life(self.random.randrange(low, high), end)

    def cease(self) -> None:
        """All is mended now, for good."""
        world = self.world
        self.armed.clear()
        self.countdown = None
        self._dies.clear()
        world.clock.jump_wall(-self.jumped_ms)
        self.jumped_ms = 0
        for source in world.sources:
            source.set_mode("ok")
            source.unsteady = 0.0
        world.store.set_full(False)
        world.store.refusing = world.store.slow = False
        world.store.refusals = 0
        world.store.reads_fail = 0.0
        for channel_id, endpoint in world.channels.endpoints.by_channel.items():
            endpoint.mode = "ok"
            endpoint.gone_next = False
            world.channels.enable_again(channel_id)

    # -- the process dies -------------------------------------------------------------

    def _some_steps_later(self, strike: Callable[[], None]) -> None:
        self.countdown = (self.random.choice((0, 1, 3, 10, 40)), strike)

    def between_steps(self) -> None:
        """If a strike is planned."""
        assert self.countdown is not None
        left, strike = self.countdown
        if self.world.dispatcher.idle and self.random.random() < 0.9:
            return  # something is to be under way
        self.countdown = (left - 1, strike)
        if left <= 0:
            self.countdown = None
            strike()

    def _process(self) -> None:
        self._some_steps_later(lambda: self.world.end_process("kill -9"))

    def _crash_loop(self) -> None:
        """Again and again, soon after each start."""

        def again(times: int) -> None:
            self.world.end_process("kill -9, soon after a start", down_ms=10)
            if times:
                steps = self.random.randrange(1, 120)
                self.countdown = (steps, lambda: again(times - 1))

        self._some_steps_later(lambda: again(self.random.randrange(1, 6)))

    def _process_at_commit(self) -> None:
        """Just before it, or when it is made and nobody has been told."""
        where = self.random.choice(("before a commit", "after a commit"))
        self._dies[where] = self.random.choice((0, 0, 1, 5))

    def _process_in_send(self) -> None:
        """Just before an endpoint hears, or between its answer and our record."""
        where = self.random.choice(("before a send", "after a send"))
        self._dies[where] = self.random.choice((0, 0, 1))

    def _process_in_broadcast(self) -> None:
        """Just before a node hears of a transaction of ours, or when it has."""
        where = self.random.choice(("before a broadcast", "after a broadcast"))
        self._dies[where] = self.random.choice((0, 0, 1))

    def dies(self, where: str) -> bool:
        left = self._dies.get(where)
        if left is None:
            return False
        if left > 0:
            self._dies[where] = left - 1
            return False
        del self._dies[where]
        self.world.end_process(where)
        return True

    # -- an actor dies ---------------------------------------------------------------

    def _actor_crash(self) -> None:
        name = self.random.choice(self._actors)
        when = self.random.choice(("before", "after"))
        where = self.random.choice(("", "", "", ".on_start", ".on_stop"))
        if where == ".on_stop":
            when = "after"  # it lets go of what it holds, then it crashes
        self.armed[name + where] = (when, self.random.choice((1, 1, 1, 2, 3)))

    def crash_now(self, name: str, message: object) -> Crash | None:
        if self.random.random() < 0.5:
            return None
        when, times = self.armed[name]
        if times == 1:
            del self.armed[name]
        else:
            self.armed[name] = (when, times - 1)
        self.world.fault(f"{name} crash", f"{when} {type(message).__name__}")
        return Crash(when, self._error(name))

    def _error(self, name: str) -> BaseException:
        """What blocks may be ended from without, by what is no Exception."""
        if name not in _BLOCKING or self.random.random() < 0.5:
            return Injected(name)
        self.world.fault("actor timed out", name)
        late: tuple[BaseException, ...] = (TurnTimeout(name), gevent.Timeout(1.0))
        return self.random.choice(late)

    def _actor_kill(self) -> None:
        def strike() -> None:
            refs = self._killable()
            if refs:
                ref = self.random.choice(refs)
                self.world.fault("actor kill", ref.name.rstrip("0123456789."))
                ref.kill()

        self._some_steps_later(strike)

    def _killable(self) -> list[Ref]:
        """Live actors whose parent starts them again, or must do without."""
        node = self.world.node
        if node is None:
            return []
        watchers = [ref for ref in node.watchers.values() if ref.is_alive]
        refs = self.random.sample(watchers, min(len(watchers), 2))
        refs.extend(self._sessions(node))
        refs.append(self.random.choice(
            [node.journal, node.router, node.source, node.supervisor, *node.readers]
        ))  # fmt: skip
        notifiers: Any = node.notifiers.actor
        if notifiers is not None:
            refs.extend(ref for _, ref in notifiers._channels.values())
        source: Any = node.source.actor
        if source is not None:
            refs.extend(feed.spec.worker for feed in source.planner.feeds)
        return [ref for ref in refs if ref.is_alive]

    def _sessions(self, node: Node) -> list[Ref]:
        router: Any = node.router.actor
        return [] if router is None else list(router._sessions)

    def _mailbox_full(self) -> None:
        node = self.world.node
        if node is None:
            return
        refs = [node.journal, node.supervisor, node.source, node.router, *node.readers]
        ref = self.random.choice(
            [*refs, *node.watchers.values(), *self._sessions(node)]
        )
        scope, limit = ref.scope, ref.scope.mailbox_limit
        if limit == 0:
            return
        self.world.fault("mailbox full", ref.name)
        scope.mailbox_limit = self.random.choice((0, 1))

        def restore() -> None:
            scope.mailbox_limit = limit

        self.world.in_world(self.random.randrange(100, 300_000), restore)
