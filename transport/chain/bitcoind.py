"""Bitcoin Core as a block feed, by JSON-RPC. It works with bcoin 1.0.2 as well.

Only calls that both answer alike are used, and blocks and transactions are taken as
raw bytes and parsed here, so that amounts are exact and a block is what its hash says:
`getblockchaininfo`, `getblockhash`, `getblockheader`, `getblock` and
`getrawtransaction` without details, `getrawmempool`. No index and no wallet is needed.

Where the two differ (Core's rpc/blockchain.cpp and rpc/server.cpp, bcoin's
lib/node/rpc.js): errors come with HTTP 500 or 404 from Core before 28 and with 200
from bcoin, so the body is read whatever the status. An unknown block is code -5 from
Core, -1 "Block not found" from bcoin. bcoin counts confirmations for stale blocks too,
so whether a block is in the best chain is asked by height. Core has headers of blocks
it has not downloaded yet (nTx is 0): such a block is unknown to it, not off chain.

Called from the blocking source actor's greenlet, by one caller at a time. It yields to
the hub between chunks of a large block.
"""

import binascii
from collections.abc import Sequence

import msgspec

from engine.bitcoin.transaction import (
    HEADER_SIZE,
    iter_packed_txs,
    parse_header,
    parse_tx,
)
from engine.chain.feed import Block, ChainTx, Header, SourceStatus, Tip
from engine.chain.packed_tx import PackedTxs
from engine.errors import InvalidBlock, InvalidTransaction, SourceUnavailable
from engine.runtime.yielding import yield_to_hub
from transport.chain.block_hashes import BlockHeights, is_hash
from transport.chain.http_client import DEADLINE_S, TooLarge, decode
from transport.chain.jsonrpc import JsonRpc, RpcError

__all__ = ["BATCH", "Bitcoind"]

BATCH = 100
"""Transactions asked for in one request; halved when the answer gets too large."""

BLOCK_DEADLINE_S = 60.0

_MAX_BLOCK_ANSWER = 9 * 1024 * 1024  # the hex of 4,000,000 bytes, and its envelope
_MAX_BATCH_ANSWER = 9 * 1024 * 1024  # one transaction can be as large as a block
_MAX_MEMPOOL_ANSWER = 64 * 1024 * 1024  # 67 bytes each: more than 300 MB of mempool
_UNHEX_CHUNK = 512 * 1024  # hex digits between two yields
_PARSE_CHUNK = 100  # transactions between two yields: about a millisecond
_OUT_OF_RANGE = -8

# What Core (BIP 70 names) and bcoin call a network in getblockchaininfo.
_CHAINS = {
    "mainnet": {"main"},
    "testnet": {"test", "testnet", "testnet3", "testnet4"},
    "signet": {"signet"},
    "regtest": {"regtest"},
}


class _ChainInfo(msgspec.Struct):
    blocks: int
    bestblockhash: str
    chain: str | None = None
    pruneheight: int | None = None  # only if it prunes, and bcoin does not tell


class _HeaderInfo(msgspec.Struct):
    hash: str
    height: int
    time: int
    previousblockhash: str | None = None  # the first block has none
    nTx: int | None = None  # noqa: N815 (Core's name); bcoin has none


class Bitcoind(JsonRpc):
    """`BlockFeed` on a node's RPC; the URL is as in `JsonRpc`.

    With `network`, a node of another network is an error: no payment is on it.
    """

    def __init__(
        self,
        url: str,
        name: str = "bitcoind",
        *,
        network: str | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        super().__init__(url, name, deadline_s)
        self._network = network
        self.lowest = 0
        self._heights = BlockHeights()

    def status(self) -> SourceStatus:
        """One request, so that height and hash are of one moment."""
        info = self.call("getblockchaininfo", [], _ChainInfo)
        if info.blocks < 0:
            raise self.garbage("getblockchaininfo", "a negative height")
        self._check_network(info.chain)
        self.lowest = max(info.pruneheight or 0, 0)
        block_hash = self._hash("getblockchaininfo", info.bestblockhash)
        return SourceStatus(
            Tip(self._heights.remember(block_hash, info.blocks), block_hash)
        )

    def _check_network(self, chain: str | None) -> None:
        if self._network is None or chain is None:
            return
        if chain not in _CHAINS[self._network]:
            raise self.garbage(
                "getblockchaininfo", f"another network than {self._network}"
            )

    def header(self, block_hash: str) -> Header | None:
        """Two requests: the header, and which block stands at its height."""
        try:
            info = self.call("getblockheader", [block_hash, True], _HeaderInfo)
        except RpcError as error:
            if error.is_not_found:
                return None
            raise
        if info.nTx == 0:
            return None  # it knows the header alone
        if info.hash != block_hash or info.height < 0 or info.time < 0:
            raise self.garbage("getblockheader", "another block than was asked for")
        prev = info.previousblockhash
        return Header(
            hash=block_hash,
            prev_hash="00" * 32 if prev is None else self._hash("getblockheader", prev),
            height=self._heights.remember(block_hash, info.height),
            time_s=info.time,
            in_best_chain=self.block_hash(info.height) == block_hash,
        )

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
        (reply,) = self.replies(
            "getblock", [[block_hash, False]], _MAX_BLOCK_ANSWER, BLOCK_DEADLINE_S
        )
        raw = self._unhex("getblock", self.result("getblock", reply))
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

    def mempool(self) -> frozenset[str]:
        (reply,) = self.replies("getrawmempool", [[]], _MAX_MEMPOOL_ANSWER)
        result = self.result("getrawmempool", reply)
        txids = decode(result, list[str], f"{self.name}: getrawmempool")
        for number, txid in enumerate(txids):
            self._hash("getrawmempool", txid)
            if number % 10_000 == 0:
                yield_to_hub()
        return frozenset(txids)

    def transactions(self, txids: Sequence[str]) -> dict[str, ChainTx]:
        found: dict[str, ChainTx] = {}
        for start in range(0, len(txids), BATCH):
            self._transactions(txids[start : start + BATCH], found)
        return found

    def _transactions(self, txids: Sequence[str], found: dict[str, ChainTx]) -> None:
        """One batch; in halves if it is more than one answer may hold."""
        method = "getrawtransaction"
        try:
            replies = self.replies(method, [[t] for t in txids], _MAX_BATCH_ANSWER)
        except TooLarge:
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
                raw = self._unhex(method, self.result(method, reply))
                tx = parse_tx(raw)
            except RpcError as error:
                if not error.is_not_found:
                    raise
                continue  # it left the mempool since its name was read
            except InvalidTransaction as error:
                raise self.garbage(method, f"no transaction: {error}") from error
            if tx.txid != txid:
                raise self.garbage(method, "another transaction than was asked for")
            found[txid] = tx

    def _unhex(self, method: str, result: bytes) -> bytes:
        """The bytes of a JSON string of hex digits."""
        digits = memoryview(result)[1:-1]
        if len(result) < 2 or result[:1] + result[-1:] != b'""':
            raise self.garbage(method, "no hex digits")
        raw = bytearray()
        try:
            for start in range(0, len(digits), _UNHEX_CHUNK):
                raw += binascii.unhexlify(digits[start : start + _UNHEX_CHUNK])
                if start:
                    yield_to_hub()
        except binascii.Error as error:
            raise self.garbage(method, "broken hex digits") from error
        return bytes(raw)

    def _hash(self, method: str, text: str) -> str:
        if not is_hash(text):
            raise self.garbage(method, "a hash that is not 64 hex digits")
        return text
