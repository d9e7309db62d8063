"""What the actors of payments without a chain share: `ExternalActor`, `InvoiceActor`.

Beside `AddressActor` under the same supervisor, and with the same way of writing: rules
decide, the journal commits, and only then is it believed; while a commit is under way
other mail waits. They look at nothing and poll nobody: they wait for somebody's word,
for a person's, and for their deadline.
"""

from collections.abc import Callable
from typing import Any

from actors.messages import (
    Command,
    Deadline,
    DescribeWatcher,
    ReviewDue,
    WatcherReport,
)
from actors.node import Node
from actors.watching.believing import as_write, log_notes, note_status
from actors.watching.release import release
from engine.errors import Refused, StoreUnavailable, Unreadable
from engine.payment.events import Event
from engine.payment.model import Payment
from engine.payment.observations import Observation, Reviewed
from engine.payment.rules import follow, is_settled, next_deadline
from engine.runtime.actor import Actor
from engine.store.writes import Committed, Conflict, Outcome, Row

__all__ = ["ChainlessActor"]

RETRY_MS = 5_000
"""After a commit that the journal could not make: the deadline is looked at again."""


class ChainlessActor(Actor):
    """Waits for one payment; see the module docstring."""

    __slots__ = ("_deadline", "_node", "_payment")

    mailbox_limit = 100

    def __init__(
        self, node: Node, payment: Payment | None = None, deadline: int | None = None
    ) -> None:
        """`deadline` (ms): when the supervisor will have it reviewed, if it knows."""
        self._node = node
        self._payment = payment
        self._deadline = deadline

    @property
    def payment(self) -> Payment:
        """The payment as last committed."""
        assert self._payment is not None
        return self._payment

    @property
    def doubt(self) -> str | None:
        """Why it cannot say what became of its payment; None: it can."""
        return None

    def on_start(self) -> None:
        if self._payment is not None:
            self._begin(self._payment)
            return
        payment_id = self.ref.name
        self.await_reply(
            lambda reply: self._node.read_written(
                lambda store: store.payment(payment_id), reply
            ),
            self._loaded,
        )

    def on_receive(self, message: object) -> None:
        """What is about a chain (a poll, an address to release) concerns it not."""
        match message:
            case Command(observation, reply, beside):
                rows = () if beside is None else (beside,)
                self._obey(observation, rows, reply)
            case ReviewDue():
                self._deadline = None
                self._on_review_due(self._node.clock.now())
            case DescribeWatcher(reply):
                reply(WatcherReport(self.payment, None, None, self.doubt))

    def _loaded(self, answer: object) -> None:
        if isinstance(answer, StoreUnavailable):  # not: damaged for good
            raise Unreadable(f"cannot load {self.ref.name}: {answer!r}")
        if not isinstance(answer, Payment):
            raise RuntimeError(f"cannot load {self.ref.name}: {answer!r}")
        self._begin(answer)

    def _begin(self, payment: Payment) -> None:
        assert not payment.terms.has_chain, payment.id
        self._payment = self.ref.shown = payment
        if self._deadline is None:
            self._wait_until(next_deadline(payment))

    # -- deadlines -----------------------------------------------------------------

    def _wait_until(self, deadline: int) -> None:
        if deadline != self._deadline:
            self._deadline = deadline
            self._node.supervisor.tell_system(Deadline(self.payment.id, deadline))

    def _on_review_due(self, now: int) -> None:
        """Time alone decides: there is no source whose answer it must wait for."""
        decided = follow(
            self.payment,
            Reviewed(asked_at=now),
            now,
            rate_for=self._node.rate_for,
        )
        if decided.events:
            self._persist(decided.payment, decided.events, (), None)
        else:
            self._wait_on()

    def _wait_on(self) -> None:
        """For the next deadline, or let the payment go."""
        now = self._node.clock.now()
        if is_settled(self.payment, now):
            ask = release(self._node, self.payment.terms)
            self.await_reply(ask, self._released)
        else:
            # The wall clock may have been put back since the supervisor looked at it.
            self._wait_until(max(next_deadline(self.payment), now))

    def _released(self, outcome: Outcome) -> None:
        if isinstance(outcome, Committed):
            self.ref.stop()
        else:
            self._wait_until(self._node.clock.now() + RETRY_MS)

    # -- deciding and believing ----------------------------------------------------

    def _obey(
        self,
        observation: Observation,
        rows: tuple[Row, ...],
        reply: Callable[[Any], None],
    ) -> None:
        try:
            now, rate_for = self._node.clock.now(), self._node.rate_for
            decided = follow(self.payment, observation, now, rate_for=rate_for)
        except Refused as refusal:
            reply(refusal)
            return
        log_notes(self.payment.id, decided.notes)
        if not decided.events and not rows:
            reply(self.payment)
        else:
            self._persist(decided.payment, decided.events, rows, reply)

    def _persist(
        self,
        after: Payment,
        events: list[Event],
        rows: tuple[Row, ...],
        reply: Callable[[Any], None] | None,
    ) -> None:
        write = as_write(self.payment, after, events, rows)
        self.await_reply(
            lambda answer: self._node.append(write, answer),
            lambda outcome: self._believe(outcome, after, reply),
        )

    def _believe(
        self, outcome: Outcome, after: Payment, reply: Callable[[Any], None] | None
    ) -> None:
        if isinstance(outcome, Committed):
            before, self._payment = self.payment, after
            assert after.id == before.id, after.id
            assert after.seq >= before.seq, (before.seq, after.seq)
            self.ref.shown = after
            note_status(self._node, before, after)
            if reply is not None:
                reply(after)
            self._wait_on()
            return
        if reply is not None:
            reply(outcome)
        if isinstance(outcome, Conflict) and outcome.what in {"seq", "other"}:
            # Another hand wrote to it, or it cannot be written at all.
            raise RuntimeError(f"cannot write {self.payment.id}: {outcome}")
        if self._deadline is None:
            self._wait_until(self._node.clock.now() + RETRY_MS)
