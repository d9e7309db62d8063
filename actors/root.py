"""The root of the tree: rest for one, then give up.

Its children stand in the order in which they depend on one another: readers, journal,
router, source, notifiers, supervisor of watchers. When one crashes, it and all that
come after it are ended and started again, in order, after a backoff; they rebuild
their state from the journal. More crashes than the policy allows mean that starting
again does not help: the root gives up and the process ends with a clear line, for the
service manager (or a person) to decide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from actors.alerting.heartbeat import HeartbeatActor
from actors.alerting.notifier import AlertNotifierActor
from actors.alerting.silence import SilenceActor
from actors.delivery.notifiers import NotifiersActor
from actors.facts.published import (
    ForwardingReport,
    JournalReport,
    Published,
    SourceReport,
)
from actors.journal.historian import HistorianActor
from actors.journal.housekeeper import HousekeeperActor
from actors.journal.reader import ReaderActor
from actors.journal.writer import JournalActor
from actors.lightning.counted import Counted
from actors.lightning.supervisor import UpstreamsActor, upstreams_of
from actors.live.router import RouterActor
from actors.messages import RestartDue
from actors.money.forwarder import ForwarderActor
from actors.money.rates import RatesActor, first_report
from actors.money.refunds import RefundsActor
from actors.money.till import TillActor
from actors.node import Node
from actors.sources.address_worker import AddressFeedWorker
from actors.sources.feed_state import FeedSpec
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from actors.watching.supervisor import SupervisorActor
from actors.watching.watcher_book import WatcherBook
from engine.alerts.alerting import Alerting
from engine.chain.feed import AddressFeed, BlockFeed
from engine.lightning.account import Account
from engine.lightning.node import LightningNode
from engine.money.rates import Policy
from engine.policy.retention import Retention
from engine.ports import ChannelSender, RateProvider, StreamSender
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from engine.runtime.supervision import RestartHistory, RestartPolicy
from engine.secrets.vault import Vault
from engine.store.port import StoreReader, StoreWriter
from engine.wallet.forwards import Forwards

__all__ = ["FeedConfig", "RootActor", "build_tree"]

LOCKED = "wallet.locked"
"""An alert: a wallet whose keys we hold and cannot use."""

log = logging.getLogger("paybell.root")

READERS = 2

CLIENT_READERS = 16
"""Each waits for the answer to one session at a time, which may be some questions; the
store answers what waits together."""

Factory = Callable[[str], Actor]


class RootActor(Actor):
    """Parent of the node's core actors."""

    __slots__ = (
        "_children",
        "_gave_up",
        "_give_up",
        "_history",
        "_node",
        "_policy",
        "_restarting",
    )

    def __init__(
        self,
        node: Node,
        children: list[Ref],
        gave_up: Published[bool],
        give_up: Callable[[str], None],
    ) -> None:
        """`gave_up`: where it publishes whether it has; only it writes there."""
        self._node = node
        self._gave_up = gave_up
        self._children = children
        self._give_up = give_up
        self._policy = RestartPolicy(max_restarts=5, window_s=60.0)
        self._history = RestartHistory()
        self._restarting: int | None = None  # first child to start again

    def on_start(self) -> None:
        for child in self._children:
            child.start()

    def on_receive(self, message: object) -> None:
        match message:
            case Exited():
                self._on_exit(message)
            case RestartDue():
                self._restarting = None
                for child in self._children:
                    child.start()  # one that lives is left as it is

    def on_stop(self) -> None:
        """In reverse order of dependence; the journal among the last."""
        for child in reversed(self._children):
            child.stop()

    def _on_exit(self, report: Exited) -> None:
        index = self._children.index(report.ref)
        restarting = self._restarting is not None and index >= self._restarting
        by_us = report.reason is ExitReason.KILLED and restarting
        if by_us or report.reason is ExitReason.STOPPED:
            return
        if (on_dropped := getattr(report.message, "on_dropped", None)) is not None:
            on_dropped()  # it goes with the crash: whoever waits for its answer hears
        name = report.ref.name
        error = f"{name} {report.reason.value}: {report.error!r}"
        log.error("core.crashed actor=%s error=%s", name, error,
                  exc_info=report.error)  # fmt: skip
        self._node.counters.add("core.crashes")
        now = self._node.clock.monotonic()
        before = self._history
        self._history = before.after_crash(now, error, None, self._policy)
        verdict = self._history.verdict(
            before, self._node.random.random(), self._policy
        )
        if verdict.delay_s is None:
            self._gave_up.publish(True)
            self._give_up(f"{error}; it keeps crashing")
            return
        first = index if self._restarting is None else min(index, self._restarting)
        self._restarting = first
        for child in reversed(self._children[first:]):
            child.kill()
        self._node.clock.call_later(verdict.delay_s, self.ref, RestartDue("core"))


