"""What goes wrong, when, by the seed. Each world has its own choice of troubles.

That every seed enables only some kinds of faults is on purpose (swarm testing): some
bugs show only while others do not hide them.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from engine.runtime.actor import Actor
from engine.runtime.ref import Ref
from tests.simulation.endpoint import ENDPOINT_MODES
from tests.simulation.feeds import MODES
from tests.simulation.instrument import ACTORS
from tests.simulation.life import MINUTE

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["KINDS", "Faults"]

KINDS = (
    "actor crash", "actor kill", "clients drop", "clock jump", "clocks differ",
    "disk error", "disk full", "endpoint gone", "endpoint trouble", "mailbox full",
    "process", "process in send", "reads fail", "source trouble", "unfollow",
)  # fmt: skip


class Faults:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self.kinds = [kind for kind in KINDS if random.random() < 0.6]
        self._mean_ms = random.choice((10, 20, 45)) * MINUTE
        self._armed: dict[str, tuple[str, int]] = {}  # class -> (when, how often)
        self._countdown: tuple[int, Callable[[], None]] | None = None
        self._jumped_ms = 0

    def begin(self) -> None:
        if self.kinds:
            self._next()

    def _next(self) -> None:
        wait_ms = int(self._random.expovariate(1 / self._mean_ms))
        self._world.in_life(wait_ms, self._strike)

    def _strike(self) -> None:
        kind = self._random.choice(self.kinds)
        getattr(self, "_" + kind.replace(" ", "_"))()
        self._next()

    def _for_a_while(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        begin()
        low, high = self._random.choice(((100, 5_000), (5_000, 300_000), (1, 90)))
        if high == 90:
            low, high = low * MINUTE, high * MINUTE
        self._world.in_life(self._random.randrange(low, high), end)

    def cease(self) -> None:
        """All is mended now, for good."""
        world = self._world
        self._armed.clear()
        self._countdown = None
        world.clock.jump_wall(-self._jumped_ms)
        self._jumped_ms = 0
        for source in world.sources:
            source.set_mode("ok")
        world.store.set_full(False)
        world.store.refusing = False
        world.store.reads_fail = 0.0
        for channel_id, endpoint in world.channels.endpoints.by_channel.items():
            endpoint.mode = "ok"
            endpoint.gone_next = False
            world.channels.enable_again(channel_id)
        world.channels.crash_in_send = False

    # -- between two steps -----------------------------------------------------------

    def _some_steps_later(self, strike: Callable[[], None]) -> None:
        self._countdown = (self._random.choice((0, 1, 3, 10, 40)), strike)

    def between_steps(self) -> None:
        if self._countdown is None:
            return
        left, strike = self._countdown
        if self._world.dispatcher.idle and self._random.random() < 0.9:
            return  # something is to be under way
        self._countdown = (left - 1, strike)
        if left <= 0:
            self._countdown = None
            strike()

    def crash_now(self, actor: Actor, message: object) -> str | None:
        name = type(actor).__name__
        armed = self._armed.get(name)
        if armed is None or self._random.random() < 0.5:
            return None
        when, times = armed
        if times == 1:
            del self._armed[name]
        else:
            self._armed[name] = (when, times - 1)
        self._world.fault(f"{name} crash", f"{when} {type(message).__name__}")
        return when

    # -- kinds of trouble ------------------------------------------------------------

    def _actor_crash(self) -> None:
        name = self._random.choice(sorted(ACTORS))
        when = self._random.choice(("before", "after"))
        self._armed[name] = (when, self._random.choice((1, 1, 1, 2, 3)))

    def _actor_kill(self) -> None:
        def strike() -> None:
            refs = self._killable()
            if refs:
                ref = self._random.choice(refs)
                self._world.fault("actor kill", ref.name)
                ref.kill()

        self._some_steps_later(strike)

    def _killable(self) -> list[Ref]:
        """Live actors whose parent starts them again, or must do without."""
        node = self._world.node
        if node is None:
            return []
        watchers = [ref for ref in node.watchers.values() if ref.is_alive]
        refs = self._random.sample(watchers, min(len(watchers), 2))
        refs.extend(ref for ref in node.sessions if ref.is_alive)
        notifiers: Any = node.notifiers.actor if node.notifiers is not None else None
        if notifiers is not None:
            for _, ref in notifiers._channels.values():
                refs.append(ref)
        source: Any = node.source.actor
        if source is not None:
            refs.extend(feed.spec.worker for feed in source._feeds)
        return [ref for ref in refs if ref.is_alive]

    def _process(self) -> None:
        self._some_steps_later(lambda: self._world.end_process("kill -9"))

    def _process_in_send(self) -> None:
        self._world.channels.crash_in_send = True

    def _source_trouble(self) -> None:
        source = self._random.choice(self._world.sources)
        mode = self._random.choice(MODES)
        self._world.fault(f"source {mode}", source.name)
        self._for_a_while(
            lambda: source.set_mode(mode),
            lambda: source.set_mode("ok"),
        )

    def _endpoint_trouble(self) -> None:
        endpoints = self._world.channels.endpoints.by_channel
        name = self._random.choice(sorted(endpoints))
        mode = self._random.choice(ENDPOINT_MODES)
        self._world.fault(f"endpoint {mode}", name)

        def set_mode(to: str) -> None:
            endpoints[name].mode = to

        self._for_a_while(lambda: set_mode(mode), lambda: set_mode("ok"))

    def _endpoint_gone(self) -> None:
        channels = self._world.channels
        name = self._random.choice(sorted(channels.all))
        channels.endpoints.by_channel[name].gone_next = True
        self._world.fault("endpoint gone", name)
        self._world.in_life(
            self._random.randrange(MINUTE, 300 * MINUTE),
            lambda: channels.enable_again(name),
        )

    def _disk_full(self) -> None:
        store = self._world.store
        self._world.fault("disk full")
        self._for_a_while(lambda: store.set_full(True), lambda: store.set_full(False))

    def _disk_error(self) -> None:
        store = self._world.store
        self._world.fault("disk error")

        def refuse(now: bool) -> None:
            store.refusing = now

        self._for_a_while(lambda: refuse(True), lambda: refuse(False))

    def _reads_fail(self) -> None:
        store = self._world.store
        self._world.fault("reads fail")

        def fail(share: float) -> None:
            store.reads_fail = share

        share = self._random.choice((0.05, 0.5))
        fail(share)
        self._world.in_life(self._random.randrange(100, 3 * MINUTE), lambda: fail(0.0))

    def _clock_jump(self) -> None:
        minutes = self._random.choice((1, 20, 90, 240)) * self._random.choice((1, -1))
        if abs(self._jumped_ms + minutes * MINUTE) > 360 * MINUTE:
            minutes = -minutes
        self._world.fault("clock jump", f"{minutes} min")
        self._jumped_ms += minutes * MINUTE
        self._world.clock.jump_wall(minutes * MINUTE)

    def _clocks_differ(self) -> None:
        """The clock is set right again."""
        self._world.clock.jump_wall(-self._jumped_ms)
        self._jumped_ms = 0

    def _mailbox_full(self) -> None:
        node = self._world.node
        if node is None:
            return
        refs = [node.journal, node.supervisor, node.source, node.router, *node.readers]
        ref = self._random.choice([*refs, *node.watchers.values(), *node.sessions])
        scope, limit = ref.scope, ref.scope.mailbox_limit
        self._world.fault("mailbox full", ref.name)
        if limit == 0:
            return
        scope.mailbox_limit = self._random.choice((0, 1))

        def restore() -> None:
            scope.mailbox_limit = limit

        self._world.in_world(self._random.randrange(100, 5 * MINUTE), restore)

    def _clients_drop(self) -> None:
        client = self._random.choice(self._world.clients)
        self._world.fault("client drop", client.name)
        if client.wire is not None and self._random.random() < 0.3:
            client.wire.slow = True
        else:
            client.hang_up()

    def _unfollow(self) -> None:
        client = self._random.choice(self._world.clients)
        if client.wanted:
            payment_id = self._random.choice(client.wanted)
            client.unfollow(payment_id)
            if self._random.random() < 0.7:
                client.follow(payment_id)
