"""How an upstream stands, kept and told: the report, the alerts, a line of the log.

No actor: it lives in the turns of an upstream's actor, which alone moves it.
"""

import logging
from typing import Final

import msgspec

from actors.facts.published import Published
from actors.node import Node
from engine.errors import LightningError, NodeRefused
from engine.lightning.account import Account
from engine.lightning.connection import Connection, LinkStep, fresh
from engine.lightning.node import Balance, Can
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.runtime.ref import Exited

__all__ = [
    "FAILING",
    "KEY_REFUSED",
    "LinkState",
    "first_report",
    "is_key",
    "note_crash",
    "note_worker",
    "why_of",
]

log = logging.getLogger("paybell.lightning")

FAILING: Final = "upstream.failing"
KEY_REFUSED: Final = "upstream.key_refused"


def first_report(account: Account, can: Can, now: int) -> UpstreamReport:
    """Before anybody was asked."""
    return _report(account, can, fresh(now, push=can.push), None)


class LinkState:
    """See the module docstring. `connection`: as it is now."""

    __slots__ = (
        "_account",
        "_can",
        "_next_attempt_at",
        "_node",
        "_published",
        "connection",
    )

    def __init__(
        self,
        node: Node,
        account: Account,
        can: Can,
        published: Published[UpstreamReport],
    ) -> None:
        self._node = node
        self._account = account
        self._can = can
        self._published = published
        self._next_attempt_at: int | None = None
        self.connection = fresh(node.clock.now(), push=can.push)
        self._publish()

    def step(self, step: LinkStep, reason: str = "") -> None:
        """Something happened. `reason`: of what is bad, one line without a secret."""
        before, now = self.connection, self._node.clock.now()
        self.connection = after = before.after(step, now, reason)
        if after.state is not before.state:
            log.info("upstream.%s upstream=%s step=%s reason=%s", after.state,
                     self._account.name, step, after.reason)  # fmt: skip
            if after.state is UpstreamState.FAILING:
                self._node.counters.add("lightning.outages")
        if after.state is not UpstreamState.FAILING:
            self._next_attempt_at = None
        self._alert()
        self._publish()

    def rests(self, wait_s: float) -> None:
        """The next try is so far away."""
        self._next_attempt_at = self._node.clock.now() + round(wait_s * 1000)
        self._publish()

    def settle(self) -> None:
        """Live for a while: earlier tries count no more."""
        settled = self.connection.settled(self._node.clock.now())
        if settled is not self.connection:
            self.connection = settled
            self._publish()

    def _alert(self) -> None:
        one, name = self.connection, self._account.name
        # One that answers and cannot be held is found by reading: late.
        unheld = one.state is UpstreamState.BEHIND and not one.opened
        for kind, wrong in (
            (FAILING, one.state is UpstreamState.FAILING or unheld),
            (KEY_REFUSED, one.refused),
        ):
            if wrong:
                now = self._node.clock.now()
                self._node.alerts.raise_(kind, name, one.reason, now)
            else:
                self._node.alerts.clear(kind, name)

    def _publish(self) -> None:
        before = self._published.now
        after = _report(
            self._account, self._can, self.connection, self._next_attempt_at
        )
        self._published.publish(after)
        # That it answered once more is no news.
        if msgspec.structs.replace(before, answered_at=after.answered_at) != after:
            self._node.upstreams.news.tell(after)


def note_worker(node: Node, name: str, report: Exited) -> None:
    """A worker of an upstream has crashed."""
    node.counters.add("lightning.crashes")
    log.error("upstream.worker_crashed upstream=%s worker=%s error=%r", name,
              report.ref.name, report.error, exc_info=report.error)  # fmt: skip


def note_crash(
    node: Node,
    published: Published[UpstreamReport],
    balance: Published[Balance | None],
) -> None:
    """Its actor has crashed, and begins anew soon."""
    after = msgspec.structs.replace(
        published.now,
        state=UpstreamState.FAILING,
        since=node.clock.now(),
        reason="a fault of ours: see the log",
    )
    published.publish(after)
    balance.publish(None)
    node.upstreams.news.tell(after)


def is_key(error: LightningError | None) -> bool:
    """Whether it says that our key is refused."""
    return isinstance(error, NodeRefused) and error.why == "key"


def why_of(error: LightningError | None, name: str) -> str:
    """An end of what was held, or an error, as one line for people."""
    text = f"{name} closed the connection" if error is None else str(error)
    return " ".join(text.split())[:300]


def _report(
    account: Account, can: Can, one: Connection, next_attempt_at: int | None
) -> UpstreamReport:
    return UpstreamReport(
        name=account.name,
        kind=account.kind,
        state=one.state,
        since=one.since,
        can=can,
        answered_at=one.answered_at,
        reason=one.reason,
        attempts=one.attempts,
        next_attempt_at=next_attempt_at,
        merchants=account.merchants,
        forward_to=account.forward_to,
    )
