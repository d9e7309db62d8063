"""A stage for the way in: its actors run while an edge waits, its reads are counted."""

from pathlib import Path
from typing import Any

import gevent

from actors.edge.gateway import ActorGateway
from actors.watching.supervisor import SupervisorActor
from engine.bitcoin.address import script_to_address
from engine.payment.model import Payment, Terms
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.supervision import RestartPolicy
from engine.secrets.vault import Vault
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import terms

__all__ = ["CountingStore", "House", "asked"]

REST_S = 0.000_5


class CountingStore:
    """The stage's store, and the names of what it was asked."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._store, name)


class House:
    """A stage whose actors run while an edge waits."""

    def __init__(self, folder: Path) -> None:
        self.stage = stage = ActorStage(folder)
        self.node = stage.node
        self.store = CountingStore(stage.store)
        self.gateway = ActorGateway(stage.node, self.store, Vault(bytes(32)))
        self.store.asked.clear()
        policy = RestartPolicy(max_restarts=1, window_s=60.0)
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: SupervisorActor(stage.node, stage.book, stage.booted, policy),
        )
        self.node.supervisor = Ref(scope, "supervisor")
        self.node.supervisor.start()
        stage.run()
        self._runs = gevent.spawn(self._run)

    def _run(self) -> None:
        # It rests: who only yields takes the interpreter back before a native thread,
        # which derives addresses, has woken up to have it. On two idle cores it never
        # gets it.
        while True:
            self.stage.run()
            gevent.sleep(REST_S)

    def close(self) -> None:
        self._runs.kill()
        self.stage.close()

    def create(self, number: int = 1, **changes: Any) -> Payment:
        (payment,) = self.gateway.create([asked(number, **changes)])
        assert isinstance(payment, Payment)
        gevent.sleep(0)
        self.stage.run()
        self.store.asked.clear()
        return payment

    def watcher(self, payment: Payment) -> Ref:
        return self.node.watchers[payment.id]

    def crash(self, payment: Payment, times: int) -> None:
        for _ in range(times):
            self.watcher(payment).kill(RuntimeError("a bug"))
            self.stage.pass_s(5)


def asked(number: int = 1, **changes: Any) -> Terms:
    address = script_to_address(b"\0\x14" + number.to_bytes(20, "big"), "regtest")
    return terms(**({"id": f"p{number}", "address": address} | changes))
