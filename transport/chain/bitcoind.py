"""Bitcoin Core as a block feed, by JSON-RPC. It works with bcoin 1.0.2 as well.

Blocks and transactions are taken as raw bytes and parsed here, so that amounts are
exact and a block is what its hash says. The calls are in `METHODS`; no index and no
wallet is needed.

What Core means (rpc/blockchain.cpp, rpc/mempool.cpp), and where bcoin (lib/node/rpc.js)
differs:

- `getblockheader` answers for every block in the index, also above the tip (rolled
  back, lost by an unclean stop, only the header there); `confirmations` is -1 for these
  and for stale blocks alike. Which block stands at its height tells them apart: another
  one is proof, none (code -8, "out of range") is not, as the tip is below. bcoin counts
  confirmations for stale blocks too.
- `nTx` is 0 for a block that was not downloaded. Above the tip it is unknown to the
  node; an assumeutxo node has such blocks in its best chain as well, and answers
  `getblock` with "not fully downloaded" (code -1), a pruned one with "pruned data".
- `getmempoolinfo.loaded` is false until the mempool was read back after a start.
  Without a clean stop there is nothing to read back: it is true, and all are gone.
- An unknown block is code -5 from Core, -1 "Block not found" from bcoin, which knows
  neither `headers` nor `initialblockdownload` nor `loaded`.

Called from the blocking source actor's greenlet, by one caller at a time. It yields to
the hub between chunks of a large block.
"""

import time
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from engine.bitcoin.transaction import (
    HEADER_SIZE,
    iter_packed_txs,
    pack_tx,
    parse_header,
)
from engine.chain.feed import Block, Header, SourceStatus
from engine.chain.packed_tx import PackedTx, PackedTxs
from engine.chain.push import Push
from engine.chain.source_url import SourceUrl
from engine.errors import (
    InvalidBlock,
    InvalidTransaction,
    SourceError,
    SourceUnavailable,
)
from engine.runtime.yielding import yield_to_hub
from transport.chain.block_hashes import BlockHeights, is_hash
from transport.chain.block_search import first_present
from transport.chain.chain_info import (
    ChainInfo,
    MempoolInfo,
    impossible,
    source_status,
)
from transport.chain.hash_list import read_hashes
from transport.chain.hex_digits import unhex
from transport.chain.http_client import DEADLINE_S, AnswerCutOff, decode
from transport.chain.jsonrpc import Call, JsonRpc, Reply, RpcError
from transport.chain.phantoms import Phantoms

__all__ = ["BATCH", "METHODS", "Bitcoind"]

METHODS = (
    "getblockchaininfo",
    "getmempoolinfo",
    "getblockhash",
    "getblockheader",
    "getblock",
    "getrawmempool",
    "getrawtransaction",
    "getzmqnotifications",
    "uptime",
)
"""All that is called: what `rpcwhitelist` must hold (docs/sources.md)."""

BATCH = 100
"""Transactions asked for in one request; halved when the answer gets too large."""

BLOCK_DEADLINE_S = 60.0
"""At least, for an answer of megabytes."""

_MAX_BLOCK_ANSWER = 9 * 1024 * 1024  # the hex of 4,000,000 bytes, and its envelope
_MAX_BATCH_ANSWER = 9 * 1024 * 1024  # one transaction can be as large as a block
_MAX_MEMPOOL_ANSWER = 64 * 1024 * 1024  # 67 bytes each: more than 300 MB of mempool
_PARSE_CHUNK = 100  # transactions between two yields: about a millisecond
_OUT_OF_RANGE = -8

# What Core (BIP 70 names) and bcoin call a network in getblockchaininfo.
_CHAINS = {
    "mainnet": {"main"},
    "testnet": {"test", "testnet", "testnet3", "testnet4"},
    "signet": {"signet"},
    "regtest": {"regtest"},
}


T = TypeVar("T")


class _HeaderInfo(msgspec.Struct):
    hash: str
    height: int
    time: int
    previousblockhash: str | None = None  # the first block has none
    nTx: int | None = None  # noqa: N815 (Core's name); bcoin has none


