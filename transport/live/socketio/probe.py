"""The upgrade of Engine.IO 4: a WebSocket that wants to take a polling session over.

client                    server
2probe                    3probe, and the poll that waits ends
5                         from now on all goes by the WebSocket
"""

from typing import Protocol

from transport.live.socketio import packets
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.frames import encode_text

__all__ = ["UpgradeProbe", "Upgradable"]


class Upgradable(Protocol):
    """`transport.live.socketio.session.Session`."""

    def pause_polling(self) -> None: ...
    def upgrade(self, websocket: WebSocket) -> None: ...
    def upgrade_failed(self, probe: "UpgradeProbe") -> None: ...
    def on_message(self, message: str | bytes) -> None: ...
    def ended(self) -> None: ...


class UpgradeProbe:
    """A WebSocket that wants to take a polling session over. Its `Listener`, and after
    the upgrade too."""

    __slots__ = ("_session", "_took_over", "due_s", "is_answered", "websocket")

    def __init__(self, session: Upgradable, websocket: WebSocket, due_s: float) -> None:
        self._session = session
        self._took_over = False
        self.websocket = websocket
        self.is_answered = False
        self.due_s = due_s

    def on_message(self, message: str | bytes) -> None:
        if self._took_over:
            self._session.on_message(message)
        elif not self.is_answered and message == packets.PROBE:
            self.is_answered = True
            self.websocket.send_encoded(encode_text(packets.PROBE_ANSWER.encode()))
            self._session.pause_polling()
        elif self.is_answered and message == packets.UPGRADE:
            self._took_over = True
            self._session.upgrade(self.websocket)
        else:
            self.give_up("not an upgrade")

    def give_up(self, reason: str) -> None:
        self.websocket.refuse(1008, reason)
        self._session.upgrade_failed(self)

    def ended(self) -> None:
        if self._took_over:
            self._session.ended()
        else:
            self._session.upgrade_failed(self)
