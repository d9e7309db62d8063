"""Paybell as a process on a real Lightning node, paid by another one.

What the payer's Electrum has paid is what must be confirmed: each once, told to all in
one order, whoever is killed meanwhile. The two tests go on one after the other on one
network and one Paybell; each begins with orders of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import gevent
import pytest
from gevent.pool import Pool
from standardwebhooks.webhooks import Webhook

from engine.lightning.node import PayoutStatus
from tests.lightning.electrum_rig import adapter
from tests.node.followers import Follower, SocketioFollower, SseFollower, WsFollower
from tests.node.paybell import Paybell
from tests.tools.receiver import Receiver
from tests.tools.wait import wait_until
from transport.devnet.electrum import ElectrumError
from transport.devnet.network import LightningNetwork

PATIENCE_S = 30.0
AT_ONCE = 6  # payments on their way
STORY = ["payment.created", "payment.detected", "payment.confirmed"]

CONFIG = """
[lightning.till]
kind = "electrum"
url = "{url}"
user = "{user}"
stream_url = "{stream_url}"
poll_s = 2
"""

Json = dict[str, Any]


class Order:
    """One payment, and all that its followers were told."""

    def __init__(self, world: "World", payment: Json) -> None:
        self.payment = payment
        self.id = str(payment["id"])
        self.bolt11 = str(payment["lightning"]["bolt11"])
        self.payment_hash = str(payment["lightning"]["payment_hash"])
        self.paid_at_s = 0.0
        self.told_s = 0.0
        port, token = world.paybell.port, payment["client_secret"]
        self.page = SocketioFollower(port, payment["external_id"])
        self.followers: tuple[Follower, ...] = (
            WsFollower(port, self.payment_hash, token),
            SseFollower(port, self.payment_hash, token),
            self.page,
        )

    def close(self) -> None:
        for follower in self.followers:
            follower.close()

    def wait_confirmed(self) -> None:
        for follower in self.followers:
            follower.wait_for_seq(len(STORY), PATIENCE_S)


class World:
    """A shop with Paybell on the network's `shop`, and its customers on `payer`."""

    def __init__(self, network: LightningNetwork, folder: Path) -> None:
        self.network = network
        config = folder / "paybell.toml"
        shop = network.shop
        filled = CONFIG.format(url=shop.url, user=shop.user, stream_url=shop.stream_url)
        config.write_text(filled, encoding="utf-8")
        options = [f"--config={config}", "--seed=salon=default"]
        self.paybell = Paybell(network.bitcoin.url, folder, options)
        self.paybell.environ["PAYBELL_LIGHTNING_TILL_SECRET"] = shop.password
        self.endpoint = Receiver()
        self.secret = ""
        self._payer = adapter(network.payer)
        self._numbers = count(1)
        self._kept = ExitStack()

    def __enter__(self) -> "World":
        self._kept.enter_context(self.endpoint)
        self._kept.enter_context(self.paybell)
        self.secret = self.paybell.open_channel(self.endpoint.url("/hook"))
        self.wait_until("live")
        return self

    def __exit__(self, *problem: Any) -> None:
        self._kept.__exit__(*problem)

    def wait_until(self, state: str) -> None:
        """Until the connection to the node is in this state."""

        def stands() -> str:
            [upstream] = self.paybell.get("/v1/upstreams")["data"]
            return str(upstream["state"])

        wait_until(lambda: stands() == state, PATIENCE_S, lambda: f"it is {stands()}")

    def order(self, kept: ExitStack, **terms: Any) -> Order:
        number = next(self._numbers)
        payment = self.paybell.create(
            method="lightning",
            amount_sat=1_000 + number,
            external_id=f"order-{number}",
            **terms,
        )
        order = Order(self, payment)
        kept.callback(order.close)
        return order

    def pay(self, order: Order) -> None:
        """As a wallet does that does not give up. Whether it has paid says its node."""
        while not self.has_paid(order):
            try:
                self.network.payer.pay(order.bolt11)
            except ElectrumError:  # the shop is away; or this is on its way
                gevent.sleep(0.2)
        order.paid_at_s = time.monotonic()

    def has_paid(self, order: Order) -> bool:
        payout = self._payer.payout(order.payment_hash)
        return payout.status is PayoutStatus.PAID

    def webhooks(self) -> dict[str, list[Json]]:
        """Those that came, by payment, in order; one that came twice is there once."""
        webhook = Webhook(self.secret)
        told: dict[str, list[Json]] = {}
        seen: set[str] = set()
        for received in self.endpoint.requests:
            event = webhook.verify(received.body, received.headers)["data"]
            if received.headers["webhook-id"] not in seen:
                seen.add(received.headers["webhook-id"])
                told.setdefault(event["payment_id"], []).append(event)
        return told

    def expect_told(self, orders: Sequence[Order]) -> None:
        """Each is confirmed once, and all were told the same, once and in order."""
        for order in orders:
            order.wait_confirmed()
        wait_until(
            lambda: all(len(self.webhooks().get(o.id, ())) >= 3 for o in orders),
            PATIENCE_S,
            "all webhooks",
        )
        webhooks = self.webhooks()
        for order in orders:
            events = self.paybell.events(order.id)
            assert [event["type"] for event in events] == STORY, order.id
            assert [event["seq"] for event in events] == [1, 2, 3]
            for follower in order.followers:
                if follower is not order.page:
                    assert follower.events == events, type(follower)
            steps = [(event["seq"], event["type"]) for event in order.page.events]
            assert steps == list(zip([2, 3], STORY[1:], strict=True))
            assert order.page.completed == [3]
            assert webhooks[order.id] == events
            payment = self.paybell.payment(order.id)
            amount_sat = payment["amount_sat"]
            assert (payment["status"], payment["flags"]) == ("confirmed", [])
            assert payment["received_sat"] == payment["confirmed_sat"] == amount_sat
            [receipt] = payment["receipts"]
            assert receipt["txid"] == order.payment_hash
            assert receipt["amount_sat"] == amount_sat


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
    world.network.restart_shop()
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
