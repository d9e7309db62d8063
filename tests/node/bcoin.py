"""A real Bitcoin full node for tests: bcoin 1.0.2 on a regtest chain of its own.

`make` installs it with `npm ci` into tests/node/node_modules; nothing is compiled.
A node keeps everything in memory, listens on loopback only and knows no peers.
preload.js says what of it is changed. Starting takes about a second, 101 blocks a
fifth of a second.

Where its JSON-RPC differs from Bitcoin Core's, as far as Paybell cares:

* An RPC error comes with HTTP 200 (Core: 500, or 404 for an unknown method). Wrong or
  missing credentials: 401 without a body, as Core. Any user name will do.
* Batches (array bodies) work, answered in order. Connections are kept alive, and
  closed after 5 idle seconds.
* Unknown block or transaction: code -1 (Core: -5). Malformed hash: -3 (Core: -8).
* `getblock` knows false/0 (hex) and true/1; 2 is an error (details are a third
  argument here). A verbose header gives null for the missing neighbour of genesis and
  tip, where Core leaves the key out.
* `getblockheader` of a stale block claims confirmations as if it were in the chain
  (Core: -1). Ask `getblockhash` of its height to know.
* `getrawtransaction` finds mempool transactions only, takes no block hash.
* `sendrawtransaction` answers as Core does (-25, -26, -27): preload.js sees to that.
* `getblockchaininfo` has no `initialblockdownload`; `headers` always equals `blocks`.
* `invalidateblock` erases: the blocks are unknown afterwards, not stale, and the whole
  mempool is lost. A reorganisation returns transactions to the mempool only if that
  was not empty. `invalidateblock` and `reorg` here send the lost ones again, as they
  would be there with Core.

The harness keeps no connection open between calls and runs in the test's greenlet.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.node.rawtx import block, coinbase, script_for, txid_of
from tests.node.rpc import NOBODY, RpcError, RpcNode
from tests.tools.ports import free_ports
from tests.tools.wait import Process

__all__ = ["BcoinNode", "RpcError"]

HERE = Path(__file__).parent
START_TIMEOUT_S = 60.0


class BcoinNode(RpcNode):
    """One node with its own chain; a context manager that starts and ends it.

    `url` carries the credentials, as Paybell's configuration of a Bitcoin Core does.
    """

    def __init__(self) -> None:
        self.password = secrets.token_hex(16)
        self._folder: Path | None = None
        self._process: Process | None = None
        self._sent: dict[str, bytes] = {}  # all that send() brought, by txid

    @property
    def url(self) -> str:
        return f"http://paybell:{self.password}@127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """The last lines that the node wrote."""
        return self._process.output if self._process is not None else ""

    def _credentials(self) -> tuple[str, str]:
        return "paybell", self.password

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="paybell-bcoin-"))
        self._launch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """Make the node hang: connections are taken, nothing is answered (SIGSTOP)."""
        self._running().freeze()

    def thaw(self) -> None:
        """Let it go on after freeze()."""
        self._running().thaw()

    def send(self, raw: bytes) -> str:
        """Give a transaction to the mempool; its id. RpcError if it is refused."""
        txid = super().send(raw)
        self._sent[txid] = raw
        return txid

    def mine_block(
        self,
        txs: Sequence[bytes] = (),
        *,
        parent: str | None = None,
        address: str | None = None,
    ) -> str:
        """Mine a block of our own making, with exactly these transactions; its hash.

        On `parent` (the tip if not given): this is how branches grow. The node takes a
        branch as its chain when it is longer. A transaction in the mempool that
        conflicts with one in the block is thrown out. Raises AssertionError with the
        node's reason if the block is not valid.
        """
        parent = parent or self.tip()
        above = self.rpc("getblockheader", parent)
        height = above["height"] + 1
        first = coinbase(
            height, script_for(address or NOBODY), 0, secrets.token_bytes(8)
        )
        time_s = max(int(time.time()), above["mediantime"] + 1)
        block_hash, raw = block(parent, time_s, [first, *txs])
        reason = self.rpc("submitblock", raw.hex())
        assert reason is None, f"the node refuses the block: {reason}"
        return block_hash

    def reorg(
        self,
        depth: int,
        *,
        length: int | None = None,
        instead: Sequence[bytes] = (),
        drop: Collection[str] = (),
    ) -> list[str]:
        """Replace the last `depth` blocks by a longer branch; the hashes of that.

        The branch has `length` blocks (depth + 1 if not given; the node changes over
        at the one that is longer). Its first block holds the transactions `instead`
        (a double spend, say). The transactions of the lost blocks go back to the
        mempool, but for those in `drop` and those that `instead` conflicts with.
        """
        lost = self._sent_within(depth)
        waiting = self.mempool()
        fork = self.block_hash(self.height() - depth)
        hashes = [self.mine_block(instead, parent=fork)]
        for _ in range((length or depth + 1) - 1):
            hashes.append(self.mine_block(parent=hashes[-1]))
        kept = {txid_of(raw) for raw in instead} | set(drop)
        self._send_again(txid for txid in [*waiting, *lost] if txid not in kept)
        return hashes

    def invalidateblock(self, block_hash: str) -> None:
        """Have the node reject a block of its chain, and all that is above it.

        Their transactions are in the mempool afterwards. They are lost and come again
        in between: see the module docstring.
        """
        depth = self.height() - int(self.rpc("getblockheader", block_hash)["height"])
        again = [*self._sent_within(depth + 1), *self.mempool()]
        self.rpc("invalidateblock", block_hash)
        self._send_again(again)

    def _sent_within(self, depth: int) -> list[str]:
        """What send() brought that the last blocks hold, oldest first."""
        tip = self.height()
        return [
            txid
            for height in range(tip - depth + 1, tip + 1)
            for txid in self.rpc("getblock", self.block_hash(height))["tx"]
            if txid in self._sent
        ]

    def _send_again(self, txids: Iterable[str]) -> None:
        """Offer transactions once more; those that conflict by now stay away."""
        for txid in txids:
            if txid in self._sent:
                with contextlib.suppress(RpcError):
                    self.rpc("sendrawtransaction", self._sent[txid].hex())

    def _launch(self) -> None:
        if not (HERE / "node_modules" / "bcoin").is_dir():
            raise AssertionError("the node is not installed: run `make setup-node`")
        rpc_port, p2p_port = free_ports(2)
        self.port = rpc_port
        self._process = Process(
            [
                os.environ.get("NODE", "node"),
                "-r",
                HERE / "preload.js",
                HERE / "node_modules" / "bcoin" / "bin" / "node",
                "--network=regtest",
                "--memory=true",
                f"--prefix={self._folder}",
                "--http-host=127.0.0.1",
                f"--http-port={rpc_port}",
                "--host=127.0.0.1",
                f"--port={p2p_port}",
                "--listen=false",
                "--max-outbound=1",
                "--no-wallet=true",
                "--workers=false",
                "--log-level=info",
            ],
            # Not on the command line, where every user of the machine could read it.
            env={"NODE_BACKEND": "js", "BCOIN_API_KEY": self.password},
            ready="Node is loaded",
            timeout_s=START_TIMEOUT_S,
        )
        self._process.start()

    def _running(self) -> Process:
        assert self._process is not None, "the node was not started"
        return self._process
