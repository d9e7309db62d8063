"""What a WebSocket asks of the kernel beside reading and writing: start and end.

Functions over a plain socket that never waits, without gevent's part of it. Used by
transport/server/websocket/connection.py.
"""

import _socket
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from gevent.socket import socket as CooperativeSocket  # noqa: N812
from gevent.socket import wait_read

__all__ = ["drain", "reset", "take_over"]

_NOT_SENT_BYTES: Final = 65_536
_DRAIN_BYTES: Final = 1024 * 1024  # read away from a peer that we have given up
_DRAIN_PIECE_BYTES: Final = 65_536
_NO_LINGER: Final = struct.pack("ii", 1, 0)


def take_over(sock: CooperativeSocket) -> socket.socket:
    """The socket without gevent's own part, which is larger than all of a WebSocket.

    `sock` is of no more use to anybody.
    """
    raw: Any = _socket.socket(fileno=sock.detach())
    raw.setblocking(False)
    lowat = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if lowat is not None:
        # What waits should wait in the outbox, where it is counted, not in
        # megabytes of kernel buffers.
        raw.setsockopt(socket.IPPROTO_TCP, lowat, _NOT_SENT_BYTES)
    taken: socket.socket = raw
    return taken


def drain(raw: socket.socket, goes_on: Callable[[], bool]) -> None:
    """Half-close, and read away what is under way: closing a socket with unread bytes
    in it makes the kernel send a reset, which can eat our close frame.

    `goes_on` is asked before each read and may wait.
    """
    left = _DRAIN_BYTES
    with suppress(OSError):
        raw.shutdown(socket.SHUT_WR)
        while left > 0 and goes_on():
            try:
                received = raw.recv(_DRAIN_PIECE_BYTES)
            except BlockingIOError:
                wait_read(raw.fileno())
                continue
            if not received:
                return
            left -= len(received)


def reset(raw: socket.socket) -> None:
    """End it now. What the peer never read goes with it, instead of staying in the
    kernel until TCP gives up.
    """
    with suppress(OSError):  # it is gone already
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        raw.shutdown(socket.SHUT_RDWR)
