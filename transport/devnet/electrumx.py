"""ElectrumX 1.20: what the two Electrum ask about the chain. Loopback, no peers.

It looks for blocks and transactions every tenth of a second, and knows no limits: its
only clients are ours.
"""

from pathlib import Path

from transport.devnet.places import Programs
from transport.devnet.program import HOST, Program, free_ports

__all__ = ["ElectrumX"]

LOOK_MS = "100"


class ElectrumX:
    """A running server at `port`. `folder`: of its own."""

    def __init__(self, programs: Programs, folder: Path, bitcoin_url: str) -> None:
        self.port, control = free_ports(2)
        self.program = Program(
            [
                programs.electrumx,
                Path(programs.electrumx).parent / "electrumx_server",
            ],
            folder / "electrumx.log",
            {
                "ALLOW_ROOT": "1",  # in a container of the tests there is nobody else
                "CACHE_MB": "32",
                "COIN": "Bitcoin",
                "COST_HARD_LIMIT": "0",
                "COST_SOFT_LIMIT": "0",
                "DAEMON_POLL_INTERVAL_BLOCKS": LOOK_MS,
                "DAEMON_POLL_INTERVAL_MEMPOOL": LOOK_MS,
                "DAEMON_URL": f"{bitcoin_url}/",
                "DB_DIRECTORY": str(folder),
                "DB_ENGINE": "leveldb",
                "NET": "regtest",
                "PEER_DISCOVERY": "off",
                "SERVICES": f"tcp://{HOST}:{self.port},rpc://{HOST}:{control}",
            },
        )
