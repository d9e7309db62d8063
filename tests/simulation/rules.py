"""The rules that never bend, checked while a world runs.

`Rules` sees every commit at its moment (the simulated writer shows it), every view that
a watcher takes in hand, everything that leaves for an endpoint or a client. It keeps
the events by offset, decoded again from the very bytes on the wire; whether there was a
reason for them is for the judges (`judges/`), who go by the record of what the sources
really said. A broken rule raises `Broken`, which ends the run with the seed that
reproduces it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from engine.chain.feed import ChainView
from engine.delivery.channel import payload
from engine.payment.events import CommittedEvent, Event, decode, iso
from engine.payment.model import Payment
from engine.store.writes import (
    Committed,
    Conflict,
    InboundWebhook,
    KeptAnswer,
    Outcome,
    Release,
    SourceTip,
    Write,
)
from tests.simulation.broken import Broken
from tests.simulation.chain import SimChain
from tests.simulation.deliveries import Deliveries
from tests.simulation.judges import Judges, OrderJudge
from tests.simulation.record import Record, Shown

__all__ = ["SCOPE", "Rules"]

SCOPE = "key /v1/payments"
"""Of keys with which payments are asked for."""


class Rules:
    """See the module docstring."""

    def __init__(
        self, chain: SimChain, now: Callable[[], int], true_ms: Callable[[], int]
    ) -> None:
        self._now = now
        self._true_ms = true_ms
        self._latest = 0  # ms, the furthest that the node's clock has been
        self.record = Record(chain)
        self.judges = Judges(self.record)
        self.orders = OrderJudge()
        self.deliveries: Deliveries
        self.committed: dict[int, CommittedEvent] = {}
        self.by_key: dict[str, str] = {}  # what a shop asked for -> the payment
        self.heard: set[str] = set()  # webhooks, by what tells them apart
        self.payments: dict[str, Payment] = {}
        self.types: dict[str, int] = {}
        self.on_write: Callable[[Write], None] = lambda _write: None

    @property
    def released(self) -> set[str]:
        """Payments that nobody watches any more."""
        return self.judges.released

    def watch_deliveries(self, was_acknowledged: Callable[[str, int], bool]) -> None:
        self.deliveries = Deliveries(was_acknowledged, self._furthest)

    def _furthest(self) -> int:
        self._latest = max(self._latest, self._now())
        return self._latest

    def on_shown(self, payment_id: str, view: ChainView, asked_at: int) -> None:
        """A watcher takes a source's view in hand."""
        self.judges.see(payment_id, view, asked_at)
        now = self._now()
        true_ms = self._true_ms()
        shown = Shown(view.source, asked_at, now, true_ms, not view.complete)
        self.record.on_shown(payment_id, shown)
        self.judges.news.on_shown(payment_id, view, true_ms)
        self._furthest()

    # -- what the engine committed -----------------------------------------------------

    def on_commit(self, batch: Sequence[Write], outcomes: list[Outcome]) -> None:
        """Called by the writer at the moment of the commit, before anybody is told."""
        pairs = _as_written(batch, outcomes)
        for write, outcome in pairs:
            if isinstance(outcome, Conflict) and outcome.what == "other":
                raise Broken(f"a write that cannot be: {outcome.detail}")
            if not isinstance(outcome, Committed):
                continue
            if write.entries or outcome.events:
                self._on_events(write, outcome)
            for row in write.rows:
                self._on_row(row)
            self.on_write(write)
        self.orders.on_commit(
            committed.wire
            for _, outcome in pairs
            if isinstance(outcome, Committed)
            for committed in outcome.events
        )

    def _on_events(self, write: Write, outcome: Committed) -> None:
        decoded = self._decoded(outcome.events)
        told = [event for entry in write.entries for event in entry.events]
        if told != [_as_decided(event) for event in decoded]:
            raise Broken("other events were committed than were decided on")
        for entry in write.entries:
            self._on_creation(entry.events)
            self.judges.judge(entry.payment, entry.events)
            self.payments[entry.payment.id] = entry.payment
        for committed in outcome.events:
            self.deliveries.on_event(committed)

    def _decoded(self, events: Iterable[CommittedEvent]) -> list[Event]:
        """The events as their bytes on the wire say; they are numbered in order."""
        decoded = []
        for committed in events:
            event, offset = decode(committed.wire), committed.offset
            if event != committed.event:
                raise Broken(f"event {offset} changes on its way to the wire")
            if offset != len(self.committed) + 1:
                raise Broken(f"offset {offset} follows {len(self.committed)}")
            self.types[event.type] = self.types.get(event.type, 0) + 1
            self.committed[offset] = committed
            decoded.append(event)
        return decoded

    def _on_creation(self, events: Sequence[Event]) -> None:
        terms = events[0].data.terms
        if terms is None:
            return
        key = f"order_{terms.id.removeprefix('pay_').partition('.')[0]}"
        if key in self.by_key:
            raise Broken(f"{key} made {self.by_key[key]} and {terms.id}")
        self.by_key[key] = terms.id

    def _on_row(self, row: Any) -> None:
        match row:
            case Release(payment_id):
                self.judges.release(payment_id, self._furthest())
            case InboundWebhook():
                if row.dedupe in self.heard:
                    raise Broken(f"the webhook {row.dedupe} was heard twice")
                self.heard.add(row.dedupe)
            case KeptAnswer() if row.scope == SCOPE:
                if row.key not in self.by_key:
                    raise Broken(f"{row.key} was answered without its payment")
            case SourceTip():
                self.record.on_tip_written(row.height)
            case _:
                self.deliveries.on_row(row)

    # -- what left -------------------------------------------------------------------

    def check_told(self, event: CommittedEvent) -> None:
        known = self.committed.get(event.offset)
        if known is None or known.wire != event.wire:
            raise Broken(f"event {event.offset} was told and is not in the journal")

    def check_sent(
        self, offset: int, body: bytes, skipped: tuple[int, ...]
    ) -> CommittedEvent:
        known = self.committed.get(offset)
        if known is None or body != _in_full(known, skipped):
            raise Broken(f"event {offset} was sent and is not in the journal")
        return known

    def check_shown(self, payment: Payment) -> None:
        """A state that was shown is one that the journal had or has."""
        now = self.payments.get(payment.id)
        if now is None or payment.seq > now.seq:
            raise Broken(f"{payment.id} #{payment.seq} was shown before its commit")
        if payment.seq == now.seq and payment != now:
            raise Broken(f"{payment.id} #{payment.seq} was shown differently")

    def of_payment(self, payment_id: str) -> list[CommittedEvent]:
        return [c for c in self.committed.values() if c.event.payment_id == payment_id]


