"""The till on a real network: what comes to it is passed on to another node, once."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.lightning.real_shop import PATIENCE_S, STORY, World
from tests.tools.wait import wait_until
from transport.devnet.network import LightningNetwork

PASSED_ON = [*STORY, "payment.forwarding", "payment.forwarded"]


def test_what_comes_to_the_till_is_passed_on_once_though_paybell_is_killed(
    network: LightningNetwork, tmp_path: Path
) -> None:
    before = len(came_in(network))
    with World(network, tmp_path, forward_to="home") as world, ExitStack() as kept:
        orders = [world.order(kept) for _ in range(3)]
        for order in orders:
            world.pay(order)
        world.paybell.kill()
        world.paybell.start()
        for order in orders:
            order.followers[0].wait_for_seq(len(PASSED_ON), PATIENCE_S)
        sent = set()
        for order in orders:
            events = world.paybell.events(order.id)
            assert [event["type"] for event in events] == PASSED_ON
            payment = world.paybell.payment(order.id)
            assert payment["status"] == "forwarded"
            sent.add(payment["forwarding_tx_hash"])
        wait_until(
            lambda: len(came_in(network)) >= before + 3, PATIENCE_S, "three to come"
        )
        rows = came_in(network)[before:]
        assert {row["payment_hash"] for row in rows} == sent
        assert len(rows) == 3, "each once"
        asked_sat = sum(order.payment["amount_sat"] for order in orders)
        passed_sat = sum(row["amount_msat"] for row in rows) // 1_000
        assert asked_sat * 0.97 < passed_sat < asked_sat
        assert world.paybell.trouble == []


def came_in(network: LightningNetwork) -> list[dict[str, Any]]:
    """What was paid to the payer's node, oldest first."""
    rows = network.payer.rpc("lightning_history")
    return [r for r in rows if r["type"] == "payment" and r["direction"] == 1]
