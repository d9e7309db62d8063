"""One seed, from the birth of its world to its judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from unittest.mock import patch

import actors.sources.witnesses
import actors.sources.workers
from actors.edge.refund_psbt import RefundPsbt
from engine.payment.model import EventType, Payment
from engine.runtime.heap import LongLived
from tests.simulation.broken import Broken
from tests.simulation.crossings import Crossings, LastMinutes
from tests.simulation.instrument import instrumented
from tests.simulation.judges.book import SETTLED
from tests.simulation.meetings import Meetings, Replacements
from tests.simulation.oracle import disagreement, is_paid
from tests.simulation.psbts import Turns
from tests.simulation.refund_desk import waiting_in
from tests.simulation.rewards import Rewards
from tests.simulation.shape import MINUTE_MS as MINUTE
from tests.simulation.shape import Shape, draw_shape
from tests.simulation.sums import Result
from tests.simulation.two_words import TwoWords
from tests.simulation.world import DAY_MS, World

__all__ = [
    "DAYS",
    "KINDS",
    "run_crossing",
    "run_crowd",
    "run_last_minutes",
    "run_meeting",
    "run_money",
    "run_orders",
    "run_psbts",
    "run_refunds",
    "run_replacement",
    "run_rewards",
    "run_seed",
    "run_two_words",
    "run_world",
]

DAYS = 1.0
"""Days of life in each world; then some hours to settle. What strikes, strikes soon."""


def run_seed(
    seed: int, days: float = DAYS, log: Callable[[str], None] | None = None
) -> Result:
    """Run one world and judge it. Raises what went wrong; `Broken` for a rule."""
    return run_world(World(seed, log), days)


def run_crowd(seed: int) -> Result:
    """Run a world in which many pay within half a day: for what happens to few only."""
    shape = replace(
        draw_shape(Random(f"{seed} shape")),
        payments=30,
        rush=True,
        every_s=1_800.0,
        channels=1,
        clients=1,
        on_file=False,
    )
    return run_world(World(seed, shape=shape), 0.5)


def run_meeting(seed: int) -> Result:
    """Run a world in which unconfirmed money meets sources that do not list it."""
    world = World(seed, shape=_quiet_shape(seed))
    Meetings(world, world.random_of("meetings")).begin()
    return run_world(world, 0.25)


def run_replacement(seed: int) -> Result:
    """Run a world in which unconfirmed money gives way to other money."""
    world = World(seed, shape=_quiet_shape(seed))
    Replacements(world, world.random_of("replacements")).begin()
    return run_world(world, 0.25)


def run_rewards(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which miners pay with what nobody can spend for 100 blocks."""
    world = World(seed, log, shape=_quiet_shape(seed))
    rewards = Rewards(world, world.random_of("rewards"))
    rewards.begin()
    return run_world(world, 0.25, rewards.ripen)


