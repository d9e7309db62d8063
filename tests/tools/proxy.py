"""A TCP proxy that spoils connections, as bad networks do; for tests on real sockets.

    with Proxy(server.port, lambda: Toxic(limit=1_000, reset=True)) as proxy:
        client = connect("127.0.0.1", proxy.port, "/ws")

Each connection asks for its own `Toxic` when it begins. Only what the server says is
spoiled. From `cut` to `mend` nothing gets through: what is open is reset, and what is
opened waits. Two greenlets per connection; nothing outlives the `with`.
"""

import contextlib
import random
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import gevent
from gevent.event import Event
from gevent.server import StreamServer

__all__ = ["Proxy", "Toxic"]

_RECV_BYTES = 65_536
# The kernel would else take megabytes for a client that does not read.
_RECEIVE_BUFFER = 16_384
_NO_LINGER = struct.pack("ii", 1, 0)


class Toxic(NamedTuple):
    """What is wrong with one connection. The default: nothing."""

    limit: int | None = None
    """So many bytes reach the client, then the connection is cut."""
    reset: bool = False
    """Cut by a reset, which also throws away what is under way; else by a FIN."""
    slicer: int = 0
    """Pieces of 1 to so many bytes, each sent by itself. 0: as they come."""
    bytes_per_s: int = 0
    """No faster than this. 0: as fast as it goes."""


class Proxy:
    """See the module docstring. `connections` and `cuts` count."""

    def __init__(self, upstream_port: int, toxic: Callable[[], Toxic] = Toxic) -> None:
        self.connections = 0
        self.cuts = 0
        self._upstream = ("127.0.0.1", upstream_port)
        self._toxic = toxic
        self._line = Event()  # set while something gets through
        self._line.set()
        self._clients: set[Any] = set()
        self._server = StreamServer(("127.0.0.1", 0), self._handle)

    @property
    def port(self) -> int:
        return int(self._server.address[1])

    def cut(self) -> None:
        self._line.clear()
        for client in self._clients:
            with contextlib.suppress(OSError):  # it has gone just now
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                client.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._line.set()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(timeout=1)

    def _handle(self, client: Any, _address: tuple[str, int]) -> None:
        self.connections += 1
        toxic = self._toxic()
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        up: gevent.Greenlet[..., None] | None = None
        try:
            self._line.wait()
            server.connect(self._upstream)
            self._clients.add(client)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            up = gevent.spawn(_upwards, client, server)
            if _downwards(server, client, toxic):
                self.cuts += 1
                if toxic.reset:
                    linger = (socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                    client.setsockopt(*linger)
                    server.setsockopt(*linger)
        except OSError:
            pass  # one of the two is gone
        finally:
            self._clients.discard(client)
            if up is not None:
                up.kill()
            server.close()
            client.close()


def _upwards(client: Any, server: Any) -> None:
    with contextlib.suppress(OSError):
        while received := client.recv(_RECV_BYTES):
            server.sendall(received)
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


def _downwards(server: Any, client: Any, toxic: Toxic) -> bool:
    """True when it was cut; False when the server ended it."""
    left = toxic.limit
    while left is None or left > 0:
        size = _RECV_BYTES if left is None else min(left, _RECV_BYTES)
        if toxic.bytes_per_s:
            size = min(size, max(1, toxic.bytes_per_s // 50))
        received = server.recv(size)
        if not received:
            return False
        _pass_on(client, received, toxic.slicer)
        if toxic.bytes_per_s:
            gevent.sleep(len(received) / toxic.bytes_per_s)
        if left is not None:
            left -= len(received)
    return True


def _pass_on(client: Any, received: bytes, slicer: int) -> None:
    if not slicer:
        client.sendall(received)
        return
    view = memoryview(received)
    while view:
        size = random.randint(1, slicer)
        client.sendall(view[:size])
        view = view[size:]
        gevent.sleep(0)
