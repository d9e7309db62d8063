"""A small bridge: what a real node's chain and mempool do, published as Core's ZMQ.

bcoin has no ZMQ, and Debian builds litecoind without it. The bridge asks the node every
few milliseconds and publishes the differences in Core's bytes and order; before the
node's RPC it stands as a proxy that adds what belongs to it: `getzmqnotifications`, and
the number in `getrawmempool false true`.
"""

from types import TracebackType
from typing import Any, Self

import gevent
from gevent.lock import RLock

from tests.node.counted import CountedNode
from tests.node.rpc import RpcNode
from tests.tools.fake_upstream import Request
from tests.tools.zmq_publisher import CorePublisher

__all__ = ["ZmqBridge"]

LOOK_S = 0.02


class ZmqBridge(CountedNode):
    """`url` is the node's, with what the bridge adds."""

    def __init__(self, node: RpcNode, publisher: CorePublisher) -> None:
        super().__init__(node)
        self._publisher = publisher
        self._lock = RLock()  # one look at a time
        self._best = [node.tip()]
        self._raws = dict.fromkeys(node.mempool(), b"")
        self._watch: gevent.Greenlet[..., None] | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._watch = gevent.spawn(self._look_for_ever)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._watch is not None
        self._watch.kill()
        super().__exit__(kind, error, trace)

    def _look_for_ever(self) -> None:
        while True:
            self._look()
            gevent.sleep(LOOK_S)

    def _look(self) -> None:
        with self._lock:
            tip, names = self.node.tip(), self.node.mempool()
            if self.node.tip() != tip:
                return  # a block came in between: next time
            mined = self._follow(tip) if tip != self._best[-1] else set[str]()
            for txid in self._raws.keys() - names:
                del self._raws[txid]
                if txid not in mined:
                    self._publisher.changed(txid, b"R")
            for txid in names - self._raws.keys():
                raw = bytes.fromhex(self.node.rpc("getrawtransaction", txid))
                self._raws[txid] = raw
                self._publisher.added(txid, raw)

    def _follow(self, tip: str) -> set[str]:
        """Blocks that left, and those that came; the transactions of these."""
        new: list[dict[str, Any]] = []
        block_hash = tip
        while block_hash not in self._best and len(new) < 50:
            new.append(self.node.rpc("getblock", block_hash, True))
            block_hash = new[-1].get("previousblockhash") or ""
        while len(self._best) > 1 and self._best[-1] != block_hash:
            self._publisher.disconnected(self._best.pop(), [])
        mined: set[str] = set()
        for block in reversed(new):
            taken = [txid for txid in block["tx"] if txid in self._raws]
            raws = [self._raws[txid] for txid in taken]
            self._publisher.connected(block["hash"], raws, taken=len(taken))
            self._best.append(block["hash"])
            mined |= set(taken)
        return mined

    def _reply(self, call: dict[str, Any], request: Request) -> Any:
        method, params = call["method"], list(call["params"])
        if method == "getzmqnotifications":
            told = [
                {"type": f"pub{topic.decode()}", "address": where, "hwm": 1_000}
                for topic, where in self._publisher.endpoints
            ]
            return {"result": told, "error": None, "id": call["id"]}
        if method == "getrawmempool" and params == [False, True]:
            self._look()
            number = {"txids": sorted(self._raws), "mempool_sequence": self._number}
            return {"result": number, "error": None, "id": call["id"]}
        return super()._reply(call, request)

    @property
    def _number(self) -> int:
        return self._publisher.number
