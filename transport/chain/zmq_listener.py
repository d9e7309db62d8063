"""Bitcoin Core's ZMQ publishers, heard through pyzmq in greenlets.

Each topic has a SUB socket of its own, so that the 4,000 `rawtx` of a block push
nothing else out of the publisher's queue (its high-water mark is of each subscriber's
connection and topic). Two greenlets for each socket: one reads messages into the
`PushLog`, the other follows the connection's state, which libzmq keeps to itself
otherwise. One for all connects again.

A node at mainnet's size says something some twenty times a second: a socket's watcher
is made once, and what waits has no timer of its own.

Hostile or broken publishers: a frame of over `MAX_FRAME` bytes ends the connection
(libzmq does that), so does what is no ZMTP; what is queued here is bounded, and no more
than `PER_S` messages a second are read: the rest waits in the publisher, which drops
what it cannot queue, and the counters tell.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import gevent
import zmq
from gevent.event import Event
from zmq.utils.monitor import parse_monitor_message

from engine.chain.push import PushLog
from engine.policy.token_bucket import TokenBucket
from engine.runtime.yielding import yield_to_hub

__all__ = ["Endpoint", "ZmqListener"]

Endpoint = tuple[bytes, str]
"""A topic, and the address where it is published."""

MAX_FRAME: Final = 4_100_000
"""Bytes: a transaction may be as large as a block."""

QUEUE: Final = 5_000
"""Messages of a socket that libzmq holds for us: a block's transactions, and some."""

PER_S: Final = 10_000
"""Messages of a socket that are read per second, on an average ..."""

BURST: Final = 20_000
"""... after so many at once."""

STEP: Final = 50
"""Messages between two looks of the hub at its sockets: less than a millisecond."""

GRACE_S: Final = 0.02
"""How long to wait for a transaction's bytes before the node is asked for them."""

KEEP_S: Final = 1.0
"""Between attempts to connect, and looks at sockets that say nothing. The attempts are
ours: after a frame that is too large, or what is no ZMTP, libzmq never tries again."""

_HEARTBEAT: Final = 30_000  # ms; a connection that answers no ping is closed
_STATES: Final = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
_READ: Final = 1  # of libev


class ZmqListener:
    """Listens from `start` to `close`."""

    def __init__(
        self, endpoints: Iterable[Endpoint], push: PushLog, nudge: Callable[[], None]
    ) -> None:
        self._push = push
        self._nudge = nudge
        self._context = zmq.Context()
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._inlets: list[_Inlet] = []
        self._sockets: list[tuple[zmq.Socket[bytes], str]] = []  # and their addresses
        self._connected: set[int] = set()
        self._reached: set[int] = set()  # were connected once
        self._grace: gevent.Greenlet[..., None] | None = None
        for number, (topic, address) in enumerate(endpoints):
            self._open(number, topic, address)
        self._greenlets.append(gevent.spawn(self._keep))

    @property
    def unreached(self) -> list[str]:
        """Addresses that have never answered as a publisher does."""
        return sorted(
            {
                address
                for number, (_, address) in enumerate(self._sockets)
                if number not in self._reached
            }
        )

    def close(self) -> None:
        gevent.killall([*self._greenlets, *filter(None, [self._grace])])
        for inlet in self._inlets:
            inlet.close()
        self._context.destroy(linger=0)

    def _open(self, number: int, topic: bytes, address: str) -> None:
        socket = self._context.socket(zmq.SUB)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, QUEUE)
        socket.set(zmq.MAXMSGSIZE, MAX_FRAME)
        socket.set(zmq.RECONNECT_IVL, -1)
        socket.set(zmq.TCP_KEEPALIVE, 1)
        socket.set(zmq.HEARTBEAT_IVL, _HEARTBEAT)
        socket.set(zmq.IPV6, 1)
        socket.set(zmq.SUBSCRIBE, topic)
        monitor = socket.get_monitor_socket(_STATES)
        socket.connect(address)
        said, states = _Inlet(socket), _Inlet(monitor)
        self._inlets += (said, states)
        self._sockets.append((socket, address))
        self._greenlets.append(gevent.spawn(self._read, number, said))
        self._greenlets.append(gevent.spawn(self._follow, number, topic, states))

    def _read(self, number: int, inlet: "_Inlet") -> None:
        """Until killed. Others run between any `STEP` messages."""
        bucket = TokenBucket.full(PER_S, BURST).at(time.monotonic())
        for count, parts in enumerate(inlet.messages(), 1):
            if self._push.message(number, parts):
                self._nudge()
            elif self._push.is_waiting and self._grace is None:
                self._grace = gevent.spawn_later(GRACE_S, self._after_grace)
            if count % STEP:
                continue
            yield_to_hub()
            bucket = bucket.at(time.monotonic()).spend(STEP)
            if wait_s := bucket.wait_s(0):
                gevent.sleep(wait_s)

    def _after_grace(self) -> None:
        self._grace = None
        if self._push.is_waiting:
            self._nudge()

    def _follow(self, number: int, topic: bytes, inlet: "_Inlet") -> None:
        for parts in inlet.messages():
            if parse_monitor_message(parts)["event"] == zmq.EVENT_DISCONNECTED:
                self._connected.discard(number)
                self._push.disconnected(topic, number)
            else:
                self._connected.add(number)
                self._reached.add(number)
                if self._push.connected(topic, number):
                    self._nudge()

    def _keep(self) -> None:
        """Connect again, as long as it takes; and look whether one missed a word."""
        while True:
            gevent.sleep(KEEP_S)
            for number, (socket, address) in enumerate(self._sockets):
                if number in self._connected:
                    continue
                with contextlib.suppress(zmq.ZMQError):  # it is none of its any more
                    socket.disconnect(address)
                with contextlib.suppress(zmq.ZMQError):  # no descriptor free: later
                    socket.connect(address)
            for inlet in self._inlets:
                inlet.look()


class _Inlet:
    """What a socket says, for the one greenlet that reads it."""

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self._socket = socket
        self._spoke = Event()
        self._watcher: Any = gevent.get_hub().loop.io(socket.FD, _READ)

    def messages(self) -> Iterator[list[bytes]]:
        """One after another, without an end; others run while there is none."""
        while True:
            # Its descriptor speaks once for several messages, and is quiet only after
            # its events were asked for: hence the order. It is not heeded meanwhile: it
            # would wake the hub for as long as the reader rests.
            while int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                yield self._socket.recv_multipart(zmq.NOBLOCK)
            self._spoke.clear()
            self._watcher.start(self._spoke.set)
            try:
                self._spoke.wait()
            finally:
                self._watcher.stop()

    def look(self) -> None:
        """Have the reader ask, though the descriptor said nothing."""
        self._spoke.set()

    def close(self) -> None:
        self._watcher.close()
