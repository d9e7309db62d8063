"""The rules that never bend, checked while a world runs.

`Rules` sees every commit at its moment (it is the simulated writer's witness), every
view that a source gave, everything that leaves for an endpoint or a client. It keeps a
model of its own: events by offset, payments as the fold of what was committed, decoded
again from the very bytes on the wire. A broken rule raises `Broken`, which ends the
run with the seed that reproduces it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from actors.delivery.sender import body_of
from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView, Output
from engine.payment.events import CommittedEvent, Event, decode, opening
from engine.payment.model import EventType, Payment, Status
from engine.payment.rules import evolve
from engine.store.writes import (
    Committed,
    IdempotencyRow,
    InboundRow,
    Outcome,
    Release,
    Write,
)
from tests.simulation.broken import Broken
from tests.simulation.chain import SimChain, Snapshot
from tests.simulation.deliveries import Deliveries
from tests.simulation.feeds import SimSource

__all__ = ["Rules"]

_KEEP_VIEWS = 60
_SLACK_S = 7_200

FROM_CHAIN = {
    EventType.CONFIRMING,
    EventType.REORGED,
    EventType.REVERSED,
    EventType.UNDERPAID,
    EventType.OVERPAID,
    EventType.EXPIRED,
}


# A view, what its source served lately, when it was asked, what it served just then.
_Told = tuple[ChainView, tuple[Snapshot, ...], int, tuple[Snapshot | None, ...]]


class Rules:
    """See the module docstring."""

    def __init__(self, chain: SimChain, now: Callable[[], int]) -> None:
        self._chain = chain
        self._now = now
        self._sources: dict[str, SimSource] = {}
        self._views: dict[bytes, deque[_Told]] = {}
        self._seen_at: dict[str, deque[int]] = {}  # payment -> when it got views (ms)
        self._scripts: dict[str, bytes] = {}  # of payments
        self._latest = 0  # ms, the furthest that the node's clock has been
        self.deliveries: Deliveries
        self.committed: dict[int, CommittedEvent] = {}
        self.by_key: dict[str, str] = {}  # what a shop asked for -> the payment
        self.heard: set[str] = set()  # webhooks, by what tells them apart
        self.payments: dict[str, Payment] = {}
        self.released: set[str] = set()
        self.types: dict[str, int] = {}

    def watch_deliveries(self, was_acknowledged: Callable[[str, int], bool]) -> None:
        self.deliveries = Deliveries(was_acknowledged)

    def watch_sources(self, sources: Sequence[SimSource]) -> None:
        self._sources = {source.name: source for source in sources}

    # -- what the engine was told ----------------------------------------------------

    def on_view(self, script: bytes, view: ChainView, asked_at: int) -> None:
        known = self._views.get(script)
        if known is None:
            known = self._views[script] = deque(maxlen=_KEEP_VIEWS)
        source = self._sources[view.source]
        at, then = source.round
        known.append((view, source.served, asked_at, then if at == asked_at else ()))

    # -- what it committed -----------------------------------------------------------

    def on_commit(self, batch: Sequence[Write], outcomes: list[Outcome]) -> None:
        """Called by the writer at the moment of the commit, before anybody is told."""
        for write, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Committed):
                continue
            for event in outcome.events:
                self._on_event(event)
            for entry in write.entries:
                after = self.payments[entry.payment.id]
                if after != entry.payment:
                    raise Broken(f"the projection of {after.id} is not its fold")
            for row in write.rows:
                self._on_row(row)

    def _on_row(self, row: Any) -> None:
        match row:
            case Release(payment_id):
                if self._latest < self.payments[payment_id].terms.monitor_until:
                    raise Broken(f"{payment_id} was let go before its time")
                self.released.add(payment_id)
            case InboundRow():
                if row.dedupe in self.heard:
                    raise Broken(f"the webhook {row.dedupe} was heard twice")
                self.heard.add(row.dedupe)
            case IdempotencyRow():
                if row.key not in self.by_key:
                    raise Broken(f"{row.key} was answered without its payment")
            case _:
                self.deliveries.on_row(row)

    def _on_event(self, committed: CommittedEvent) -> None:
        event, offset = decode(committed.wire), committed.offset
        if event != committed.event:
            raise Broken(f"event {offset} changes on its way to the wire")
        if offset != len(self.committed) + 1:
            raise Broken(f"offset {offset} follows {len(self.committed)}")
        self.types[event.type] = self.types.get(event.type, 0) + 1
        self.committed[offset] = committed
        before = self.payments.get(event.payment_id)
        if before is None:
            if event.seq != 1 or event.data.terms is None:
                raise Broken(f"{event.payment_id} begins with {event.seq}")
            first, payment = opening(event.data.terms)
            assert first == event
            self._on_creation(payment)
        else:
            self._judge(before, event)
            payment = evolve(before, event)
        self._check_sums(payment, event)
        self.payments[payment.id] = payment
        self.deliveries.on_event(committed)

    def _on_creation(self, payment: Payment) -> None:
        terms = payment.terms
        self._scripts[payment.id] = parse_address(terms.address, terms.network).script
        key = terms.external_id
        if key is None:
            return
        if key in self.by_key:
            raise Broken(f"{key} made {self.by_key[key]} and {payment.id}")
        self.by_key[key] = payment.id

    @staticmethod
    def _check_sums(payment: Payment, event: Event) -> None:
        outpoints = [(r.txid, r.vout) for r in payment.receipts]
        if len(set(outpoints)) != len(outpoints):
            raise Broken(f"{payment.id} counts an output twice")
        if event.received_sat != sum(r.amount_sat for r in payment.receipts):
            raise Broken(f"{payment.id} #{event.seq}: received_sat is not the sum")
        if event.confirmations < 0:
            raise Broken(f"{payment.id} #{event.seq}: a negative depth")

    def _judge(self, before: Payment, event: Event) -> None:
        """Whether what was told had a reason outside of the engine."""
        terms = before.terms
        script = self._scripts[before.id]
        views = self._views.get(script, ())
        data = event.data
        if event.type is EventType.CONFIRMED and data.by is None:
            self._judge_confirmed(before, event, script)
        elif event.type is EventType.EXPIRED:
            if not any(at >= terms.expires_at for _, _, at, _ in views):
                raise Broken(f"{before.id} expired and no source was asked since")
            self._judge_expired(before, script)
        elif event.type is EventType.REPLACED and data.receipt is not None:
            receipt = data.receipt
            self._judge_gone(before, script, (receipt.txid, receipt.vout))
        elif event.type is EventType.DETECTED and data.verified:
            receipt = data.receipt
            assert receipt is not None
            if not any(
                (o.txid, o.vout, o.amount_sat)
                == (receipt.txid, receipt.vout, receipt.amount_sat)
                for view, *_ in views
                for o in view.outputs
            ):
                raise Broken(f"{before.id} detected what no source showed")
        by_chain = event.type in FROM_CHAIN or data.receipt is not None
        if by_chain and event.at not in self._seen_at.get(before.id, ()):
            raise Broken(f"{before.id} {event.type} without any source's word")
        if not before.receipts and event.received_sat and not data.verified:
            raise Broken(f"{before.id} counts money on a webhook's word")

    def _judge_expired(self, before: Payment, script: bytes) -> None:
        """A source that was asked after the deadline really had too little then.

        What seems older than the payment, as when the node's clock was wrong at its
        creation, does not pay it.
        """
        terms = before.terms
        oldest_s = terms.created_at // 1000 - _SLACK_S
        for _, _, asked_at, then in self._views.get(script, ()):
            for seen in then if asked_at >= terms.expires_at else ():
                if seen is None or before.threshold_sat > sum(
                    output.amount_sat
                    for output in self._chain.outputs(seen, script)
                    if (output.txid, output.vout) not in terms.ignore
                    and (output.block_time_s is None or output.block_time_s >= oldest_s)
                ):
                    return
        raise Broken(f"{before.id} expired, and every source had the money")

    def _judge_gone(
        self, before: Payment, script: bytes, outpoint: tuple[str, int]
    ) -> None:
        """A source really had it no longer when asked, after one had shown it."""
        views = list(self._views.get(script, ()))
        for number, (view, *_) in enumerate(views):
            if outpoint in {(output.txid, output.vout) for output in view.outputs}:
                del views[: number + 1]
                break
        for _, _, _, then in views:
            for seen in then:
                if seen is None or outpoint not in {
                    (output.txid, output.vout)
                    for output in self._chain.outputs(seen, script)
                }:
                    return
        raise Broken(f"{before.id} lost {outpoint}, which every source still had")

    def on_seen(self, payment_id: str, now: int) -> None:
        """A watcher takes a source's view in hand."""
        times = self._seen_at.get(payment_id)
        if times is None:
            times = self._seen_at[payment_id] = deque(maxlen=_KEEP_VIEWS)
        times.append(now)
        self._latest = max(self._latest, now)

    def _judge_confirmed(self, before: Payment, event: Event, script: bytes) -> None:
        """Some source really had enough, deep enough, in a round it answered."""
        terms = before.terms
        required, threshold = terms.confirmations_required, before.threshold_sat
        ignored = set(terms.ignore)

        def deep_sat(outputs: list[Output], tip_height: int) -> int:
            return sum(
                o.amount_sat
                for o in outputs
                if (o.txid, o.vout) not in ignored
                and (
                    required == 0
                    or (
                        o.block_height is not None
                        and tip_height - o.block_height + 1 >= required
                    )
                )
            )

        for seen in self._served_by(event.data.source, script):
            if deep_sat(self._chain.outputs(seen, script), seen.tip.height) >= (
                threshold
            ):
                return
        raise Broken(
            f"{before.id} #{event.seq} was confirmed though {event.data.source} never"
            f" had {threshold} sat at depth {required}"
        )

    def _served_by(self, source: str | None, script: bytes) -> Iterator[Snapshot]:
        """What the source showed when it spoke of the script, the newest first."""
        looked_at: set[int] = set()
        views = [v for v in self._views.get(script, ()) if v[0].source == source]
        for _, served, _, _ in reversed(views):
            for seen in reversed(served):
                if id(seen) not in looked_at:
                    looked_at.add(id(seen))
                    yield seen
        for view, served, _, _ in reversed(views):
            if any(view.tip.hash in seen.best for seen in served):
                branch = self._chain.branch(view.tip)
                yield Snapshot(branch.best, served[-1].pool, branch.made)

    # -- what left -------------------------------------------------------------------

    def check_told(self, event: CommittedEvent) -> None:
        known = self.committed.get(event.offset)
        if known is None or known.wire != event.wire:
            raise Broken(f"event {event.offset} was told and is not in the journal")

    def check_sent(self, offset: int, body: bytes) -> CommittedEvent:
        known = self.committed.get(offset)
        if known is None or body != body_of(known.wire):
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

    def waits(self, payment_id: str) -> bool:
        return self.payments[payment_id].status in {Status.PENDING, Status.CONFIRMING}
