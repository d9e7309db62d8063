"""A double of an Esplora server, over a real socket, scripted to be in trouble.

Made from Blockstream's API.md and the sources of electrs (src/rest.rs, new_index/
schema.rs, of Blockstream and of mempool.space), not from what our adapter expects:

- `/block/:hash`, `/block-height/:height` and the tip are of the headers that were
  indexed; a block above them is 404 "Block not found".
- `/block/:hash/status` never fails: `in_best_chain` is false of what is unknown.
- Histories list what the index of addresses has and the best chain confirms, newest
  first: 50 unconfirmed and 25 confirmed at Blockstream; mempool.space's electrs fills
  one page of 25 with both. `/txs/chain/:last` goes on after `:last`, or is empty.
- Too much history is 400 with a text; what cannot be looked up just now is 503.
- Rate limits and challenges come from what stands before it (nginx, Cloudflare).

A `Server` is one backend's state; `servers` are asked in turn, as by a load balancer.
`lies` come first: answers by path. Runs in greenlets of the test.
"""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from engine.bitcoin.address import parse_address, script_to_address
from engine.errors import InvalidAddress
from tests.tools import fake_upstream as fake
from tests.tools.esplora_chain import BITS, ChainBlock, ChainTx, FakeChain
from tests.tools.fake_upstream import Answer, Request, Upstream

__all__ = ["EsploraDouble", "Server", "block_json"]

NETWORK = "regtest"
CHAIN_PAGE = 25
MEMPOOL_PAGE = 50
TOO_MANY = "Too many history entries"


@dataclass
class Server:
    """One backend. None: as high, or as much, as the chain has."""

    height: int | None = None  # its headers end here
    indexed: int | None = None  # its index of addresses ends here
    has_mempool: bool = True
    down: Answer | None = None  # to everything


@dataclass
class EsploraDouble:
    """See the module docstring. Use as a context manager; `url` is the API's."""

    chain: FakeChain = field(default_factory=FakeChain)
    servers: list[Server] = field(default_factory=lambda: [Server()])
    lies: dict[str, Answer] = field(default_factory=dict)
    together: bool = False  # one page of both, as mempool.space's electrs has it
    too_many: int | None = None  # histories longer than this are refused
    left: int | None = None  # requests until 429; None: without end
    retry_after: str | None = None
    nulls: bool = False  # fields that an unconfirmed transaction has not are null

    def __enter__(self) -> Self:
        self._turn = 0
        self._upstream = Upstream(self._answer)
        self._upstream.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._upstream.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        return f"{self._upstream.url}/api"

    @property
    def asked(self) -> list[str]:
        """Paths so far, below /api."""
        return [path.removeprefix("/api") for path in self._upstream.paths]

    def serve(self, *servers: Server) -> None:
        """From now on these, the first of them first."""
        self.servers, self._turn = list(servers), 0

    def forget_asked(self) -> None:
        self._upstream.requests.clear()

    def tell_tip(self, block: ChainBlock, **wrong: object) -> None:
        """It says that this block is its last one, and of it what is wrong."""
        self.lies["/blocks/tip/hash"] = fake.text(block.hash)
        self.lies[f"/block/{block.hash}"] = fake.of(block_json(block) | wrong)

    def _answer(self, request: Request) -> Answer:
        path = request.path.removeprefix("/api").partition("?")[0]
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                wait = {"Retry_After": self.retry_after} if self.retry_after else {}
                return fake.text("Too Many Requests", 429, **wait)
        if path in self.lies:
            return self.lies[path]
        server = self.servers[self._turn % len(self.servers)]
        self._turn += 1
        if server.down is not None:
            return server.down
        return _View(self, server).answer(path)


