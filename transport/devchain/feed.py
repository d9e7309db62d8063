"""The dev chain as a source: the `BlockFeed` port, and failing on command.

`DevChain` is this and the operations that change the chain. Runs in the asking
greenlet; nothing blocks. While `down` holds, every question fails as a source that
answers with that HTTP status does.
"""

from collections.abc import Callable, Sequence
from math import ceil
from threading import RLock
from typing import Final

from engine.chain.feed import Block, ChainTx, Header, SourceStatus, Tip
from engine.errors import SourceBusy, SourceError, SourceUnavailable
from transport.devchain.miner import MinedBlock
from transport.devchain.node import DevNode
from transport.devchain.wallet import DevChainError

__all__ = ["DevFeed", "Outage"]

MAX_OUTAGE_S: Final = 86_400.0


class Outage:
    """The failure that `down` ordered: the HTTP status, and how long it lasts yet."""

    __slots__ = ("left_s", "status")

    def __init__(self, status: int, left_s: float) -> None:
        self.status = status
        self.left_s = left_s

    @property
    def retry_after_s(self) -> int | None:
        """Whole seconds for Retry-After, with the statuses that carry it."""
        return max(1, ceil(self.left_s)) if self.status in (429, 503) else None


class DevFeed:
    """What is asked of the dev chain. `requests` counts the questions, also failed."""

    name = "devchain"
    lowest = 0

    def __init__(self, node: DevNode, now: Callable[[], float]) -> None:
        self.requests = 0
        self._node = node
        self._now = now
        self._lock = RLock()
        self._down: tuple[int, float] | None = None  # status, until

    def status(self) -> SourceStatus:
        with self._asked():
            header = self._node.contents.tip
            return SourceStatus(Tip(header.height, header.hash), header.time_s)

    def header(self, block_hash: str) -> Header | None:
        with self._asked():
            block = self._node.contents.blocks.get(block_hash)
            return None if block is None else self._placed(block)

    def block_hash(self, height: int) -> str | None:
        with self._asked():
            best = self._node.contents.best
            return best[height] if 0 <= height < len(best) else None

    def block(self, block_hash: str) -> Block:
        with self._asked():
            block = self._node.contents.blocks.get(block_hash)
            if block is None:
                raise SourceError(f"the dev chain does not know block {block_hash}")
            txs = tuple(tx.chain_tx() for tx in block.txs)
            return Block(self._placed(block), txs)

    def mempool(self) -> frozenset[str]:
        with self._asked():
            return self._node.mempool_txids()

    def transactions(self, txids: Sequence[str]) -> dict[str, ChainTx]:
        with self._asked():
            mempool = self._node.contents.mempool
            return {t: mempool[t].chain_tx for t in txids if t in mempool}

    def down(self, seconds: float, status: int = 503) -> None:
        """Fail so for a while as a source; 0 seconds end it. Paying goes on."""
        if not 0 <= seconds <= MAX_OUTAGE_S:
            raise DevChainError(f"an outage lasts 0 to {MAX_OUTAGE_S:.0f} seconds")
        if not 400 <= status <= 599:
            raise DevChainError("an outage answers with an HTTP status of 400 to 599")
        self._down = (status, self._now() + seconds) if seconds else None

    def outage(self) -> Outage | None:
        """The failure that is on now, if one is."""
        if self._down is None:
            return None
        status, until = self._down
        left_s = until - self._now()
        return Outage(status, left_s) if left_s > 0 else None

    def _placed(self, block: MinedBlock) -> Header:
        header = block.header
        if self._node.contents.in_best_chain(block):
            return header
        return Header(
            header.hash, header.prev_hash, header.height, header.time_s, False
        )

    def _asked(self) -> RLock:
        """Count a question to the port and fail if `down` says so; then the lock."""
        self.requests += 1
        outage = self.outage()
        if outage is None:
            return self._lock
        detail = f"the dev chain is down (HTTP {outage.status})"
        if outage.retry_after_s is not None:
            raise SourceBusy(detail, float(outage.retry_after_s))
        raise SourceUnavailable(detail)
