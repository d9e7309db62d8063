"""The actor of one Lightning account: its connection, and what was paid through it.

It never blocks. One worker asks the node, one thing at a time: pages of what was paid,
single invoices, the balance. Another holds the connection on which a node pushes, if it
does. What is paid comes three ways (pushed, read, looked up) and is brought to its
payment alike; however often it comes, the payment tells it once.

Nothing is missed: what was paid is read in pages after each opening, at intervals, and
at once when a held connection ends. How the connection stands is a pure state machine
(`engine/lightning/connection.py`), published on every change.
"""

from typing import Any, ClassVar, Final

from actors.facts.published import Published
from actors.facts.upstreams import InvoiceOpened, LookAt, Reconnect
from actors.lightning.balance_look import BalanceLook
from actors.lightning.deliveries import Found, InvoiceDeliveries, TryAgain, WatcherSaid
from actors.lightning.held import Holder
from actors.lightning.lookups import LookUps
from actors.lightning.messages import (
    AskBalance,
    AskDue,
    BalanceDue,
    BalanceTold,
    Begin,
    ConnectDue,
    LookedUp,
    LookUp,
    PageRead,
    ReadDue,
    ReadPage,
    ReconnectDue,
    StreamEnded,
    StreamPaid,
    StreamWord,
    WatchDue,
    WorkerDue,
)
from actors.lightning.pages import CursorKept, OpenTold, Pages, StoredCursor, kept_of
from actors.lightning.standing import LinkState, is_key, note_crash, note_worker, why_of
from actors.lightning.timers import Timers
from actors.lightning.wishes import Wishes
from actors.lightning.workers import asking
from actors.messages import LookUpInvoice
from actors.node import Node
from engine.errors import LightningError, NodeBusy
from engine.lightning.account import Account
from engine.lightning.connection import LinkStep, wait_s
from engine.lightning.node import (
    Balance,
    InvoiceSeen,
    InvoiceStatus,
    LightningNode,
    PaidPage,
    SignOfLife,
)
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, ExitReason, Ref

__all__ = ["UpstreamActor"]

NOT_BOOTED_S: Final = 0.2
WORKER_S: Final = 1.0
BUSY_S: Final = 10.0
"""Pauses: until watchers are there, after a crash of the worker, and of a node that
wants one and does not say how long."""
LEAST_WAIT_S: Final = 0.05

MOST_PENDING: Final = 500
"""Invoices on their way to payments; what is pushed beyond is read later."""

ASKABLE: Final = frozenset({UpstreamState.LIVE, UpstreamState.BEHIND})


