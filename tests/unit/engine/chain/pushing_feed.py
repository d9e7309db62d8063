"""A block feed that pushes what happens, as Core does over ZMQ, and may lose any of it.

Bytes are Core's (doc/zmq.md); `rawtx` is a stand-in that `read_tx` knows, since a fake
feed's transactions have no bytes. `loses` is asked for each message; `reconnect` is
what the listener tells when the connection was another.
"""

from collections.abc import Callable, Iterable

from engine.chain.feed import Block, ChainTx, SourceStatus
from engine.chain.mempool_reader import MempoolReader
from engine.chain.packed_tx import PackedTx, pack
from engine.chain.push import PushLog
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import DEFAULT_LIMITS, RoundLimits, SyncResult, sync
from engine.errors import InvalidTransaction
from tests.tools.fake_feed import FakeFeed

__all__ = ["PushingFeed", "Reading"]


class PushingFeed(FakeFeed):
    """`log` hears of every change, or of those that are not lost."""

    def __init__(self, height: int = 0) -> None:
        self.log = PushLog(self._read)
        self.loses: Callable[[bytes], bool] = lambda topic: False
        self.number = 1  # of the mempool's next change
        self.asked_names = 0
        self.asked_for: list[str] = []
        self.says_size = True
        self._raws: dict[bytes, PackedTx] = {}
        self._counters: dict[bytes, int] = {}
        super().__init__(height)
        self.reconnect()
        self.log.has_sequence = True

    def reconnect(self) -> None:
        self.log.disconnected(b"sequence", 1)
        self._counters.clear()
        self.log.connected(b"sequence", 1)

    def publish(self, topic: bytes, body: bytes) -> None:
        counter = self._counters.get(topic, 0)
        self._counters[topic] = counter + 1
        if not self.loses(topic):
            self.log.message(1, [topic, body, counter.to_bytes(4, "little")])

    def change(self, kind: bytes, txid: str) -> None:
        number = self.number.to_bytes(8, "little")
        self.number += 1
        self.publish(b"sequence", bytes.fromhex(txid) + kind + number)

    def _rawtx(self, tx: ChainTx) -> None:
        raw = b"raw" + bytes.fromhex(tx.txid)
        self._raws[raw] = pack(tx)
        self.publish(b"rawtx", raw)

    def _read(self, raw: bytes) -> PackedTx:
        if raw not in self._raws:
            raise InvalidTransaction("no transaction")
        return self._raws[raw]

    def add(self, tx: ChainTx) -> ChainTx:
        super().add(tx)
        self._rawtx(tx)
        self.change(b"A", tx.txid)
        return tx

    def evict(self, txid: str) -> None:
        if txid in self.pool:
            self.change(b"R", txid)
        super().evict(txid)

    def mine(self, txs: Iterable[ChainTx] | None = None) -> Block:
        block = super().mine(txs)
        self.number += len(block.txs)
        for tx in block.txs:
            self._rawtx(tx)
        name = bytes.fromhex(block.header.hash)
        self.publish(b"sequence", name + b"C")
        self.publish(b"hashblock", name)
        return block

    def undo(self, depth: int = 1) -> list[Block]:
        undone = super().undo(depth)
        for block in undone:
            self.publish(b"sequence", bytes.fromhex(block.header.hash) + b"D")
        return undone

    def status(self) -> SourceStatus:
        if self.says_size:
            self.says = self.says | {"mempool_size": len(self.pool)}
        return super().status()

    def mempool(self) -> frozenset[str]:
        self.asked_names += 1
        return super().mempool()

    def snapshot(self) -> tuple[frozenset[str], int]:
        return self.mempool(), self.number

    def transactions(self, txids: Iterable[str]) -> dict[str, ChainTx]:
        asked = list(txids)
        self.asked_for += asked
        return super().transactions(asked)

    def open(self, nudge: Callable[[], None]) -> None:
        """It always listens."""

    def close(self) -> None:
        """Nothing is held."""


class Reading:
    """An index that reads the feed, with the reader's memory; `now` in seconds."""

    def __init__(self, feed: PushingFeed, *watched: bytes) -> None:
        self.feed = feed
        self.now = 0.0
        self.index = ScriptIndex()
        self.reader = MempoolReader(feed, lambda: self.now)
        feed.log.concerns = self.index.concerns
        feed.log.awaits = self.index.awaits
        for script in watched:
            self.index.watch(script)

    def round(
        self,
        limits: RoundLimits = DEFAULT_LIMITS,
        *,
        after_s: float = 1.0,
        must_prove: bool = False,
    ) -> SyncResult:
        self.now += after_s
        return sync(
            self.feed,
            self.index,
            reader=self.reader,
            limits=limits,
            must_prove=must_prove,
        )

    def settle(self, limits: RoundLimits = DEFAULT_LIMITS) -> SyncResult:
        """Until a round asks for no other."""
        for _ in range(50):
            result = self.round(limits)
            if not result.more:
                return result
        raise AssertionError("never came to an end")

    def sums(self, script: bytes) -> list[tuple[int, int | None]]:
        """(satoshi, height) of what is shown of it."""
        outputs = self.index.view(script, "s").outputs
        return [(o.amount_sat, o.block_height) for o in outputs]

    def is_complete(self, script: bytes) -> bool:
        return self.index.view(script, "s").complete

    @property
    def unconfirmed(self) -> set[str]:
        return set(self.index.pool)
