"""What a watcher tells the source of its payment."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from actors.facts.published import SourceReport
from actors.watching.looking import (
    LOOK_AT_CHAIN,
    RETRY_S,
    due_at,
    interest,
    interval_s,
    judged_now,
    question,
    question_by_hand,
    resumed,
    script_of,
    seen_at,
)
from engine.bitcoin.address import parse_address
from engine.chain.feed import Tip
from engine.payment.model import Payment
from engine.payment.review import ReviewState
from engine.runtime.clock import COALESCE_S
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedDispatcher
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.payment_cases import ADDRESS, Told, block, confirmed, mempool, view


def made_at(payment: Payment, height: int, block: str) -> Payment:
    terms = replace(payment.terms, tip_height=height, tip_hash=block)
    return replace(payment, terms=terms)


def test_the_tip_that_decides_what_is_older_is_asked_about_from_the_start() -> None:
    scope = ActorScope(SimulatedDispatcher(Random(1)), lambda _name: Inbox())
    payment, ref = Told().payment, Ref(scope, "p")
    for height, tip, since in ((7, "aa", Tip(7, "aa")), (7, "", None)):
        made = made_at(payment, height, tip)
        assert interest(made, b"script", ref).since == since
        assert question(made, b"script", 0.0).since == since


def test_who_is_asked_is_told_how_high_the_chain_was_when_the_payment_was_made() -> (
    None
):
    """Kept or not, and of one from before tips were kept: as far back as there is."""
    payment = Told().payment
    assert question(made_at(payment, 7, ""), b"script", 0.0).born == 7
    assert question(payment, b"script", 0.0).born == -1


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def test_whom_to_show_what_with_all_that_is_known() -> None:
    payment = confirmed(merchant="ann").payment
    scope = ActorScope(SimulatedDispatcher(Random(1)), lambda _name: Inbox())
    ref = Ref(scope, "p")
    watch = interest(payment, b"script", ref)
    assert (watch.script, watch.address, watch.ref) == (b"script", ADDRESS, ref)
    assert (watch.merchant, watch.since) == ("ann", None)
    assert [(o.txid, o.block_height) for o in watch.known] == [("t1", 998)]


def test_a_question_names_the_blocks_of_its_receipts() -> None:
    poll = question(confirmed().payment, b"script", 7.5)
    assert (poll.script, poll.due, poll.by_hand_at) == (b"script", 7.5, None)
    assert poll.blocks == ((block(998), 998),)
    assert [output.txid for output in poll.known] == ["t1"]
    assert poll.heard == ()
    bare = question(Told().payment, b"script", 1.0)
    assert (bare.blocks, bare.known) == ((), ())


def test_one_asked_by_hand_is_the_first_and_says_when(stage: ActorStage) -> None:
    stage.pass_s(12.5)
    poll = question_by_hand(stage.node, Told().payment, b"script")
    assert (poll.due, poll.by_hand_at) == (0.0, 12.5)


def test_while_a_deadline_waits_it_is_looked_at_sooner(stage: ActorStage) -> None:
    node, payment = stage.node, replace(confirmed().payment)
    slow = float(node.settings.poll_slow_s)
    assert slow > 300
    assert interval_s(node, payment, None) == slow
    assert interval_s(node, payment, ReviewState()) == slow
    review = ReviewState().passed(0, node.clock.monotonic())
    base = float(payment.terms.poll_interval_s)
    assert interval_s(node, payment, review) == max(15.0, base)
    stage.pass_s(8 * 200)
    assert interval_s(node, payment, review) == max(200.0, base)


def test_it_is_looked_at_less_often_with_age(stage: ActorStage) -> None:
    node, payment = stage.node, Told().payment
    base = float(payment.terms.poll_interval_s)
    assert interval_s(node, payment, None) == base
    stage.pass_s(node.settings.poll_ageing_s)
    assert interval_s(node, payment, None) == 2 * base


def test_when_a_timer_is_due_is_told_by_the_wall(stage: ActorStage) -> None:
    node = stage.node
    ref = stage.start("somebody", Inbox())
    number = node.clock.call_later_coalesced(10.0, ref)
    at = due_at(node, number)
    assert 10_000 <= at - node.clock.now() <= 10_000 + round(COALESCE_S * 1000)
    stage.pass_s(60)
    assert due_at(node, number) == node.clock.now(), "it is never in the past"


@pytest.mark.parametrize(
    ("asked_at", "complete_as_of", "seen"),
    [
        (None, 9, None),
        (5, None, 5),
        (5, 9, 9),
        (9, 5, 9),
    ],
)
def test_silence_of_one_that_covers_all_is_an_answer(
    asked_at: int | None, complete_as_of: int | None, seen: int | None
) -> None:
    report = SourceReport(complete_as_of=complete_as_of)
    assert seen_at(asked_at, report) == seen
    assert seen_at(asked_at, None) == asked_at


def test_a_view_is_judged_at_this_moment(stage: ActorStage) -> None:
    payment = Told().payment
    passed = stage.clock.now()
    review = ReviewState().passed(passed, 0.0)
    judged = judged_now(stage.node, payment, None, view(mempool("t1")), passed)
    assert judged.events
    assert judged.events[0].at == stage.clock.now()
    assert not judged.state.is_open
    stage.pass_s(3_600)
    over = judged_now(stage.node, payment, review, view(), stage.clock.now())
    assert over.state.overdue is None


def test_after_a_commit_that_failed_a_deadline_is_still_to_be_judged(
    stage: ActorStage,
) -> None:
    payment = Told().payment
    assert resumed(stage.node, payment, None) is None
    stage.pass_s(3_600)
    state = resumed(stage.node, payment, None)
    assert state is not None
    assert state.overdue == payment.terms.expires_at
    assert state.waits_since == stage.clock.monotonic()
    assert resumed(stage.node, payment, state) == state


def test_five_seconds_after_a_commit_that_failed_it_looks_again() -> None:
    assert RETRY_S == 5.0
    assert {kind.__name__ for kind in LOOK_AT_CHAIN} == {
        "ProviderClaim",
        "InvoicePaid",
        "InvoiceGone",
    }


def test_an_address_is_the_script_that_pays_it() -> None:
    assert script_of(Told().payment) == parse_address(ADDRESS, "regtest").script