class UpstreamActor(Actor):
    """See the module docstring."""

    __slots__ = (
        "_account",
        "_balance",
        "_balance_look",
        "_deliveries",
        "_held",
        "_job",
        "_lightning",
        "_lookups",
        "_node",
        "_pages",
        "_report",
        "_standing",
        "_timers",
        "_wishes",
        "_worker",
    )

    mailbox_limit: ClassVar[int] = 2_000

    def __init__(
        self,
        node: Node,
        account: Account,
        lightning: LightningNode,
        report: Published[UpstreamReport],
        balance: Published[Balance | None],
    ) -> None:
        """`report` and `balance`: where it alone publishes."""
        self._node = node
        self._account = account
        self._lightning = lightning
        self._balance = balance
        self._report = report
        self._balance_look: BalanceLook
        self._wishes = Wishes()
        self._job: ReadPage | LookUp | AskBalance | None = None  # the worker's
        self._worker: Ref | None = None
        self._deliveries: InvoiceDeliveries
        self._held: Holder
        self._lookups: LookUps
        self._pages: Pages
        self._standing: LinkState
        self._timers: Timers

    # -- its life ----------------------------------------------------------------------

    def on_start(self) -> None:
        node, account, ref = self._node, self._account, self.ref
        self._timers = timers = Timers(node.clock, ref)
        self._balance_look = BalanceLook(node.clock, timers, self._balance)
        self._standing = LinkState(node, account, self._lightning.can, self._report)
        self._deliveries = brings = InvoiceDeliveries(node, account.name, ref)
        self._held = Holder(node, account, self._lightning, ref)
        self._lookups = LookUps(node, account.name, brings)
        self._pages = Pages(node, account, ref, brings, self._came, self._read_in)
        self._worker = asking(node, account.name, self._lightning, ref)
        self.await_reply(
            lambda reply: node.read(lambda store: kept_of(store, account.name), reply),
            self._loaded,
        )

    def on_stop(self) -> None:
        if self._worker is not None:
            self._held.drop()
            self._worker.kill()
            self._worker.stop()

    def on_failure(self, kind: type[BaseException] | None, *_of_it: Any) -> None:
        """Until another goes on nobody shall read that all is well."""
        self.on_stop()
        if kind is not None:
            note_crash(self._node, self._report, self._balance)

    def _loaded(self, answer: Any) -> None:
        if not isinstance(answer, StoredCursor):
            raise RuntimeError(f"cannot read the cursor: {answer!r}")
        self._pages.begin(answer)
        if not answer.cursor:  # what was paid of these no page will show
            for payment_hash, payment_id in answer.opened:
                self._lookups.add(payment_hash, payment_id)
        self._begin()

    def _begin(self) -> None:
        """Not before the watchers are there: a payment has one that hears of it."""
        if not self._node.booted.now:
            self._timers.set(Begin(), NOT_BOOTED_S)
            return
        self._connect()
        self._watch()

    def on_receive(self, message: object) -> None:
        match message:
            case StreamWord(number, heard):
                if self._held.is_current(number):
                    self._on_word(heard)
            case StreamPaid(number, invoice):
                self._on_pushed(number, invoice)
            case StreamEnded(number, error):
                if self._held.is_current(number):
                    self._on_ended(why_of(error, self._account.name), error)
            case PageRead() | LookedUp() | BalanceTold():
                if message.asked is self._job:  # not of an earlier life
                    self._job = None
                    self._on_answer(message)
                    self._next()
            case Found() | WatcherSaid() | TryAgain():
                self._deliveries.take(message)
            case CursorKept():
                self._pages.on_kept(message)
            case OpenTold():
                self._pages.on_open_told(message)
            case Exited():
                self._on_exit(message)
            case _:
                self._timers.fired(message)
                self._on_wish(message)

    def _on_wish(self, message: object) -> None:
        """Of others, or of a timer."""
        match message:
            case Begin():
                self._begin()
            case ReadDue():
                self._want_page()
            case ConnectDue():
                self._connect()
            case WatchDue():
                self._watch()
            case BalanceDue():
                self._ask_balance()
            case WorkerDue():
                assert self._worker is not None
                self._worker.start()
                self._next()
            case AskDue():
                self._next()
            case LookUpInvoice(payment_hash, payment_id):
                self._lookups.add(payment_hash, payment_id)
                self._next()
            case LookAt(payment_hash):
                self._lookups.claim(payment_hash)
                self._next()
            case InvoiceOpened():
                answers = self._standing.connection.state in ASKABLE
                if self._pages.on_opened() and answers and ReadDue in self._timers:
                    self._read_in(self._pages.interval_s())
            case Reconnect() | ReconnectDue():
                self._reconnect()

    # -- the connection ----------------------------------------------------------------

    def _connect(self) -> None:
        if not self._lightning.can.push:
            self._want_page()
        elif not self._held.is_trying:
            self._node.counters.add("lightning.connects")
            self._held.start()

    def _reconnect(self) -> None:
        """However often a button is pressed."""
        if ReconnectDue in self._timers:
            return
        now_s, state = self._node.clock.monotonic(), self._standing.connection.state
        if (pause_s := self._wishes.wait_s(now_s, state)) > 0:
            self._timers.set(ReconnectDue(), pause_s)
            return
        self._held.drop()
        self._balance_look.renew()  # all is looked at anew
        self._standing.step(LinkStep.RECONNECT)
        self._connect()

    def _on_word(self, heard: SignOfLife) -> None:
        is_open = self._standing.connection.opened
        self._held.heard(opened=heard is SignOfLife.OPENED)
        if heard is SignOfLife.OPENED and not is_open:
            self._timers.cancel(ConnectDue)
            self._standing.step(LinkStep.OPENED)
            self._want_page()
        elif is_open:
            self._standing.step(LinkStep.ALIVE)
        if self._held.took_missed():
            self._want_page()

    def _on_pushed(self, number: int, invoice: InvoiceSeen) -> None:
        """What an earlier connection still says is as true."""
        self._node.counters.add("lightning.pushed")
        if self._held.is_current(number):
            self._on_word(SignOfLife.ALIVE)
        if invoice.status is not InvoiceStatus.PAID:
            self._node.counters.add("lightning.garbage")
        elif self._deliveries.pending >= MOST_PENDING:
            self._want_page()
        else:
            self._deliveries.bring((invoice,))
            self._balance_look.money_came()

    def _on_ended(self, reason: str, error: LightningError | None) -> None:
        was_open = self._standing.connection.opened
        self._held.drop()
        self._standing.step(LinkStep.LOST if was_open else LinkStep.UNHELD, reason)
        if is_key(error):
            self._standing.step(LinkStep.REFUSED, reason)
        self._rest(ConnectDue(), error)
        # Does it answer at all? What it would have pushed is read meanwhile.
        if was_open or ReadDue not in self._timers:
            self._want_page()

    def _watch(self) -> None:
        if reason := self._held.silence():
            self._node.counters.add("lightning.silent")
            self._on_ended(reason, None)
        if self._held.took_missed():
            self._want_page()
        self._standing.settle()
        if self._lightning.can.push:
            self._timers.set(WatchDue(), self._account.silence_s / 2)

    def _failed(self, error: LightningError) -> None:
        """A request had no answer."""
        if isinstance(error, NodeBusy):  # nothing is wrong with it
            self._node.counters.add("lightning.busy")
            self._read_in(max(error.retry_after_s or 0.0, BUSY_S))
            return
        self._node.counters.add("lightning.failed")
        step = LinkStep.REFUSED if is_key(error) else LinkStep.FAILED
        self._standing.step(step, why_of(error, self._account.name))
        self._balance_look.lost()
        self._rest(ReadDue(), error)

    def _rest(self, due: ReadDue | ConnectDue, error: LightningError | None) -> None:
        asked_s = None if error is None else error.retry_after_s
        connection, rand = self._standing.connection, self._node.random.random()
        pause_s = wait_s(connection, rand, asked_s)
        self._standing.rests(pause_s)
        self._timers.set(due, pause_s)

    # -- what is asked -----------------------------------------------------------------

    def _want_page(self) -> None:
        self._pages.wanted = True
        self._next()

    def _read_in(self, wait_s: float) -> None:
        self._timers.set(ReadDue(), wait_s)

    def _next(self) -> None:
        """The worker's next job, if it has none."""
        worker = self._worker
        if self._job is not None or worker is None or not worker.is_alive:
            return
        connection = self._standing.connection
        if (page := self._pages.take(connection.openings)) is not None:
            self._timers.cancel(ReadDue)
            self._give(page)
        elif (
            connection.state in ASKABLE
            and (pause := self._lookups.wait_s()) is not None
        ):
            if (batch := self._lookups.take()) is not None:
                self._give(batch)
            elif AskDue not in self._timers:
                self._timers.set(AskDue(), max(pause, LEAST_WAIT_S))

    def _give(self, job: ReadPage | LookUp | AskBalance) -> None:
        assert self._worker is not None
        self._job = job
        self._worker.tell(job)

    def _on_answer(self, message: PageRead | LookedUp | BalanceTold) -> None:
        match message:
            case PageRead(asked, PaidPage() as page):
                self._node.counters.add("lightning.pages")
                self._pages.bring(asked, page)
            case PageRead(_, LightningError() as error):
                self._failed(error)
            case LookedUp():
                self._lookups.on_looked_up(message)
                if message.error is not None:
                    self._failed(message.error)
            case BalanceTold(_, answer):
                self._balance_look.told(answer if isinstance(answer, Balance) else None)

    def _came(self, asked: ReadPage, page: PaidPage) -> None:
        """A page is committed, with its cursor."""
        connection = self._standing.connection
        step = connection.page(asked.began, more=page.more)
        self._standing.step(step)
        if page.more or (connection.opened and step is LinkStep.READ_SOME):
            self._want_page()
            return
        self._read_in(self._pages.interval_s())
        self._pages.look_for_open()
        if page.paid and not self._lightning.can.push:
            self._balance_look.money_came()
        if self._balance_look.is_old():
            self._ask_balance()
        self._next()

    def _ask_balance(self) -> None:
        worker = self._worker
        if self._job is None and worker is not None and worker.is_alive:
            self._balance_look.asked()
            self._give(AskBalance())
        else:
            self._balance_look.money_came()

    # -- its workers -------------------------------------------------------------------

    def _on_exit(self, report: Exited) -> None:
        if report.reason is ExitReason.STOPPED:
            return
        note_worker(self._node, self._account.name, report)
        reason = f"a fault of ours when asking {self._account.name}: see the log"
        if self._held.is_worker(report.ref):
            self._on_ended(reason, None)
        elif report.ref is self._worker:
            self._job = None
            self._lookups.put_back()
            self._timers.set(WorkerDue(), WORKER_S)
            self._failed(LightningError(reason))
