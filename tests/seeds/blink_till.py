"""A cashier at a point of sale: Paybell as a process, Blink as its double, Chromium.

Two accounts at Blink, as the document has them: BlinkPOS (`till`), whose money goes on
to User (`user`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.browser.playwright_page import VisitorPage
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.paybell import Paybell, serving
from tests.tools.wait import wait_until

__all__ = ["Till", "blink_till"]

_TABLE = """
[lightning.{name}]
kind = "blink"
url = "{url}"
stream_url = "{stream}"
secret = "{key}"
poll_s = {poll_s}
"""


Stage = TypeVar("Stage", bound="Till")


class Till:
    """The node, both accounts, and the key of the till."""

    def __init__(self, node: Paybell, blink: BlinkDouble) -> None:
        self.node, self.blink = node, blink
        self.pos, self.user = blink.bank.accounts
        wanted = {"name": "till", "merchant": "default", "scopes": ["read", "create"]}
        made = node.call("POST", "/v1/keys", json=wanted)
        assert made.ok, made.text
        self.key: str = made.json()["key"]
        self._keys = [(account, account.key) for account in (self.pos, self.user)]

    def open(self, page: VisitorPage) -> None:
        """A cashier opens the page and sees both accounts connected."""
        page.do("goto", f"{self.node.url}/pos")
        page.do("fill", "#key", self.key)
        page.do("click", "#enter .button")
        page.do("wait_for_text", "#status", "Ready")

    def enter(self, page: VisitorPage, digits: str) -> None:
        for digit in digits:
            page.do("click", f'[data-key="{digit}"]')
        page.do("click", "#create")

    def payments(self) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = self.node.call("GET", "/v1/payments").json()[
            "data"
        ]
        return found

    def pay(self, payment: dict[str, Any]) -> None:
        """Somebody pays the invoice with a wallet of his own."""
        self.blink.pay_from_outside(payment["lightning"]["payment_hash"])

    def types(self, payment: dict[str, Any]) -> list[str]:
        path = f"/v1/payments/{payment['id']}/events"
        page = self.node.call("GET", path).json()
        return [event["type"].removeprefix("payment.") for event in page["data"]]

    def lose(self, account: BlinkAccount) -> str:
        """Its key is worth nothing any more, and its connection breaks. The key."""
        key = self.blink.revoke(account)
        for connection in self.blink.sockets.open(account):
            connection.cut()
        return key

    def mend(self) -> None:
        """What a test that failed has left: else it takes the next ones with it."""
        for account, key in self._keys:
            account.key = key


@contextmanager
def blink_till(folder: Path, *arguments: str, stage: type[Stage]) -> Iterator[Stage]:
    """`arguments`: further ones of the node; `stage`: a kind of `Till`."""
    with BlinkDouble() as blink:
        pos, user = blink.account("till", sat=50_000), blink.account("user", sat=7)
        tables = [
            _TABLE.format(
                name=account.name,
                url=blink.url,
                stream=blink.stream_url,
                key=account.key,
                poll_s=3_600,  # what is pushed has to do
            )
            for account in (pos, user)
        ]
        tables[0] += 'forward_to = "user"\n'
        (folder / "paybell.toml").write_text("".join(tables))
        with serving(folder, "--config", "paybell.toml", *arguments) as node:
            till = stage(node, blink)
            wait_until(
                lambda: all(blink.sockets.subscribed(one) for one in (pos, user)),
                20,
                "both accounts to be subscribed to",
            )
            yield till
