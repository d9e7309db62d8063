"""A real node of Bitcoin Core's lineage for tests: Debian's litecoind 0.21, on regtest.

It is Core 0.21 with other coins: the same RPC, blocks, transactions, segwit, taproot
(from the first block on), wallet, P2P and files. `make` installs it; LITECOIND names
another one. Nodes keep their files in a folder of their own, listen on loopback only
and know no peers but those they are told to `connect` to. Starting takes a third of a
second, 200 blocks as long.

What is Litecoin's in it is put aside: no MWEB (blocks could not be made from height
432 on), replacement as in Core (BIP 125), Core's dust limit and standardness. Only
addresses differ, `rltc1…` for `bcrt1…`: those of this class are Bitcoin's. Debian
builds it without ZMQ.

What a node holds at a bad moment is chosen, not met by chance:

* `flush` writes the chain to disk. SIGKILL (`kill`) loses the blocks since, and their
  headers; of the mempool nothing is left.
* A node that is launched `held` stands still in its import, as one does that reads
  many blocks back, until `release`: its tip is what the disk has, it says
  `initialblockdownload`, its mempool is not `loaded`. (Core opens the files of
  `-loadblock` one after another; this one is a pipe that nobody writes to.) With
  `-reindex-chainstate` it is then still warming up: every call is error -28.
* `invalidateblock` lets the tip fall below blocks whose headers it goes on to answer.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tests.node.rawtx import bech32, bech32_decoded
from tests.node.rpc import MATURITY, NOBODY, RpcError, RpcNode
from tests.tools.ports import free_ports
from tests.tools.wait import Process, wait_until

__all__ = ["LitecoinNode", "RpcError"]

START_TIMEOUT_S = 60.0
PATIENCE_S = 20.0
WARMING_UP = -28
LIKE_CORE = (
    "-regtest",
    "-vbparams=mweb:4000000000:4000000001",
    "-mempoolreplacement=1",
    "-dustrelayfee=0.00003",
    "-acceptnonstdtxn=0",
)
BY_ITSELF = (
    "-listen=1",
    "-connect=0",
    "-dnsseed=0",
    "-discover=0",
    "-listenonion=0",
    "-upnp=0",
    # To tell such a peer of a transaction does not wait for a random moment.
    "-whitelist=noban@127.0.0.1",
)
SMALL = (
    "-par=1",
    "-dbcache=16",
    "-maxsigcachesize=4",
    "-keypool=10",
    "-checkblockindex=0",
    "-checkmempool=0",
    "-fallbackfee=0.0002",
)


class LitecoinNode(RpcNode):
    """One node with files of its own; a context manager that starts and ends it.

    `options` are litecoind's, for each start; those of `launch` and `start` are for
    that one. `url` names the cookie file, as Paybell's configuration of a Core does.
    """

    def __init__(self, *options: str) -> None:
        self.port, self.p2p_port, self._onion_port = free_ports(3)
        self._options = options
        self._folder: Path | None = None
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}?cookie={self._cookie}"

    @property
    def blocks_folder(self) -> Path:
        """Where its blocks are, in files as Core has them."""
        assert self._folder is not None, "the node was not started"
        return self._folder / "regtest" / "blocks"

    @property
    def log(self) -> str:
        """The last lines that the node wrote since it was launched last."""
        return self._process.output if self._process is not None else ""

    # -- its life ------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="paybell-litecoin-"))
        os.mkfifo(self._gate)
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self, *options: str, held: bool = False) -> None:
        """Start it, and wait until it answers."""
        self.launch(*options, held=held)
        self.wait_until_ready()

    def launch(self, *options: str, held: bool = False) -> None:
        """Start it, and do not wait. `held`: see the module."""
        assert self._process is None, "it runs"
        gate = [f"-loadblock={self._gate}"] if held else []
        self._process = Process(
            [
                _executable(),
                *LIKE_CORE,
                *BY_ITSELF,
                *SMALL,
                f"-datadir={self._folder}",
                f"-rpcport={self.port}",
                f"-bind=127.0.0.1:{self.p2p_port}",
                f"-bind=127.0.0.1:{self._onion_port}=onion",
                "-printtoconsole=1",
                "-debuglogfile=0",
                *self._options,
                *options,
                *gate,
            ],
            timeout_s=START_TIMEOUT_S,
        )
        self._process.start()

    def wait_until_ready(self) -> None:
        wait_until(
            self._is_ready, START_TIMEOUT_S, lambda: f"the node to answer:\n{self.log}"
        )

    def is_warming_up(self) -> bool:
        """Whether it answers every call with -28, now."""
        try:
            self.rpc("getblockcount")
        except RpcError as error:
            return error.code == WARMING_UP
        except (requests.ConnectionError, requests.HTTPError):
            assert self._running().returncode is None, self.log
        return False

    def release(self) -> None:
        """Let a node that was launched `held` go on."""

        def opened() -> bool:
            try:
                os.close(os.open(self._gate, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return False  # the node has not come to it yet
            return True

        wait_until(opened, PATIENCE_S, lambda: f"the node to be held:\n{self.log}")

    def stop(self) -> None:
        """SIGTERM: all is written to disk, the mempool too. Not while it is held."""
        status = self._running().stop(PATIENCE_S)
        assert status == 0, self.log
        self._process = None

    def wait_until_ended(self) -> None:
        """Until it has ended by itself, as `-stopatheight` makes it."""
        self._running().wait(PATIENCE_S)
        self._process = None

    def kill(self) -> None:
        """SIGKILL: see `flush` for what it loses."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    # -- the chain -----------------------------------------------------------------

    def flush(self) -> None:
        """Write all blocks so far to disk, as Core does once an hour."""
        self.rpc("gettxoutsetinfo")

    def wait_for_tip(self, block_hash: str) -> None:
        wait_until(
            lambda: self.tip() == block_hash,
            PATIENCE_S,
            lambda: f"the tip to be {block_hash}; it is {self.tip()}\n{self.log}",
        )

    def wait_for_mempool(self, *txids: str) -> None:
        """Until these are in it, whatever else is."""
        wait_until(
            lambda: self.mempool() >= set(txids),
            PATIENCE_S,
            lambda: f"{txids} in the mempool: {self.mempool()}\n{self.log}",
        )

    def mine_only(self, txs: Sequence[bytes] = ()) -> str:
        """Mine a block with exactly these transactions; its hash."""
        to = self._as_written_here(NOBODY)
        raw = [tx.hex() for tx in txs]
        return str(self.rpc("generateblock", to, raw)["hash"])

    def replace_blocks(self, depth: int, instead: Sequence[bytes] = ()) -> list[str]:
        """Mine a branch that is longer by one in place of the last `depth` blocks.

        Its first block holds `instead` and no other one anything. The transactions of
        the lost blocks wait in the mempool afterwards, but for those that conflict.
        """
        first = self.height() - depth + 1
        self.rpc("invalidateblock", self.block_hash(first))
        return [self.mine_only(instead), *(self.mine_only() for _ in range(depth))]

    # -- its peers -----------------------------------------------------------------

    def connect(self, other: "LitecoinNode") -> None:
        """Be a peer of another one, which learns of this one's blocks, too."""
        self.rpc("setnetworkactive", True)
        there = f"127.0.0.1:{other.p2p_port}"
        self.rpc("addnode", there, "onetry")

        def is_peer() -> bool:
            peers = self.rpc("getpeerinfo")
            return any(p["addr"] == there and p["version"] for p in peers)

        wait_until(is_peer, PATIENCE_S, f"{there} to be a peer")

    def disconnect(self) -> None:
        """Have no peers, and take none before `connect`."""
        self.rpc("setnetworkactive", False)
        wait_until(
            lambda: self.rpc("getconnectioncount") == 0,
            PATIENCE_S,
            "no peer to be left",
        )

    # -- its wallet ----------------------------------------------------------------

    def fund_wallet(self) -> None:
        """Have a wallet with coins that may be spent; their inputs are segwit's."""
        self.rpc("createwallet", "paybell")
        self.rpc("generatetoaddress", 10, self.rpc("getnewaddress", "", "bech32"))
        self.generate(MATURITY)

    def pay(self, address: str, amount_sat: int) -> str:
        """Pay an address from the node's own wallet (replaceable); the txid."""
        whole, rest = divmod(amount_sat, 100_000_000)
        to = self._as_written_here(address)
        return str(
            self.rpc("sendtoaddress", to, f"{whole}.{rest:08}", "", "", False, True)
        )

    def _as_written_here(self, address: str) -> str:
        """Base58 has the same versions on both chains."""
        if not address.startswith("bcrt1"):
            return address
        return bech32(*bech32_decoded(address), prefix="rltc")

    # -- parts ---------------------------------------------------------------------

    @property
    def _gate(self) -> Path:
        assert self._folder is not None, "the node was not started"
        return self._folder / "gate"

    @property
    def _cookie(self) -> Path:
        assert self._folder is not None, "the node was not started"
        return self._folder / "regtest" / ".cookie"

    def _credentials(self) -> tuple[str, str]:
        """What the cookie file says now: it is new with each start."""
        with contextlib.suppress(FileNotFoundError):
            user, _, password = self._cookie.read_text().partition(":")
            return user, password
        return "", ""

    def _is_ready(self) -> bool:
        assert self._running().returncode is None, self.log
        try:
            self.rpc("getblockcount")
        except (RpcError, requests.ConnectionError, requests.HTTPError) as error:
            if isinstance(error, RpcError) and error.code != WARMING_UP:
                raise
            return False
        return True

    def _running(self) -> Process:
        assert self._process is not None, "the node does not run"
        return self._process


def _executable() -> str:
    name = os.environ.get("LITECOIND", "litecoind")
    found = shutil.which(name)
    if found is None:
        raise AssertionError(f"there is no {name} here: run `make setup-litecoind`")
    return found
