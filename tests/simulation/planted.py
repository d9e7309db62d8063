"""Bugs on purpose: each breaks one rule, and some seed must notice.

A harness that finds nothing may be blind. Each of these is put into the engine for the
length of one test (`plant(patch)`), in the place where a tired engineer would make it.
"""

from itertools import count
from typing import Any

from msgspec.structs import replace

import actors.delivery.notifier
import actors.delivery.notifiers
import actors.live.session
import actors.watching.address
import engine.delivery.channel
import engine.payment.depth
import engine.payment.fold
import engine.payment.losses
import engine.payment.observations
import engine.payment.pertinent
import engine.payment.review
import engine.payment.rules
from actors.delivery.notes import Recorded
from actors.delivery.notifier import NotifierActor
from actors.journal.writer import JournalActor
from actors.messages import Publish
from actors.sources.address_worker import AddressFeedWorker
from actors.watching.address import AddressActor
from engine.chain.feed import ChainView, Output, Tip
from engine.delivery.delivery_queue import State
from engine.errors import SourceError
from engine.payment.events import CommittedEvent, encode, with_offset
from engine.payment.observations import ProviderClaim
from engine.store.records import Owed, Pending
from engine.store.sqlite import bulk, outbox
from engine.store.sqlite.journal import Journal
from engine.store.writes import Committed, Unavailable
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED"]


def told_before_its_commit(patch: Patch) -> None:
    flush = JournalActor._flush

    def bug(self: Any) -> None:
        if not self._busy and self._pending:
            offset = count(self._writer.journal.last_offset + 1)
            told = [
                CommittedEvent(n, event, entry.payment.terms.merchant, wire)
                for append in self._pending
                for entry in append.write.entries
                for event, n in zip(entry.events, offset, strict=False)
                for body in [encode(event, entry.payment.terms)]
                for wire in [with_offset(n, body, self._writer.journal.epoch)]
            ]
            if told:
                self._node.router.tell_system(Publish(tuple(told)))
        flush(self)

    patch.setattr(JournalActor, "_flush", bug)


def acknowledged_before_its_commit(patch: Patch) -> None:
    take = JournalActor._take

    def bug(self: Any, append: Any) -> None:
        append.reply(Committed())
        take(self, replace(append, reply=lambda _outcome: None))

    patch.setattr(JournalActor, "_take", bug)


def a_failed_commit_is_called_a_success(patch: Patch) -> None:
    commit = Journal.commit

    def bug(self: Any, batch: Any) -> Any:
        outcomes = commit(self, batch)
        return [Committed() if isinstance(o, Unavailable) else o for o in outcomes]

    patch.setattr(Journal, "commit", bug)


def believed_before_its_commit(patch: Patch) -> None:
    persist = AddressActor._persist

    def bug(self: Any, after: Any, events: Any, *rest: Any) -> None:
        persist(self, after, events, *rest)
        self._payment = after

    patch.setattr(AddressActor, "_persist", bug)


def a_hole_in_the_seq(patch: Patch) -> None:
    tell, number = engine.payment.fold.EventBuilder.emit, count(1)

    def bug(self: Any, *args: Any, **changes: Any) -> None:
        tell(self, *args, **changes)
        if next(number) % 10 == 0:
            self.events[-1] = replace(self.events[-1], seq=self.events[-1].seq + 1)

    patch.setattr(engine.payment.fold.EventBuilder, "emit", bug)


def the_cursor_moves_without_a_2xx(patch: Patch) -> None:
    result_of = engine.delivery.channel.result_of

    def bug(*args: Any, **about: Any) -> Any:
        return replace(result_of(*args, **about), state="delivered", next_at=0)

    patch.setattr(actors.delivery.notifier, "result_of", bug)


def the_next_is_sent_before_the_last_is_recorded(patch: Patch) -> None:
    record = NotifierActor._record

    def bug(self: Any, payment_id: str, queue: Any) -> None:
        state = queue.result.state
        record(self, payment_id, queue)
        if state == "delivered":
            now = Recorded(self.ref.incarnation, payment_id, Committed())
            self.ref.tell_system(now)

    patch.setattr(NotifierActor, "_record", bug)


def events_of_one_payment_are_sent_side_by_side(patch: Patch) -> None:
    on_event = NotifierActor._on_event

    def bug(self: Any, event: CommittedEvent) -> None:
        queue = self._queues.get(event.event.payment_id)
        if queue is not None and queue.state is State.SENDING:
            queue.head = Pending(event.offset, event.event.seq, 0, 0, event.wire)
            self._send(event.event.payment_id, queue)
        else:
            on_event(self, event)

    patch.setattr(NotifierActor, "_on_event", bug)


def an_old_notifier_goes_on_beside_the_new(patch: Patch) -> None:
    patch.setattr(actors.delivery.notifiers, "_end_now", lambda ref: None)


