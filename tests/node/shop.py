"""A shop on a real node: orders that are followed on every channel at once.

    with shop.order(50_000) as order:
        order.pay(50_000)
        order.wait_for("detected")

When the order's block ends without an error, what was told on the WebSocket, in the
stream, in verified webhooks and by the API must be the same, word for word.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.node.bcoin import BcoinNode
from tests.node.followers import Follower
from tests.node.paybell import Paybell
from tests.node.rawtx import address_for
from tests.node.wallet import Wallet
from tests.tools.receiver import Received, Receiver
from tests.tools.wait import wait_until

__all__ = ["Order", "Shop", "fresh_address"]

PATIENCE_S = 20.0
seeds = count(1_000)


def fresh_address(kind: str = "p2wpkh") -> str:
    """One that no other test has."""
    return address_for(kind, next(seeds))


class Shop:
    """All that stands round the tests: chain, customer, Paybell, webhook endpoint."""

    def __init__(
        self, node: BcoinNode, wallet: Wallet, paybell: Paybell, endpoint: Receiver
    ) -> None:
        self.node = node
        self.wallet = wallet
        self.paybell = paybell
        self.endpoint = endpoint
        self.webhook = Webhook(
            paybell.open_channel(endpoint.url("/hook"), timeout_s=30)
        )

    @contextmanager
    def order(
        self, amount_sat: int | None = 50_000, kind: str = "p2wpkh", **terms: Any
    ) -> Iterator["Order"]:
        """A payment that is followed on every channel; at the end all must agree."""
        wanted = {"address": fresh_address(kind), "confirmations": 1, **terms}
        payment = self.paybell.create(amount_sat=amount_sat, **wanted)
        with (
            self.paybell.follow_ws(payment) as socket,
            self.paybell.follow_sse(payment) as stream,
        ):
            order = Order(self, payment, socket, stream)
            yield order
            order.expect_one_story()

    def webhooks_of(self, payment_id: str) -> list[dict[str, Any]]:
        """The events that the endpoint was told about a payment, in that order."""
        told = [self._verified(received) for received in self.endpoint.requests]
        return [event for event in told if event["payment_id"] == payment_id]

    def _verified(self, received: Received) -> dict[str, Any]:
        body = self.webhook.verify(received.body, received.headers)
        event: dict[str, Any] = body["data"]
        assert received.headers["webhook-id"] == event["id"]
        assert body["type"] == event["type"]
        assert body["timestamp"] == event["at"]
        return event


class Order:
    """One payment and those who follow it."""

    def __init__(
        self,
        shop: Shop,
        payment: dict[str, Any],
        socket: Follower,
        stream: Follower,
    ) -> None:
        self.shop = shop
        self.id = payment["id"]
        self.address = payment["address"]
        self.socket = socket
        self.stream = stream

    @property
    def now(self) -> dict[str, Any]:
        return self.shop.paybell.payment(self.id)

    def pay(self, amount_sat: int) -> str:
        return self.shop.wallet.pay(self.address, amount_sat)

    def wait_for(self, *types: str) -> dict[str, Any]:
        """Have the chain looked at now, and wait until the story ends with these.

        Without the first it would be looked at within a second, which adds up.
        """
        self.shop.paybell.poll(self.address)
        return self.socket.wait_for(*types)

    def expect_one_story(self) -> None:
        """What happened so far was told alike on all channels, without a gap."""
        events = self.shop.paybell.events(self.id)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert {event["payment_id"] for event in events} == {self.id}
        self.socket.wait_for_seq(len(events))
        self.stream.wait_for_seq(len(events))
        wait_until(
            lambda: len(self.shop.webhooks_of(self.id)) >= len(events),
            PATIENCE_S,
            lambda: f"{len(events)} webhooks: {self.shop.webhooks_of(self.id)}",
        )
        assert self.socket.events == events
        assert self.stream.events == events
        assert self.shop.webhooks_of(self.id) == events

    def expect_story(self, *types: str) -> None:
        """The whole story, beginning with "created"."""
        assert self.socket.types == ["created", *types]
