"""The supervisor of watchers: creates, restarts, quarantines, and owns deadlines.

One for one: a crashed watcher is restarted with its state read back from the journal,
after a backoff; one that keeps crashing is quarantined (counted, logged, visible in
the tree) and no other watcher notices. Deadlines live here, so that they survive the
watcher: it is told to review its payment when one passes, is kept on a slow watch for
late payments, and is let go when it reports that its payment is over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from actors.facts.published import Published, WatcherTrouble
from actors.messages import (
    Alarm,
    AllWatched,
    BringUp,
    CoverageEnded,
    Created,
    CreatePayments,
    Deadline,
    RestartDue,
    Retired,
    ReviewDue,
    TellMore,
)
from actors.node import Node
from actors.watching import quarantine
from actors.watching.address import AddressActor
from actors.watching.believing import note_created
from actors.watching.chainless import ChainlessActor
from actors.watching.external import ExternalActor
from actors.watching.invoice import InvoiceActor
from actors.watching.tour import Tour
from actors.watching.watcher_book import WatcherBook
from engine.errors import Unreadable
from engine.payment.events import opening
from engine.payment.model import Payment, Terms
from engine.payment.rules import next_deadline
from engine.runtime.actor import Actor
from engine.runtime.clock import Timer
from engine.runtime.heap import LongLived
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from engine.runtime.supervision import RestartHistory, RestartPolicy
from engine.store.records import DamagedPayment
from engine.store.writes import Committed, Conflict, Entry, Write

__all__ = ["SupervisorActor"]

log = logging.getLogger("paybell.supervisor")

PAYMENTS_PER_PAGE = 250
"""Payments brought back in one turn, some 3 ms."""

WALL_CLOCK_CHECK_S = 3_600.0
"""Deadlines are looked at once an hour at least: the wall clock may be corrected."""

WATCHERS_PER_STEP = 100
"""Watchers of a batch that are started in one turn: some 2 ms."""

LOAD_AGAIN_S = 5.0
"""After the journal could not be read for a watcher that starts anew."""

DAMAGED = "payment.damaged"

REVIEWS_PER_STEP = 500
"""Reviews asked for in one turn: a batch of payments expires in one moment."""


class SupervisorActor(Actor):
    """Parent of every watcher of a payment. Answers `CreatePayments`."""

    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_book",
        "_booted",
        "_chainless",
        "_heap",
        "_histories",
        "_node",
        "_policy",
        "_reserved",
        "_scope",
        "_tour",
    )

    mailbox_limit = 20_000

    def __init__(
        self,
        node: Node,
        book: WatcherBook,
        booted: Published[bool],
        policy: RestartPolicy | None = None,
    ) -> None:
        """`book` and `booted`: where it publishes; only it writes them."""
        self._node = node
        self._book = book
        self._booted = booted
        self._policy = policy or RestartPolicy()
        self._reserved: set[str] = set()  # addresses of creations under way
        self._alarm: Timer | None = None  # for the first of them
        self._alarm_at: int | None = None  # ms, what it was set for
        self._tour = Tour(node.clock, book)
        self._heap = LongLived()
        self._scope: ActorScope
        self._chainless: dict[type[ChainlessActor], ActorScope]
        self._histories: dict[str, RestartHistory] = {}

    def on_start(self) -> None:
        self._scope = ActorScope(
            dispatcher=self._node.dispatcher,
            factory=lambda _name: AddressActor(self._node),
            parent=self.ref,
            mailbox_limit=AddressActor.mailbox_limit,
            named_as="payment",
        )
        self._chainless = {
            kind: ActorScope(
                dispatcher=self._node.dispatcher,
                factory=lambda _name, kind=kind: kind(self._node),  # type: ignore[misc]
                parent=self.ref,
                mailbox_limit=kind.mailbox_limit,
                named_as="payment",
            )
            for kind in (ExternalActor, InvoiceActor)
        }
        for ref in self._book.values():
            ref.kill()  # now: one that waits for a commit would go on beside its
            ref.stop()  # successor, and tell the source that it is the one to tell
        self._book.clear()
        quarantine.all_over(self._node)
        self._node.statuses.clear()
        # What a watcher before had written may not be there yet. In a new process
        # there was none: a disk that hangs keeps it from nothing.
        is_first = self.ref.incarnation == 1
        self._read_page("", self._node.read if is_first else self._node.read_written)

    def on_stop(self) -> None:
        self._booted.publish(False)

    def on_failure(self, *_exc_info: Any) -> None:
        """Until all scripts are known again, a new source must not read past blocks
        that pay them."""
        self._booted.publish(False)

    def on_receive(self, message: object) -> None:
        match message:
            case CreatePayments():
                self._create(message)
            case Created():
                self._on_created(message)
            case BringUp(payments, done):
                self._bring_up(payments, done)
            case Deadline(payment_id, at):
                self._arm(payment_id, at)
            case Alarm():
                self._on_alarm()
            case Retired(payment_id, address):
                self._retire(payment_id, address)
            case Exited():
                self._on_exit(message)
            case RestartDue(name):
                self._restart(name)
            case CoverageEnded() | TellMore():
                self._tour.go_on(message, self.ref)

    # -- boot ------------------------------------------------------------------------

    def _read_page(self, after: str, read: Callable[..., None]) -> None:
        """Bring back the watchers of a page of payments; nothing else until then."""
        self.await_reply(
            lambda reply: read(
                lambda store: store.watched(after, PAYMENTS_PER_PAGE), reply
            ),
            self._on_page,
        )

    def _on_page(self, page: Any) -> None:
        if not isinstance(page, list):
            raise RuntimeError(f"cannot read the watched payments: {page!r}")
        self._spawn_all([one for one in page if isinstance(one, Payment)])
        for one in page:
            if isinstance(one, DamagedPayment):
                self._set_aside(one)
        if len(page) == PAYMENTS_PER_PAGE:
            self._read_page(page[-1].id, self._node.read)
        else:
            self._heap.settle()
            self._booted.publish(True)
            self._node.source.tell_system(AllWatched(self.ref.incarnation))
            log.info("watchers.ready count=%d", len(self._book))

    def _set_aside(self, payment: DamagedPayment) -> None:
        """All others are watched; its address is free for no other."""
        detail = (
            f"its row is not as it was written, and nobody watches {payment.address}:"
            " stop the node and run `paybell replay`, which makes it of its events"
        )
        self._reserved.add(payment.address)
        log.error("payment.damaged payment=%s", payment.id)
        now = self._node.clock.now()
        self._node.alerts.raise_(DAMAGED, payment.id, detail, now)

    # -- creation --------------------------------------------------------------------

    def _create(self, request: CreatePayments) -> None:
        answers: list[Payment | Conflict] = []
        entries: list[Entry] = []
        for terms in request.terms:
            if terms.id in request.owned:
                detail = f"address {terms.address} is of another merchant's wallet"
                answers.append(Conflict("address", detail))
                continue
            taken = self._book.at(terms.address) is not None
            if taken or terms.address in self._reserved:
                detail = f"{_subject(terms)} by another payment"
                answers.append(Conflict("address", detail))
                continue
            event, payment = opening(terms)
            self._reserved.add(terms.address)
            answers.append(payment)
            entries.append(Entry(payment, (event,)))
        write = Write(tuple(entries), request.rows(answers))
        if not write.entries and not write.rows:
            request.reply(tuple(answers))
            return
        self._node.append(
            write,
            lambda outcome: self.ref.tell_system(
                Created(tuple(answers), outcome, request.reply)
            ),
        )

    def _on_created(self, created: Created) -> None:
        payments = tuple(a for a in created.answers if isinstance(a, Payment))
        if isinstance(created.outcome, Committed):
            self._node.orders.add(payment.terms.merchant for payment in payments)
            note_created(self._node.counters, payments)
            self._bring_up(payments, lambda: created.reply(created.answers))
        else:
            self._reserved.difference_update(p.terms.address for p in payments)
            created.reply(created.outcome)

    def _bring_up(
        self, payments: tuple[Payment, ...], done: Callable[[], None]
    ) -> None:
        """Some in each turn: a thousand at once would keep all others waiting."""
        now, later = payments[:WATCHERS_PER_STEP], payments[WATCHERS_PER_STEP:]
        self._spawn_all(now)
        self._reserved.difference_update(p.terms.address for p in now)
        if later:
            self.ref.tell_system(BringUp(later, done))
        else:
            done()

    def _spawn_all(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            self._spawn(payment)
        self._heap.grown(len(payments))
        self._set_alarm()

    def _spawn(self, payment: Payment) -> None:
        if self._book.get(payment.id) is not None:
            return  # created for who was here before us, and read back since
        self._node.statuses.come(payment.status)
        deadline = next_deadline(payment)
        self._book.deadlines.set(payment.id, deadline)
        if not payment.terms.has_chain:
            kind = ExternalActor if payment.terms.is_external else InvoiceActor
            ref = Ref(self._chainless[kind], payment.id)
            self._book.add(ref, payment.terms.address)
            ref.start(kind(self._node, payment, deadline))
            return
        ref = Ref(self._scope, payment.id)
        self._book.add(ref, payment.terms.address)
        watcher = AddressActor(self._node, payment, deadline)
        self._node.source.tell_system(watcher.interest(ref))
        ref.start(watcher)

    # -- deadlines -------------------------------------------------------------------

    def _arm(self, payment_id: str, at: int) -> None:
        self._book.deadlines.set(payment_id, at)
        self._set_alarm()

    def _set_alarm(self) -> None:
        """One timer for all deadlines, if the first is another now."""
        at = self._book.deadlines.next_ms()
        if at == self._alarm_at:
            return
        self._alarm_at = at
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if at is not None:
            wait_s = max(at - self._node.clock.now(), 0) / 1000
            self._alarm = self._node.clock.call_later(
                min(wait_s, WALL_CLOCK_CHECK_S), self.ref, Alarm()
            )

    def _on_alarm(self) -> None:
        """The timer counts monotonic seconds; whether it is time, the wall says."""
        now = self._node.clock.now()
        for payment_id in self._book.deadlines.take_due(now, REVIEWS_PER_STEP):
            ref = self._book.get(payment_id)
            if ref is not None:
                ref.tell_system(ReviewDue())
        self._alarm_at = None
        self._set_alarm()

    # -- ends ------------------------------------------------------------------------

    def _retire(self, payment_id: str, address: str) -> None:
        self._histories.pop(payment_id, None)
        ref = self._book.remove(payment_id, address)
        if ref is not None and isinstance(ref.shown, Payment):
            self._node.statuses.gone(ref.shown.status)
        if ref is not None and not ref.is_stopped:
            ref.stop()  # killed meanwhile, or not yet at its own stop

    def _on_exit(self, report: Exited) -> None:
        name = report.ref.name
        if report.reason is ExitReason.STOPPED or (
            self._book.get(name) is not report.ref
        ):
            return
        if isinstance(report.error, Unreadable):
            self._load_again(name, report.error)
            return
        error = f"{report.reason.value}: {report.error!r}"
        self._node.counters.add("watchers.crashes")
        now = self._node.clock.monotonic()
        before = self._histories.get(name, RestartHistory())
        history = before.after_crash(now, error, report.message, self._policy)
        self._histories[name] = history
        verdict = history.verdict(before, self._node.random.random(), self._policy)
        log.error("watcher.crashed payment=%s incarnation=%d error=%s", name,
                  report.incarnation, error, exc_info=report.error)  # fmt: skip
        if verdict.delay_s is None:
            self._book.note_trouble(name, WatcherTrouble(error, quarantined=True))
            self._node.counters.add("watchers.quarantined")
            log.critical("watcher.quarantined payment=%s error=%s", name, error)
            quarantine.alert_of(self._node, name)
            return
        self._book.note_trouble(name, WatcherTrouble(error, quarantined=False))
        first = report.message if verdict.redeliver else None
        if report.message is not None and first is None:
            self._node.dispatcher.dead_letter(report.ref, report.message)
        self._node.clock.call_later(verdict.delay_s, self.ref, RestartDue(name))
        self._redeliver(name, first)

    def _load_again(self, name: str, error: Unreadable) -> None:
        """As often as it takes: this is no crash of the watcher's."""
        log.warning("watcher.unreadable payment=%s error=%s", name, error)
        if name in self._histories:
            self._redeliver(name, None)  # it waits in the mailbox already
        self._node.clock.call_later(LOAD_AGAIN_S, self.ref, RestartDue(name))

    def _redeliver(self, name: str, message: object) -> None:
        """Remembered by the history until the restart, which puts it first."""
        history = self._histories[name]
        self._histories[name] = RestartHistory(
            history.crashes, history.total, history.last_error, message
        )

    def _restart(self, name: str) -> None:
        ref = self._book.get(name)
        if ref is None or ref.is_alive:
            return
        history = self._histories.get(name, RestartHistory())
        if self._book.trouble_of(name) is not None:  # no longer in quarantine
            trouble = WatcherTrouble(history.last_error, quarantined=False)
            self._book.note_trouble(name, trouble)
            quarantine.over(self._node, name)
        ref.start(first=history.last_message)


def _subject(terms: Terms) -> str:
    """What two payments cannot share."""
    if terms.is_external:
        return f"invoice {terms.external_id} of {terms.gateway} is followed"
    if not terms.has_chain:
        return "its Lightning invoice is followed"
    return f"address {terms.address} is watched"
