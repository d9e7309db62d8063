"""The dev chain as an Esplora explorer, at /dev/esplora/…

So that everything which speaks to a public explorer can be tried without one: paths,
shapes, paging, error texts and statuses are Esplora's (Blockstream's API.md; what the
code does beside it: an unknown transaction is "unconfirmed", and an unknown block is,
like a stale one, "not in the best chain"). While `DevChain.down` holds, every answer is
that status.

Runs in the server's request greenlets; no answer yields, so each is of one moment.
"""

import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import msgspec
from bottle import Bottle, HTTPResponse

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress
from transport.devchain.chain import DevChain
from transport.devchain.explorer_json import (
    Json,
    address_stats,
    block_json,
    status_json,
    tx_json,
)
from transport.devchain.http_kit import Body, CallRefused, read_body, respond
from transport.devchain.mempool_and_blocks import KnownTx, Rejected
from transport.devchain.miner import MinedBlock
from transport.devchain.wallet import NETWORK

__all__ = ["PREFIX", "explorer_routes"]

PREFIX: Final = "/dev/esplora"

_CHAIN_PAGE: Final = 25
_MEMPOOL_PAGE: Final = 50
_RECENT: Final = 10
_BLOCKS_PAGE: Final = 10
_MAX_UTXOS: Final = 500

#: A transaction of 400,000 weight units has at most so many hex digits.
_MAX_HEX: Final = 800_000

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)

#: Core's RPC error codes, which Esplora hands on in the text of a refusal.
_RPC_CODES: Final = {
    "TX decode failed": -22,
    "bad-txns-inputs-missingorspent": -25,
    "Transaction already in block chain": -27,
}


def explorer_routes(chain: DevChain) -> Bottle:
    """An app with every route under `PREFIX`, to be merged into the server's."""
    app = Bottle()
    explorer = _Explorer(chain)
    for method, path, answer in explorer.routes():
        app.route(PREFIX + path, method, _handler(chain, answer))
    return app


def _handler(
    chain: DevChain, answer: Callable[..., Body]
) -> Callable[..., HTTPResponse]:
    def handle(**parts: str) -> HTTPResponse:
        outage = chain.outage()
        if outage is not None:
            headers = {"Content-Type": "text/plain"}
            if outage.retry_after_s is not None:
                headers["Retry-After"] = str(outage.retry_after_s)
            return HTTPResponse("the dev chain is down", outage.status, headers)
        try:
            return respond(200, answer(**parts))
        except CallRefused as refused:
            return respond(refused.status, refused.text)

    return handle


