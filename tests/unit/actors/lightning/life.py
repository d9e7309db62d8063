"""The life of one process with one Lightning account, from its start to its death."""

from pathlib import Path
from typing import Any

from actors.facts.upstreams import Reconnect
from actors.lightning.supervisor import UpstreamsActor, upstreams_of
from actors.watching.supervisor import SupervisorActor
from engine.lightning.account import Account
from engine.runtime.ref import ActorScope, Ref
from engine.store.sqlite.journal import Journal
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.lightning.shop import PlayedNode

__all__ = ["Life"]


class Life:
    """A stage with watchers and an upstream, on a journal that outlives it."""

    def __init__(
        self, folder: Path, journal: Journal, lightning: PlayedNode, seed: int
    ) -> None:
        self.stage = stage = ActorStage(folder, seed, journal=journal)
        node, played = stage.node, lightning
        named = Account(name="shop", kind="electrum", url="http://n.test", poll_s=30)
        speaks: Any = played
        node.upstreams = upstreams_of(node, [(named, speaks)])
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: SupervisorActor(node, stage.book, stage.booted),
        )
        node.supervisor = Ref(scope, "supervisor")
        upstreams = ActorScope(stage.dispatcher, lambda _name: UpstreamsActor(node))
        self._upstreams = Ref(upstreams, "upstreams")

    def begin(self) -> None:
        """Watchers are brought back, the node is asked; until nothing is left to do."""
        self.stage.node.supervisor.start()
        self._upstreams.start()
        self.stage.pass_s(2)

    def nudge(self) -> None:
        """It looks at the node now."""
        self.stage.node.upstreams["shop"].ref.tell(Reconnect())

    def dies_after(self, turns: int) -> bool:
        """False: all was done before."""
        self.stage.run(turns)
        died = not self.stage.dispatcher.idle
        self.stage.dispatcher.forget_all()
        self.stage.clock.forget_timers()
        return died

    @property
    def cursor(self) -> str | None:
        kept = self.stage.store.upstream_cursor("shop")
        return None if kept is None else kept.cursor
