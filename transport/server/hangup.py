"""Notices that a client has gone while we only write to it.

An event stream may have nothing to write for long, and nothing is read from its client
any more: without this a client that left would be found at the second write after it,
half a minute later, and one that comes back often would be turned away, its address
holding too many connections.

Used by `transport/server/connection.py` while a stream is answered. Its callback runs
in the hub; nothing here waits.
"""

import socket
from collections.abc import Callable
from typing import Final

import gevent
from gevent.socket import socket as CooperativeSocket  # noqa: N812

__all__ = ["HangupWatch"]

_READ: Final = 1  # libev's EV_READ


class HangupWatch:
    """Calls `gone` once when the peer has ended the connection, or its half of it.

    Who says something instead (a next request, or rubbish) is not watched any more:
    what it said stays unread. Stop it before the socket is closed.
    """

    __slots__ = ("_gone", "_raw", "_watcher")

    def __init__(self, sock: CooperativeSocket, gone: Callable[[], None]) -> None:
        # Never waits; pinned in test_gevent_contract.
        self._raw: socket.socket = sock._sock  # type: ignore[attr-defined]
        self._gone = gone
        self._watcher = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._watcher.start(self._on_readable)

    def stop(self) -> None:
        """No call after this one. May be called again."""
        self._watcher.stop()
        self._watcher.close()

    def _on_readable(self) -> None:
        try:
            ended = not self._raw.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        self._watcher.stop()
        if ended:
            self._gone()
