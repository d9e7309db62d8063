"""A whole node in this process whose merchant `default` has an account at a phoenixd,
the double of tests/tools/phoenixd_double.py: over real sockets on both sides.

How its connection stands the test says (`till`, `user`). What phoenixd was paid is told
to the payment as the account's actor does it, by `pay`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from actors.published import Published
from actors.upstreams import Upstream, Upstreams
from engine.lightning.account import Account
from engine.lightning.node import Balance
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.payment.observations import InvoicePaid
from tests.tools.node import RunningNode, running_node
from tests.tools.phoenixd_double import PhoenixdDouble
from transport.lightning.phoenixd import Phoenixd

__all__ = ["LightningNode", "lightning_node"]


class _Ref:
    """Of an actor that nobody needs here."""

    def tell(self, _message: object) -> bool:
        return True


class LightningNode:
    """The node, its phoenixd, and what a test does with both."""

    def __init__(self, node: RunningNode, phoenixd: PhoenixdDouble) -> None:
        self.node, self.phoenixd = node, phoenixd
        ref: Any = _Ref()
        self.reports: dict[str, Published[UpstreamReport]] = {}
        self.balance = Published[Balance | None](None)
        accounts = []
        for name, forward_to in (("till", "user"), ("user", "")):
            account = Account(
                name=name,
                kind="phoenixd",
                url=phoenixd.url,
                secret=phoenixd.password,
                merchants=("default",) if name == "till" else ("somebody",),
                forward_to=forward_to,
            )
            lightning = Phoenixd(account, "regtest", deadline_s=5.0)
            self.reports[name] = Published(
                UpstreamReport(
                    name=name,
                    kind="phoenixd",
                    state=UpstreamState.LIVE,
                    since=1,
                    can=lightning.can,
                )
            )
            one = Upstream(account, lightning, ref, self.reports[name], self.balance)
            accounts.append((name, one))
        self.lightning = accounts[0][1].node
        node.node.upstreams = Upstreams(accounts)

    def becomes(self, name: str, state: UpstreamState) -> None:
        now = self.reports[name].now
        fields = {f: getattr(now, f) for f in now.__struct_fields__}
        self.reports[name].publish(UpstreamReport(**{**fields, "state": state}))

    def pay(self, payment: dict[str, Any], **how: Any) -> None:
        """Somebody pays the invoice of this payment (as the API shows it)."""
        payment_hash = payment["lightning"]["payment_hash"]
        self.phoenixd.receive(payment_hash, push=False, **how)
        self.tell(payment)

    def tell(self, payment: dict[str, Any]) -> None:
        """What phoenixd knows of its invoice: once more, if it was told before."""
        seen = self.lightning.lookup(payment["lightning"]["payment_hash"])
        found = self.node.gateway.payment(payment["id"])
        assert found is not None
        self.node.gateway.command(
            found,
            InvoicePaid(
                node="till",
                payment_hash=seen.payment_hash,
                received_msat=seen.received_msat,
                fee_msat=seen.fee_msat,
                credit_msat=seen.credit_msat,
            ),
        )

    def types(self, payment: dict[str, Any]) -> list[str]:
        """Those of its events, in order."""
        page = self.node.get(f"/v1/payments/{payment['id']}/events").json()
        return [event["type"].removeprefix("payment.") for event in page["data"]]


@contextmanager
def lightning_node(**options: Any) -> Iterator[LightningNode]:
    with PhoenixdDouble() as phoenixd, running_node(**options) as node:
        yield LightningNode(node, phoenixd)
