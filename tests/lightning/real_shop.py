"""A shop with Paybell as a process on a real Lightning node, and its customers.

`World` is the shop, `Order` one of its payments with all that its followers were told.
What the payer's Electrum says that it paid is the truth that all is held against.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import gevent
from standardwebhooks.webhooks import Webhook

from engine.errors.lightning import NodeUnavailable
from engine.lightning.node import PayoutStatus
from tests.lightning.electrum_rig import adapter
from tests.node.followers import Follower, SocketioFollower, SseFollower, WsFollower
from tests.node.paybell import Paybell
from tests.tools.receiver import Receiver
from tests.tools.wait import wait_until
from transport.devnet.electrum import Electrum as Daemon
from transport.devnet.electrum import ElectrumError
from transport.devnet.network import LightningNetwork

__all__ = ["PATIENCE_S", "STORY", "Order", "World"]

PATIENCE_S = 30.0
STORY = ["payment.created", "payment.detected", "payment.confirmed"]

ACCOUNT = """
[lightning.{name}]
kind = "electrum"
url = "{daemon.url}"
user = "{daemon.user}"
stream_url = "{daemon.stream_url}"
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

    def __init__(
        self, network: LightningNetwork, folder: Path, forward_to: str = ""
    ) -> None:
        """`forward_to`: the till passes on to an account of this name, which is the
        payer's node."""
        self.network = network
        accounts = {"till": network.shop}
        if forward_to:
            accounts[forward_to] = network.payer
        options = [f"--config={folder / 'paybell.toml'}", "--seed=salon=default"]
        self.paybell = Paybell(network.bitcoin.url, folder, options)
        self._configure(folder / "paybell.toml", accounts, forward_to)
        self.endpoint = Receiver()
        self.secret = ""
        self._payer = adapter(network.payer)
        self._numbers = count(1)
        self._kept = ExitStack()

    def _configure(
        self, file: Path, accounts: dict[str, Daemon], forward_to: str
    ) -> None:
        text = ""
        for name, daemon in accounts.items():
            text += ACCOUNT.format(name=name, daemon=daemon)
            if name == "till" and forward_to:
                text += f'forward_to = "{forward_to}"\n'
            secret = f"PAYBELL_LIGHTNING_{name.upper()}_SECRET"
            self.paybell.environ[secret] = daemon.password
        file.write_text(text, encoding="utf-8")

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
            upstreams = self.paybell.get("/v1/upstreams")["data"]
            states = {one["name"]: str(one["state"]) for one in upstreams}
            return states["till"]

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
        while True:
            try:
                if self.has_paid(order):
                    break
                self.network.payer.pay(order.bolt11)
            # The shop is away; or this is on its way; or it has no time for us.
            except (ElectrumError, NodeUnavailable):
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
