"""A café with a till: Paybell as a process, its two accounts at Blink's double, coins
of the dev chain, prices in euro. It can be stopped and started again.

    with cafe(folder) as shop:
        shop.sign_in(visited)
        enter(visited, "1250")
        shop.pay(shop.sale(visited))
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.pages.conftest import Visited
from tests.seeds.blink_till import Till, blink_till
from tests.tools.blink_double import BlinkDouble
from tests.tools.paybell import Paybell
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until

__all__ = ["Cafe", "cafe", "enter"]

READY = "✓ Ready (User + BlinkPOS connected)"
RECORD = {
    "display_name": "Café Lisboa",
    "till": {"currency": "EUR", "tips": [5, 10, 15]},
    "defaults": {"confirmations": 1},
}
_ARGUMENTS = ("--config", "paybell.toml", "--rates", "fixed:EUR=50000")


class Cafe(Till):
    """See the module docstring."""

    def __init__(self, node: Paybell, blink: BlinkDouble) -> None:
        super().__init__(node, blink)
        assert node.call("PUT", "/v1/merchants/default", json=RECORD).ok

    def sign_in(self, visited: Visited, **options: Any) -> None:
        """A cashier begins the day, in a new profile."""
        visited.begin(**options)
        visited.do("goto", f"{self.node.url}/pos")
        visited.do("fill", "#key", self.key)
        visited.do("click", "#open")
        visited.do("wait_for_text", "#status", READY)

    def sale(self, visited: Visited) -> dict[str, Any]:
        """The payment whose code is shown."""
        visited.do("wait_for_text", "#invoice-title", "Waiting for payment")
        kept = "JSON.parse(localStorage.getItem('paybell.till.sale')).id"
        payment = self.node.payment(visited.do("evaluate", kept))
        loaded = "document.querySelector('#qr').naturalWidth > 0"
        visited.do("wait_until", loaded)
        return payment

    def send(self, payment: dict[str, Any], sat: int | None = None) -> None:
        """Somebody pays on the chain."""
        wanted = {"address": payment["address"], "amount_sat": sat}
        wanted["amount_sat"] = wanted["amount_sat"] or payment["amount_sat"]
        assert self.node.post("/dev/pay", **wanted).ok

    def mine(self, blocks: int = 1) -> None:
        assert self.node.post("/dev/mine", blocks=blocks).ok

    def stop(self) -> None:
        assert self.node.stop() == 0

    def start(self) -> None:
        """Again, on the same port and database."""
        before = self.node
        arguments = ["serve", "--port", str(before.port), "--db", "node.db"]
        self.node = Paybell(before.folder, [*arguments, *_ARGUMENTS], {})
        self.node.wait_ready()
        wait_until(
            lambda: all(map(self.blink.sockets.subscribed, (self.pos, self.user))),
            20,
            "both accounts to be subscribed to",
        )


@contextmanager
def cafe(folder: Path) -> Iterator[Cafe]:
    port = ("--port", str(*free_ports(1)))  # it is started again there
    with blink_till(folder, *_ARGUMENTS[2:], *port, stage=Cafe) as running:
        try:
            yield running
        finally:
            running.node.kill()


def enter(visited: Visited, digits: str) -> None:
    """On the keypad, key by key."""
    for digit in digits:
        visited.do("click", f'[data-key="{digit}"]')
