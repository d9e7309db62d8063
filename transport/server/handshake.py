"""The two ends of gevent-websocket's handshake that are not its own any more.

The package makes a WebSocket of its own class for each handshake; ours is made when the
101 has been sent, as it takes the socket with it. Used by
`transport/server/connection.py`; importing this puts ours in its place.
"""

from typing import Any

import geventwebsocket.handler

__all__ = ["Nobody", "accepted"]


class Nobody:
    """Listens where the endpoint left no listener: the WebSocket is closing."""

    def on_message(self, message: str | bytes) -> None:
        """Too late."""

    def ended(self) -> None:
        """Nothing is kept."""


def accepted(environ: dict[str, Any], stream: Any, handler: Any) -> object:
    """What gevent-websocket calls for a new WebSocket, with its own arguments."""
    return True


# The package has no hook for its class: it looks up this name when it upgrades.
geventwebsocket.handler.WebSocket = accepted
