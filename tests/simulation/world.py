"""A whole world in one thread: engine, chain, sources, shops, clients, and their luck.

Everything that happens is drawn from one seed. The engine's actors are the real ones on
the real journal; only time, the dispatcher and what lies outside are simulated. Two
heaps of things to come are kept apart: what the outside world will do, and what is in
the memory of the engine's process and dies with it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from actors.delivery.sender import Deliver
from actors.node import Node, Settings
from actors.root import FeedConfig, build_tree
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.secrets.vault import Vault
from engine.store.writes import Outcome, Write
from tests.simulation.broken import Broken
from tests.simulation.channels import Channels
from tests.simulation.clients import SimClient
from tests.simulation.demands import LOOK_MS, Demands
from tests.simulation.dispatcher import WorldDispatcher
from tests.simulation.faults import Faults
from tests.simulation.feeds import SimAddressFeed, SimBlockFeed, SimSource
from tests.simulation.instrument import Crash
from tests.simulation.life import Life
from tests.simulation.money import chain_of, money_of
from tests.simulation.onlooker import Onlooker
from tests.simulation.points import CrashPoint
from tests.simulation.rules import Rules
from tests.simulation.shape import Shape, draw_shape
from tests.simulation.store import SimStore

__all__ = ["DAY_MS", "World"]

DAY_MS = 86_400_000
START_MS = 1_760_000_000_000

_DOWN_MS = (10, 2_000, 60_000, 1_800_000)

_TURNS_AT_ONE_MOMENT = 20_000
"""So many turns and time has not moved: somebody is going round in circles."""

Act = Callable[[], object]


class World:
    """See the module docstring. `run` lives the days, then lets all settle."""

    def __init__(
        self,
        seed: int,
        log: Callable[[str], None] | None = None,
        shape: Shape | None = None,
        crash: CrashPoint | None = None,
    ) -> None:
        """`crash`: the only accident in this world, planned; else they are drawn."""
        Broken.first = None
        self.seed = seed
        self._log = log
        self.is_telling = log is not None
        self.shape = shape or draw_shape(self.random_of("shape"))
        self._random = self.random_of("world")
        self.clock = SimulatedClock(START_MS)
        self.faults: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()  # what crashes of the process lost
        self.steps = self.boots = 0
        self.started_ms, self.final_digest = START_MS, ""
        self.ambiguous = 0  # payments that the oracle says nothing about
        self.calm = self.at_rest = False  # no more faults, no more life; for long now
        self._elapsed = 0
        self._look_at = 0  # of _elapsed: when what should have been told is looked for
        self._order = 0
        self._life: list[tuple[int, int, Act]] = []
        self._memory: list[tuple[int, int, Act]] = []
        self._stopped_until = 0
        self._restart: str | None = None  # why the process ends after this step
        self._down_ms: int | None = None  # how long it is down then, if not by chance
        self.chain = chain_of(self.shape, START_MS // 1000)
        self.rules = Rules(self.chain, self.clock.now, self.true_ms)
        self.demands = Demands(self)
        self.store = SimStore(
            self.random_of("store"),
            self.in_memory,
            self._on_commit,
            on_file=self.shape.on_file,
        )
        self.sources = self._make_sources()
        self.channels = Channels(self, self.random_of("channels"), Vault(bytes(32)))
        self.onlooker = Onlooker(self)
        self.node: Node | None = None
        self.root: Ref | None = None
        self.dispatcher: SimulatedDispatcher = WorldDispatcher(self, Random(0))
        self.clients = [self._make_client(n) for n in range(self.shape.clients)]
        self.money = money_of(self)
        self.life = Life(self, self.random_of("life"))
        self.trouble = Faults(self, self.random_of("faults"))
        self.armed = self.trouble.armed
        if crash is not None:
            self.trouble.kinds.clear()
        self._crash_point = crash
        self.store.before_commit = lambda: self.dies("before a commit")
        self.store.after_commit = lambda: self.dies("after a commit")

    def random_of(self, what: str) -> Random:
        """A generator of its own for each part: more draws in one disturb no other."""
        return Random(f"{self.seed} {what}")

    def _make_sources(self) -> list[SimSource]:
        sources: list[SimSource] = []
        for number, kind in enumerate(self.shape.sources):
            make = SimBlockFeed if kind == "b" else SimAddressFeed
            sources.append(
                make(
                    f"source{number}",
                    self.chain,
                    self.random_of(f"source {number}"),
                    self.rules.record,
                    forgetful=self._random.random() < 0.2 and kind == "b",
                )
            )
            sources[-1].on_call = self._in_a_round
            sources[-1].now, sources[-1].true_ms = self.clock.now, self.true_ms
            sources[-1].may_push(self.random_of(f"push {number}"), self.in_memory)
            if kind == "a" and self._random.random() < 0.5:
                sources[-1].unsteady = self._random.choice((0.05, 0.2, 0.5))
                self.fault("source unsteady", sources[-1].name)
        return sources

    def _make_client(self, number: int) -> SimClient:
        return SimClient(
            f"client{number}",
            self.rules,
            self.random_of(f"client {number}"),
            self.in_world,
            follow_all=number >= 2,
            merchant="other" if number == 3 else None,
        )

    # -- time ------------------------------------------------------------------------

    def true_ms(self) -> int:
        """The time that the rest of the world has; the node's clock may be wrong."""
        return START_MS + self._elapsed

    def in_world(self, delay_ms: int, act: Act) -> None:
        """The outside world will do this, whatever becomes of the process."""
        self._order += 1
        heapq.heappush(self._life, (self._elapsed + delay_ms, self._order, act))

    def in_life(self, delay_ms: int, act: Act) -> None:
        """As `in_world`, but not any more once all is to settle."""

        def unless_calm() -> None:
            if not self.calm:
                act()

        self.in_world(delay_ms, unless_calm)

    def in_memory(self, delay_ms: int, act: Act) -> None:
        """In the process: forgotten when it crashes."""
        self._order += 1
        heapq.heappush(self._memory, (self._elapsed + delay_ms, self._order, act))

    def stop_for(self, ms: int) -> None:
        """The process gets no turn; the world goes on, and so does every clock."""
        self._stopped_until = self._elapsed + ms

    def _pass_time(self, most_ms: int) -> None:
        """Let time go on to the next thing that happens, or by `most_ms`."""
        memory, life = self._memory, self._life
        until = self._elapsed + most_ms
        due_ms = self.clock.next_due_ms()
        if due_ms is not None and due_ms < most_ms:
            until = self._elapsed + due_ms
        if memory and memory[0][0] < until:
            until = max(memory[0][0], self._elapsed)
        if life and life[0][0] < until:
            until = max(life[0][0], self._elapsed)
        wait_ms = until - self._elapsed
        self._elapsed = until
        self.clock.advance(wait_ms)
        if self._elapsed >= self._look_at:
            self._look_at = self._elapsed + LOOK_MS
            self.demands.look()
        while memory and memory[0][0] <= until and self._restart is None:
            heapq.heappop(memory)[2]()  # unless the process died a moment ago
        while life and life[0][0] <= until:
            heapq.heappop(life)[2]()

    # -- the process -----------------------------------------------------------------

    def boot(self) -> None:
        """Start the engine on the database that is there, if it is not up."""
        if self.node is not None:
            return
        self.boots += 1
        self.onlooker.on_boot()
        random = self.random_of(f"boot {self.boots}")
        self.dispatcher = WorldDispatcher(self, random)
        node = Node(
            self.clock,
            self.dispatcher,
            self.random_of(f"node {self.boots}"),
            Settings(poll_slow_s=self.shape.poll_slow_s, network=self.shape.network),
        )
        self.root = build_tree(
            node,
            writer=self.store,
            reader=self.store,
            feeds=[self._config(source) for source in self.sources],
            vault=self.channels.vault,
            sender=self.channels.endpoints,
            give_up=lambda why: self.end_process(f"gave up: {why}"),
            forwards=None if self.money is None else self.money.forwards(),
        )
        self.node = node
        self.root.start()
        self.note("boot", f"number {self.boots}")

    def _config(self, source: SimSource) -> FeedConfig:
        by_block = isinstance(source, SimBlockFeed)
        source.begin_listening()
        assert isinstance(source, SimBlockFeed | SimAddressFeed)
        return FeedConfig(
            "simulated",
            source,
            by_block=by_block,
            every_s=self.shape.every_s,
            per_minute=None if by_block else self.shape.per_minute,
        )

    def end_process(self, why: str, down_ms: int | None = None) -> None:
        """The process dies after the present step; it is started again later."""
        self._restart = why
        self._down_ms = down_ms

    def dies(self, where: str) -> bool:
        """Whether the process dies just here, by chance or by plan."""
        planned = self._crash_point
        if planned is not None and planned.is_reached(where):
            self.end_process(where)
            return True
        return self.trouble.dies(where)

    @property
    def is_ending(self) -> bool:
        """Whether the process died within the present step."""
        return self._restart is not None

    def _crash(self) -> None:
        why, self._restart = self._restart, None
        if self.node is None:
            return
        self.fault("process crash", str(why))
        self.dropped["messages"] += sum(ref.backlog for ref in self.dispatcher.runnable)
        self.dropped["answers"] += len(self._memory)
        self._forget_process()
        self.store.restart()
        self.channels.check_outbox()
        for client in self.clients:
            client.lost()
        down_ms, self._down_ms = self._down_ms, None
        if down_ms is None:
            down_ms = 10 if self.calm else self._random.choice(_DOWN_MS)
        self.in_world(down_ms, self.boot)

    def _forget_process(self) -> None:
        node, self.node, self.root = self.node, None, None
        self._memory.clear()
        self.clock.forget_timers()
        self.dispatcher.forget_all()
        if node is not None:  # one that waits for its next start is not runnable
            node.source.forget_mail()

    def close(self) -> None:
        """It is over, however it went."""
        self._forget_process()
        self.store.close()

    # -- running ---------------------------------------------------------------------

    def run(self, days: float) -> None:
        """Live so many days with all their accidents."""
        self.boot()
        for client in self.clients:
            client.live(lambda: self.node)
        self.life.begin(days)
        self.trouble.begin()
        self.run_for(int(days * DAY_MS))

    def run_for(self, ms: int) -> None:
        here, turns = self._elapsed, 0
        until = here + ms
        while here < until:
            self.step(until - here)
            if self._elapsed != here:
                here, turns = self._elapsed, 0
                continue
            turns += 1
            if turns > _TURNS_AT_ONE_MOMENT:
                raise Broken("the engine goes round in circles")

    def step(self, most_ms: int = 1_000) -> None:
        """One turn of one actor, or some time without any."""
        self.steps += 1
        if self.node is None or not self.dispatcher.runnable:
            self._pass_time(most_ms)
        elif self._elapsed < self._stopped_until:
            self._pass_time(min(most_ms, self._stopped_until - self._elapsed))
        elif self._random.random() < 0.02:
            self._pass_time(min(1 + int(self._random.random() * 1_500), most_ms))
        else:
            self.dispatcher.step()
        if self.trouble.countdown is not None and not self.calm:
            self.trouble.between_steps()
        if self._crash_point is not None:
            self.dies("step")
        if Broken.first is not None:
            raise Broken.first
        if self._restart is not None:
            self._crash()

    # -- what the wrapped actors ask and show ----------------------------------------

    def crash_now(self, name: str, message: object) -> Crash | None:
        return self.trouble.crash_now(name, message)

    def answer_delay_ms(self) -> int:
        if self.calm or self._random.random() > 0.05:
            return 0
        return self._random.choice((1, 10, 300, 3_000, 20_000))

    def send_delay_ms(self, message: Deliver) -> int:
        if self.channels.endpoints.hangs(message.endpoint.url):
            return int(message.endpoint.timeout_s * 1000)
        return self.answer_delay_ms()

    def on_message(self, actor: Actor, message: object, *, is_lost: bool) -> None:
        if self._log is not None:
            self._log(f"    {actor.ref.name} <- {repr(message)[:400]}")
        self.onlooker.on_message(actor, message, is_lost=is_lost)

    def _on_commit(self, batch: Sequence[Write], outcomes: list[Outcome]) -> None:
        self.rules.on_commit(batch, outcomes)
        if self.money is not None:
            self.money.judge.on_commit(batch, outcomes)
        if not self.calm and self._crash_point is None and batch[0].entries:
            self._somebody_comes_now()

    def _somebody_comes_now(self) -> None:
        """Who connects while an event is on its way must neither miss it nor be told
        it twice; that is a matter of milliseconds."""
        client = self.clients[int(self._random.random() * len(self.clients))]
        if self._random.random() < 0.5:
            self.in_world(int(self._random.random() * 6), client.come_back)

    def on_start(self, actor: Actor) -> None:
        self.onlooker.on_start(actor)

    def on_crash(self, actor: Actor, message: object) -> None:
        self.onlooker.on_crash(actor, message)

    def _in_a_round(self) -> None:
        if not self.calm and self._random.random() < 0.002:
            self.life.something_on_chain()

    @property
    def stopped_until_ms(self) -> int:
        return START_MS + self._stopped_until

    @property
    def is_up(self) -> bool:
        """Whether nothing is wrong just now with the process and its disk."""
        node = self.node
        return node is not None and node.health.booted and self.store.is_well

    @property
    def is_well(self) -> bool:
        """And nothing with the sources that the engine has to live on."""
        return self.is_up and all(source.is_well for source in self.sources)

    # -- telling ---------------------------------------------------------------------

    def fault(self, kind: str, detail: str = "") -> None:
        self.faults[kind] += 1
        self.demands.on_fault(kind)
        self.note(f"! {kind}", detail)

    def note(self, what: str, detail: str = "") -> None:
        if self._log is not None:
            s = self._elapsed / 1000
            at = f"{int(s // 86400)}d {int(s // 3600 % 24):02d}:{int(s // 60 % 60):02d}"
            self._log(f"{at}:{s % 60:06.3f} {what} {detail}".rstrip())
