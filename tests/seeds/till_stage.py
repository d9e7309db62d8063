"""A Paybell with two accounts at Blink's double, the till's and the shop's own, as a
process that may be killed at any step and started again on the same database."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from tests.tools.blink_double import BlinkDouble
from tests.tools.paybell import Paybell
from tests.tools.wait import wait_until

__all__ = ["PATIENCE_S", "TillStage", "till_stage"]

PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


class TillStage:
    """See the module docstring."""

    def __init__(self, blink: BlinkDouble, folder: Path) -> None:
        self.blink, self._folder = blink, folder
        self.till, self.own = blink.account("till"), blink.account("own")
        self._config = folder / "paybell.toml"
        text = ""
        for account, more in ((self.till, {"forward_to": "own"}), (self.own, {})):
            table = {
                "kind": "blink",
                "url": blink.url,
                "stream_url": blink.stream_url,
                "secret": account.key,
                **more,
            }
            lines = (f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            text += f"[lightning.{account.name}]\n{''.join(lines)}"
        self._config.write_text(text, encoding="utf-8")
        self.node: Paybell

    def start(self, stop: int = 0) -> None:
        """`stop`: it kills itself there (`till_process.py`); else it is ready."""
        arguments = ["serve", "--port", "0", "--db", "node.db"]
        arguments += ["--config", str(self._config)]
        killed = [sys.executable, "-m", "tests.seeds.till_process", str(stop)]
        self.node = Paybell(
            self._folder,
            arguments,
            {"PYTHONPATH": str(ROOT)},
            in_place_of_run=killed,
        )
        if not stop:
            self.node.wait_ready()

    @property
    def has_ended(self) -> bool:
        return self.node.process.poll() is not None

    def sell(self, sat: int) -> dict[str, Any]:
        """A payment whose invoice somebody outside has paid."""
        payment = self.node.create(method="lightning", amount_sat=sat)
        self.blink.pay_from_outside(payment["lightning"]["payment_hash"])
        return payment

    def told(self, payment: dict[str, Any]) -> list[dict[str, Any]]:
        page = self.node.get(f"/v1/payments/{payment['id']}/events").json()
        found: list[dict[str, Any]] = page["data"]
        return found

    def types(self, payment: dict[str, Any]) -> list[str]:
        return [e["type"].removeprefix("payment.") for e in self.told(payment)]

    def forwards(self) -> list[dict[str, Any]]:
        answer = self.node.get("/v1/forwarding/lightning")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def forward(self, payment: dict[str, Any]) -> dict[str, Any]:
        (found,) = (f for f in self.forwards() if f["payment_id"] == payment["id"])
        return found

    def wait_forwarded(self, *payments: dict[str, Any]) -> None:
        def all_there() -> bool:
            with suppress(requests.RequestException):
                now = [self.node.payment(p["id"])["status"] for p in payments]
                return all(status == "forwarded" for status in now)
            return False

        wait_until(all_there, PATIENCE_S, lambda: f"forwarded: {self.forwards()}")

    def sent_to_own(self) -> list[int]:
        """What came to the shop's own account, as Blink's ledger has it, in order."""
        wallet = self.own.btc
        return [tx.amount for tx in self.blink.bank.ledger if tx.wallet is wallet]


@contextmanager
def till_stage(folder: Path) -> Iterator[TillStage]:
    with BlinkDouble() as blink:
        stage = TillStage(blink, folder)
        try:
            yield stage
        finally:
            if hasattr(stage, "node"):
                stage.node.kill()