class _View:
    """What one server tells just now."""

    def __init__(self, double: EsploraDouble, server: Server) -> None:
        self.double = double
        chain = double.chain
        end = len(chain.best) if server.height is None else server.height + 1
        self.best = chain.best[:end]
        self.heights = {block.hash: block.height for block in self.best}
        indexed = len(self.best) - 1 if server.indexed is None else server.indexed
        self.indexed = min(indexed, len(self.best) - 1)
        later = [tx for block in chain.best[end:] for tx in block.txs[1:]]
        self.mempool = [*later, *chain.mempool] if server.has_mempool else []

    def answer(self, path: str) -> Answer:
        parts = path.strip("/").split("/")
        match parts:
            case ["blocks", "tip", "hash"]:
                return fake.text(self.best[-1].hash)
            case ["blocks", "tip", "height"]:
                return fake.text(str(len(self.best) - 1))
            case ["blocks"]:
                return self.blocks(len(self.best) - 1)
            case ["blocks", height]:
                return self.blocks(int(height))
            case ["block-height", height] if not height.isdecimal():
                return fake.text("Invalid number", 400)
            case ["block-height", height]:
                if int(height) >= len(self.best):
                    return fake.text("Block not found", 404)
                return fake.text(self.best[int(height)].hash)
            case ["block", name, *rest]:
                return self.block(name, rest)
            case ["address", address, *rest]:
                return self.address(address, rest)
            case ["tx", txid, *rest]:
                return self.tx(txid, rest)
        return fake.text(f'endpoint does not exist "{path}"', 404)

    def blocks(self, top: int) -> Answer:
        if top >= len(self.best):
            return fake.text("Block not found", 404)
        page = self.best[max(0, top - 9) : top + 1]
        return fake.of([block_json(block) for block in reversed(page)])

    def block(self, name: str, rest: list[str]) -> Answer:
        height = self.heights.get(name)
        if rest == ["status"]:
            if height is None:
                told = {"in_best_chain": False, "height": None, "next_best": None}
                return fake.of(told)
            after = self.best[height + 1 : height + 2]
            next_best = after[0].hash if after else None
            return fake.of(
                {"in_best_chain": True, "height": height, "next_best": next_best}
            )
        stored = self.double.chain.stale.get(name)
        if rest == ["txids"] and stored is not None:
            return fake.of([tx.txid for tx in stored.txs])
        if height is None:
            return fake.text("Block not found", 404)
        block = self.best[height]
        match rest:
            case []:
                return fake.of(block_json(block))
            case ["txids"]:
                return fake.of([tx.txid for tx in block.txs])
            case ["txs"]:
                return fake.of([self.json(tx) for tx in block.txs[:CHAIN_PAGE]])
        return fake.text("endpoint does not exist", 404)

    def address(self, address: str, rest: list[str]) -> Answer:
        try:
            script = parse_address(address, NETWORK).script.hex()
        except InvalidAddress:
            return fake.text("Invalid Bitcoin address", 400)
        waiting = [tx for tx in self.mempool if tx.pays(script)][::-1]
        mined = self.mined(script)
        limit = self.double.too_many
        if limit is not None and len(mined) > limit and rest != ["txs", "mempool"]:
            return fake.text(TOO_MANY, 400)
        match rest:
            case []:
                stats = [{"tx_count": len(txs)} for txs in (mined, waiting)]
                told = {"chain_stats": stats[0], "mempool_stats": stats[1]}
                return fake.of({"address": address, **told})
            case ["txs"] if self.double.together:
                return self.txs([*waiting, *mined][:CHAIN_PAGE])
            case ["txs"]:
                return self.txs([*waiting[:MEMPOOL_PAGE], *mined[:CHAIN_PAGE]])
            case ["txs", "mempool"]:
                return self.txs(waiting[:MEMPOOL_PAGE])
            case ["txs", "chain"]:
                return self.txs(mined[:CHAIN_PAGE])
            case ["txs", "chain", last]:
                txids = [tx.txid for tx in mined]
                after = txids.index(last) + 1 if last in txids else len(txids)
                return self.txs(mined[after : after + CHAIN_PAGE])
        return fake.text("endpoint does not exist", 404)

    def tx(self, txid: str, rest: list[str]) -> Answer:
        every = [tx for block in self.best for tx in block.txs] + self.mempool
        tx = next((tx for tx in every if tx.txid == txid), None)
        if rest == ["status"]:
            return fake.of(self.status(tx))
        return fake.of(self.json(tx)) if tx else fake.text("Transaction not found", 404)

    def mined(self, script: str) -> list[ChainTx]:
        indexed = self.best[: self.indexed + 1]
        txs = [tx for block in indexed for tx in block.txs if tx.pays(script)]
        return txs[::-1]

    def txs(self, txs: list[ChainTx]) -> Answer:
        return fake.of([self.json(tx) for tx in txs])

    def status(self, tx: ChainTx | None) -> dict[str, Any]:
        block = None if tx is None else tx.block
        if block is None or block.hash not in self.heights:
            names = ("block_height", "block_hash", "block_time")
            return {"confirmed": False} | (
                dict.fromkeys(names) if self.double.nulls else {}
            )
        return {
            "confirmed": True,
            "block_height": block.height,
            "block_hash": block.hash,
            "block_time": block.time_s,
        } | (tx.lie if tx else {})

    def json(self, tx: ChainTx) -> dict[str, Any]:
        vin = {"txid": "00" * 32, "vout": 0, "prevout": None, "sequence": 0}
        return {
            "txid": tx.txid,
            "version": 2,
            "locktime": 0,
            "vin": [vin | {"is_coinbase": tx.is_coinbase, "scriptsig": ""}],
            "vout": [_vout_json(script, value) for script, value in tx.outputs],
            "size": 200,
            "weight": 800,
            "fee": 0,
            "status": self.status(tx),
        }


def _vout_json(script: str, value: int) -> dict[str, Any]:
    told = {"scriptpubkey": script, "value": value}
    address = script_to_address(bytes.fromhex(script), NETWORK)
    return told | ({"scriptpubkey_address": address} if address else {})


def block_json(block: ChainBlock) -> dict[str, Any]:
    return {
        "id": block.hash,
        "height": block.height,
        "version": 0x20000000,
        "timestamp": block.time_s,
        "tx_count": len(block.txs),
        "size": 1_000,
        "weight": 4_000,
        "merkle_root": block.merkle_root,
        "previousblockhash": block.prev if block.height else None,
        "mediantime": block.time_s,
        "nonce": block.nonce,
        "bits": BITS,
        "difficulty": 0.0,
    }
