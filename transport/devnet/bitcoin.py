"""The Bitcoin node of the development network: bcoin on a regtest chain in memory.

`url` is what Paybell's `--source bitcoind=` and ElectrumX take. Witnesses are valid
from block 48 on (core_words.js), and a mined coin may be spent after 100 blocks.
"""

import secrets
from pathlib import Path
from typing import Any

import requests

from transport.devnet.places import Programs
from transport.devnet.program import HOST, NetworkFailed, Program, free_ports, until

__all__ = ["Bitcoin"]

HERE = Path(__file__).resolve().parent
RPC_TIMEOUT_S = 60.0
NOBODY = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"  # BIP 173's example


class Bitcoin:
    """A running node. `folder`: of its own."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._password = secrets.token_hex(16)
        self._port, p2p = free_ports(2)
        modules = programs.bitcoin / "node_modules"
        self.program = Program(
            [
                programs.node,
                *("-r", programs.bitcoin / "preload.js"),
                *("-r", HERE / "core_words.js"),
                modules / "bcoin" / "bin" / "node",
                "--network=regtest",
                "--memory=true",
                f"--prefix={folder}",
                f"--http-host={HOST}",
                f"--http-port={self._port}",
                f"--host={HOST}",
                f"--port={p2p}",
                "--listen=false",
                "--max-outbound=1",
                "--no-wallet=true",
                "--workers=false",
                "--index-tx=true",
                "--log-level=warning",
            ],
            folder / "bitcoin.log",
            # Not on the command line, where every user of the machine could read it.
            {
                "BCOIN_API_KEY": self._password,
                "NODE_BACKEND": "js",
                "NODE_PATH": str(modules),
            },
        )

    @property
    def url(self) -> str:
        """With its password."""
        return f"http://paybell:{self._password}@{HOST}:{self._port}"

    def wait_until_ready(self, limit_s: float) -> None:
        until(self._answers, limit_s, lambda: f"bcoin to answer\n{self.program.tail()}")

    def _answers(self) -> bool:
        if self.program.has_ended:
            raise NetworkFailed(f"bcoin ended\n{self.program.tail()}")
        try:
            self.rpc("getblockcount")
        except (requests.ConnectionError, requests.Timeout):
            return False
        return True

    def rpc(self, method: str, *params: object) -> Any:
        """Call the node. Raises `NetworkFailed` for its errors, requests' own for the
        wire."""
        answer = requests.post(
            f"http://{HOST}:{self._port}/",
            json={"method": method, "params": list(params), "id": 0},
            auth=("paybell", self._password),
            timeout=RPC_TIMEOUT_S,
        )
        body = answer.json()
        if body["error"] is not None:
            raise NetworkFailed(f"{method}: {body['error']['message']}")
        return body["result"]

    @property
    def height(self) -> int:
        return int(self.rpc("getblockcount"))

    def mine(self, blocks: int, address: str = NOBODY) -> None:
        """Mine, with all that waits in the mempool."""
        self.rpc("generatetoaddress", blocks, address)

    def mempool(self) -> list[str]:
        return list(self.rpc("getrawmempool"))
