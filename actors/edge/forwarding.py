"""The way in to money that is sent on: part of the gateway."""

from actors.edge.kept import KeptRows
from engine.store.outgoing_port import Paused
from engine.store.writes import PauseForwarding
from engine.wallet.outgoing import Outgoing

__all__ = ["Forwarding"]


class Forwarding(KeptRows):
    """Implements `engine.forwarding_gateway.ForwardingGateway`."""

    def forwarding_paused(self) -> Paused | None:
        return self._store.forward_paused()

    def pause_forwarding(self, by: str) -> None:
        self._write(PauseForwarding(self.now(), by))

    def resume_forwarding(self) -> None:
        self._write(PauseForwarding(0))

    def outgoing(self, outgoing_id: str) -> Outgoing | None:
        return self._store.outgoing(outgoing_id)

    def outgoing_of(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[Outgoing]:
        return self._store.outgoing_of_merchant(merchant, before, limit)
