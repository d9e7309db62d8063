"""The log of a running node in both of its forms: each line by itself is what a
collector reads, and what concerns a payment names it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.tools.paybell import Paybell, serving

KEY_VALUE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|warning|error) \S+( \w+=.*)?"
)


def story(node: Paybell) -> str:
    """A payment from its creation to its end; its id. The log has it."""
    made = node.create(amount_sat=50_000, confirmations=1)
    node.post("/dev/pay", address=made["address"], amount_sat=50_000)
    node.post("/dev/mine", blocks=1)
    node.wait_for_status(made["id"], "confirmed")
    node.wait_for_log("payment.confirmed")
    return str(made["id"])


@pytest.mark.parametrize("form", ["kv", "json"])
def test_each_line_can_be_read_and_a_payments_name_it(
    tmp_path: Path, form: str
) -> None:
    with serving(tmp_path, "--log-format", form) as node:
        payment = story(node)
        assert node.stop() == 0
        lines = node.err.splitlines()
    for event in ("watchers.ready", "payment.confirmed", "node.stopped"):
        assert len([line for line in lines if event in line]) == 1, event
    if form == "kv":
        assert [line for line in lines if not KEY_VALUE.fullmatch(line)] == []
        assert [line for line in lines if f"payment={payment}" in line]
        return
    told: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert all({"at", "level", "event"} <= one.keys() for one in told)
    assert all(isinstance(value, str) for one in told for value in one.values())
    assert {one.get("payment") for one in told} >= {payment}
    (confirmed,) = [one for one in told if one["event"] == "payment.confirmed"]
    assert confirmed["payment"] == payment
