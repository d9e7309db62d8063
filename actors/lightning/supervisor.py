"""The parent of all upstreams: one for one.

An upstream that crashes starts again after a pause and reads its cursor anew; one that
keeps crashing is tried less and less often. It costs no other upstream anything, and
the node nothing: payments on the chain know nothing of Lightning.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from actors.facts.published import Published
from actors.facts.upstreams import Upstream, Upstreams
from actors.lightning.standing import FAILING, first_report
from actors.lightning.upstream import UpstreamActor
from actors.messages import RestartDue
from actors.node import Node
from engine.lightning.account import Account
from engine.lightning.node import Balance, LightningNode
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from engine.runtime.supervision import RestartHistory, RestartPolicy

__all__ = ["UpstreamsActor", "upstreams_of"]

log = logging.getLogger("paybell.lightning")

POLICY: Final = RestartPolicy()
HOPELESS_S: Final = 60.0
"""The pause of one that keeps crashing."""


class UpstreamsActor(Actor):
    """See the module docstring."""

    __slots__ = ("_histories", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._histories: dict[str, RestartHistory] = {}

    def on_start(self) -> None:
        for upstream in self._node.upstreams.values():
            upstream.ref.scope.parent = self.ref
            upstream.ref.start()

    def on_stop(self) -> None:
        for upstream in self._node.upstreams.values():
            upstream.ref.kill()
            upstream.ref.stop()

    def on_failure(self, *_exc_info: Any) -> None:
        """They start again with it."""
        for upstream in self._node.upstreams.values():
            upstream.ref.kill()

    def on_receive(self, message: object) -> None:
        match message:
            case Exited():
                self._on_exit(message)
            case RestartDue(name):
                self._node.upstreams[name].ref.start()

    def _on_exit(self, report: Exited) -> None:
        if report.reason in (ExitReason.STOPPED, ExitReason.KILLED):
            return  # by us
        name, node = report.ref.name, self._node
        error = f"{report.reason.value}: {report.error!r}"
        log.error(
            "upstream.crashed upstream=%s error=%s", name, error, exc_info=report.error
        )
        node.counters.add("lightning.crashes")
        before, now_s = (
            self._histories.get(name, RestartHistory()),
            node.clock.monotonic(),
        )
        after = before.after_crash(now_s, error, None, POLICY)
        self._histories[name] = after
        pause_s = after.verdict(before, node.random.random(), POLICY).delay_s
        if pause_s is None:
            pause_s = HOPELESS_S
            detail = "it keeps crashing: see the log"
            node.alerts.raise_(FAILING, name, detail, node.clock.now())
        node.clock.call_later(pause_s, self.ref, RestartDue(name))


def upstreams_of(
    node: Node, accounts: Sequence[tuple[Account, LightningNode]]
) -> Upstreams:
    """For each account its actor, not started, and what it publishes."""
    return Upstreams(
        (account.name, _upstream(node, account, lightning))
        for account, lightning in accounts
    )


def _upstream(node: Node, account: Account, lightning: LightningNode) -> Upstream:
    report = Published(first_report(account, lightning.can, node.clock.now()))
    balance = Published[Balance | None](None)
    scope = ActorScope(
        dispatcher=node.dispatcher,
        factory=lambda _name: UpstreamActor(node, account, lightning, report, balance),
        mailbox_limit=UpstreamActor.mailbox_limit,
    )
    return Upstream(account, lightning, Ref(scope, account.name), report, balance)
