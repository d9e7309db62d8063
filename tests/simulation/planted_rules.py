"""Bugs on purpose, in the rules of a payment: one or more for each judge.

Most are put in at two seams, the reading of a view and the writing of an event, so that
they stay what they are when the rules between are written anew.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

import actors.watching.supervisor
import engine.payment.amendment
import engine.payment.chain_rules
import engine.payment.events
import engine.payment.rules
from actors.watching.address import AddressActor
from engine.chain.feed import ChainView
from engine.payment.changed import Changed, TextMoved
from engine.payment.fold import EventBuilder
from engine.payment.model import EventType, Receipt, Status
from engine.payment.review import AbsenceTracker
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_RULES"]

# -- seams ---------------------------------------------------------------------------


def _when_read(
    patch: Patch,
    then: Callable[[EventBuilder, ChainView], None] = lambda _builder, _view: None,
    change: Callable[[EventBuilder, ChainView], ChainView] = lambda _builder, view: (
        view
    ),
) -> None:
    """Whenever a view is read: change it before, or do more after."""
    read_view = engine.payment.chain_rules.read_view

    def bug(
        builder: EventBuilder, view: ChainView, most_news: int | None = None
    ) -> bool:
        view = change(builder, view)
        is_believed = read_view(builder, view, most_news)
        then(builder, view)
        return is_believed

    patch.setattr(engine.payment.rules, "read_view", bug)


def _not_told(patch: Patch, type_: EventType) -> None:
    emit = EventBuilder.emit

    def bug(self: Any, type: EventType, **about: Any) -> None:  # noqa: A002
        if type is not type_:
            emit(self, type, **about)

    patch.setattr(EventBuilder, "emit", bug)


def _told_otherwise(
    patch: Patch, type_: EventType, **change: Callable[[EventBuilder, Any], Any]
) -> None:
    """Some of the event's data is another."""
    emit = EventBuilder.emit

    def bug(self: Any, type: EventType, **about: Any) -> None:  # noqa: A002
        if type is type_:
            for name, other in change.items():
                if about.get(name) is not None:
                    about[name] = other(self, about[name])
        emit(self, type, **about)

    patch.setattr(EventBuilder, "emit", bug)


# -- created, cancelled --------------------------------------------------------------


def it_is_created_with_another_tolerance(patch: Patch) -> None:
    opening = engine.payment.events.opening

    def bug(terms: Any) -> Any:
        return opening(replace(terms, tolerance_sat=terms.tolerance_sat + 1))

    patch.setattr(actors.watching.supervisor, "opening", bug)


def it_is_cancelled_with_money_on_its_way(patch: Patch) -> None:
    def bug(builder: EventBuilder, command: Any) -> None:
        if builder.payment.status in {Status.PENDING, Status.EXPIRED}:
            builder.emit(EventType.CANCELLED, status=Status.CANCELLED, by=command.by)

    patch.setattr(engine.payment.rules, "_cancel", bug)


def what_was_changed_is_told_otherwise(patch: Patch) -> None:
    def other(_builder: EventBuilder, changed: Changed) -> Changed:
        return replace(changed, description=TextMoved(None, "another"))

    _told_otherwise(patch, EventType.UPDATED, changed=other)


def a_deadline_moves_when_all_is_over(patch: Patch) -> None:
    patch.setattr(engine.payment.amendment, "WAITED_FOR", frozenset(Status))


# -- detected, late ------------------------------------------------------------------


def what_a_webhook_announced_is_detected_once_more(patch: Patch) -> None:
    patch.setattr(engine.payment.chain_rules, "_claim_for", lambda *_about: None)


def nobody_is_told_that_it_came_late(patch: Patch) -> None:
    _not_told(patch, EventType.LATE)


def it_is_told_to_be_late_and_is_not(patch: Patch) -> None:
    def then(builder: EventBuilder, _view: ChainView) -> None:
        last = builder.events[-1] if builder.events else None
        if last is not None and last.type is EventType.DETECTED:
            receipt = last.data.receipt
            builder.emit(EventType.LATE, txid=last.txid, receipt=receipt)

    _when_read(patch, then)


# -- underpaid, overpaid -------------------------------------------------------------


def underpaid_is_told_of_a_payment_confirmed_by_hand(patch: Patch) -> None:
    def then(builder: EventBuilder, _view: ChainView) -> None:
        payment, asked = builder.payment, builder.payment.terms.amount_sat
        is_news = any(e.type is EventType.DETECTED for e in builder.events)
        by_hand = payment.status is Status.CONFIRMED and not payment.settled_sat
        if is_news and by_hand and asked is not None and not payment.is_paid:
            short_sat = asked - payment.received_sat
            builder.emit(EventType.UNDERPAID, short_sat=short_sat)

    _when_read(patch, then)


def nobody_is_told_that_it_is_too_little(patch: Patch) -> None:
    _not_told(patch, EventType.UNDERPAID)


def too_little_is_told_less_the_tolerance(patch: Patch) -> None:
    _told_otherwise(
        patch,
        EventType.UNDERPAID,
        short_sat=lambda self, sat: sat - self.payment.terms.tolerance_sat,
    )


