"""A shop with one Paybell on a double of Bitcoin Core, to see what it is told."""

import itertools
import time
from typing import Any

from engine.bitcoin.address import script_to_address
from tests.tools.core_double import CoreDouble, payment_tx
from tests.tools.paybell import Paybell
from tests.tools.wait import wait_until

__all__ = ["PATIENCE_S", "CoreShop", "Order"]

AMOUNT_SAT = 50_000
PATIENCE_S = 30.0

_numbers = itertools.count(1)


class Order:
    """One payment of the shop."""

    def __init__(self, shop: "CoreShop", **fields: Any) -> None:
        self.shop = shop
        self.script = b"\x00\x14" + next(_numbers).to_bytes(20, "big")
        self.address = script_to_address(self.script, shop.network)
        fields = {"amount_sat": AMOUNT_SAT, "address": self.address, **fields}
        self.id: str = shop.paybell.create(**fields)["id"]

    @property
    def story(self) -> list[str]:
        """What was told of it, without its prefix."""
        page = self.shop.paybell.get(f"/v1/payments/{self.id}/events?limit=1000").json()
        return [event["type"].removeprefix("payment.") for event in page["data"]]

    @property
    def now(self) -> dict[str, Any]:
        return self.shop.paybell.payment(self.id)

    def paid(self) -> bytes:
        """A transaction that pays it is in the node's mempool."""
        raw = self.payment()
        self.shop.node.add(raw)
        return raw

    def payment(self) -> bytes:
        """A transaction that pays it, and is nowhere yet."""
        return payment_tx([(self.script, AMOUNT_SAT)])

    def wait_until_expired(self) -> None:
        """Looked at now and again, as it is by itself after some seconds only."""

        def expired() -> bool:
            self.shop.paybell.post(f"/v1/watchers/{self.address}/poll")
            self.shop.rounds(1)
            return "expired" in self.story

        wait_until(expired, PATIENCE_S, lambda: f"expiry; it is told {self.story}")

    def wait_for(self, event: str) -> None:
        wait_until(
            lambda: event in self.story,
            PATIENCE_S,
            lambda: f"{event}, it is told {self.story}",
        )


class CoreShop:
    def __init__(
        self, node: CoreDouble, paybell: Paybell, network: str = "regtest"
    ) -> None:
        self.node = node
        self.paybell = paybell
        self.network = network  # of the addresses

    def order(self, **fields: Any) -> Order:
        return Order(self, **fields)

    def overdue(self) -> Order:
        """An order whose deadline has passed, and at which Paybell has looked since."""
        order = self.order(expires_in_s=1)
        over = time.monotonic() + 1.5
        wait_until(lambda: time.monotonic() > over, 5, "the deadline to pass")
        self.rounds()
        return order

    def rounds(self, count: int = 3) -> None:
        """Until Paybell has looked at the node so often from now on."""
        calls = self.node.wire.calls
        enough = calls["getblockchaininfo"] + count
        wait_until(
            lambda: calls["getblockchaininfo"] >= enough,
            PATIENCE_S,
            lambda: f"Paybell to ask; {self.source}",
        )

    @property
    def source(self) -> dict[str, Any]:
        (found,) = self.paybell.get("/v1/sources").json()["data"]
        assert isinstance(found, dict)
        return found
