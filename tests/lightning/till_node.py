"""A node in this process with the accounts of a till, whose reports a test writes."""

from typing import Any

import msgspec

from actors.facts.published import Published
from actors.facts.upstreams import Upstream, Upstreams
from engine.lightning.account import Account
from engine.lightning.node import Balance, Can
from engine.lightning.upstream import UpstreamReport, UpstreamState
from tests.tools.node import RunningNode

__all__ = ["TillAccounts"]

CAN = Can(push=True, description_hash=True, amountless=True, pay=True)


class TillAccounts:
    """`till`, whose money goes on to `user`; both of the merchant "cafe"."""

    def __init__(
        self,
        node: RunningNode,
        kind: Any = "blink",
        merchants: tuple[str, ...] = ("cafe",),
    ) -> None:
        self._reports: dict[str, Published[UpstreamReport]] = {}
        self._balances: dict[str, Published[Balance | None]] = {}
        nobody: Any = None  # neither a node nor an actor is asked for anything here
        upstreams = Upstreams()
        for name, forward_to in (("till", "user"), ("user", "")):
            account = Account(
                name=name,
                kind=kind,
                url="http://node",
                secret="key-of-the-node",
                merchants=merchants if name == "till" else (),
                forward_to=forward_to,
            )
            self._reports[name] = Published(
                UpstreamReport(
                    name=name,
                    kind=kind,
                    state=UpstreamState.LIVE,
                    since=node.gateway.now(),
                    can=CAN,
                    merchants=account.merchants,
                    forward_to=forward_to,
                )
            )
            self._balances[name] = Published(None)
            upstreams[name] = Upstream(
                account, nobody, nobody, self._reports[name], self._balances[name]
            )
        node.node.upstreams = upstreams

    def set(self, name: str, state: UpstreamState) -> None:
        before = self._reports[name].now
        after = msgspec.structs.replace(before, state=state, reason="bad secret")
        self._reports[name].publish(after)

    def balance(self, name: str, sat: int) -> None:
        self._balances[name].publish(Balance(spendable_msat=sat * 1_000))