def what_is_owed_is_forgotten_at_a_restart(patch: Patch) -> None:
    on_owed = NotifierActor._on_owed

    def bug(self: Any, owed: Any) -> None:
        on_owed(self, replace(owed, payments=[]) if isinstance(owed, Owed) else owed)

    patch.setattr(NotifierActor, "_on_owed", bug)


def a_change_of_a_channel_is_not_heard_of(patch: Patch) -> None:
    patch.setattr(JournalActor, "_tell_of_channels", lambda *_: None)


def a_gap_is_not_told(patch: Patch) -> None:
    patch.setattr(outbox, "skipped_before", lambda *_: ())


def what_is_refused_is_given_up_at_once(patch: Patch) -> None:
    result_of = engine.delivery.channel.result_of

    def bug(channel: Any, result: Any, **of: Any) -> Any:
        hasty = replace(channel, refused_attempts=1)
        return result_of(hasty, result, **of)

    patch.setattr(actors.delivery.notifier, "result_of", bug)


def the_outbox_leaves_an_event_out(patch: Patch) -> None:
    leaky = bulk._OUTBOX + ' AND e."offset" % 9 != 0'
    patch.setattr(bulk, "_OUTBOX", leaky)


def a_page_of_the_journal_begins_one_too_late(patch: Patch) -> None:
    page = actors.live.session._page

    def bug(sql: Any, after: int, merchant: str | None) -> Any:
        return page(sql, after + 1 if after else 0, merchant)

    patch.setattr(actors.live.session, "_page", bug)


def it_expires_on_a_view_from_before_the_deadline(patch: Patch) -> None:
    reviewed = engine.payment.observations.Reviewed
    patch.setattr(
        engine.payment.review.ReviewState,
        "may_judge",
        lambda state, *_about: state.overdue is not None,
    )
    patch.setattr(
        engine.payment.review,
        "Reviewed",
        lambda _asked_at, *rest: reviewed(1 << 60, *rest),
    )


def an_output_is_counted_twice(patch: Patch) -> None:
    patch.setattr(engine.payment.fold, "_upsert", lambda old, new: (*old, *new))


def a_reorg_is_ignored(patch: Patch) -> None:
    patch.setattr(engine.payment.losses, "_lost_its_block", lambda *_about: False)


def an_error_of_an_explorer_is_nothing_paid(patch: Patch) -> None:
    ask = AddressFeedWorker._ask

    def bug(self: Any, poll: Any, address: str, tip: Tip, *worth: Any) -> ChainView:
        try:
            return ask(self, poll, address, tip, *worth)
        except SourceError:
            return ChainView(source=self._feed.name, tip=tip, outputs=())

    patch.setattr(AddressFeedWorker, "_ask", bug)


def a_confirmation_too_many(patch: Patch) -> None:
    depth = engine.payment.pertinent.depth_in

    def bug(output: Output, view: ChainView) -> int:
        return depth(output, view) + 1

    patch.setattr(engine.payment.depth, "depth_in", bug)


def an_eviction_is_ignored(patch: Patch) -> None:
    patch.setattr(engine.payment.losses, "_had_time", lambda *_: False)


def a_webhook_is_money(patch: Patch) -> None:
    follow = engine.payment.rules.follow

    def bug(payment: Any, observation: Any, now: int, **rest: Any) -> Any:
        if isinstance(observation, ProviderClaim) and observation.txid:
            output = Output(observation.txid, 0, observation.amount_sat or 1)
            tip = Tip(100, "00" * 32)
            observation = ChainView("source0", tip, (output,), complete=False)
        return follow(payment, observation, now, **rest)

    patch.setattr(actors.watching.address, "follow", bug)


def it_is_let_go_too_early(patch: Patch) -> None:
    def bug(payment: Any, now: int) -> bool:
        return bool(now >= payment.terms.expires_at)

    patch.setattr(engine.payment.review, "is_settled", bug)


PLANTED: tuple[Plant, ...] = (
    told_before_its_commit,
    acknowledged_before_its_commit,
    a_failed_commit_is_called_a_success,
    believed_before_its_commit,
    a_hole_in_the_seq,
    the_cursor_moves_without_a_2xx,
    the_next_is_sent_before_the_last_is_recorded,
    events_of_one_payment_are_sent_side_by_side,
    an_old_notifier_goes_on_beside_the_new,
    what_is_owed_is_forgotten_at_a_restart,
    a_change_of_a_channel_is_not_heard_of,
    a_gap_is_not_told,
    what_is_refused_is_given_up_at_once,
    the_outbox_leaves_an_event_out,
    a_page_of_the_journal_begins_one_too_late,
    it_expires_on_a_view_from_before_the_deadline,
    an_output_is_counted_twice,
    a_reorg_is_ignored,
    an_error_of_an_explorer_is_nothing_paid,
    a_confirmation_too_many,
    an_eviction_is_ignored,
    a_webhook_is_money,
    it_is_let_go_too_early,
)
