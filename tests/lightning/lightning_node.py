"""A whole node in this process with Lightning accounts at phoenixds, which are doubles
(tests/tools/phoenixd_double.py): over real sockets on both sides, with the actors that
a node has.

The merchant `default` has the account `purse`, at `phoenixd`; `cafe` has `till`, whose
money goes on to `user`: each at a double of its own.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from engine.lightning.account import Account
from engine.lightning.upstream import UpstreamReport
from tests.tools.node import RunningNode, running_node
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.wait import wait_until
from transport.lightning.phoenixd import Phoenixd

__all__ = ["LightningNode", "lightning_node"]

_ACCOUNTS = (
    ("purse", "default", ""),
    ("till", "cafe", "user"),
    ("user", "nobody-else", ""),
)


class LightningNode:
    """The node, its phoenixds, and what a test does with them."""

    def __init__(self, node: RunningNode, doubles: dict[str, PhoenixdDouble]) -> None:
        self.node, self.doubles = node, doubles
        self.phoenixd = doubles["purse"]
        for name in doubles:
            self.wait_for_state(name, "live")

    def wait_for_state(self, name: str, state: str) -> None:
        """Of an account's connection."""
        wait_until(lambda: self._state(name) == state, 20, f"{name} to be {state}")

    def refuse_key(self, name: str) -> str:
        """From now on, in flight; the key as it was."""
        double = self.doubles[name]
        before, double.password = double.password, "another"
        double.break_streams()
        self.wait_for_state(name, "failing")
        return before

    def reconnect(self, name: str, password: str | None = None) -> None:
        """Begin anew, by hand: all that was paid is read again."""
        if password is not None:
            self.doubles[name].password = password
        asked_at = self.node.gateway.now()
        answer = self.node.post(f"/v1/upstreams/{name}/reconnect")
        assert answer.ok, answer.text

        def is_live_anew() -> bool:
            report = self._report(name)
            return report.state == "live" and report.since >= asked_at

        wait_until(is_live_anew, 20, f"{name} to be live anew")

    def pay(self, payment: dict[str, Any], **how: Any) -> None:
        """Somebody pays the invoice of this payment (as the API shows it), and the node
        has heard of it. Without `push` it is not told, and heard of later."""
        payment_hash = payment["lightning"]["payment_hash"]
        self.phoenixd.receive(payment_hash, **how)
        if how.get("push", True):
            self.wait_for_receipt(payment)

    def wait_for_receipt(self, payment: dict[str, Any]) -> None:
        payment_hash = payment["lightning"]["payment_hash"]

        def is_there() -> bool:
            receipts = self.node.payment(payment["id"])["receipts"]
            return any(receipt["txid"] == payment_hash for receipt in receipts)

        wait_until(is_there, 20, f"{payment['id']} to be paid by Lightning")

    def types(self, payment: dict[str, Any]) -> list[str]:
        """Those of its events, in order."""
        page = self.node.get(f"/v1/payments/{payment['id']}/events").json()
        return [event["type"].removeprefix("payment.") for event in page["data"]]

    def _state(self, name: str) -> str:
        return self._report(name).state

    def _report(self, name: str) -> UpstreamReport:
        reports = self.node.gateway.upstreams()
        return next(report for report in reports if report.name == name)


@contextmanager
def lightning_node(**options: Any) -> Iterator[LightningNode]:
    with ExitStack() as stack:
        doubles = {
            name: stack.enter_context(PhoenixdDouble()) for name, _, _ in _ACCOUNTS
        }
        accounts = [
            Account(
                name=name,
                kind="phoenixd",
                url=doubles[name].url,
                secret=doubles[name].password,
                merchants=(merchant,),
                forward_to=target,
                silence_s=60,
            )
            for name, merchant, target in _ACCOUNTS
        ]
        lightning = [
            (account, Phoenixd(account, "regtest", deadline_s=60.0))
            for account in accounts
        ]
        node = stack.enter_context(running_node(**options, lightning=lightning))
        yield LightningNode(node, doubles)
