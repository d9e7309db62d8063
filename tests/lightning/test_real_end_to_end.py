"""Paybell as a process on a real Lightning node, paid by another one.

What the payer's Electrum has paid is what must be confirmed: each once, told to all in
one order, whoever is killed meanwhile. The two tests go on one after the other on one
network and one Paybell; each begins with orders of its own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median, quantiles

import pytest
from gevent.pool import Pool

from tests.lightning.real_shop import PATIENCE_S, STORY, Order, World
from tests.tools.wait import PATIENCE, wait_until
from transport.devnet.network import LightningNetwork

AT_ONCE = 6  # payments on their way


@pytest.fixture(scope="module")
def world(
    network: LightningNetwork, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with World(network, tmp_path_factory.mktemp("paybell")) as world:
        yield world


@pytest.fixture
def kept() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_fifty_invoices_are_paid_detected_and_told_once_and_in_order_to_all(
    world: World, kept: ExitStack, record_property: Callable[[str, object], None]
) -> None:
    orders = [world.order(kept) for _ in range(50)]
    unpaid = world.order(kept)
    told_s: list[float] = []

    def pay_and_watch(order: Order) -> None:
        world.pay(order)
        order.followers[0].wait_for_seq(len(STORY), PATIENCE_S)
        told_s.append(time.monotonic() - order.paid_at_s)

    pool = Pool(AT_ONCE)
    began_s = time.monotonic()
    pool.map(pay_and_watch, orders)
    took_s = time.monotonic() - began_s
    world.expect_told(orders)
    assert [event["type"] for event in world.paybell.events(unpaid.id)] == STORY[:1]
    assert not world.has_paid(unpaid)
    figures = (
        f"50 real payments in {took_s:.1f} s; from the payer's receipt to the browser"
        f" p50 {median(told_s):.2f} s, p95 {quantiles(told_s, n=20)[-1]:.2f} s"
        " (told by payserver)"
    )
    record_property("figures", figures)


def test_what_is_paid_is_confirmed_once_though_paybell_and_the_node_are_killed(
    world: World, kept: ExitStack
) -> None:
    orders = [world.order(kept, expires_in_s=3_600) for _ in range(12)]
    unpaid = world.order(kept, expires_in_s=3_600)
    pool = Pool(3)
    paying = [pool.spawn(world.pay, order) for order in orders]

    def wait_for_paid(number: int) -> None:
        wait_until(
            lambda: sum(greenlet.ready() for greenlet in paying) >= number,
            PATIENCE_S,
            f"{number} to be paid",
        )

    wait_for_paid(2)
    world.paybell.kill()
    wait_for_paid(5)  # nobody looks
    world.paybell.start()
    wait_for_paid(7)
    world.network.shop.kill()  # with payments on their way
    refused = world.paybell.call(
        "POST", "/v1/payments", json={"method": "lightning", "amount_sat": 1_000}
    )
    assert (refused.status_code, refused.json()["code"]) == (
        503,
        "lightning_unavailable",
    )
    world.wait_until("failing")
    world.paybell.kill()  # both are gone
    world.network.shop.start(PATIENCE_S * PATIENCE)
    world.network.wait_until_open()
    wait_for_paid(len(orders) - 2)
    world.paybell.start()  # while the rest is paid
    for greenlet in paying:
        greenlet.get()
    world.expect_told(orders)
    assert [event["type"] for event in world.paybell.events(unpaid.id)] == STORY[:1]
    world.wait_until("live")
    world.paybell.stop()
    assert world.paybell.trouble == []
    world.paybell.replay_check()
    world.paybell.start()
    world.expect_told(orders)
