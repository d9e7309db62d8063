"""The way in, implemented: how an edge's greenlet asks the actors and waits.

Only this file uses `ask`. Every wait has a time-out; what does not come in time is
`EngineBusy` and the client is told to come again. Reads go to the store's reader
threads directly.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import msgspec
import pykka
from gevent.event import AsyncResult

from actors.edge.handles import FirstEvent, Handle
from actors.live.session import open_session
from actors.messages import (
    Command,
    CreatePayments,
    DescribeSources,
    PollNow,
    RestartDue,
)
from actors.node import Node
from actors.watching.address import AddressActor
from actors.watching.supervisor import SupervisorActor
from engine.delivery.channel import Channel, channel_row
from engine.errors import (
    Duplicate,
    EngineBusy,
    MailboxFull,
    NotFound,
    Refused,
    StoreUnreadable,
)
from engine.gateway import CoreState, NodeHealth, SourceState, WatcherState
from engine.payment.model import Payment, Terms
from engine.payment.observations import Observation
from engine.payment.rules import decide
from engine.ports import Freshness, Sink
from engine.runtime.ask import ask
from engine.runtime.ref import Ref
from engine.store.port import StoreReader
from engine.store.records import (
    AttemptView,
    IdempotentAnswer,
    KeyRecord,
    Page,
    StoredEvent,
)
from engine.store.writes import (
    Committed,
    Conflict,
    InboundRow,
    RemoveChannel,
    Requeue,
    Row,
    Unavailable,
    Write,
)

__all__ = ["ActorGateway"]

log = logging.getLogger("paybell.gateway")

P = ParamSpec("P")
T = TypeVar("T")

ASK_S = 10.0
"""How long an edge waits for an answer; even a slow disk commits well under 1 s."""

IDEMPOTENCY_MS = 86_400_000
"""Answers are replayed for 24 h (api.md)."""


class ActorGateway:
    """Implements `engine.gateway.Gateway`."""

    def __init__(self, node: Node, store: StoreReader) -> None:
        self._node = node
        self._store = store
        self._sessions = 0

    # -- payments --------------------------------------------------------------------

    def create(
        self,
        terms: Sequence[Terms],
        rows: Callable[[list[Any]], tuple[Row, ...]] = lambda _answers: (),
    ) -> list[Payment | Conflict]:
        self._must_be_ready()
        answer = self._ask(
            self._node.supervisor,
            lambda reply: CreatePayments(tuple(terms), reply, rows),
        )
        created: list[Payment | Conflict] | Conflict = _good(answer)
        if isinstance(created, Conflict):  # found by the database only
            return [created] * len(terms)
        return created

    def command(
        self,
        payment_id: str,
        observation: Observation,
        inbound: InboundRow | None = None,
        rows: tuple[Row, ...] = (),
    ) -> Payment:
        self._must_be_ready()
        ref = self._node.watchers.get(payment_id)
        if ref is None:
            return self._command_at_rest(payment_id, observation, inbound)
        answer = self._ask(
            ref, lambda reply: Command(observation, reply, inbound, rows)
        )
        payment: Payment = _good(answer)
        return payment

    def _command_at_rest(
        self, payment_id: str, observation: Observation, inbound: InboundRow | None
    ) -> Payment:
        """The payment is over. What changes nothing is answered; the rest refused."""
        payment = self.payment(payment_id)
        if payment is None:
            raise NotFound(f"there is no payment {payment_id}")
        if decide(payment, observation, self.now()):
            raise Refused(f"payment {payment_id} is over and no longer watched")
        if inbound is not None:
            self.write((inbound,))
        return payment

    def payment(self, payment_id: str) -> Payment | None:
        ref = self._node.watchers.get(payment_id)
        # While a commit is under way the store may know more than the watcher.
        watched = None if ref is None or ref.is_suspended else _held_by(ref)
        return watched or self._store.payment(payment_id)

    def payment_at(self, address: str) -> Payment | None:
        payment_id = self._node.by_address.get(address)
        ref = self._node.watchers.get(payment_id) if payment_id else None
        watched = None if ref is None else _held_by(ref)
        return watched or self._store.payment_at(address)

    def payments_of(self, external_id: str) -> list[Payment]:
        return self._store.payments_of(external_id)

    def list_payments(
        self, filters: dict[str, str], before_rank: int | None, limit: int
    ) -> Page:
        return self._store.list_payments(filters, before_rank, limit)

    def counted_outpoints(
        self, addresses: Sequence[str]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        return self._store.counted_outpoints(addresses)

    def history(self, payment_id: str, after: int, limit: int) -> list[StoredEvent]:
        return self._store.history(payment_id, after, limit)

    def events_after(
        self, offset: int, limit: int, merchant: str | None
    ) -> list[StoredEvent]:
        return self._store.events_after(offset, limit, merchant)

    def wait_for_events(
        self, offset: int, limit: int, merchant: str | None, wait_s: float
    ) -> list[StoredEvent]:
        found = self.events_after(offset, limit, merchant)
        if found or wait_s <= 0:
            return found
        ear = FirstEvent()
        session = self.open_session("long-poll", ear)
        try:
            session.follow_all(offset, merchant)
            ear.heard.wait(timeout=wait_s)
        finally:
            session.close()
        return self.events_after(offset, limit, merchant)

    # -- what the edges remember -----------------------------------------------------

    def idempotent_answer(self, scope: str, key: str) -> IdempotentAnswer | None:
        since = self.now() - IDEMPOTENCY_MS
        return self._store.idempotent_answer(scope, key, since)

    def keys(self) -> list[KeyRecord]:
        return self._store.api_keys()

    def write(self, rows: tuple[Row, ...]) -> int:
        reply: AsyncResult[Any] = AsyncResult()
        self._node.append(Write(rows=rows), reply.set)
        reply.wait(timeout=ASK_S)
        if not reply.ready():
            raise _too_late()
        answer = _good(reply.get())
        return answer.changed if isinstance(answer, Committed) else 0

    # -- tree and sources ------------------------------------------------------------

    def watchers(self, limit: int, after: str = "") -> list[WatcherState]:
        later = (i for i in self._node.watchers if i > after)
        ids = heapq.nsmallest(limit, later)  # no sorting of a million for a page
        return [self._describe(i, self._node.watchers[i]) for i in ids]

    def core(self) -> list[CoreState]:
        node = self._node
        refs = [*node.readers, node.journal, node.router, node.source]
        if node.notifiers is not None:
            refs.append(node.notifiers)
        return [
            CoreState(
                name=ref.name,
                state="running" if ref.is_alive else "restarting",
                incarnation=ref.incarnation,
                backlog=ref.backlog,
            )
            for ref in (*refs, node.supervisor)
        ]

    def watcher(self, address: str) -> WatcherState | None:
        payment_id = self._node.by_address.get(address)
        ref = self._node.watchers.get(payment_id) if payment_id else None
        return self._describe(ref.name, ref) if ref is not None else None

    def _describe(self, payment_id: str, ref: Ref) -> WatcherState:
        supervisor = self._node.supervisor.actor
        assert isinstance(supervisor, SupervisorActor | None)
        history = supervisor.histories.get(payment_id) if supervisor else None
        quarantined = supervisor is not None and payment_id in supervisor.quarantined
        actor = ref.actor if isinstance(ref.actor, AddressActor) else None
        payment = actor.known_payment if actor is not None else None
        if payment is None:
            payment = self.payment(payment_id)
        state = "running" if ref.is_alive else "restarting"
        return WatcherState(
            payment_id=payment_id,
            address=payment.terms.address if payment is not None else "",
            status=payment.status if payment is not None else "",
            state="quarantined" if quarantined else state,
            incarnation=ref.incarnation,
            restarts=max(ref.incarnation - 1, 0),
            backlog=ref.backlog,
            last_error=history.last_error if history is not None else None,
            seen_at=actor.seen_at if actor is not None else None,
            next_poll_at=actor.next_poll_at if actor is not None else None,
            next_deadline_at=supervisor.deadline_of(payment_id) if supervisor else None,
        )

    def poll(self, address: str) -> bool:
        payment_id = self._node.by_address.get(address)
        ref = self._node.watchers.get(payment_id) if payment_id else None
        if ref is None:
            return False
        if not ref.is_alive:
            self._node.supervisor.tell(RestartDue(ref.name))
        ref.tell(PollNow())
        return True

    def sources(self) -> list[SourceState]:
        states: list[SourceState] = self._ask(self._node.source, DescribeSources)
        return states

    # -- channels --------------------------------------------------------------------

    def channels(self) -> list[Channel]:
        rows = self._store.channels()
        return [msgspec.json.decode(row.state, type=Channel) for row in rows]

    def save_channel(self, channel: Channel) -> None:
        self.write((channel_row(channel),))

    def remove_channel(self, channel_id: str) -> bool:
        return bool(self.write((RemoveChannel(channel_id),)))

    def attempts(
        self, channel_id: str, before_id: int | None, limit: int
    ) -> list[AttemptView]:
        return self._store.attempts(channel_id, before_id, limit)

    def requeue(self, request: Requeue) -> int:
        return self.write((request,))

    # -- live and node ---------------------------------------------------------------

    def open_session(self, name: str, sink: Sink) -> Handle:
        self._sessions += 1
        return Handle(
            open_session(self._node, f"session.{self._sessions}.{name}", sink)
        )

    def freshness(self) -> Freshness:
        return self._node.source_report.now.freshness

    def now(self) -> int:
        return self._node.clock.now()

    def health(self) -> NodeHealth:
        health = self._node.health
        reasons = []
        if health.journal is not None:
            reasons.append(health.journal)
        if not health.booted:
            reasons.append("watchers are still being brought back")
        if health.fatal:
            reasons.append("stopped after a fatal error: see the log")
        last_offset = 0
        try:
            last_offset = self._store.last_offset()
        except StoreUnreadable as error:
            reasons.append(f"the database cannot be read: {error.advice}")
        supervisor = self._node.supervisor.actor
        assert isinstance(supervisor, SupervisorActor | None)
        return NodeHealth(
            ready=not reasons,
            reasons=tuple(reasons),
            watchers=len(self._node.watchers),
            quarantined=len(supervisor.quarantined) if supervisor is not None else 0,
            sessions=len(self._node.sessions),
            freshness=self._node.source_report.now.freshness,
            last_offset=last_offset,
        )

    def counters(self) -> dict[str, float]:
        found: dict[str, float] = dict(self._node.counters)
        found["watchers"] = len(self._node.watchers)
        found["sessions"] = len(self._node.sessions)
        for state, count in self._store.outbox_counts().items():
            found[f"outbox.{state}"] = count
        return found

    def _must_be_ready(self) -> None:
        """Refuse new work while nothing can be promised; keep what there is."""
        health = self._node.health
        if health.journal is not None:
            raise EngineBusy(health.journal, 5)
        if not health.booted:
            raise EngineBusy("the node is starting: watchers are being brought back", 1)

    def _ask(self, ref: Ref, build: Callable[[Callable[[Any], None]], object]) -> Any:
        try:
            return ask(ref, build, ASK_S)
        except MailboxFull as error:
            raise EngineBusy(f"{ref.name} has too much to do") from error
        except pykka.Timeout as error:
            raise _too_late() from error


def _held_by(ref: Ref) -> Payment | None:
    """What a watcher holds: its payment as last committed. Spares a query."""
    return ref.actor.known_payment if isinstance(ref.actor, AddressActor) else None


def _too_late() -> EngineBusy:
    return EngineBusy(f"no answer within {ASK_S:.0f} s", unknown=True)


def _good(answer: Any) -> Any:
    """An answer as a value or as the error that it stands for."""
    match answer:
        case Conflict(what, detail):
            if what == "address":
                return answer
            raise Duplicate(detail)
        case Unavailable(detail):
            raise EngineBusy(detail, 5)
        case Refused():
            raise answer
    return answer
