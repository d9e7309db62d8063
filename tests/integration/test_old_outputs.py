"""Over a real socket: what paid an address before a payment pays something else."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.bitcoin.address import parse_address
from engine.runtime.clock import GeventClock
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import wait_until

HOURS_MS = 3_600_000


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def paid_before(node: RunningNode, blocks: int) -> tuple[str, str]:
    """(address, txid): paid, so many blocks ago, and read by the node."""
    address = node.chain.new_address()
    txid = node.chain.pay(address, 1_000)
    if blocks:
        node.chain.mine(blocks)
    tip = node.chain.status().tip
    script = parse_address(address, "regtest").script

    def is_read() -> bool:
        report = node.node.source_report.now
        if report.look is None or report.best is None or report.best.tip != tip:
            return False
        seen = report.look(script)
        return seen.complete and any(o.txid == txid for o in seen.outputs)

    wait_until(is_read, 10, "the node to have read what was paid")
    return address, txid


def new_money(node: RunningNode, made: dict[str, Any]) -> dict[str, Any]:
    """The payment when it was paid once more, with two confirmations."""
    node.chain.pay(made["address"], 1_000)
    node.chain.mine(2)
    return node.wait_for_status(made["id"], "confirmed")


@pytest.mark.parametrize("blocks", [0, 1, 11])
def test_what_the_node_knew_when_the_payment_was_created_does_not_pay_it(
    node: RunningNode, blocks: int
) -> None:
    address, old = paid_before(node, blocks)
    made = node.create(address=address, amount_sat=1_000, confirmations=2)
    done = new_money(node, made)
    assert [r["txid"] for r in done["receipts"]] != [old]
    assert done["received_sat"] == 1_000, "and once only"


def test_a_reorg_after_the_creation_does_not_make_it_count(node: RunningNode) -> None:
    address, _ = paid_before(node, 2)
    made = node.create(address=address, amount_sat=1_000, confirmations=2)
    node.chain.reorg(2)
    assert new_money(node, made)["received_sat"] == 1_000


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_of_the_node_that_is_hours_off_loses_nothing(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = GeventClock.now
    monkeypatch.setattr(GeventClock, "now", lambda self: now(self) + hours * HOURS_MS)
    with running_node() as wrong:
        address, _ = paid_before(wrong, 1)
        made = wrong.create(address=address, amount_sat=1_000, confirmations=2)
        assert new_money(wrong, made)["received_sat"] == 1_000
