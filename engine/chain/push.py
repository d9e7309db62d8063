"""What a node pushes of its own accord: taken down as it comes, judged when read.

Of what Bitcoin Core publishes (doc/zmq.md, zmqnotificationinterface.cpp) these help:

- `rawtx`: each transaction that enters the mempool, and again each one of a block.
- `sequence`: `A` and `R`, a transaction entered or left the mempool (not by a block),
  with the mempool's own number; `C` and `D`, a block joined or left the chain.
- `hashblock`: there is a new tip.

Each message carries its topic's counter. Nobody asks for it and nobody vouches for it:
a publisher drops what a slow reader does not fetch, and says nothing. So what is heard
is a reason to look and saves asking for transactions that concern nobody; what is shown
of anybody's money is the node's answer to a question (`engine.chain.mempool_reader`).

`PushLog` is written by the listener's greenlets and read by the source's worker. It is
bounded in everything, and what it cannot read or hold becomes `is_lost`. Pure.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from engine.chain.packed_tx import PackedTx
from engine.errors import InvalidTransaction

__all__ = ["TOPICS", "News", "PoolChange", "Push", "PushLog", "push_of"]

TOPICS: Final = (b"rawtx", b"sequence", b"hashblock")

MAX_CHANGES = 20_000
"""Of the mempool, between two readings; more are a loss. Mainnet has seven a second."""

MAX_TX = 400_000
"""Bytes that are read here; a node relays none with more (MAX_STANDARD_TX_WEIGHT)."""

MAX_FRAMES = 64
"""Raw transactions that wait for the word that they are in the mempool."""

MAX_FRAME_BYTES = 8_000_000

MAX_READ = 256
"""Transactions that were read and are not spoken of yet."""

_HASH = 32
_NUMBER = 8


class PoolChange(msgspec.Struct, frozen=True, gc=False):
    """A transaction entered the mempool or left it. `number`: the mempool's own."""

    txid: str
    number: int
    is_added: bool
    tx: PackedTx | None = None  # None: it left, or its bytes did not come


class News(msgspec.Struct, frozen=True):
    """What was pushed since it was read last, in its order."""

    changes: tuple[PoolChange, ...] = ()
    is_lost: bool = False  # something may be missing before the first of these


class Push(Protocol):
    """A feed's own pushes."""

    log: "PushLog"

    def open(self, nudge: Callable[[], None]) -> None:
        """Listen, if it is not done yet. `nudge` is called when there is a reason to
        look at once. Called before each round; fails silently, to be tried again."""

    def snapshot(self) -> tuple[frozenset[str], int]:
        """The mempool's names, and the number that its next change will have."""

    def close(self) -> None: ...


def push_of(feed: object) -> Push | None:
    """Most feeds push nothing."""
    push: Push | None = getattr(feed, "push", None)
    return push


