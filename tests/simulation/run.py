"""One seed from its birth to its judgement, and many seeds' sums."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.model import EventType, Payment, Status
from engine.store import queries
from tests.simulation.instrument import instrumented
from tests.simulation.oracle import disagreement
from tests.simulation.rules import Broken
from tests.simulation.world import DAY_MS, World

__all__ = ["Result", "Sums", "run_seed"]

MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Result:
    """What one seed came to."""

    seed: int
    days: float
    steps: int
    events: int
    payments: int
    sent: int
    told: int
    ambiguous: int
    faults: Counter[str]
    types: dict[str, int]
    digest: str


def run_seed(
    seed: int, days: float, log: Callable[[str], None] | None = None
) -> Result:
    """Run one world and judge it. Raises what went wrong; `Broken` for a rule."""
    with tempfile.TemporaryDirectory(prefix="paybell-sim-") as folder:
        world = World(seed, Path(folder), log)
        with instrumented(world):
            try:
                world.run(days)
                ambiguous = _settle(world)
            finally:
                world.store.journal.close()
        return _result(world, days, ambiguous, world.final_digest)


def _settle(world: World) -> int:
    """Let all faults cease, let the chain come to rest, and compare with the truth."""
    world.note("settle")
    world.calm = True
    world.trouble.cease()
    world.boot()
    for block in range(9):
        pool = [tx.txid for tx in world.chain.pool]
        world.chain.mine(pool if block == 0 else (), world.true_ms() // 1000)
        world.run_for(10 * MINUTE)
    for channel_id in world.channels.all:
        world.channels.enable_again(channel_id)
    last = max(
        (p.terms.expires_at for p in world.rules.payments.values()),
        default=world.clock.now(),
    )
    world.run_for(max(last - world.clock.now(), 0) + 150 * MINUTE)
    patience = 20
    while world.channels.pending() and patience:
        world.run_for(30 * MINUTE)
        patience -= 1
    world.run_for(5 * MINUTE)
    return _judge(world)


def _judge(world: World) -> int:
    node, rules, sql = world.node, world.rules, world.store.journal.connection
    if node is None or not node.health.booted:
        raise Broken("the engine is not up, though nothing is wrong any more")
    world.final_digest = world.digest()
    stored = {e.offset: e.wire for e in queries.iterate_events(sql)}
    if stored != {offset: c.wire for offset, c in rules.committed.items()}:
        raise Broken("the journal's events are not those that were committed")
    ambiguous = 0
    for payment in rules.payments.values():
        if queries.payment(sql, payment.id) != payment:
            raise Broken(f"the row of {payment.id} is not the fold of its events")
        if payment.id in rules.released:
            if rules.waits(payment.id) and payment.is_paid:
                raise Broken(f"{payment.id} was let go while money was on its way")
            continue
        ref = node.watchers.get(payment.id)
        if ref is None or not ref.is_alive:
            raise Broken(f"nobody watches {payment.id}")
        ambiguous += _judge_payment(world, payment)
    world.channels.check_end()
    for client in world.clients:
        missing = client.missing()
        if missing is not None:
            raise Broken(missing)
    return ambiguous


def _judge_payment(world: World, payment: Payment) -> bool:
    events = world.rules.of_payment(payment.id)
    by_hand = payment.status is Status.CONFIRMED and any(
        c.event.type is EventType.CONFIRMED and c.event.data.by is not None
        for c in events
    ) and payment.settled_sat == 0  # fmt: skip
    label = world.life.labels[payment.id]
    created_s = world.life.created_s[payment.id]
    verdict = disagreement(world.chain, label, payment, by_hand, created_s)
    if verdict not in {None, "?"}:
        story = "\n  ".join(
            f"#{c.event.seq} {c.event.type} {c.event.status}"
            f" {c.event.received_sat} sat depth {c.event.confirmations}"
            for c in events
        )
        raise Broken(f"{payment.id}: {verdict}\n  {payment.terms}\n  {story}")
    return verdict == "?"


def _result(world: World, days: float, ambiguous: int, digest: str) -> Result:
    endpoints = world.channels.endpoints.by_channel.values()
    return Result(
        seed=world.seed,
        days=(world.true_ms() - world.started_ms) / DAY_MS,
        steps=world.steps,
        events=len(world.rules.committed),
        payments=len(world.rules.payments),
        sent=sum(len(endpoint.received) for endpoint in endpoints),
        told=sum(client.told for client in world.clients),
        ambiguous=ambiguous,
        faults=world.faults,
        types=world.rules.types,
        digest=digest,
    )


@dataclass(slots=True)
class Sums:
    """What many seeds came to."""

    seeds: int = 0
    days: float = 0.0
    numbers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.days += result.days
        for name in ("steps", "events", "payments", "sent", "told", "ambiguous"):
            self.numbers[name] += getattr(result, name)
        self.faults.update(result.faults)
        self.types.update(result.types)

    def lines(self) -> list[str]:
        numbers = ", ".join(f"{n:,} {name}" for name, n in self.numbers.items())
        return [
            f"{self.seeds} seeds, {self.days:,.1f} simulated days, {numbers}",
            "events: "
            + ", ".join(f"{name} {n:,}" for name, n in sorted(self.types.items())),
            f"faults ({self.faults.total():,}): "
            + ", ".join(f"{name} {n:,}" for name, n in sorted(self.faults.items())),
        ]
