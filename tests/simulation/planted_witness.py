"""Bugs on purpose in who is a witness, and in what follows from that."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

import actors.sources.planner
import actors.sources.witnesses
import engine.chain.mempool_reader
import engine.chain.sync
import engine.chain.witness
import engine.payment.chain_rules
import engine.payment.losses
import engine.payment.review
import engine.payment.rules
from actors.sources.choice import is_fit
from actors.sources.planner import RoundPlanner
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from engine.chain.feed import ChainView, SourceStatus
from engine.chain.script_index import ScriptIndex
from engine.chain.witness import Best
from engine.payment.fold import EventBuilder
from engine.payment.model import Payment
from engine.payment.review import ReviewState
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_WITNESS"]

HOUR_S = 3_600.0


def _assessed(
    patch: Patch,
    status_as: Callable[[SourceStatus], SourceStatus] = lambda status: status,
    best_as: Callable[[Best | None], Best | None] = lambda best: best,
) -> None:
    """Whoever asks what a source is worth goes by something else."""
    assess = engine.chain.witness.assess

    def bug(status: SourceStatus, best: Best | None, *rest: Any) -> Any:
        return assess(status_as(status), best_as(best), *rest)

    patch.setattr(engine.chain.witness, "assess", bug)
    patch.setattr(actors.sources.witnesses, "assess", bug)


def _when_read(patch: Patch, change: Callable[[Payment], Payment]) -> None:
    """Which outputs pay a payment is asked of another payment."""
    for module in (engine.payment.chain_rules, engine.payment.losses):
        pertinent = vars(module)["pertinent"]

        def bug(payment: Payment, *rest: Any, of: Any = pertinent) -> Any:
            return of(change(payment), *rest)

        patch.setattr(module, "pertinent", bug)


def _read(patch: Patch, view_as: Callable[[ChainView], ChainView | None]) -> None:
    """The rules read another view, or none."""
    read_view: Any = vars(engine.payment.rules)["read_view"]

    def bug(builder: EventBuilder, view: ChainView, *rest: Any) -> bool:
        other = view_as(view)
        return other is None or read_view(builder, other, *rest)

    patch.setattr(engine.payment.rules, "read_view", bug)


# -- who is a witness ----------------------------------------------------------------


def a_lower_tip_is_as_good_as_any(patch: Patch) -> None:
    _assessed(patch, best_as=lambda _best: None)


def a_first_download_is_as_good_as_any(patch: Patch) -> None:
    def over(status: SourceStatus) -> SourceStatus:
        return replace(status, initial_download=False, headers=None)

    _assessed(patch, over, lambda _best: None)


def a_mempool_that_is_read_back_is_whole(patch: Patch) -> None:
    _assessed(patch, lambda status: replace(status, mempool_loaded=True))


def what_an_adapter_doubts_is_so(patch: Patch) -> None:
    _assessed(patch, lambda status: replace(status, doubt=None))


def a_tip_has_no_age(patch: Patch) -> None:
    _assessed(patch, lambda status: replace(status, tip_time_s=None))


def the_best_tip_ends_with_the_process(patch: Patch) -> None:
    on_best_read = SourceActor._on_best_read
    patch.setattr(
        SourceActor,
        "_on_best_read",
        lambda self, _answer: on_best_read(self, None),
    )


def each_source_is_held_against_itself_only(patch: Patch) -> None:
    """What another has shown is not held against what it says in a round."""
    work_for = RoundPlanner._work_for

    def bug(self: Any, feed: Any, now: float) -> Any:
        return replace(work_for(self, feed, now), best=None)

    patch.setattr(RoundPlanner, "_work_for", bug)


# -- what it may say -----------------------------------------------------------------


def views_of_a_source_behind_are_a_witness_s(patch: Patch) -> None:
    patch.setattr(BlockFeedWorker, "_stamped", lambda _self, view: view)


def a_source_behind_is_read_as_a_witness(patch: Patch) -> None:
    _read(patch, lambda view: replace(view, is_current=True))


def money_that_a_source_behind_shows_is_not_told(patch: Patch) -> None:
    _read(patch, lambda view: view if view.is_current else None)


def a_deadline_waits_an_hour_for_a_witness(patch: Patch) -> None:
    may_judge = ReviewState.may_judge

    def bug(self: Any, view: ChainView, asked_at: int) -> bool:
        over = self.overdue is not None and asked_at >= self.overdue
        late = over and asked_at - self.overdue >= HOUR_S * 1000
        return bool(late or may_judge(self, view, asked_at))

    patch.setattr(ReviewState, "may_judge", bug)


def a_lower_tip_is_a_rollback(patch: Patch) -> None:
    """Blocks above it are undone, and what they held is told to have lost them."""
    patch.setattr(engine.chain.sync, "_is_lower", lambda *_about: False)
    _assessed(patch, best_as=lambda _best: None)


# -- who is asked --------------------------------------------------------------------


def a_source_behind_is_not_left(patch: Patch) -> None:
    def bug(feeds: Any, _active: Any, now: float) -> Any:
        return next((feed for feed in feeds if feed.breaker.permits(now)), None)

    patch.setattr(actors.sources.planner, "choose", bug)


def a_source_that_was_left_is_not_gone_back_to(patch: Patch) -> None:
    choose: Any = vars(actors.sources.planner)["choose"]

    def bug(feeds: Any, active: Any, now: float) -> Any:
        stays = active is not None and active.breaker.permits(now)
        return active if stays and is_fit(active, now) else choose(feeds, active, now)

    patch.setattr(actors.sources.planner, "choose", bug)


def nobody_else_is_asked_how_it_is(patch: Patch) -> None:
    patch.setattr(actors.sources.witnesses, "due_probes", lambda *_about: [])


def what_a_source_behind_did_not_show_is_an_answer(patch: Patch) -> None:
    answered = actors.sources.witnesses.Witnesses.answered

    def bug(self: Any, feed: Any, done: Any, now: float) -> None:
        answered(self, feed, done, now)
        self.covers(done.asked_at if feed.spec.by_block else None)

    patch.setattr(actors.sources.witnesses.Witnesses, "answered", bug)


# -- tried before there were sources that are behind, and not found then -------------


def what_an_earlier_payment_counted_is_counted_again(patch: Patch) -> None:
    _when_read(
        patch,
        lambda payment: replace(payment, terms=replace(payment.terms, ignore=())),
    )


def a_mempool_is_whole_before_it_is_read(patch: Patch) -> None:
    apply_block = ScriptIndex.apply_block

    def bug(self: Any, *about: Any) -> None:
        apply_block(self, *about)
        self._whole = True

    patch.setattr(ScriptIndex, "apply_block", bug)


PLANTED_WITNESS: tuple[Plant, ...] = (
    a_lower_tip_is_as_good_as_any,
    a_first_download_is_as_good_as_any,
    a_mempool_that_is_read_back_is_whole,
    what_an_adapter_doubts_is_so,
    a_tip_has_no_age,
    the_best_tip_ends_with_the_process,
    each_source_is_held_against_itself_only,
    views_of_a_source_behind_are_a_witness_s,
    a_source_behind_is_read_as_a_witness,
    money_that_a_source_behind_shows_is_not_told,
    a_deadline_waits_an_hour_for_a_witness,
    a_lower_tip_is_a_rollback,
    a_source_behind_is_not_left,
    a_source_that_was_left_is_not_gone_back_to,
    nobody_else_is_asked_how_it_is,
    what_a_source_behind_did_not_show_is_an_answer,
    what_an_earlier_payment_counted_is_counted_again,
    a_mempool_is_whole_before_it_is_read,
)
"""Each is found within 50 worlds of the usual kind, but for the last: 300."""