class PushLog:
    """See the module docstring. `read_tx` raises `InvalidTransaction`."""

    def __init__(self, read_tx: Callable[[bytes], PackedTx]) -> None:
        self._read_tx = read_tx
        self.concerns: Callable[[PackedTx], bool] = lambda tx: False
        self.awaits: Callable[[str], bool] = lambda txid: False
        self.has_sequence = False  # the node tells each change of its mempool
        self.heard = 0  # messages that could be read
        self.malformed = 0  # and those that could not
        self.gaps = 0  # in counters
        self._counted = 0, 0  # of these two
        self._live: set[object] = set()  # connections for `sequence`
        self._counters: dict[object, int] = {}  # by connection: the next one
        self._changes: list[PoolChange] = []
        self._lost = True  # nothing was compared yet
        self._unread: deque[bytes] = deque()  # rawtx, newest last
        self._unread_bytes = 0
        self._read: OrderedDict[str, PackedTx] = OrderedDict()  # not spoken of yet
        self._bare: dict[str, int] = {}  # added, without bytes: place in changes
        self._block = b""  # the last that was heard of

    # -- what the worker asks ----------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether each change of the mempool is heard, as far as one can tell."""
        return self.has_sequence and bool(self._live)

    @property
    def is_waiting(self) -> bool:
        """Whether a transaction was spoken of whose bytes have not come."""
        return bool(self._bare)

    def take(self) -> News:
        """All since the last time."""
        news = News(tuple(self._changes), self._lost)
        self._changes, self._lost = [], False
        self._bare.clear()
        return news

    def count(self, add: Callable[[str, int], None]) -> None:
        """Names of counters, and how often it happened since they were told last."""
        malformed, gaps = self._counted
        self._counted = self.malformed, self.gaps
        add("source.push_malformed", self.malformed - malformed)
        add("source.push_gaps", self.gaps - gaps)

    # -- what the listener hears -------------------------------------------------------

    def connected(self, topic: bytes, connection: object) -> bool:
        """Whether to look at once: what was published before is not known."""
        if topic != b"sequence":
            return False
        self._live.add(connection)
        self.lose()
        return True

    def disconnected(self, topic: bytes, connection: object) -> None:
        self._counters.pop((connection, topic), None)
        if topic == b"sequence":
            self._live.discard(connection)
            self.lose()

    def lose(self) -> None:
        """What is known of the changes has a hole here."""
        self._changes, self._lost = [], True
        self._bare.clear()

    def message(self, connection: object, parts: list[bytes]) -> bool:
        """Take it down. Whether it is a reason to look at once."""
        if len(parts) != 3 or len(parts[2]) != 4 or parts[0] not in TOPICS:
            self.malformed += 1
            if parts and parts[0] == b"sequence":
                self.lose()
            return False
        topic, body, counter = parts
        number = int.from_bytes(counter, "little")
        in_turn = self._count((connection, topic), number)
        if topic == b"rawtx":
            # A gap is no loss: `sequence` speaks of what was in it; it is asked for.
            return self._on_rawtx(body)
        if topic == b"hashblock":
            return self._on_block(body) or not in_turn
        if not in_turn:
            self.lose()
        return self._on_sequence(body) or not in_turn

    def _count(self, key: object, counter: int) -> bool:
        """Whether no message of this topic is missing before this one: of a publisher
        that has told others already, what came before the first is not known."""
        expected = self._counters.get(key, 0)
        self.gaps += key in self._counters and expected != counter
        self._counters[key] = (counter + 1) & 0xFFFFFFFF
        return expected == counter

    def _on_block(self, block_hash: bytes) -> bool:
        if len(block_hash) != _HASH:
            self.malformed += 1
            return False
        self.heard += 1
        is_new, self._block = block_hash != self._block, block_hash
        return is_new

    def _on_sequence(self, body: bytes) -> bool:
        kind, number = body[_HASH : _HASH + 1], body[_HASH + 1 :]
        lengths = {b"A": _NUMBER, b"R": _NUMBER, b"C": 0, b"D": 0}
        if lengths.get(kind) != len(number):
            self.malformed += 1
            self.lose()
            return True
        self.heard += 1
        self.has_sequence = True
        if kind == b"C":
            self._forget_frames()  # most were the block's
            return self._on_block(body[:_HASH])
        if kind == b"D":
            self.lose()  # what was in it is in the mempool again, or in part
            self._block = b""
            return True
        if len(self._changes) >= MAX_CHANGES:
            self.lose()
            return True
        # Hashes are published as people read them (zmqpublishnotifier.cpp).
        txid, place = body[:_HASH].hex(), int.from_bytes(number, "little")
        if kind == b"R":
            self._changes.append(PoolChange(txid, place, is_added=False))
            return self.awaits(txid)
        tx = self._find(txid)
        if tx is None:
            self._bare[txid] = len(self._changes)
        self._changes.append(PoolChange(txid, place, is_added=True, tx=tx))
        return tx is not None and self.concerns(tx)

    def _on_rawtx(self, raw: bytes) -> bool:
        self.heard += 1
        if len(raw) > MAX_TX:
            return False
        if self.has_sequence and not self._bare:
            self._unread.append(raw)
            self._unread_bytes += len(raw)
            while (
                len(self._unread) > MAX_FRAMES or self._unread_bytes > MAX_FRAME_BYTES
            ):
                self._unread_bytes -= len(self._unread.popleft())
            return False
        tx = self._read_one(raw)
        if tx is None:
            return False
        if not self.has_sequence:
            # It may be a block's as well: the node is asked, if it concerns anybody.
            self._keep(tx)
            return self._note_hint(tx)
        place = self._bare.pop(tx.txid, None)
        if place is None:
            self._keep(tx)
            return False
        self._changes[place] = msgspec.structs.replace(self._changes[place], tx=tx)
        return self.concerns(tx)

    def _note_hint(self, tx: PackedTx) -> bool:
        if not self.concerns(tx):
            return False
        if len(self._changes) >= MAX_CHANGES:
            self.lose()
        self._changes.append(PoolChange(tx.txid, 0, is_added=True))
        return True

    def _find(self, txid: str) -> PackedTx | None:
        """Its bytes, if they came: it is most often the newest."""
        while self._unread and txid not in self._read:
            raw = self._unread.pop()
            self._unread_bytes -= len(raw)
            tx = self._read_one(raw)
            if tx is not None:
                self._keep(tx)
        return self._read.pop(txid, None)

    def _keep(self, tx: PackedTx) -> None:
        self._read[tx.txid] = tx
        if len(self._read) > MAX_READ:
            self._read.popitem(last=False)

    def _read_one(self, raw: bytes) -> PackedTx | None:
        try:
            return self._read_tx(raw)
        except InvalidTransaction:
            self.malformed += 1
            return None

    def _forget_frames(self) -> None:
        self._unread.clear()
        self._unread_bytes = 0
        self._read.clear()
