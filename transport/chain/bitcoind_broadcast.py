"""Bitcoin Core as the way out: sends what we sign, and shows where it is.

It needs neither a wallet nor an index of transactions. Without one a node finds a
transaction in its mempool, or in a block that it is told; where ours is in neither and
a coin of it is spent, the blocks since it was signed are looked through. Works with any
node of Core's lineage.

A connection of its own, beside the feed's. Called from the blocking forwarder actor's
greenlet, by one caller at a time. Calls are sent again when a connection breaks, also
the one that sends a transaction: it is the same transaction.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from engine.bitcoin.transaction import iter_block_txs, parse_tx
from engine.chain.broadcast import Outpoint, Sent, Sighting, Spender, Verdict
from engine.chain.feed import ChainTx
from engine.errors import InvalidBlock
from engine.runtime.yielding import yield_to_hub
from transport.calling.chain_words import sent_by
from transport.chain.hex_digits import unhex
from transport.chain.jsonrpc import JsonRpc, RpcError

__all__ = ["SENDING_METHODS", "BitcoindBroadcaster"]

SENDING_METHODS: Final = (
    "sendrawtransaction",
    "getrawtransaction",
    "gettxout",
    "estimatesmartfee",
    "getmempoolinfo",
    "getblockcount",
    "getblockhash",
    "getblock",
)
"""What is called beside the feed's methods: `rpcwhitelist` must hold these, too."""

MAX_BLOCKS: Final = 2_016
"""So many blocks back a transaction of ours is looked for: two weeks."""

_MAX_BLOCK_ANSWER: Final = 9 * 1024 * 1024
_BLOCK_DEADLINE_S: Final = 60.0
_PER_KVB: Final = Decimal(100_000_000)  # BTC/kvB to sat/kvB
_REFUSALS: Final = (-22, -25, -26, -27)


class _Found(msgspec.Struct):
    hex: str
    blockhash: str | None = None
    confirmations: int = 0
    in_active_chain: bool = True


class _Out(msgspec.Struct):
    confirmations: int


class _Estimate(msgspec.Struct):
    feerate: Decimal | None = None


class _Pool(msgspec.Struct):
    mempoolminfee: Decimal = Decimal(0)
    minrelaytxfee: Decimal = Decimal(0)


class BitcoindBroadcaster(JsonRpc):
    """Implements `engine.chain.broadcast.Broadcaster`."""

    methods = SENDING_METHODS

    def send(self, raw: bytes) -> Sent:
        try:
            self.call("sendrawtransaction", [raw.hex()], str)
        except RpcError as error:
            if error.rpc_code not in _REFUSALS:
                raise
            return sent_by(error.rpc_code, error.words)
        return Sent(Verdict.TAKEN)

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        where = [block_hash] if block_hash else []
        try:
            return self._bytes("getrawtransaction", [txid, False, *where])
        except RpcError as error:
            if not (error.is_not_found and block_hash):
                raise
        return self._bytes("getrawtransaction", [txid, False])

    def fee_rate(self, blocks: int) -> int | None:
        """Core wants at least two blocks, and tells BTC per 1,000 vB."""
        found = self.call("estimatesmartfee", [max(blocks, 1)], _Estimate)
        if found.feerate is None or found.feerate <= 0:
            return None
        return max(int(found.feerate * _PER_KVB), self.least_rate())

    def least_rate(self) -> int:
        pool = self.call("getmempoolinfo", [], _Pool)
        return int(max(pool.mempoolminfee, pool.minrelaytxfee) * _PER_KVB)

    def sighting(self, raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        tx = parse_tx(raw)
        found = self._lookup(tx.txid, block_hash)
        if found is None and block_hash:
            found = self._lookup(tx.txid, "")
        if found is not None:
            return found
        tip = self.call("getblockcount", [], int)
        for vout in range(len(tx.outputs)):
            out = self.call("gettxout", [tx.txid, vout, False], _Out | None)  # type: ignore[arg-type]
            if out is not None:
                height = tip - out.confirmations + 1
                name = self.call("getblockhash", [height], str)
                return self._lookup(tx.txid, name) or Sighting()
        if all(self._is_unspent(coin) for coin in tx.spends[:1]):
            return Sighting()
        for height, name, txs in self._blocks(after_height, tip):
            if any(other.txid == tx.txid for other in txs):
                return Sighting(False, name, height, tip - height + 1)
        return Sighting()

    def spenders(
        self, coins: Sequence[Outpoint], after_height: int
    ) -> dict[Outpoint, Spender]:
        spent = {coin for coin in coins if not self._is_unspent(coin)}
        found: dict[Outpoint, Spender] = {}
        if not spent:
            return found
        tip = self.call("getblockcount", [], int)
        for height, _, txs in self._blocks(after_height, tip):
            for tx in txs:
                for coin in spent.intersection(tx.spends):
                    found[coin] = Spender(tx.txid, tip - height + 1)
            if found.keys() == spent:
                break
        return found

    def _is_unspent(self, coin: Outpoint) -> bool:
        out = self.call("gettxout", [*coin, False], _Out | None)  # type: ignore[arg-type]
        return out is not None

    def _lookup(self, txid: str, block_hash: str) -> Sighting | None:
        """In that block; or, without one, in the mempool (or a node's own index)."""
        where = [block_hash] if block_hash else []
        try:
            found = self.call("getrawtransaction", [txid, True, *where], _Found)
        except RpcError as error:
            if not error.is_not_found:
                raise
            return None
        if not found.blockhash:
            return Sighting(in_mempool=True)
        if not found.in_active_chain or found.confirmations < 1:
            return None
        tip = self.call("getblockcount", [], int)
        height = tip - found.confirmations + 1
        return Sighting(False, found.blockhash, height, found.confirmations)

    def _blocks(
        self, after_height: int, tip: int
    ) -> Iterator[tuple[int, str, list[ChainTx]]]:
        """Those of the best chain above a height, the lowest first."""
        lowest = max(after_height + 1, tip - MAX_BLOCKS + 1, 0)
        for height in range(lowest, tip + 1):
            name = self.call("getblockhash", [height], str)
            raw = self._bytes("getblock", [name, False])
            try:
                txs = list(iter_block_txs(raw))
            except InvalidBlock as error:
                raise self.garbage("getblock", f"no block: {error}") from error
            yield_to_hub()
            yield height, name, txs

    def _bytes(self, method: str, params: list[object]) -> bytes:
        """Of a transaction or a block, which may be megabytes."""
        call = method, params
        (reply,) = self.replies([call], _MAX_BLOCK_ANSWER, _BLOCK_DEADLINE_S)
        try:
            return unhex(self.result(method, reply))
        except ValueError as error:
            raise self.garbage(method, str(error)) from error
