"""Who sees the mail of a world's actors, and shows it to the rules that care."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.delivery.notifier import NotifierActor
from actors.messages import Round, RoundDone, Seen
from actors.sources.messages import Probe, Probed
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from actors.watching.address import AddressActor
from engine.runtime.actor import Actor
from tests.simulation.feeds import SimBlockFeed
from tests.simulation.idlers import Idlers
from tests.simulation.knowledge import Knowledge

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Onlooker", "is_waited_for"]


_ANSWERS = RoundDone, Probed  # of a source's worker


class Onlooker:
    """See the module docstring."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rules = world.rules
        self._knowledge = self._new_knowledge()
        self._idlers = Idlers()
        self._planned: dict[str, tuple[Round, int]] = {}  # and the best tip then

    def _new_knowledge(self) -> Knowledge:
        rules, network = self._rules, self._world.shape.network
        return Knowledge(rules.record, rules.judges, network)

    def on_boot(self) -> None:
        """A process knows nothing of what the one before it heard."""
        self._rules.record.on_boot()
        self._knowledge = self._new_knowledge()
        self._idlers = Idlers()

    def on_start(self, actor: Actor) -> None:
        if isinstance(actor, BlockFeedWorker):
            self._knowledge.on_worker_start(_source_of(actor))
        elif isinstance(actor, NotifierActor):
            self._rules.deliveries.on_start(actor.ref.name)

    def on_message(self, actor: Actor, message: object, *, is_lost: bool) -> None:
        """The actor is about to handle the message, or to crash and never see it."""
        # By pykka an actor is of an abstract class: whether it is of one that it is not
        # of takes long to be told, so the most frequent come first.
        if isinstance(actor, SourceActor):
            self._on_source_mail(actor, message, is_lost=is_lost)
        elif isinstance(actor, AddressActor):
            self._on_watcher_mail(actor, message)
        elif isinstance(message, Probe):
            self._rules.record.on_probe(_source_of(actor))
        elif isinstance(message, Round):
            source = _source_of(actor)
            self._note_plan(source, message)
            best, now = self._planned[source][1], self._world.clock.now()
            self._rules.record.on_round(source, now, best)
            if isinstance(actor, BlockFeedWorker):
                self._knowledge.on_round(source, message)

    def _on_source_mail(
        self, actor: SourceActor, message: object, *, is_lost: bool
    ) -> None:
        self._knowledge.on_source_mail()
        self._look_at_idlers()
        for feed in actor.planner.feeds:
            if feed.busy is not None:
                self._note_plan(feed.spec.name, feed.busy)
        if isinstance(message, _ANSWERS) and not is_lost:
            source = self._world.sources[message.feed]
            at, is_probe = message.asked_at, isinstance(message, Probed)
            self._rules.record.on_heard(source.name, at, is_probe=is_probe)
            self._knowledge.on_answer(source.name, at, is_probe=is_probe)
            work = actor.planner.feeds[message.feed].busy
            if isinstance(message, RoundDone) and is_waited_for(message, work):
                by_block = isinstance(source, SimBlockFeed)
                self._knowledge.on_done(source.name, message, by_block=by_block)

    def _look_at_idlers(self) -> None:
        node = self._world.node
        if node is not None:
            now_s, report = node.clock.monotonic(), node.source_report.now
            self._idlers.check(node.watchers, report.complete_as_of, now_s)

    def _note_plan(self, source: str, work: Round) -> None:
        """This round is planned by what was heard of until now."""
        planned = self._planned.get(source)
        if planned is None or planned[0] is not work:
            self._planned[source] = work, self._rules.record.best_height

    def on_crash(self, actor: Actor, message: object) -> None:
        """The actor is about to crash on the message, or when it has handled it."""
        if isinstance(actor, AddressActor):
            self._knowledge.on_watcher_crash(actor.ref, message)

    def _on_watcher_mail(self, watcher: AddressActor, message: object) -> None:
        self._knowledge.on_watcher_mail(watcher.ref, message)
        if isinstance(message, Seen):
            name, view, asked_at = watcher.ref.name, message.view, message.asked_at
            self._rules.on_shown(name, view, asked_at)
        node = self._world.node
        if node is not None:
            report = node.source_report.now
            self._knowledge.check(report.complete_as_of, report.freshness)


def is_waited_for(done: RoundDone, work: Round | None) -> bool:
    """Not the answer to a question aside, nor one that a life before this had asked
    for: neither says whose silence is an answer."""
    return work is not None and work.number == done.number and not work.aside


def _source_of(worker: Actor) -> str:
    """A worker is named after its source: "feed.0.source0"."""
    return worker.ref.name.rpartition(".")[2]