def run_two_words(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which two sources must agree, and one of them is often missing."""
    sources = ("bb", "ba", "ab", "aa")[seed % 4]
    world = World(seed, log, shape=replace(_quiet_shape(seed), sources=sources))
    TwoWords(world, world.random_of("two words")).begin()
    return run_world(world, 0.25)


def run_crossing(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which another branch comes while blocks are read."""
    world = World(seed, log, shape=replace(_quiet_shape(seed), sources="b"))
    Crossings(world, world.random_of("crossings")).begin()
    return run_world(world, 0.25)


def run_last_minutes(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which money comes just before the deadline, and is mined just
    while it is looked for."""
    shape = replace(_quiet_shape(seed), sources="b", every_s=600.0)
    world = World(seed, log, shape=shape)
    LastMinutes(world, world.random_of("last minutes")).begin()
    return run_world(world, 0.25)


def _quiet_shape(seed: int) -> Shape:
    """Some payments, and no accident of the usual kind."""
    return replace(
        draw_shape(Random(f"{seed} shape")),
        payments=6,
        rush=True,
        sources=("b", "bb", "ba", "bb")[seed % 4],
        every_s=20.0,
        per_minute=None,
        probe_s=600.0,
        channels=1,
        clients=1,
        on_file=False,
        trouble_mean_ms=1_000_000 * MINUTE,
        network="regtest",
    )


def run_money(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which money is credited and goes on to its owner, with all faults
    that there are, and those of who sends it on (`money_ways.py`)."""
    shape = replace(
        draw_shape(Random(f"{seed} shape")),
        payments=(2, 3, 5, 8)[seed % 4],
        rush=True,
        clients=1,
        channels=1,
        money=True,
    )
    return run_world(World(seed, log, shape=shape), 0.5)


def run_refunds(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which money is given back, and what is not goes on."""
    shape = replace(
        draw_shape(Random(f"{seed} shape")),
        payments=(2, 3, 5, 8)[seed % 4],
        rush=True,
        clients=1,
        channels=1,
        money=True,
        refunds=True,
    )
    world = World(seed, log, shape=shape)
    with waiting_in(world):
        return run_world(world, 0.5)


def run_psbts(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which money goes back by what its owner signs, or does not."""
    shape = replace(
        draw_shape(Random(f"{seed} shape")),
        payments=(2, 3, 5, 8)[seed % 4],
        rush=True,
        clients=1,
        channels=1,
        money=True,
        refunds=True,
        psbts=True,
        network="regtest",
    )
    world = World(seed, log, shape=shape)
    with waiting_in(world), patch.object(RefundPsbt, "_one_at_a_time", Turns(world)):
        return run_world(world, 0.5)


def run_orders(seed: int, log: Callable[[str], None] | None = None) -> Result:
    """Run a world in which several payments are attempts to pay one order."""
    payments = (4, 6, 9, 14)[seed % 4]
    shape = replace(
        draw_shape(Random(f"{seed} shape")),
        payments=payments,
        orders=payments // 3,
        rush=True,
        clients=1,
        channels=1,
        money=seed % 3 == 0,
    )
    return run_world(World(seed, log, shape=shape), 0.5)


KINDS: dict[str, Callable[..., Result]] = {
    "money": run_money,
    "orders": run_orders,
    "rewards": run_rewards,
    "two-words": run_two_words,
    "crossings": run_crossing,
    "last-minutes": run_last_minutes,
    "refunds": run_refunds,
    "psbts": run_psbts,
}
"""Worlds of a kind of their own, by the option that runs them."""


def run_world(
    world: World, days: float, last: Callable[[], None] = lambda: None
) -> Result:
    """As `run_seed`, for a world that was made to measure. `last`: what is to happen
    before it is judged, when no fault comes any more."""
    with instrumented(world), _collected_as_ever(), _probed_at_leisure(world):
        try:
            world.run(days)
            settle(world, last)
        finally:
            world.close()
    return _result(world)


@contextmanager
def _collected_as_ever() -> Iterator[None]:
    """A node that has started puts all that there is out of the collector's sight, and
    gives memory back that a block took. It may, being the only one of its process and
    there for days; of these there are a dozen a second, and to look through all modules
    for each is most of the work.
    """
    with (
        patch.object(LongLived, "settle", lambda _self: None),
        patch.object(LongLived, "grown", lambda _self, _count: None),
        patch.object(actors.sources.workers, "give_back", lambda: None),
    ):
        yield


@contextmanager
def _probed_at_leisure(world: World) -> Iterator[None]:
    """Two days of probes each 30 s would be most of what happens."""
    with patch.object(actors.sources.witnesses, "PROBE_S", world.shape.probe_s):
        yield


def settle(world: World, last: Callable[[], None] = lambda: None) -> None:
    """Let all faults cease, let the chain come to rest, and compare with the truth."""
    world.note("settle")
    world.calm = True
    world.trouble.cease()
    world.boot()
    if world.money is not None:
        world.money.cease()
    world.chain.spend_what_is_lost()
    for block in range(9):
        pool = [tx.txid for tx in world.chain.pool]
        world.chain.mine(pool if block == 0 else (), world.true_ms() // 1000)
        world.run_for(10 * MINUTE)
    last()
    for channel_id in sorted(world.channels.endpoints.by_channel):
        world.channels.enable_again(channel_id)
    if world.money is not None:
        world.money.keep_mining()
    else:
        keep_mining(world)
    latest = max(
        (p.terms.expires_at for p in world.rules.payments.values()),
        default=world.clock.now(),
    )
    slowest_ms = world.shape.poll_slow_s * 1000  # between two looks at an address
    world.run_for(max(latest - world.clock.now(), slowest_ms) + 150 * MINUTE)
    world.at_rest = True
    patience = 20
    while world.channels.pending() and patience:
        world.run_for(30 * MINUTE)
        patience -= 1
    boots = world.boots
    world.run_for(5 * MINUTE)
    if world.node is None or world.boots > boots:  # a crash that was planned for now
        world.run_for(5 * MINUTE)
    _judge(world)


def keep_mining(world: World) -> None:
    """On mainnet there is always a block again."""
    if world.shape.network == "mainnet":
        world.chain.mine((), world.true_ms() // 1000)
        world.in_world(60 * MINUTE, lambda: keep_mining(world))


def _judge(world: World) -> None:
    node, rules, stored = world.node, world.rules, world.store.truth
    if node is None or not node.health.booted:
        raise Broken("the engine is not up, though nothing is wrong any more")
    world.final_digest = world.store.digest()
    committed = {offset: event.wire for offset, event in rules.committed.items()}
    if world.store.events() != committed:
        raise Broken("the journal's events are not those that were committed")
    truth: dict[str, bool | None] = {}
    for payment in rules.payments.values():
        if stored.payment(payment.id) != payment:
            raise Broken(f"the row of {payment.id} is not the fold of its events")
        if payment.id in rules.released:
            continue
        ref = node.watchers.get(payment.id)
        if ref is None or not ref.is_alive:
            raise Broken(f"nobody watches {payment.id}")
        truth[payment.id] = _judge_payment(world, payment)
        world.ambiguous += truth[payment.id] is None
    rules.orders.at_end(truth)
    world.channels.check_outbox()
    if world.channels.pending():
        raise Broken(f"{world.channels.pending()} deliveries are still pending")
    if world.money is not None:
        world.money.judge.at_end()
        if world.money.refunds is not None:
            world.money.refunds.judge.at_end()
    for client in world.clients:
        missing = client.missing()
        if missing is not None:
            raise Broken(missing)


def _judge_payment(world: World, payment: Payment) -> bool | None:
    """Whether it is paid; None: that is ambiguous."""
    events = world.rules.of_payment(payment.id)
    by_hand = payment.status in SETTLED and any(
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
    if verdict == "?":
        return None
    world.demands.at_rest(payment.id, label)
    return is_paid(world.chain, label, payment, by_hand)


def _result(world: World) -> Result:
    endpoints = world.channels.endpoints.by_channel.values()
    rules, clients = world.rules, world.clients
    numbers = {
        "steps": world.steps,
        "boots": world.boots,
        "commits": world.store.commits,
        "payments": len(rules.payments),
        "events": len(rules.committed),
        "sent": sum(len(endpoint.received) for endpoint in endpoints),
        "acknowledged": sum(endpoint.taken for endpoint in endpoints),
        "visits": sum(client.connections for client in clients),
        "told": sum(client.told for client in clients),
        "rounds": sum(source.requests for source in world.sources),
        "unanswered": world.life.edges.unanswered,
        "dropped_messages": world.dropped["messages"],
        "dropped_answers": world.dropped["answers"],
        "ambiguous": world.ambiguous,
    }
    if world.shape.orders:
        numbers["orders"] = len(rules.orders.several())
        numbers["told_of_orders"] = rules.orders.spoken
        numbers["kept_from_cancelling"] = rules.orders.saved
    if world.money is not None and world.money.refunds is not None:
        numbers |= world.money.refunds.judge.counts()
    return Result(
        seed=world.seed,
        days=(world.true_ms() - world.started_ms) / DAY_MS,
        numbers=numbers,
        faults=dict(world.faults),
        types=rules.types,
        digest=world.final_digest,
    )