class _NumberedMempool(msgspec.Struct):
    txids: msgspec.Raw
    mempool_sequence: int


class Bitcoind(JsonRpc):
    """`BlockFeed` on a node's RPC; the URL is as in `JsonRpc`.

    With `network`, a node of another network is an error: no payment is on it.
    """

    methods = METHODS

    push: Push | None = None
    """What tells of news, if the node publishes them."""

    def __init__(
        self,
        url: str | SourceUrl,
        name: str = "bitcoind",
        *,
        network: str | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        super().__init__(url, name, deadline_s)
        self._network = network
        self._long_s = max(deadline_s, BLOCK_DEADLINE_S)  # for megabytes
        self.lowest = 0
        self._missing_below = 0  # an assumeutxo node has not fetched these yet
        self._heights = BlockHeights()
        self._phantoms = Phantoms(time.monotonic)

    def status(self) -> SourceStatus:
        """One request, so that all it says is of one moment."""
        chain, pool = self.replies([("getblockchaininfo", []), ("getmempoolinfo", [])])
        info = self._decoded("getblockchaininfo", chain, ChainInfo)
        try:
            mempool = self._decoded("getmempoolinfo", pool, MempoolInfo)
        except RpcError as error:
            if not error.is_unknown_method:
                raise
            mempool = MempoolInfo()  # it does not tell
        if (what := impossible(info)) is not None:
            raise self.garbage("getblockchaininfo", what)
        self._check_network(info.chain)
        self.lowest = max(info.pruneheight or 0, self._missing_below)
        self._heights.remember(info.bestblockhash, info.blocks)
        return source_status(info, mempool)

    def started_at_s(self) -> int | None:
        """When it was started (Unix); None if it does not tell (bcoin, a whitelist)."""
        try:
            uptime_s = self.call("uptime", [], int)
        except SourceError:
            return None
        return int(time.time()) + 1 - uptime_s if uptime_s >= 0 else None

    def _decoded(self, method: str, reply: Reply, type_: type[T]) -> T:
        return decode(self.result(method, reply), type_, f"{self.name}: {method}")

    def _check_network(self, chain: str | None) -> None:
        if self._network is None or chain is None:
            return
        if chain not in _CHAINS[self._network]:
            raise self.garbage(
                "getblockchaininfo", f"another network than {self._network}"
            )

    def header(self, block_hash: str) -> Header | None:
        """Two requests: the header, and which block stands at its height."""
        info = self._header_info(block_hash)
        if info is None:
            return None
        if info.hash != block_hash or info.height < 0 or info.time < 0:
            raise self.garbage("getblockheader", "another block than was asked for")
        prev = info.previousblockhash
        prev_hash = "00" * 32 if prev is None else self._hash("getblockheader", prev)
        there = self.block_hash(info.height)
        if info.nTx == 0 and there != block_hash:
            return None  # it knows the header alone
        return Header(
            hash=block_hash,
            prev_hash=prev_hash,
            height=self._heights.remember(block_hash, info.height),
            time_s=info.time,
            # No block there: its tip is below, and may come to this block yet.
            in_best_chain=None if there is None else there == block_hash,
        )

    def _header_info(self, block_hash: str) -> _HeaderInfo | None:
        try:
            return self.call("getblockheader", [block_hash, True], _HeaderInfo)
        except RpcError as error:
            if error.is_not_found:
                return None
            raise

    def block_hash(self, height: int) -> str | None:
        try:
            answer = self.call("getblockhash", [height], str)
        except RpcError as error:
            if error.rpc_code == _OUT_OF_RANGE or error.is_not_found:
                return None
            raise
        block_hash = self._hash("getblockhash", answer)
        self._heights.remember(block_hash, height)
        return block_hash

    def block(self, block_hash: str) -> Block:
        """One request if its height was told before, as `status` and `block_hash` do.

        The bytes must hash to what was asked for, and the transactions to the header's
        merkle root. `in_best_chain` is true: ask `header` to know.
        """
        height = self._heights.get(block_hash)
        if height is None:
            header = self.header(block_hash)
            if header is None:
                raise SourceUnavailable(f"{self.name}: does not know that block")
            height = header.height
        call = "getblock", [block_hash, False]
        (reply,) = self.replies([call], _MAX_BLOCK_ANSWER, self._long_s)
        try:
            raw = self._bytes("getblock", self.large_result("getblock", reply))
        except RpcError as error:
            if "not fully downloaded" in error.detail:
                self._note_missing(height)
            raise
        try:
            header = parse_header(raw[:HEADER_SIZE], height)
            if header.hash != block_hash:
                raise self.garbage("getblock", "another block than was asked for")
            txs = []
            for number, tx in enumerate(iter_packed_txs(raw)):
                txs.append(tx)
                if number % _PARSE_CHUNK == 0:
                    yield_to_hub()
        except InvalidBlock as error:
            raise self.garbage("getblock", f"no block: {error}") from error
        return Block(header, PackedTxs(tuple(txs)))

    def _note_missing(self, height: int) -> None:
        """A block of the best chain is not there, and so those above it up to the
        snapshot that an assumeutxo node began with: `lowest` is above them, by halves.
        """
        high = first_present(self._is_missing, height)
        self._missing_below = max(self._missing_below, high)
        self.lowest = max(self.lowest, high)

    def _is_missing(self, height: int) -> bool:
        """Whether the best chain has a block there that was not downloaded."""
        block_hash = self.block_hash(height)
        info = self._header_info(block_hash) if block_hash is not None else None
        return info is not None and info.nTx == 0

    def mempool(self) -> frozenset[str]:
        return self._names(self._large("getrawmempool", []))

    def numbered_mempool(self) -> tuple[frozenset[str], int]:
        """The mempool, and the number that its next change will have (ZMQ's)."""
        answer = self._large("getrawmempool", [False, True])
        found = decode(answer, _NumberedMempool, f"{self.name}: getrawmempool")
        yield_to_hub()
        return self._names(memoryview(found.txids)), found.mempool_sequence

    def _large(self, method: str, params: list[object]) -> memoryview:
        (reply,) = self.replies([(method, params)], _MAX_MEMPOOL_ANSWER, self._long_s)
        yield_to_hub()
        return self.large_result(method, reply)

    def _names(self, txids: memoryview) -> frozenset[str]:
        names = read_hashes(txids, f"{self.name}: getrawmempool")
        return self._phantoms.taken_from(names)

    def transactions(self, txids: Sequence[str]) -> dict[str, PackedTx]:
        found: dict[str, PackedTx] = {}
        for start in range(0, len(txids), BATCH):
            self._transactions(txids[start : start + BATCH], found)
        return found

    def _transactions(self, txids: Sequence[str], found: dict[str, PackedTx]) -> None:
        """One batch; in halves if it is more than one answer may hold."""
        method = "getrawtransaction"
        try:
            calls: list[Call] = [(method, [txid]) for txid in txids]
            replies = self.replies(calls, _MAX_BATCH_ANSWER)
        except AnswerCutOff:
            if len(txids) == 1:
                raise
            half = len(txids) // 2
            self._transactions(txids[:half], found)
            self._transactions(txids[half:], found)
            return
        for number, (txid, reply) in enumerate(zip(txids, replies, strict=True)):
            if number % 25 == 24:
                yield_to_hub()
            try:
                raw = self._bytes(method, self.large_result(method, reply))
                tx = pack_tx(raw)
            except RpcError as error:
                if not error.is_not_found:
                    raise
                self._phantoms.missed(txid)
                continue  # it left the mempool since its name was read
            except InvalidTransaction as error:
                raise self.garbage(method, f"no transaction: {error}") from error
            if tx.txid != txid:
                raise self.garbage(method, "another transaction than was asked for")
            found[txid] = PackedTx(txid, tx.body)  # one name in memory, not two
            self._phantoms.found(txid)

    def _bytes(self, method: str, result: memoryview) -> bytes:
        try:
            return unhex(result)
        except ValueError as error:
            raise self.garbage(method, str(error)) from error

    def _hash(self, method: str, text: str) -> str:
        if not is_hash(text):
            raise self.garbage(method, "a hash that is not 64 hex digits")
        return text
