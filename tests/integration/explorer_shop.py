"""A whole node that asks doubles of explorers, and what a test wants to know of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.bitcoin.address import parse_address, script_to_address
from tests.tools.esplora_double import EsploraDouble
from tests.tools.paybell import Paybell, serving
from tests.tools.wait import wait_until

__all__ = ["Order", "Shop", "explorer_shop"]


@dataclass
class Order:
    id: str
    address: str

    @property
    def script(self) -> str:
        return parse_address(self.address, "regtest").script.hex()


class Shop:
    """Orders, and looks at the chain that a test asks for."""

    def __init__(self, node: Paybell, doubles: tuple[EsploraDouble, ...]) -> None:
        self.node = node
        self.doubles = doubles
        self._made = 0

    def order(self, **fields: Any) -> Order:
        self._made += 1
        script = bytes.fromhex("0014") + self._made.to_bytes(20, "big")
        address = script_to_address(script, "regtest")
        assert address is not None
        terms = {"amount_sat": 40_000, "confirmations": 6, "poll_interval_s": 5}
        created = self.node.create(address=address, **(terms | fields))
        return Order(created["id"], address)

    def poll(self, order: Order) -> None:
        self.node.post(f"/v1/watchers/{order.address}/poll")

    def look(self, order: Order, times: int = 3) -> None:
        """Until sources were asked so often for this order, and one answer more: what
        came of those before it has been read."""
        for _ in range(times):
            before = self.lookups(order)
            self.poll(order)
            wait_until(
                lambda before=before: self.lookups(order) > before,  # type: ignore[misc]
                20,
                lambda: f"a look at {order.address}: {self.sources()}",
            )

    def look_for(self, seconds: float, *orders: Order) -> None:
        """Look at all of them again and again, and once more after that time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for order in orders:
                self.look(order, times=1)
        for order in orders:
            self.look(order, times=2)

    def lookups(self, order: Order) -> int:
        path = f"/address/{order.address}"
        asked = [path for double in self.doubles for path in double.asked]
        return sum(name.startswith(path) for name in asked)

    def status(self, order: Order) -> str:
        return str(self.node.payment(order.id)["status"])

    def wait_for(self, order: Order, status: str) -> None:
        def reached() -> bool:
            self.poll(order)
            return self.status(order) == status

        wait_until(
            reached, 20, lambda: f"{status}: {self.told(order)}, {self.sources()}"
        )

    def told(self, order: Order) -> list[str]:
        events = self.node.get(f"/v1/payments/{order.id}/events").json()["data"]
        return [event["type"].removeprefix("payment.") for event in events]

    def sources(self) -> list[dict[str, Any]]:
        data: list[dict[str, Any]] = self.node.get("/v1/sources").json()["data"]
        return data


@contextmanager
def explorer_shop(
    folder: Path,
    *doubles: EsploraDouble,
    more: Sequence[str] = (),
    in_place_of_run: Sequence[str] = (),
) -> Iterator[Shop]:
    """The sources in this order of preference, each of an operator of its own."""
    settings = ["--esplora-per-minute", "60000", "--poll-by-hand-s", "0", *more]
    for number, double in enumerate(doubles, 1):
        settings += ["--source", f"esplora={double.url}?name=operator-{number}"]
    with serving(folder, *settings, in_place_of_run=in_place_of_run) as node:
        yield Shop(node, doubles)
