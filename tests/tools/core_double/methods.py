"""The calls of the double: what Core answers, with its codes and its words.

After rpc/blockchain.cpp, rpc/mempool.cpp, rpc/rawtransaction.cpp, zmq/zmqrpc.cpp and
rpc/protocol.h. Fields are those of `version`; a test may rely on one that is not there.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.tools.core_double.chainstate import Entry

if TYPE_CHECKING:
    from tests.tools.core_double.node import CoreDouble

__all__ = ["RpcFailure", "Methods"]

MISC_ERROR = -1
TYPE_ERROR = -3
NOT_FOUND = -5  # RPC_INVALID_ADDRESS_OR_KEY
INVALID_PARAMETER = -8
IN_WARMUP = -28
METHOD_NOT_FOUND = -32601

MAX_TIP_AGE_S = 24 * 3600  # DEFAULT_MAX_TIP_AGE


class RpcFailure(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Methods:
    """CRPCTable: by name, once warm-up is over."""

    def __init__(self, node: "CoreDouble") -> None:
        self._node = node
        self._synced = False  # IsInitialBlockDownload is false for good, once it is

    def execute(self, method: str, params: list[Any]) -> Any:
        if self._node.warming_up is not None:
            raise RpcFailure(IN_WARMUP, self._node.warming_up)
        call: Callable[..., Any] | None = None
        if re.fullmatch("[a-z]+", method):
            call = getattr(self, f"_{method}", None)
        if call is None or (method == "getzmqnotifications" and not self._node.has_zmq):
            raise RpcFailure(METHOD_NOT_FOUND, "Method not found")
        return call(*params)

    # -- rpc/blockchain.cpp ------------------------------------------------------------

    def _getblockchaininfo(self) -> dict[str, Any]:
        chain, version = self._node.chain, self._node.version
        tip = chain.tip
        info: dict[str, Any] = {
            "chain": self._node.network,
            "blocks": tip.height,
            "headers": chain.best_header.height,
            "bestblockhash": tip.hash,
            "difficulty": 4.656542373906925e-10,
            "mediantime": tip.median_time_s,
            "verificationprogress": (tip.height + 1) / (chain.best_header.height + 1),
            "initialblockdownload": self.initial_download,
            "chainwork": f"{tip.work:064x}",
            "size_on_disk": sum(
                len(e.block.raw) for e in chain.index.values() if e.have_data
            ),
            "pruned": chain.pruning,
            "warnings": [] if version >= 28 else "",
        }
        if version >= 23:
            info["time"] = tip.block.time_s
        if chain.pruning:
            info |= {"pruneheight": chain.prune_height, "automatic_pruning": False}
        return info

    @property
    def initial_download(self) -> bool:
        """IsInitialBlockDownload: while blocks are loaded from disk, and until the tip
        was once younger than a day."""
        if not self._synced:
            tip = self._node.chain.tip
            old = tip.block.time_s < self._node.now() - MAX_TIP_AGE_S
            self._synced = not (old or self._node.loading_blocks)
        return not self._synced

    def _getblockcount(self) -> int:
        return self._node.chain.tip.height

    def _getbestblockhash(self) -> str:
        return self._node.chain.tip.hash

    def _getblockhash(self, height: int) -> str:
        if type(height) is not int:
            raise RpcFailure(TYPE_ERROR, "JSON value is not of expected type number")
        entry = self._node.chain.at(height)
        if entry is None:
            raise RpcFailure(INVALID_PARAMETER, "Block height out of range")
        return entry.hash

    def _getblockheader(self, blockhash: str, verbose: bool = True) -> Any:
        entry = self._look_up(blockhash, "hash")
        if not verbose:
            return entry.block.raw[:80].hex()
        return self._header_json(entry)

    def _header_json(self, entry: Entry) -> dict[str, Any]:
        chain, raw = self._node.chain, entry.block.raw
        within = chain.contains(entry)
        after = chain.at(entry.height + 1) if within else None
        header = {
            "hash": entry.hash,
            "confirmations": chain.tip.height - entry.height + 1 if within else -1,
            "height": entry.height,
            "version": int.from_bytes(raw[:4], "little"),
            "versionHex": raw[:4][::-1].hex(),
            "merkleroot": raw[36:68][::-1].hex(),
            "time": entry.block.time_s,
            "mediantime": entry.median_time_s,
            "nonce": int.from_bytes(raw[76:80], "little"),
            "bits": raw[72:76][::-1].hex(),
            "difficulty": 4.656542373906925e-10,
            "chainwork": f"{entry.work:064x}",
            "nTx": self._n_tx(entry),
        }
        if entry.prev is not None:
            header["previousblockhash"] = entry.prev.hash
        if after is not None:
            header["nextblockhash"] = after.hash
        return header

    def _n_tx(self, entry: Entry) -> int:
        """Core 26 and 27 pretend one transaction for what a snapshot stands for."""
        base = self._node.chain.snapshot
        assumed = base is not None and entry.height <= base.height
        pretended = entry.n_tx == 0 and assumed and self._node.version < 28
        return 1 if pretended else entry.n_tx

    def _getblock(self, blockhash: str, verbosity: int = 1) -> Any:
        entry = self._look_up(blockhash, "blockhash")
        if not entry.have_data:
            what = "pruned data" if entry.pruned else "not fully downloaded"
            raise RpcFailure(MISC_ERROR, f"Block not available ({what})")
        if int(verbosity) <= 0:
            return entry.block.raw.hex()
        raise NotImplementedError("details of blocks are not doubled")

    def _look_up(self, blockhash: str, name: str) -> Entry:
        _check_hash(blockhash, name)
        entry = self._node.chain.index.get(blockhash)
        if entry is None:
            raise RpcFailure(NOT_FOUND, "Block not found")
        return entry

    # -- rpc/server.cpp ----------------------------------------------------------------

    def _uptime(self) -> int:
        """GetTime() - GetStartupTime()."""
        return int(self._node.now() - self._node.started_at)

    # -- rpc/mempool.cpp, rpc/rawtransaction.cpp ---------------------------------------

    def _getmempoolinfo(self) -> dict[str, Any]:
        pool, version = self._node.pool, self._node.version
        size = sum(map(len, pool.txs.values()))
        info: dict[str, Any] = {
            "loaded": pool.loaded,
            "size": len(pool.txs),
            "bytes": size,
            "usage": 3 * size,
            "maxmempool": 300_000_000,
            "mempoolminfee": 0.00001,
            "minrelaytxfee": 0.00001,
            "unbroadcastcount": 0,
        }
        if version >= 23:
            info["total_fee"] = 0.0
        if version >= 24:
            info |= {"incrementalrelayfee": 0.00001, "fullrbf": version >= 28}
        return info

    def _getrawmempool(
        self, verbose: bool = False, mempool_sequence: bool = False
    ) -> Any:
        pool = self._node.pool
        if verbose and mempool_sequence:
            raise RpcFailure(
                INVALID_PARAMETER,
                "Verbose results cannot contain mempool sequence values.",
            )
        if verbose:
            raise NotImplementedError("details of the mempool are not doubled")
        if mempool_sequence:
            return {"txids": list(pool.txs), "mempool_sequence": pool.sequence}
        return list(pool.txs)

    def _getrawtransaction(self, txid: str, verbosity: int = 0) -> str:
        """Without txindex and without a block: of the mempool alone."""
        _check_hash(txid, "parameter 1")
        raw = self._node.pool.txs.get(txid)
        if raw is None:
            raise RpcFailure(
                NOT_FOUND,
                "No such mempool transaction. Use -txindex or provide a block hash to"
                " enable blockchain transaction queries. Use gettransaction for wallet"
                " transactions.",
            )
        if int(verbosity) > 0:
            raise NotImplementedError("details of transactions are not doubled")
        return raw.hex()

    # -- others ------------------------------------------------------------------------

    def _getnetworkinfo(self) -> dict[str, Any]:
        version = self._node.version
        name = f"/Satoshi:{version}.0.0/" if version > 21 else "/Satoshi:0.21.0/"
        return {
            "version": version * 10_000,
            "subversion": name,
            "protocolversion": 70016,
            "connections": 0,
        }

    def _getzmqnotifications(self) -> list[dict[str, Any]]:
        return self._node.zmq


def _check_hash(text: object, name: str) -> None:
    """ParseHashV."""
    if not isinstance(text, str):
        raise RpcFailure(TYPE_ERROR, "JSON value is not of expected type string")
    if len(text) != 64:
        raise RpcFailure(
            INVALID_PARAMETER,
            f"{name} must be of length 64 (not {len(text)}, for '{text}')",
        )
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise RpcFailure(
            INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{text}')"
        )
