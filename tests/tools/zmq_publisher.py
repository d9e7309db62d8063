"""Bitcoin Core's ZMQ publishers, byte for byte, for tests that make them lose things.

As doc/zmq.md, zmqpublishnotifier.cpp and zmqnotificationinterface.cpp have it: PUB
sockets, messages of three parts (topic, body, 32-bit little-endian counter of the
topic), hashes as people read them, and this order: `rawtx` before `A`; of a block
`rawtx` of each transaction, then `C` (or `D`), then `hashblock`; a mempool's number
goes up for what a block takes as well, without a word. All topics share one address,
as with most people, or have one each.

`losing` drops what is published meanwhile, as a full queue does: the counters go on.
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import zmq

from tests.tools.ports import free_ports
from tests.tools.wait import wait_until

__all__ = ["TOPICS", "CorePublisher"]

TOPICS = (b"rawtx", b"sequence", b"hashblock")


class CorePublisher:
    """`endpoints` are what `getzmqnotifications` would tell, by topic."""

    def __init__(self, topics: Sequence[bytes] = TOPICS, hwm: int = 1_000) -> None:
        self._context = zmq.Context()
        self._topics = tuple(topics)
        self._hwm = hwm
        (self._port,) = free_ports(1)
        self._lossy = False
        self._socket: zmq.Socket[bytes]
        self.counters: dict[bytes, int] = {}
        self.number = 1  # of the mempool's next change
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.destroy(linger=0)

    def start(self) -> None:
        """On the same port as before; all counters begin anew."""
        self._socket = self._context.socket(zmq.PUB)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.SNDHWM, self._hwm)
        wait_until(self._binds, 10, f"{self.address} to be free")
        self.counters = dict.fromkeys(self._topics, 0)

    def _binds(self) -> bool:
        """libzmq lets go of an address in a thread of its own, after `stop`."""
        with contextlib.suppress(zmq.ZMQError):
            self._socket.bind(self.address)
            return True
        return False

    def stop(self) -> None:
        self._socket.unbind(self.address)
        self._socket.close(linger=0)

    @property
    def port(self) -> int:
        return self._port

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    @property
    def endpoints(self) -> list[tuple[bytes, str]]:
        return [(topic, self.address) for topic in self._topics]

    @contextmanager
    def losing(self) -> Iterator[None]:
        self._lossy = True
        yield
        self._lossy = False

    def publish(self, topic: bytes, body: bytes) -> None:
        if topic not in self.counters:
            return
        counter = self.counters[topic]
        self.counters[topic] = counter + 1 & 0xFFFFFFFF
        if not self._lossy:
            self.send([topic, body, counter.to_bytes(4, "little")])

    def send(self, parts: Sequence[bytes]) -> None:
        """Anything."""
        self._socket.send_multipart(parts)

    def added(self, txid: str, raw: bytes) -> None:
        """It entered the mempool."""
        self.publish(b"rawtx", raw)
        self.changed(txid, b"A")

    def changed(self, txid: str, kind: bytes) -> None:
        """`A` or `R`, without the bytes."""
        number = self.number.to_bytes(8, "little")
        self.number += 1
        self.publish(b"sequence", bytes.fromhex(txid) + kind + number)

    def connected(self, block_hash: str, raws: Sequence[bytes], taken: int) -> None:
        """A block with these transactions, `taken` of them from the mempool."""
        self.number += taken
        for raw in raws:
            self.publish(b"rawtx", raw)
        self.publish(b"sequence", bytes.fromhex(block_hash) + b"C")
        self.publish(b"hashblock", bytes.fromhex(block_hash))

    def disconnected(self, block_hash: str, raws: Sequence[bytes]) -> None:
        for raw in raws:
            self.publish(b"rawtx", raw)
        self.publish(b"sequence", bytes.fromhex(block_hash) + b"D")