def nobody_is_told_that_it_is_too_much(patch: Patch) -> None:
    _not_told(patch, EventType.OVERPAID)


def a_tolerated_surplus_is_told(patch: Patch) -> None:
    def then(builder: EventBuilder, _view: ChainView) -> None:
        asked, received = builder.payment.terms.amount_sat, builder.received_sat
        is_news = any(e.type is EventType.DETECTED for e in builder.events)
        told = any(e.type is EventType.OVERPAID for e in builder.events)
        if is_news and not told and asked is not None and received >= asked:
            builder.emit(EventType.OVERPAID, excess_sat=received - asked)

    _when_read(patch, then)


# -- confirming, confirmed -----------------------------------------------------------


def it_is_told_deeper_than_it_is(patch: Patch) -> None:
    def deeper(_self: EventBuilder, receipts: tuple[Receipt, ...]) -> Any:
        return tuple(
            replace(r, confirmations=r.confirmations + 1 if r.block_hash else 0)
            for r in receipts
        )

    _told_otherwise(patch, EventType.CONFIRMING, receipts=deeper)


def each_block_is_told_for_ever(patch: Patch) -> None:
    """Not only up to the depth that is asked for."""

    def then(builder: EventBuilder, view: ChainView) -> None:
        for receipt in builder.payment.receipts:
            depth = view.tip.height - (receipt.block_height or view.tip.height) + 1
            if receipt.block_hash is not None and depth > receipt.confirmations:
                deeper = replace(
                    receipt,
                    confirmations=depth,
                    source=view.source,
                    seen_at=builder.now,
                )
                builder.emit(
                    EventType.CONFIRMING,
                    txid=receipt.txid,
                    receipts=(deeper,),
                    source=view.source,
                )

    _when_read(patch, then)


def it_is_confirmed_for_all_that_came(patch: Patch) -> None:
    """And not for what is deep enough."""
    _told_otherwise(
        patch,
        EventType.CONFIRMED,
        settled_sat=lambda self, sat: sat and self.payment.received_sat,
    )


# -- replaced, reorged, reversed -----------------------------------------------------


def what_is_missing_once_is_gone(patch: Patch) -> None:
    nothing = AbsenceTracker()
    patch.setattr(
        AbsenceTracker, "look", lambda _self, _payment, view, _at: (nothing, view)
    )


def what_is_not_listed_has_lost_its_block(patch: Patch) -> None:
    def change(builder: EventBuilder, view: ChainView) -> ChainView:
        listed = {o.block_hash for o in view.outputs}
        blocks = {r.block_hash for r in builder.payment.receipts} - {None}
        lost = {block for block in blocks - listed if block is not None}
        return replace(view, off_chain=tuple(sorted(lost.union(view.off_chain))))

    _when_read(patch, change=change)


def a_surplus_that_is_lost_reverses(patch: Patch) -> None:
    """Of an order that is still paid."""

    def then(builder: EventBuilder, _view: ChainView) -> None:
        payment = builder.payment
        lost = any(
            e.type in {EventType.REORGED, EventType.REPLACED} for e in builder.events
        )
        settled = payment.settled_sat
        is_settled = payment.status is Status.CONFIRMED and settled
        if lost and is_settled and payment.confirmed_sat < settled:
            builder.emit(
                EventType.REVERSED, status=Status.CONFIRMING, settled_sat=settled
            )

    _when_read(patch, then)


def nothing_is_ever_reversed(patch: Patch) -> None:
    _not_told(patch, EventType.REVERSED)


# -- what time causes ----------------------------------------------------------------


def a_deadline_is_not_set_anew_after_a_commit(patch: Patch) -> None:
    believe = AddressActor._believe

    def bug(self: Any, *about: Any) -> None:
        with patch.context() as unarmed:
            unarmed.setattr(AddressActor, "_arm_deadline", lambda _self: None)
            believe(self, *about)

    patch.setattr(AddressActor, "_believe", bug)


PLANTED_RULES: tuple[Plant, ...] = (
    it_is_created_with_another_tolerance,
    it_is_cancelled_with_money_on_its_way,
    what_was_changed_is_told_otherwise,
    a_deadline_moves_when_all_is_over,
    what_a_webhook_announced_is_detected_once_more,
    nobody_is_told_that_it_came_late,
    it_is_told_to_be_late_and_is_not,
    underpaid_is_told_of_a_payment_confirmed_by_hand,
    nobody_is_told_that_it_is_too_little,
    too_little_is_told_less_the_tolerance,
    nobody_is_told_that_it_is_too_much,
    a_tolerated_surplus_is_told,
    it_is_told_deeper_than_it_is,
    each_block_is_told_for_ever,
    it_is_confirmed_for_all_that_came,
    what_is_missing_once_is_gone,
    what_is_not_listed_has_lost_its_block,
    a_surplus_that_is_lost_reverses,
    nothing_is_ever_reversed,
    a_deadline_is_not_set_anew_after_a_commit,
)
"""Most are found within 10 crowds (`run_crowd`), all within 100."""
