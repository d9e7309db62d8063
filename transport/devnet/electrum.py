"""One Electrum with Lightning, as a daemon with a wallet of its own (Debian's 4.3.4).

Its traps: `use_gossip` and `oneserver` must be on, or it looks for trampolines and
other servers; it answers its RPC at a port only where `rpcport` is set; with
`bolt11_fallback` an invoice could be paid on the chain, where nobody looks.

It keeps its files in `folder`, so it can be killed and started again.
"""

import json
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests

from transport.devnet.places import Programs
from transport.devnet.program import HOST, NetworkFailed, Program, free_ports, until

__all__ = ["Electrum", "ElectrumError"]

RPC_TIMEOUT_S = 150.0  # it tries to pay for two minutes
STARTS = 5


class ElectrumError(NetworkFailed):
    """Electrum answered a call with an error; the text is its own."""


class Electrum:
    """`start`, then `rpc`; `kill` and `start` again. `user`, `password`, `url` and
    `stream_url` are what `[lightning.<name>]` takes."""

    user = "paybell"

    def __init__(self, programs: Programs, folder: Path, electrumx_port: int) -> None:
        self._programs, self._folder = programs, folder
        self.password = secrets.token_hex(16)
        self._port, lightning, self._payserver_port = free_ports(3)
        self.program: Program | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        (folder / "regtest").mkdir(parents=True)
        config = {
            "auto_connect": False,
            "bolt11_fallback": False,
            "check_updates": False,
            "config_version": 3,
            "dynamic_fees": False,
            "fee_per_kb": 5_000,
            "lightning_listen": f"{HOST}:{lightning}",
            "oneserver": True,
            "payserver_address": f"{HOST}:{self._payserver_port}",
            "rpchost": HOST,
            "rpcpassword": self.password,
            "rpcport": self._port,
            "rpcuser": self.user,
            "server": f"{HOST}:{electrumx_port}:t",
            "use_gossip": True,
            "use_payserver": True,
        }
        (folder / "regtest" / "config").write_text(json.dumps(config), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def stream_url(self) -> str:
        """Of its plugin `payserver`, which tells of paid invoices."""
        return f"ws://{HOST}:{self._payserver_port}"

    @property
    def wallet_file(self) -> Path:
        """With its keys: they are not encrypted."""
        return self._folder / "regtest" / "wallets" / "default_wallet"

    def launch(self) -> None:
        """Start it, and do not wait."""
        assert self.program is None or self.program.has_ended, "it runs"
        self.program = Program(
            [self._programs.electrum, "--regtest", "-D", self._folder, "daemon"],
            self._folder / "electrum.log",
        )

    def wait_until_ready(self, limit_s: float) -> None:
        """Until it answers; then its wallet is loaded (made, the first time)."""
        starts = 1

        def answers() -> bool:
            nonlocal starts
            assert self.program is not None, "it was not launched"
            if self.program.has_ended:
                # Since it was killed, somebody may have its port for a moment.
                if starts == STARTS:
                    raise NetworkFailed(f"electrum ended\n{self.program.tail()}")
                starts += 1
                self.launch()
            try:
                return bool(self.rpc("ping"))
            except requests.RequestException:
                return False

        until(answers, limit_s, lambda: f"electrum to answer\n{self._tail()}")
        if not self.wallet_file.exists():
            self.rpc("create")
        self.rpc("load_wallet")

    def start(self, limit_s: float) -> None:
        self.launch()
        self.wait_until_ready(limit_s)

    def kill(self) -> None:
        """SIGKILL."""
        self._session.close()
        if self.program is not None:
            self.program.kill()

    def rpc(self, method: str, **params: object) -> Any:
        """Raises `ElectrumError`, and requests' own for the wire."""
        answer = self._session.post(
            self.url,
            json={"id": 1, "method": method, "params": params},
            auth=(self.user, self.password),
            timeout=RPC_TIMEOUT_S,
        )
        answer.raise_for_status()
        body = answer.json()
        if "error" in body:
            raise ElectrumError(f"{method}: {body['error']['message']}")
        return body["result"]

    def has_synced(self, height: int) -> bool:
        """Whether it knows the chain up to that block, and its own part of it."""
        info = self.rpc("getinfo")
        if info.get("blockchain_height") != height:
            return False
        return bool(self.rpc("is_synchronized"))

    def has_coins(self) -> bool:
        """Whether coins of the chain may be spent: known, and mature."""
        return Decimal(self.rpc("getbalance")["confirmed"]) > 0

    def has_open_channel(self) -> bool:
        """Whether it can pay, or be paid, now."""
        return any(
            channel["state"] == "OPEN" and channel["peer_state"] == "GOOD"
            for channel in self.rpc("list_channels")
        )

    def invoice(
        self, amount_sat: int, memo: str = "", expires_in_s: int = 3_600
    ) -> str:
        """A new invoice (BOLT 11)."""
        made = self.rpc(
            "add_request",
            amount=f"{amount_sat // 100_000_000}.{amount_sat % 100_000_000:08d}",
            memo=memo,
            expiration=expires_in_s,
            force=True,
        )
        return str(made["lightning_invoice"])

    def pay(self, bolt11: str) -> str:
        """Pay it, and wait for that; the preimage. Raises `ElectrumError`."""
        paid = self.rpc("lnpay", invoice=bolt11)
        if not paid["success"]:
            raise ElectrumError(f"lnpay: {paid['log']}")
        return str(paid["preimage"])

    def _tail(self) -> str:
        return self.program.tail() if self.program is not None else ""