TELL_OF_THEIR_ORDER = {"expired", "cancelled", "failed", "late", "reversed"}
"""Types of event, after "payment.", that say how their order stands."""


def _as_written(
    batch: Sequence[Write], outcomes: Sequence[Outcome]
) -> list[tuple[Write, Outcome]]:
    """In the order of their events: those that tell of an order are written last,
    whenever they were handed in. Told by that rule, not by the offsets: what was handed
    in between may have rows and no event."""
    pairs = list(zip(batch, outcomes, strict=True))
    if len(pairs) > 1:
        pairs.sort(key=lambda pair: _tells_of_an_order(pair[0]))
    return pairs


def _tells_of_an_order(write: Write) -> bool:
    return any(
        event.type.removeprefix("payment.") in TELL_OF_THEIR_ORDER
        for entry in write.entries
        if entry.payment.terms.external_id is not None
        for event in entry.events
    )


def _as_decided(event: Event) -> Event:
    """Without how its order stood, which the transaction knows."""
    if event.data.order is None:
        return event
    return replace(event, data=replace(event.data, order=None))


def _in_full(committed: CommittedEvent, skipped: tuple[int, ...]) -> bytes:
    """The body of its webhook."""
    event = committed.event
    return payload(committed.wire, event.type, iso(event.at), skipped)
