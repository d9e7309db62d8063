"""The way in, implemented: how an edge's greenlet asks the actors and waits.

Only this file uses `ask`. Every wait has a time-out; what does not come in time is
`EngineBusy` and the client is told to come again. Reads go to the store's reader
threads directly.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import gevent
import msgspec
import pykka

from actors.edge.answers import good
from actors.edge.creation import as_of_now
from actors.edge.forwarding import ForwardingDesk
from actors.edge.handles import Handle
from actors.edge.kept import ASK_S, too_late
from actors.edge.ledger import LedgerDesk
from actors.edge.lightning import LightningDesk
from actors.edge.ownership import owned_by_others
from actors.edge.payment_reads import PaymentReads
from actors.edge.refund_psbt import RefundPsbt
from actors.edge.tree import shown_by
from actors.edge.wallets import WalletDesk
from actors.live.session import open_session
from actors.messages import (
    Command,
    CreatePayments,
    DescribeSources,
    LetGo,
    NotWatched,
    PollNow,
    RestartDue,
)
from actors.node import Node
from engine.errors import EngineBusy, MailboxFull, Refused, StoreUnreadable
from engine.gateway import MakeAnswer, NodeHealth, SourceState
from engine.payment.model import Payment, Terms
from engine.payment.observations import Amend, InvoicePaid, Observation, RefundPaid
from engine.payment.rules import follow, is_settled
from engine.ports import Alert, Freshness, Sink
from engine.runtime.ask import ask
from engine.runtime.ref import Ref
from engine.runtime.yielding import yielding_every
from engine.secrets.vault import Vault
from engine.store.port import StoreReader
from engine.store.writes import (
    Conflict,
    CustomerRow,
    Entry,
    ForgetIdempotency,
    InboundWebhook,
    MoveRefund,
    Requeue,
    Row,
    Whole,
    Write,
)

__all__ = ["ActorGateway"]

log = logging.getLogger("paybell.gateway")

P = ParamSpec("P")
T = TypeVar("T")


NO_EMAILS: Mapping[str, str] = {}

COMING_S = 1.0
NEW_MS = 60_000
"""A payment is new for so long; its watcher comes within milliseconds."""

REFUSED = "creations.refused"

REFUSED_MS = 600_000
"""For so long after the last refusal it is an alert."""


class ActorGateway(PaymentReads, ForwardingDesk, LedgerDesk, LightningDesk, RefundPsbt):
    """Implements `engine.gateway.Gateway`."""

    def __init__(
        self,
        node: Node,
        store: StoreReader,
        vault: Vault | None = None,
        wallets: WalletDesk | None = None,
        orders: StoreReader | None = None,
    ) -> None:
        """`vault` seals payers' e-mail addresses; None: none are given. `wallets`:
        where addresses are drawn; None: by the settings' defaults. `orders`: see
        `KeptRows`."""
        desk = wallets or WalletDesk(node, orders or store)
        super().__init__(node, store, desk, orders)
        self._vault = vault
        self._sessions = 0

    # -- payments --------------------------------------------------------------------

    def create(
        self,
        terms: Sequence[Terms],
        keep: MakeAnswer = lambda _answers: None,
        emails: Mapping[str, str] = NO_EMAILS,
    ) -> list[Payment | Conflict]:
        try:
            return self._create(terms, keep, emails)
        except EngineBusy as error:
            if self._node.booted.now:
                now = self.now()
                self._node.alerts.raise_(REFUSED, "", str(error), now, REFUSED_MS)
            raise

    def _create(
        self, terms: Sequence[Terms], keep: MakeAnswer, emails: Mapping[str, str]
    ) -> list[Payment | Conflict]:
        self._must_be_ready()
        payers = {
            payment_id: CustomerRow(payment_id, self._sealed(payment_id, email))
            for payment_id, email in yielding_every(emails.items())
        }

        drawn = self._wallets.draw(terms)

        def rows(answers: list[Payment | Conflict]) -> tuple[Row, ...]:
            made = [one.id for one in answers if isinstance(one, Payment)]
            beside: tuple[Row, ...] = (
                *(payers[name] for name in made if name in payers),
                *(drawn.rows[name] for name in made if name in drawn.rows),
                *(drawn.keys[name] for name in made if name in drawn.keys),
            )
            kept = keep(answers)
            if kept is None:
                return beside
            old = self.replayed_since()
            return *beside, ForgetIdempotency(old, kept.scope, kept.key), kept

        with self._wallets.settling(drawn):
            agreed = as_of_now(self._node, drawn.terms)
            owned = owned_by_others(self._wallets, self._orders, terms)
            answer = self._ask(
                self._node.supervisor,
                lambda reply: CreatePayments(agreed, reply, rows, owned),
            )
            created: tuple[Payment | Conflict, ...] | Conflict = good(answer)
        if isinstance(created, Conflict):  # found by the database only
            return [created] * len(terms)
        return list(created)

    def command(
        self,
        payment: Payment,
        observation: Observation,
        inbound: InboundWebhook | None = None,
    ) -> Payment:
        return self._command(payment, observation, inbound)

    def tell_refund(self, payment: Payment, told: RefundPaid, row: MoveRefund) -> None:
        self._command(payment, told, row)

    def _command(
        self, payment: Payment, observation: Observation, beside: Row | None
    ) -> Payment:
        self._must_be_ready()
        ref = self._watcher_of(payment)
        if ref is not None:
            answer = self._ask(ref, lambda reply: Command(observation, reply, beside))
            if not isinstance(answer, NotWatched):
                after: Payment = good(answer)
                return after
            # The watcher ended just then: the payment is over, or all begins anew.
            self._must_be_ready()
            ref = self._node.watchers.get(payment.id)
            if ref is not None and not ref.is_stopped:
                raise EngineBusy(f"the watcher of {payment.id} begins anew", 1)
            payment = self._store.payment(payment.id) or payment
        return self._command_at_rest(payment, observation, beside)

    def _watcher_of(self, payment: Payment) -> Ref | None:
        """None: it is over. One that was just created can be read a moment before its
        watcher is there: nobody may write to it in its place."""
        until = time.monotonic() + COMING_S
        while (ref := self._node.watchers.get(payment.id)) is None:
            now = self.now()
            is_new = now - payment.terms.created_at < NEW_MS
            if not is_new or is_settled(payment, now):
                return None
            if time.monotonic() >= until:
                if not payment.terms.has_chain:
                    raise EngineBusy(f"the watcher of {payment.id} is starting", 1)
                return None  # an operator has let it go
            gevent.sleep(0.005)
        return ref

    def _command_at_rest(
        self, payment: Payment, observation: Observation, beside: Row | None
    ) -> Payment:
        """The payment is over. What changes nothing is answered; the rest refused, but
        for what a gateway says (a card's money is taken back months later) or a
        Lightning node, and for refunds."""
        decided = follow(payment, observation, self.now(), rate_for=self._node.rate_for)
        is_final = isinstance(observation, RefundPaid | InvoicePaid | Amend)
        may_follow = payment.terms.is_external or is_final
        rows: tuple[Row, ...] = () if beside is None else (beside,)
        if decided.events and isinstance(observation, Amend):
            self._must_have_its_events(payment)
            rows = (*rows, Whole(payment.id))  # also when it is written
        if decided.events and may_follow:
            entry = Entry(decided.payment, tuple(decided.events))
            self._commit(Write((entry,), rows))
            return decided.payment
        if decided.events:
            raise Refused(f"payment {payment.id} is over and no longer watched")
        if beside is not None:
            self._write(beside)
        return payment

    def _must_have_its_events(self, payment: Payment) -> None:
        """What is known of it is their sum: nothing is added to a sum without them."""
        first = self._store.history(payment.id, 0, 1)
        if not first or first[0].seq != 1:
            raise Refused(
                f"the events of payment {payment.id} are kept no longer"
                " (--keep-events-days): it does not change any more"
            )

    def customer_email(self, payment_id: str) -> str | None:
        sealed = self._store.customer_email(payment_id)
        if sealed is None:
            return None
        assert self._vault is not None, "a payer's address without a vault"
        return self._vault.open(sealed, _payer_of(payment_id)).decode()

    def _sealed(self, payment_id: str, email: str) -> str:
        assert self._vault is not None, "a payer's address without a vault"
        return self._vault.seal(email.encode(), _payer_of(payment_id))

    def payment_at(self, address: str) -> Payment | None:
        ref = self._node.watchers.at(address)
        watched = None if ref is None else shown_by(ref)
        return watched or self._store.payment_at(address)

    # -- tree and sources ------------------------------------------------------------

    def poll(self, address: str) -> bool:
        ref = self._node.watchers.at(address)
        if ref is None:
            return False
        if not ref.is_alive:
            self._node.supervisor.tell(RestartDue(ref.name))
        ref.tell(PollNow())
        return True

    def release(self, address: str, key: str) -> Payment | None:
        ref = self._node.watchers.at(address)
        if ref is None:
            return None
        if not ref.is_alive:
            self._node.supervisor.tell(RestartDue(ref.name))
        answer = self._ask(ref, lambda reply: LetGo("operator", reply))
        if isinstance(answer, NotWatched):
            return None
        payment: Payment = good(answer)
        merchant, by = payment.terms.merchant, f"key {key} did it"
        self.alert_for_a_day("address.released", payment.id, by, merchant)
        return payment

    def sources(self) -> list[SourceState]:
        states: tuple[SourceState, ...] = self._ask(self._node.source, DescribeSources)
        return list(states)

    # -- deliveries ------------------------------------------------------------------

    def requeue(self, request: Requeue) -> int:
        """Step by step: between two of them others have their turn."""
        changed = 0
        while True:
            answer = self._committed(request)
            changed += answer.changed
            if answer.more_after is None:
                return changed
            request = msgspec.structs.replace(request, after=answer.more_after)

    # -- live and node ---------------------------------------------------------------

    def open_session(self, name: str, sink: Sink) -> Handle:
        self._sessions += 1
        return Handle(
            open_session(self._node, f"session.{self._sessions}.{name}", sink)
        )

    def freshness(self) -> Freshness:
        return self._node.source_report.now.freshness

    def unread(self, payment_id: str) -> Freshness | None:
        return self._node.unread.of(payment_id)

    def alerts(self) -> tuple[Alert, ...]:
        return self._node.alerts.standing(self.now())

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
        return NodeHealth(
            ready=not reasons,
            reasons=tuple(reasons),
            watchers=len(self._node.watchers),
            quarantined=self._node.watchers.quarantined,
            sessions=self._node.sessions.now,
            freshness=self._node.source_report.now.freshness,
            alerts=self.alerts(),
            forwarding_paused=self._node.forwarding.now.paused is not None,
            forwarding_at_limit=len(self._node.forwarding.now.at_limit),
            lightning=Counter(one.state.value for one in self.upstreams()),
            last_offset=last_offset,
        )

    def counters(self) -> dict[str, float]:
        found: dict[str, float] = dict(self._node.counters.snapshot())
        found["watchers"] = len(self._node.watchers)
        found["sessions"] = self._node.sessions.now
        for state, count in self._store.outbox_counts().items():
            found[f"outbox.{state}"] = count
        for status, number in self._node.statuses.now().items():
            found[f"payments_now.{status}"] = number
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
            raise too_late() from error


def _payer_of(payment_id: str) -> str:
    """Whose a sealed address is: nobody can move it to another payment."""
    return f"payer of {payment_id}"
