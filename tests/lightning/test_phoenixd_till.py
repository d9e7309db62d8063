"""A till at phoenixd: what comes after fees is passed on to another phoenixd, and what
became fee credit waits until there is something to spend."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.paybell import Paybell, serving
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.wait import wait_until

STEP_S = 15.0

TABLE = """
[lightning.{name}]
kind = "phoenixd"
url = "{url}"
secret = "{secret}"
poll_s = 3600
"""


class Till:
    """A whole node, and the two that its money goes through."""

    def __init__(
        self, node: Paybell, till: PhoenixdDouble, user: PhoenixdDouble
    ) -> None:
        self.node, self.till, self.user = node, till, user

    def paid(self, amount_sat: int, **how: Any) -> dict[str, Any]:
        payment = self.node.create(method="lightning", amount_sat=amount_sat)
        self.till.receive(payment["lightning"]["payment_hash"], **how)
        return payment

    def types(self, payment: dict[str, Any]) -> list[str]:
        page = self.node.get(f"/v1/payments/{payment['id']}/events").json()
        return [event["type"].removeprefix("payment.") for event in page["data"]]

    def forwards(self) -> list[dict[str, Any]]:
        found = self.node.get("/v1/forwarding/lightning")
        assert found.status_code == 200, found.text
        data: list[dict[str, Any]] = found.json()["data"]
        return data


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    folder: Path = tmp_path_factory.mktemp("till")
    with PhoenixdDouble() as pos, PhoenixdDouble() as user:
        pos.neighbours.append(user)
        tables = [
            TABLE.format(name=name, url=double.url, secret=double.password)
            for name, double in (("till", pos), ("user", user))
        ]
        tables[0] += 'forward_to = "user"\n'
        config = folder / "paybell.toml"
        config.write_text("".join(tables))
        with serving(folder, "--config", str(config)) as node:
            wait_until(lambda: pos.peers and user.peers, STEP_S, "both connections")
            yield Till(node, pos, user)


def test_what_is_left_after_fees_is_passed_on_once(till: Till) -> None:
    payment = till.paid(50_000, fees_msat=10_000_000)
    shown = till.node.wait_for_status(payment["id"], "forwarded")
    (receipt,) = shown["receipts"]
    assert (receipt["amount_sat"], receipt["net_sat"], receipt["fee_sat"]) == (
        50_000, 40_000, 10_000,
    )  # fmt: skip
    (out,) = till.till.outgoing
    got = sum(row.net_msat for row in till.user.rows)
    assert got == out.amount_msat <= 40_000_000
    assert till.types(payment)[-2:] == ["forwarding", "forwarded"]


def test_fee_credit_waits_and_is_not_failed(till: Till) -> None:
    """Too small to pay for a channel: all of it is fee credit, which nobody can spend.
    The payment is paid; what there is to spend later goes on."""
    till.till.balance_msat, till.till.inbound_msat = 0, None
    sent = len(till.till.outgoing)
    payment = till.paid(1_000, credit=True)
    till.node.wait_for_status(payment["id"], "confirmed")

    def waiting() -> list[dict[str, Any]]:
        found = [f for f in till.forwards() if f["payment_id"] == payment["id"]]
        return [forward for forward in found if forward["reason"]]

    (forward,) = wait_until(waiting, STEP_S, lambda: str(till.forwards()))
    assert forward["state"] == "waiting", forward
    assert "failed" not in till.types(payment)
    assert len(till.till.outgoing) == sent
    till.till.balance_msat, till.till.inbound_msat = 2_000_000, 5_000_000
    path = f"/v1/forwarding/lightning/{forward['id']}/resume"

    def has_gone_on() -> bool:
        till.node.post(path)
        return till.types(payment)[-1] == "forwarded"

    wait_until(has_gone_on, STEP_S, lambda: str(till.forwards()))
    assert "failed" not in till.types(payment)
    assert len(till.till.outgoing) == sent + 1
