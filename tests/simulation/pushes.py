"""What a simulated node publishes of its own accord, and what of it is heard.

As Bitcoin Core does over ZMQ (doc/zmq.md, zmqnotificationinterface.cpp): each
transaction that enters the mempool (`rawtx`, then `A`) or leaves it but for a block
(`R`; what is replaced leaves before what replaces it is there), each block that joins
or leaves the chain (`C`, `D`, `hashblock`, and its transactions once more), each topic
with a counter of its own. The mempool's number is the node's at the moment of the
change; the messages are on their way for a while, so that the node may say more than
was heard, and a round may end between two messages of one change. They are lost by
one or by all, their topics overtake each other, connections break, nodes begin anew.

Strangers' transactions come and go, so that a change of ours is seldom the only one.
Bodies are Core's bytes, but for a raw transaction: its name stands for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Protocol

from engine.chain.feed import ChainTx
from engine.chain.packed_tx import PackedTx, pack
from engine.chain.push import PushLog
from engine.errors import InvalidTransaction
from tests.simulation.behind import CROWD, strangers
from tests.simulation.chain import SimChain, Snapshot
from tests.simulation.record import Record

__all__ = ["Later", "SimPush"]

_LATE_MS = (0, 1, 40, 400, 3_000)
"""How long what follows in a moment may take."""

_PASSING = strangers(range(100, 140))

_BY_NAME = {txid: pack(tx) for txid, tx in (CROWD | _PASSING).items()}

Later = Callable[[int, Callable[[], object]], None]
"""Do it after so many ms, in the memory of the process."""


class Named(Protocol):
    """The node whose publisher it is."""

    name: str
    faults: int

    def mempool(self) -> frozenset[str]: ...


class SimPush:
    """The publisher and the way to our listener: an `engine.chain.push.Push`."""

    def __init__(
        self,
        node: Named,
        chain: SimChain,
        record: Record,
        random: Random,
        later: Later,
    ) -> None:
        self.passing: dict[str, ChainTx] = {}  # strangers' in the mempool
        self._later = later
        self._node = node
        self._chain = chain
        self._record = record
        self._random = random
        self._best: tuple[str, ...] = ()  # what the node had when it told last
        self._names: frozenset[str] = frozenset()
        self._number = 1  # of the mempool's next change
        self._counters: dict[bytes, int] = {}
        self._on_the_way: deque[tuple[bytes, bytes]] = deque()  # topic and body
        self._connections = 0
        self.begin_listening()

    # -- our side ----------------------------------------------------------------------

    def begin_listening(self) -> None:
        """In a new process."""
        self.log = PushLog(self._read_tx)
        self.log.has_sequence = True
        self._nudge: Callable[[], None] = lambda: None
        self._is_open = self._has_hole = False
        self._on_the_way.clear()

    def open(self, nudge: Callable[[], None]) -> None:
        self._nudge = nudge
        if not self._is_open:
            self._is_open = True
            self._connect()

    def close(self) -> None:
        self._is_open = False
        self._disconnect()

    def snapshot(self) -> tuple[frozenset[str], int]:
        return self._node.mempool(), self._number

    @property
    def is_behind(self) -> bool:
        """Whether the node has done what nobody could hear yet: it is on its way, or
        was lost and nothing has come after it that would show the gap."""
        return bool(self._on_the_way) or self._has_hole

    def _connect(self) -> None:
        self._connections += 1
        if self.log.connected(b"sequence", self._connections):
            self._nudge()

    def _disconnect(self) -> None:
        self._on_the_way.clear()
        self._has_hole = False
        self.log.disconnected(b"sequence", self._connections)

    def _read_tx(self, raw: bytes) -> PackedTx:
        txid = raw.hex()
        if txid in _BY_NAME:
            return _BY_NAME[txid]
        if txid not in self._chain.txs:
            raise InvalidTransaction("no transaction")
        return pack(self._chain.txs[txid])

    # -- the node's side ---------------------------------------------------------------

    def on_call(self) -> None:
        """Somebody else pays somebody else, or a payment of others is evicted."""
        if self._random.random() < 0.3:
            txid = self._random.choice(tuple(_PASSING))
            if self.passing.pop(txid, None) is None:
                self.passing[txid] = _PASSING[txid]

    def on_trouble(self) -> None:
        """The node does not answer; mostly its publisher is gone as well."""
        if self._random.random() < 0.7:
            self._disconnect()

    def begin_anew(self, seen: Snapshot, names: frozenset[str]) -> None:
        """The node was started again: of what changed meanwhile it tells nothing."""
        self._best, self._names = seen.best, names
        self._number = 1
        self._counters.clear()
        self._disconnect()
        if self._is_open:
            self._connect()

    def on_state(self, seen: Snapshot, names: frozenset[str]) -> None:
        """The node is so now. What is another than before is published."""
        if seen.best == self._best and names == self._names:
            return
        if not self._best:
            self.begin_anew(seen, names)
            return
        if self._is_open and not self.log.is_live:
            self._connect()
        for topic, body in self._changes(seen, names):
            self._on_the_way.append((topic, body))
        self._best, self._names = seen.best, names
        if self._random.random() < 0.8:
            self._bring(len(self._on_the_way))
        else:
            self._bring_later()

    def _bring_later(self) -> None:
        way = self._on_the_way

        def bring() -> None:
            if way is self._on_the_way and way:
                self._bring(self._random.randrange(1, len(way) + 1))
                if way:
                    self._bring_later()

        self._later(self._random.choice(_LATE_MS), bring)

    def _bring(self, most: int) -> None:
        for _ in range(most):
            topic, body = self._on_the_way.popleft()
            counter = self._counters.get(topic, 0)
            self._counters[topic] = counter + 1
            is_lost = self._random.random() < 0.01
            if topic == b"sequence":
                self._has_hole = is_lost
            if is_lost:
                self._node.faults += 1
                continue
            if topic == b"sequence" and body[32:33] == b"R":
                self._record.rivals(self._node.name).on_left(body[:32].hex())
            parts = [topic, body, counter.to_bytes(4, "little")]
            if self.log.message(self._connections, parts):
                self._nudge()

    def _changes(
        self, seen: Snapshot, names: frozenset[str]
    ) -> Iterator[tuple[bytes, bytes]]:
        """In Core's order: blocks that leave, that come, what leaves, what enters."""
        random, blocks = self._random, self._chain.blocks
        now, before = set(seen.best), set(self._best)
        for block in (b for b in reversed(self._best) if b not in now):
            yield b"sequence", bytes.fromhex(block) + b"D"
        mined: set[str] = set()
        for block in (b for b in seen.best if b not in before):
            txids = [tx.txid for tx in blocks[block].txs]
            mined.update(txids)
            for txid in txids:
                yield b"rawtx", bytes.fromhex(txid)
            yield b"sequence", bytes.fromhex(block) + b"C"
            yield b"hashblock", bytes.fromhex(block)
        left = sorted(self._names - names - mined)
        came = sorted(names - self._names)
        random.shuffle(left)
        random.shuffle(came)
        for txid in left:
            yield b"sequence", self._change(txid, b"R")
        for txid in came:
            raw, added = (b"rawtx", bytes.fromhex(txid)), self._change(txid, b"A")
            if random.random() < 0.9:  # each topic has a way of its own
                yield raw
                yield b"sequence", added
            else:
                yield b"sequence", added
                yield raw

    def _change(self, txid: str, kind: bytes) -> bytes:
        number = self._number.to_bytes(8, "little")
        self._number += 1
        return bytes.fromhex(txid) + kind + number
