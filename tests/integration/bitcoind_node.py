"""A node's RPC for tests of the Bitcoin Core adapter, and transactions for it."""

from collections.abc import Callable, Iterator
from typing import Any

from engine.bitcoin.merkle import merkle_root
from engine.bitcoin.transaction import (
    block_header,
    compact_size,
    double_sha256,
    header_hash,
)
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request, Upstream
from transport.chain.bitcoind import Bitcoind

__all__ = [
    "ALICE",
    "DEADLINE_S",
    "HANGING_S",
    "Node",
    "SECRET",
    "connected",
    "raw_tx",
    "replied",
    "txid",
]

ALICE = b"\x00\x14" + b"a" * 20
SECRET = "hunter2"
DEADLINE_S = 60.0  # a busy machine answers in less
HANGING_S = 3.0  # costs so long


def raw_tx(number: int, pays: tuple[bytes, int] = (ALICE, 1), pad: int = 0) -> bytes:
    script, amount = pays
    outputs = [(script, amount)] + ([(b"\x6a" + b"p" * pad, 0)] if pad else [])
    return b"".join(
        [
            (2).to_bytes(4, "little"),
            b"\x01" + number.to_bytes(32, "little") + bytes(4) + b"\x00" + b"\xff" * 4,
            compact_size(len(outputs)),
            *(a.to_bytes(8, "little") + compact_size(len(s)) + s for s, a in outputs),
            bytes(4),
        ]
    )


def txid(raw: bytes) -> str:
    return double_sha256(raw)[::-1].hex()


class Node:
    """A node's RPC, in the dialect of Core or of bcoin."""

    def __init__(self, dialect: str) -> None:
        self.core = dialect == "core"
        self.batches = True
        self.blocks: dict[str, tuple[int, bytes]] = {}  # hash -> (height, raw)
        self.best: list[str] = []
        self.prune_height: int | None = None
        self.headers_only: set[str] = set()
        self.pool: dict[str, bytes] = {}
        self.calls: list[str] = []
        for _ in range(3):
            self.mine([])

    def mine(self, raws: list[bytes]) -> str:
        height = len(self.best)
        txs = [raw_tx(2**64 + len(self.blocks)), *raws]
        root = merkle_root([double_sha256(raw) for raw in txs])
        prev = self.best[-1] if self.best else "00" * 32
        head = block_header(prev, root, 1_700 + height, 0, len(self.blocks), 2)
        block_hash = header_hash(head)
        raw = head + compact_size(len(txs)) + b"".join(txs)
        self.blocks[block_hash] = height, raw
        self.best.append(block_hash)
        for mined in raws:
            self.pool.pop(txid(mined), None)
        return block_hash

    def add(self, raw: bytes) -> str:
        self.pool[txid(raw)] = raw
        return txid(raw)

    def answer(self, request: Request) -> Answer:
        body = request.json()
        if isinstance(body, list):
            if not self.batches:
                error = {"code": -32600, "message": "Invalid request."}
                return fake.of({"result": None, "error": error, "id": None})
            return fake.of([self.reply(call)[0] for call in body])
        reply, failed = self.reply(body)
        return fake.of(reply, 500 if failed and self.core else 200)

    def reply(self, call: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        self.calls.append(call["method"])
        answer = {"result": None, "error": None, "id": call["id"]}
        try:
            answer["result"] = getattr(self, call["method"])(*call["params"])
        except LookupError as error:
            code = error.args[0]
            if code == -5 and not self.core:
                code = -1
            answer["error"] = {"code": code, "message": error.args[1]}
        return answer, answer["error"] is not None

    def getblockchaininfo(self) -> dict[str, Any]:
        more = {"headers": 9, "softforks": {}, "pruneheight": self.prune_height}
        return {"blocks": len(self.best) - 1, "bestblockhash": self.best[-1]} | more

    def getmempoolinfo(self) -> dict[str, Any]:
        info = {"size": len(self.pool), "bytes": sum(map(len, self.pool.values()))}
        return info | ({"loaded": True} if self.core else {})

    def getblockhash(self, height: int) -> str:
        if height >= len(self.best):
            raise LookupError(-8, "Block height out of range")
        return self.best[height]

    def getblockheader(self, block_hash: str, _verbose: bool) -> dict[str, Any]:
        height, raw = self._block(block_hash)
        header: dict[str, Any] = {
            "hash": block_hash,
            "height": height,
            "time": int.from_bytes(raw[68:72], "little"),
            "confirmations": len(self.best) - height,
        }
        if height or not self.core:
            header["previousblockhash"] = raw[4:36][::-1].hex() if height else None
        if self.core:
            header["nTx"] = 0 if block_hash in self.headers_only else 1
            if block_hash not in self.best:
                header["confirmations"] = -1
        return header

    def getblock(self, block_hash: str, verbose: bool) -> str:
        assert verbose is False
        return self._block(block_hash)[1].hex()

    def getrawmempool(self) -> list[str]:
        return list(self.pool)

    def getrawtransaction(self, wanted: str) -> str:
        if wanted not in self.pool:
            raise LookupError(-5, "No such mempool transaction; Transaction not found.")
        return self.pool[wanted].hex()

    def _block(self, block_hash: str) -> tuple[int, bytes]:
        if block_hash not in self.blocks:
            raise LookupError(-5, "Block not found")
        return self.blocks[block_hash]


def connected(upstream: Upstream) -> Iterator[Bitcoind]:
    url = f"http://shop:{SECRET}@127.0.0.1:{upstream.port}"
    source = Bitcoind(url, deadline_s=DEADLINE_S)
    yield source
    source.close()


def replied(result: object = None, error: object = None) -> Callable[..., Answer]:
    def answer(request: Request) -> Answer:
        body = request.json()
        if isinstance(body, list):
            return fake.of(
                [{"result": result, "error": error, "id": c["id"]} for c in body]
            )
        return fake.of({"result": result, "error": error, "id": body["id"]})

    return answer
