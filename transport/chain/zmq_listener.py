"""Bitcoin Core's ZMQ publishers, heard through pyzmq in greenlets.

Each topic has a SUB socket of its own, so that the 4,000 `rawtx` of a block push
nothing else out of the publisher's queue (its high-water mark is of each subscriber's
connection and topic). Three greenlets for each socket: one reads messages into the
`PushLog`, the others follow the connection's state, which libzmq keeps to itself
otherwise, and connect again.

Hostile or broken publishers: a frame of over `MAX_FRAME` bytes ends the connection
(libzmq does that), so does what is no ZMTP; what is queued here is bounded, and no more
than `PER_S` messages a second are read: the rest waits in the publisher, which drops
what it cannot queue, and the counters tell.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import gevent
import zmq
from gevent.socket import wait_read
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

LOOK_S: Final = 1.0
"""How often to look at a socket that says nothing."""

RETRY_S: Final = 1.0
"""Between attempts to connect. They are ours: after a frame that is too large, or what
is no ZMTP, libzmq never tries again."""

_HEARTBEAT: Final = 30_000  # ms; a connection that answers no ping is closed
_STATES: Final = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


class ZmqListener:
    """Listens from `start` to `close`."""

    def __init__(
        self, endpoints: Iterable[Endpoint], push: PushLog, nudge: Callable[[], None]
    ) -> None:
        self._push = push
        self._nudge = nudge
        self._context = zmq.Context()
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._connected: set[int] = set()
        self._grace: gevent.Greenlet[..., None] | None = None
        for number, (topic, address) in enumerate(endpoints):
            self._open(number, topic, address)

    def close(self) -> None:
        gevent.killall([*self._greenlets, *filter(None, [self._grace])])
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
        self._greenlets.append(gevent.spawn(self._read, number, socket))
        self._greenlets.append(gevent.spawn(self._follow, number, topic, monitor))
        self._greenlets.append(gevent.spawn(self._keep, number, socket, address))

    def _read(self, number: int, socket: "zmq.Socket[bytes]") -> None:
        """Until killed. Others run between any `STEP` messages."""
        bucket = TokenBucket.full(PER_S, BURST).at(time.monotonic())
        for count, parts in enumerate(_messages(socket), 1):
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

    def _follow(self, number: int, topic: bytes, monitor: "zmq.Socket[bytes]") -> None:
        for parts in _messages(monitor):
            if parse_monitor_message(parts)["event"] == zmq.EVENT_DISCONNECTED:
                self._connected.discard(number)
                self._push.disconnected(topic, number)
            else:
                self._connected.add(number)
                if self._push.connected(topic, number):
                    self._nudge()

    def _keep(self, number: int, socket: "zmq.Socket[bytes]", address: str) -> None:
        """Connect again, as long as it takes."""
        while True:
            gevent.sleep(RETRY_S)
            if number not in self._connected:
                with contextlib.suppress(zmq.ZMQError):  # it is none of its any more
                    socket.disconnect(address)
                socket.connect(address)


def _messages(socket: "zmq.Socket[bytes]") -> Iterator[list[bytes]]:
    """One after another, without an end; others run while there is none."""
    while True:
        try:
            parts = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            # Its descriptor speaks once for several messages, and only after this
            # attempt: hence the order, and a look now and then all the same.
            with contextlib.suppress(TimeoutError):
                wait_read(socket.FD, LOOK_S)
        else:
            yield parts
