"""The end of a connection: a client that goes while we only write to it, and ours.

An event stream may have nothing to write for long, and nothing is read from its client
any more: without this a client that left would be found at the second write after it,
half a minute later, and one that comes back often would be turned away, its address
holding too many connections.

`transport/server/connection.py` uses `HangupWatch` while a stream is answered; its
callback runs in the hub. `linger` waits, in the connection's greenlet.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import gevent
from gevent.socket import socket as CooperativeSocket  # noqa: N812

from transport.server.socket_reader import RequestReader

__all__ = ["HangupWatch", "linger"]

_READ: Final = 1  # libev's EV_READ
_LINGER_S: Final = 2.0
_LINGER_READS: Final = 64
_LINGER_READ_BYTES: Final = 16_384


def linger(sock: CooperativeSocket, reader: RequestReader) -> None:
    """Half-close and read what is still under way: closing with unread bytes resets
    the connection, and the client may never see its answer.
    """
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        reader.set_deadline(_LINGER_S)
        for _ in range(_LINGER_READS):
            if not reader.read(_LINGER_READ_BYTES):
                break


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
