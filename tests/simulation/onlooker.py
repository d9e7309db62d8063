"""Who sees the mail of a world's actors, and shows it to the rules that care."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.delivery.notifier import NotifierActor
from actors.messages import Round, RoundDone, Seen
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from actors.watching.address import AddressActor
from engine.runtime.actor import Actor
from tests.simulation.feeds import SimBlockFeed
from tests.simulation.knowledge import Knowledge

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Onlooker"]


class Onlooker:
    """See the module docstring."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rules = world.rules
        self._knowledge = Knowledge(self._rules.record, self._rules.judges)

    def on_boot(self) -> None:
        """A process knows nothing of what the one before it heard."""
        self._knowledge = Knowledge(self._rules.record, self._rules.judges)

    def on_start(self, actor: Actor) -> None:
        if isinstance(actor, BlockFeedWorker):
            self._knowledge.on_worker_start(_source_of(actor))
        elif isinstance(actor, NotifierActor):
            self._rules.deliveries.on_start(actor.ref.name)

    def on_message(self, actor: Actor, message: object) -> None:
        """The actor is about to handle the message."""
        match actor:
            case AddressActor():
                self._on_watcher_mail(actor, message)
            case SourceActor():
                self._knowledge.on_source_mail()
                if isinstance(message, RoundDone):
                    source = self._world.sources[message.feed]
                    by_block = isinstance(source, SimBlockFeed)
                    self._knowledge.on_done(source.name, message, by_block=by_block)
            case BlockFeedWorker():
                if isinstance(message, Round):
                    self._knowledge.on_round(_source_of(actor), message)

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


def _source_of(worker: Actor) -> str:
    """A worker is named after its source: "feed.0.source0"."""
    return worker.ref.name.rpartition(".")[2]
