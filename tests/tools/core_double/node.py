"""The process of the double: it starts, warms up, reads its mempool back, and ends.

After init.cpp. A start is `start(warming_up=…)` (every call is answered -28), then
`warmed_up()`: blocks of the index that the tip lacks are being connected (`chain.held`,
which counts as the first download), then `read_mempool(…)`. A clean `stop` writes the
mempool down and removes the cookie; `kill` does neither.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from tests.tools.core_double.blocks import CoreBlock, make_block
from tests.tools.core_double.chainstate import Chainstate
from tests.tools.core_double.methods import Methods
from tests.tools.core_double.pool import Pool
from tests.tools.core_double.wire import Wire
from tests.tools.fake_upstream import Answer, Request, Upstream

__all__ = ["CoreDouble", "Observer"]

USER, PASSWORD = "shop", "hunter2"
BLOCK_S = 600


class Observer(Protocol):
    """Who hears what ZMQ publishes, in its order."""

    def added(self, txid: str, raw: bytes, sequence: int) -> None: ...
    def removed(self, txid: str, sequence: int) -> None: ...
    def connected(self, block: CoreBlock) -> None: ...
    def disconnected(self, block: CoreBlock) -> None: ...


class CoreDouble:
    """One node. With `blocks`, another node's, it has the same chain. `port`: of
    tests/tools/ports.py, where it is down for so long that another may be given its
    own; 0: any."""

    def __init__(
        self,
        *,
        version: int = 28,
        height: int = 10,
        blocks: Sequence[CoreBlock] | None = None,
        cookie: Path | None = None,
        now: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        self.version = version
        self.network = "regtest"
        self.now = now
        if not blocks:
            first = make_block(None, time_s=int(now()) - BLOCK_S * height)
            blocks = [first]
            for number in range(1, height + 1):
                when = first.time_s + number * BLOCK_S
                blocks.append(make_block(blocks[-1], time_s=when))
        self.chain = Chainstate(blocks[0])
        for block in blocks[1:]:
            self.chain.accept(block)
        self.chain.connected.clear()
        self.pool = Pool()
        self.methods = Methods(self)
        self.wire = Wire(self)
        self.observers: list[Observer] = []
        self.warming_up: str | None = None  # what the warm-up is at
        self.has_zmq = False  # built with it
        self.zmq: list[dict[str, Any]] = []  # getzmqnotifications
        self.cookie = cookie
        self.secret = f"{USER}:{PASSWORD}"
        self.started_at = 0.0  # Unix
        self.saved_pool: list[bytes] = []  # mempool.dat, of the last clean stop
        self._upstream: Upstream | None = None
        self._port = port

    # -- the process -------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._upstream is not None:
            self.kill()

    @property
    def url(self) -> str:
        """As `--source bitcoind=…` takes it."""
        if self.cookie is not None:
            return f"http://127.0.0.1:{self._port}?cookie={self.cookie}"
        return f"http://{self.secret}@127.0.0.1:{self._port}{self.wire.path}"

    @property
    def is_up(self) -> bool:
        return self._upstream is not None

    @property
    def port(self) -> int:
        return self._port

    @property
    def requests(self) -> int:
        assert self._upstream is not None
        return len(self._upstream.requests)

    def start(self, warming_up: str | None = None) -> None:
        """It listens. A second start is on the same port, with another cookie."""
        assert self._upstream is None
        self.methods = Methods(self)  # whether it was synced once is not remembered
        self.warming_up = warming_up
        self.started_at = self.now()
        if self.cookie is not None:
            self.secret = f"__cookie__:{secrets.token_hex(32)}"
            self.cookie.write_text(self.secret)
        self._upstream = Upstream(self._answer, bind=self._port).__enter__()
        self._port = self._upstream.port

    def warmed_up(self) -> None:
        self.warming_up = None

    def stop(self) -> None:
        """`bitcoin-cli stop`: what is in memory is written down."""
        self.saved_pool = list(self.pool.txs.values())
        if self.cookie is not None:
            self.cookie.unlink()
        self._end()

    def kill(self) -> None:
        """SIGKILL: the mempool is as it was saved the last time, mostly not at all."""
        self._end()

    def _end(self) -> None:
        assert self._upstream is not None
        self._upstream.__exit__(None, None, None)
        self._upstream = None
        self.pool = Pool()
        self.pool.loaded = False

    @property
    def loading_blocks(self) -> bool:
        """LoadingBlocks: blocks of the index are being connected after a start."""
        return self.chain.held

    def read_mempool(self, count: int | None = None) -> None:
        """Read back so many of what was saved; None: all, and it is loaded."""
        mined = {raw for block in self.blocks for raw in block.txs}
        for raw in self.saved_pool[:count]:
            if raw not in mined:
                self.pool.add(raw)
        self.pool.loaded = count is None
        self._tell()

    def restart(self) -> None:
        """A clean stop and a start that is over at once."""
        self.stop()
        self.start()
        self.read_mempool()

    def _answer(self, request: Request) -> Answer:
        return self.wire.answer(request)

    def pause(self, seconds: float) -> None:
        """Take so long, or until the process ends."""
        if seconds > 0 and self._upstream is not None:
            self._upstream.closing.wait(seconds)

    # -- what happens on the network ---------------------------------------------------

    @property
    def tip(self) -> CoreBlock:
        return self.chain.tip.block

    @property
    def blocks(self) -> list[CoreBlock]:
        """The active chain, for another node."""
        return [entry.block for entry in self.chain.active]

    def add(self, raw: bytes) -> str:
        """A transaction comes; its txid."""
        txid = self.pool.add(raw)
        self._tell()
        return txid

    def drop(self, txid: str) -> None:
        """It expires, or is evicted."""
        self.pool.remove(txid)
        self._tell()

    def mine(
        self,
        txs: Sequence[bytes] | None = None,
        *,
        on: CoreBlock | None = None,
        time_s: int | None = None,
        reward: tuple[bytes, int] | None = None,
    ) -> CoreBlock:
        """A block with these, or with all of the mempool, on the tip or on `on`."""
        prev = on or self.tip
        chosen = list(self.pool.txs.values()) if txs is None else txs
        when = max(prev.time_s + 1, int(self.now())) if time_s is None else time_s
        more = {} if reward is None else {"reward": reward}
        block = make_block(prev, chosen, time_s=when, **more)
        self.receive(block)
        return block

    def receive(self, *blocks: CoreBlock) -> None:
        for block in blocks:
            self.chain.accept(block)
            self.settle()

    def settle(self) -> None:
        """Let the mempool follow what happened to the chain: transactions of blocks
        that left come back (if it is loaded), those of new blocks leave."""
        gone, self.chain.disconnected = self.chain.disconnected, []
        come, self.chain.connected = self.chain.connected, []
        for block in gone:
            for observer in self.observers:
                observer.disconnected(block)
        for block in come:
            self.pool.remove_for_block(block.txs)
            self._tell()
            for observer in self.observers:
                observer.connected(block)
        mined = {raw for block in come for raw in block.txs}
        for block in reversed(gone):
            for raw in block.txs[1:]:
                if raw not in mined:
                    self.pool.add(raw)
        self._tell()

    def _tell(self) -> None:
        news, self.pool.news = self.pool.news, []
        for observer in self.observers:
            for what, txid, sequence in news:
                if what == "R":
                    observer.removed(txid, sequence)
                elif txid in self.pool.txs:
                    observer.added(txid, self.pool.txs[txid], sequence)