class _Explorer:
    """One method per question; each returns JSON, text or bytes, or `CallRefused`."""

    def __init__(self, chain: DevChain) -> None:
        self._chain = chain
        self._ledger = chain.contents

    def routes(self) -> Sequence[tuple[str, str, Callable[..., Body]]]:
        return (
            ("GET", "/blocks", self.blocks),
            ("GET", "/blocks/<height:int>", self.blocks),
            ("GET", "/blocks/tip/height", lambda: str(self._ledger.tip.height)),
            ("GET", "/blocks/tip/hash", lambda: self._ledger.tip.hash),
            ("GET", "/block-height/<height>", self.block_height),
            ("GET", "/block/<name>", lambda name: block_json(self._block(name))),
            ("GET", "/block/<name>/status", self.block_status),
            ("GET", "/block/<name>/header", self.block_header),
            ("GET", "/block/<name>/raw", lambda name: self._block(name).raw),
            ("GET", "/block/<name>/txids", self.block_txids),
            ("GET", "/block/<name>/txid/<index:int>", self.block_txid),
            ("GET", "/block/<name>/txs", self.block_txs),
            ("GET", "/block/<name>/txs/<start:int>", self.block_txs),
            ("GET", "/address/<address>", self.address),
            ("GET", "/address/<address>/txs", self.address_txs),
            ("GET", "/address/<address>/txs/chain", self.address_chain),
            ("GET", "/address/<address>/txs/chain/<last>", self.address_chain),
            ("GET", "/address/<address>/txs/mempool", self.address_mempool),
            ("GET", "/address/<address>/utxo", self.address_utxo),
            ("GET", "/tx/<txid>", self.tx),
            ("GET", "/tx/<txid>/status", self.tx_status),
            ("GET", "/tx/<txid>/hex", lambda txid: self._entry(txid).tx.raw.hex()),
            ("GET", "/tx/<txid>/raw", lambda txid: self._entry(txid).tx.raw),
            ("GET", "/tx/<txid>/outspends", self.outspends),
            ("GET", "/tx/<txid>/outspend/<vout:int>", self.outspend),
            ("GET", "/mempool", self.mempool),
            ("GET", "/mempool/txids", lambda: list(self._ledger.mempool)),
            ("GET", "/mempool/recent", self.mempool_recent),
            ("GET", "/fee-estimates", self.fee_estimates),
            ("POST", "/tx", self.broadcast),
        )

    def blocks(self, height: int | None = None) -> Body:
        best = self._ledger.best
        top = len(best) - 1 if height is None else height
        if top >= len(best):
            raise CallRefused(404, "Block not found")
        names = best[max(0, top - _BLOCKS_PAGE + 1) : top + 1]
        return [block_json(self._ledger.blocks[name]) for name in reversed(names)]

    def block_height(self, height: str) -> Body:
        best = self._ledger.best
        if not (height.isascii() and height.isdigit() and len(height) < 10):
            raise CallRefused(400, "Invalid number")
        if int(height) >= len(best):
            raise CallRefused(404, "Block not found")
        return best[int(height)]

    def block_status(self, name: str) -> Body:
        block = self._ledger.blocks.get(_hash(name))
        if block is None or not self._ledger.in_best_chain(block):
            return {"in_best_chain": False, "height": None, "next_best": None}
        height = block.header.height
        above = self._ledger.best[height + 1 : height + 2]
        next_best = above[0] if above else None
        return {"in_best_chain": True, "height": height, "next_best": next_best}

    def block_header(self, name: str) -> Body:
        return self._block(name).header_bytes.hex()

    def block_txids(self, name: str) -> Body:
        """Of a stale block, too: electrs keeps what it has indexed once."""
        block = self._ledger.blocks.get(_hash(name)) or self._block(name)
        return [tx.txid for tx in block.txs]

    def block_txid(self, name: str, index: int) -> Body:
        txs = self._block(name).txs
        if index >= len(txs):
            raise CallRefused(404, "tx index out of range")
        return txs[index].txid

    def block_txs(self, name: str, start: int = 0) -> Body:
        txs = self._block(name).txs
        if start % _CHAIN_PAGE:
            raise CallRefused(400, f"start index must be a multiple of {_CHAIN_PAGE}")
        if start >= len(txs):
            raise CallRefused(400, "start index out of range")
        page = txs[start : start + _CHAIN_PAGE]
        return self._txs([self._ledger.entries[tx.txid] for tx in page])

    def address(self, address: str) -> Body:
        return address_stats(self._ledger, _script(address), address)

    def address_txs(self, address: str) -> Body:
        script = _script(address)
        waiting = self._waiting(script)[:_MEMPOOL_PAGE]
        return self._txs([*waiting, *self._mined(script)[:_CHAIN_PAGE]])

    def address_chain(self, address: str, last: str | None = None) -> Body:
        """Newest first; after the transaction `last`, nothing if it is not there."""
        entries = self._mined(_script(address))
        start = 0
        if last is not None:
            txids = [entry.tx.txid for entry in entries]
            name = _hash(last)
            start = txids.index(name) + 1 if name in txids else len(txids)
        return self._txs(entries[start : start + _CHAIN_PAGE])

    def address_mempool(self, address: str) -> Body:
        return self._txs(self._waiting(_script(address))[:_MEMPOOL_PAGE])

    def address_utxo(self, address: str) -> Body:
        found: list[Json] = []
        for (txid, vout), out in self._ledger.coins_of(_script(address)):
            if len(found) == _MAX_UTXOS:
                raise CallRefused(
                    400,
                    f"Too many unspent transaction outputs (>{_MAX_UTXOS}). "
                    "Contact support to raise limits.",
                )
            status = status_json(self._ledger, self._ledger.entries[txid])
            value = out.amount_sat
            found.append({"txid": txid, "vout": vout, "status": status, "value": value})
        return found

    def tx(self, txid: str) -> Body:
        return tx_json(self._ledger, self._entry(txid))

    def tx_status(self, txid: str) -> Body:
        return status_json(self._ledger, self._ledger.entries.get(_hash(txid)))

    def outspends(self, txid: str) -> Body:
        entry = self._entry(txid)
        return [self._outspend(entry, vout) for vout in range(len(entry.tx.outputs))]

    def outspend(self, txid: str, vout: int) -> Body:
        return self._outspend(self._entry(txid), vout)

    def mempool(self) -> Body:
        entries = self._ledger.mempool.values()
        return {
            "count": len(entries),
            "vsize": sum(entry.tx.vsize for entry in entries),
            "total_fee": sum(entry.fee_sat for entry in entries),
            "fee_histogram": [],
        }

    def mempool_recent(self) -> Body:
        newest = islice(reversed(self._ledger.mempool.values()), _RECENT)
        return [
            {
                "txid": entry.tx.txid,
                "fee": entry.fee_sat,
                "vsize": entry.tx.vsize,
                "value": sum(out.amount_sat for out in entry.tx.outputs),
            }
            for entry in newest
        ]

    def fee_estimates(self) -> Body:
        targets = (*range(1, 26), 144, 504, 1008)
        return {str(target): 2.0 if target <= 2 else 1.0 for target in targets}

    def broadcast(self) -> Body:
        body = read_body(_MAX_HEX)
        if body is None:
            raise CallRefused(413, "Transaction too large")
        try:
            raw = bytes.fromhex(body.decode("ascii"))
        except ValueError as error:
            raise CallRefused(400, "Invalid hex string") from error
        try:
            return self._chain.broadcast(raw)
        except Rejected as error:
            text = str(error)
            codes = (
                code
                for start, code in _RPC_CODES.items()
                if text[: len(start)] == start
            )
            rpc = msgspec.json.encode({"code": next(codes, -26), "message": text})
            raise CallRefused(
                400, f"sendrawtransaction RPC error: {rpc.decode()}"
            ) from error

    def _block(self, name: str) -> MinedBlock:
        block = self._ledger.blocks.get(_hash(name))
        if block is None or not self._ledger.in_best_chain(block):
            raise CallRefused(404, "Block not found")
        return block

    def _entry(self, txid: str) -> KnownTx:
        entry = self._ledger.entries.get(_hash(txid))
        if entry is None:
            raise CallRefused(404, "Transaction not found")
        return entry

    def _txs(self, entries: Sequence[KnownTx]) -> Body:
        return [tx_json(self._ledger, entry) for entry in entries]

    def _of_script(self, script: bytes) -> list[KnownTx]:
        txids = self._ledger.by_script.get(script, ())
        return [self._ledger.entries[txid] for txid in txids]

    def _waiting(self, script: bytes) -> list[KnownTx]:
        return [e for e in self._of_script(script) if e.block_hash is None][::-1]

    def _mined(self, script: bytes) -> list[KnownTx]:
        mined = [e for e in self._of_script(script) if e.block_hash is not None]
        return sorted(mined, key=lambda e: (e.height, e.position), reverse=True)

    def _outspend(self, entry: KnownTx, vout: int) -> Json:
        txid = self._ledger.spenders.get((entry.tx.txid, vout))
        if txid is None:
            return {"spent": False}
        spender = self._ledger.entries[txid]
        spends = spender.chain_tx.spends
        return {
            "spent": True,
            "txid": txid,
            "vin": spends.index((entry.tx.txid, vout)),
            "status": status_json(self._ledger, spender),
        }


def _script(address: str) -> bytes:
    try:
        return parse_address(address, NETWORK).script
    except InvalidAddress as error:
        raise CallRefused(400, "Invalid Bitcoin address") from error


def _hash(text: str) -> str:
    if _HASH.fullmatch(text) is None:
        raise CallRefused(400, "Invalid hex string")
    return text.lower()