class FeedConfig:
    """One source as configured: its feed and how it may be asked."""

    def __init__(
        self,
        kind: str,
        feed: BlockFeed | AddressFeed,
        *,
        by_block: bool,
        every_s: float = 1.0,
        per_minute: float | None = None,
        operator: str = "",
    ) -> None:
        """`operator`: who runs it, if known; sources of one are not independent."""
        self.kind = kind
        self.feed = feed
        self.by_block = by_block
        self.every_s = every_s
        self.per_minute = per_minute
        self.operator = operator


def build_tree(
    node: Node,
    *,
    writer: StoreWriter,
    reader: StoreReader,
    client_reader: StoreReader | None = None,
    feeds: list[FeedConfig],
    vault: Vault,
    sender: ChannelSender,
    streams: StreamSender | None = None,
    give_up: Callable[[str], None],
    retention: Retention = Retention(),
    alerting: Alerting = Alerting(),
    rates: tuple[Sequence[RateProvider], Policy] = ((), Policy()),
    forwards: Forwards | None = None,
    lightning: Sequence[tuple[Account, LightningNode]] = (),
    history_s: float | None = None,
) -> Ref:
    """Make the tree of a node (not started) and fill in the node's refs.

    `client_reader`: where sessions read, so that nothing of the node's waits behind
    them; None: where all do.
    `rates`: who is asked what a bitcoin is worth (nobody: there are no prices in other
    currencies), and which answers are believed. `forwards`: how money is sent on; None:
    it stays. `lightning`: accounts, each with what speaks to it. `history_s`: how often
    what happened is added to the sums that charts are drawn of; None: never.
    """

    def child(name: str, kind: type[Actor], factory: Factory) -> Ref:
        scope = ActorScope(
            dispatcher=node.dispatcher,
            factory=factory,
            parent=root,
            mailbox_limit=kind.mailbox_limit,
            blocking=kind.blocking,
            turn_timeout_s=kind.turn_timeout_s,
        )
        return Ref(scope, name)

    children: list[Ref] = []
    gave_up, journal_report = Published(False), Published(JournalReport())
    writes_waiting = Published(0)
    source_report, booted = Published(SourceReport()), Published(False)
    sessions, watchers = Published(0), WatcherBook()
    node.gave_up, node.journal_report, node.booted = gave_up, journal_report, booted
    node.source_report, node.sessions = source_report, sessions
    node.writes_waiting = writes_waiting
    node.watchers = watchers
    for wallet, why in node.keyring.locked().items():
        node.alerts.raise_(LOCKED, wallet, why, node.clock.now())
    root = Ref(
        ActorScope(
            dispatcher=node.dispatcher,
            factory=lambda _name: RootActor(node, children, gave_up, give_up),
        ),
        "root",
    )
    node.readers = [
        child(f"reader.{n}", ReaderActor, lambda _name: ReaderActor(reader))
        for n in range(READERS)
    ]
    if client_reader is not None:
        node.client_readers = [
            child(
                f"reader.client.{n}", ReaderActor, lambda _n: ReaderActor(client_reader)
            )
            for n in range(CLIENT_READERS)
        ]
    node.journal = child(
        "journal",
        JournalActor,
        lambda _name: JournalActor(node, writer, journal_report, writes_waiting),
    )
    node.router = child(
        "router", RouterActor, lambda _name: RouterActor(node, sessions)
    )
    specs = [_spec(node, reader, n, config) for n, config in enumerate(feeds)]
    node.source = child(
        "source", SourceActor, lambda _name: SourceActor(node, specs, source_report)
    )
    node.operators = {spec.name: spec.operator for spec in specs}
    for spec in specs:
        spec.worker.scope.parent = node.source
    node.notifiers = child(
        "notifiers",
        NotifiersActor,
        lambda _name: NotifiersActor(node, vault, sender, streams),
    )
    node.supervisor = child(
        "supervisor",
        SupervisorActor,
        lambda _name: SupervisorActor(node, watchers, booted),
    )
    housekeeper = child(
        "housekeeper",
        HousekeeperActor,
        lambda _name: HousekeeperActor(node, retention),
    )
    children.extend((*node.readers, *node.client_readers))
    children.extend(
        (node.journal, node.router, node.source, node.notifiers, node.supervisor)
    )
    node.alert_notifier = child(
        "alerts",
        AlertNotifierActor,
        lambda _name: AlertNotifierActor(node, vault, sender, alerting.pace),
    )
    silence = child(
        "silence",
        SilenceActor,
        lambda _name: SilenceActor(node, alerting.silent_orders),
    )
    refund_watches: dict[str, Ref] = {}
    node.refunds = child(
        "refunds", RefundsActor, lambda _name: RefundsActor(node, refund_watches)
    )
    node.watches_refunds = True
    # The last: when one of these crashes, none that a payment needs is touched.
    children.extend((housekeeper, node.alert_notifier, silence, node.refunds))
    node.forwards = forwards
    if forwards is not None:
        report = Published(ForwardingReport())
        node.forwarding = report
        children.append(
            child(
                "forwarder",
                ForwarderActor,
                lambda _name: ForwarderActor(node, forwards, report),
            )
        )
    if (outside := alerting.outside) is not None:
        heartbeat = child(
            "heartbeat",
            HeartbeatActor,
            lambda _name: HeartbeatActor(node, outside, alerting.beat_every_s),
        )
        children.append(heartbeat)
    if lightning:
        lightning = [(account, Counted(asked)) for account, asked in lightning]
        node.upstreams = upstreams_of(node, lightning)
        children.append(
            child("upstreams", UpstreamsActor, lambda _name: UpstreamsActor(node))
        )
        node.tills = {
            account.name: child(
                f"till.{account.name}", TillActor, _till(node, account.name, lightning)
            )
            for account, _ in lightning
        }
        children.extend(node.tills.values())
    if rates[0]:
        children.append(child("rates", RatesActor, _rates(node, *rates)))
    if history_s is not None:
        children.append(
            child(
                "historian", HistorianActor, lambda _n: HistorianActor(node, history_s)
            )
        )
    return root


def _till(
    node: Node, name: str, lightning: Sequence[tuple[Account, LightningNode]]
) -> Factory:
    accounts = {account.name: (account, way) for account, way in lightning}
    return lambda _name: TillActor(node, name, accounts)


def _rates(node: Node, asked: Sequence[RateProvider], policy: Policy) -> Factory:
    report = Published(first_report(asked, policy, node.clock.now()))
    node.rates = report
    return lambda _name: RatesActor(node, asked, policy, report)


def _spec(node: Node, reader: StoreReader, number: int, config: FeedConfig) -> FeedSpec:
    feed = config.feed

    def worker(_name: str) -> Actor:
        if config.by_block:
            return BlockFeedWorker(node, number, feed, reader)  # type: ignore[arg-type]
        return AddressFeedWorker(node, number, feed)  # type: ignore[arg-type]

    scope = ActorScope(dispatcher=node.dispatcher, factory=worker, blocking=True)
    return FeedSpec(
        name=feed.name,
        kind=config.kind,
        worker=Ref(scope, f"feed.{number}.{feed.name}"),
        by_block=config.by_block,
        every_s=config.every_s,
        per_minute=config.per_minute,
        operator=config.operator or feed.name,
    )
