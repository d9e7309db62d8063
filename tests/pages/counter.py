"""A bar without Lightning: a node in the test's process, coins of the dev chain, prices
in euro; and what its cashier does at the till.

    with counter() as bar:
        bar.sign_in(visited)
        bar.sell(visited, "450")
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from engine.money.rates import Policy
from tests.pages.cafe import enter
from tests.pages.conftest import Visited
from tests.tools.node import RunningNode, running_node
from transport.rates.providers import FixedRates

__all__ = ["RECORD", "Counter", "counter"]

READY = "✓ Ready (on-chain only)"
RECORD: dict[str, Any] = {
    "display_name": "Bar Ana",
    "till": {"currency": "EUR", "tips": [10]},
    "defaults": {"confirmations": 1},
}


class Counter:
    """See the module docstring."""

    def __init__(self, node: RunningNode) -> None:
        self.node, self.chain = node, node.chain
        self.setting()
        self.key = node.add_till_key("bar")

    def setting(self, **defaults: Any) -> None:
        """The shop's record, with other defaults of its payments."""
        record = {**RECORD, "defaults": {**RECORD["defaults"], **defaults}}
        assert self.node.call("PUT", "/v1/merchants/bar", json=record).ok

    def sign_in(self, visited: Visited, **options: Any) -> None:
        visited.begin(**options)
        visited.do("goto", f"{self.node.url}/pos")
        self.say_key(visited, self.key)
        visited.do("wait_for_text", "#status", READY)

    def say_key(self, visited: Visited, key: str) -> None:
        visited.do("fill", "#key", key)
        visited.do("click", "#open")

    def sell(self, visited: Visited, digits: str) -> dict[str, Any]:
        """The payment whose code is shown then."""
        enter(visited, digits)
        visited.do("click", "#create")
        visited.do("wait_for_text", "#invoice-title", "Waiting for payment")
        made = self.payments()[0]
        assert made["address"] is not None
        return made

    def payments(self) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = self.node.get("/v1/payments").json()["data"]
        return found


@contextmanager
def counter() -> Iterator[Counter]:
    rates = FixedRates({"EUR": Decimal(50_000)})
    with running_node(rates=([rates], Policy())) as node:
        yield Counter(node)
