"""Depth can fall: what was confirmed by a depth that is not so is reversed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import ChainView
from engine.payment.model import EventType, Status
from tests.unit.payment_cases import Told, block, confirmed, mined, terms, view


def at(tip: int, height: int = 998, **about: object) -> ChainView:
    return view(mined("t1", height), tip=tip, **about)  # type: ignore[arg-type]


def test_before_it_is_confirmed_the_lower_depth_is_told() -> None:
    told = Told()
    assert told(at(999)) == ["detected", "confirming"]
    assert told(at(998)) == ["confirming"]
    assert told.payment.confirmations == 1
    assert told(at(1000)) == ["confirming", "confirmed"]


def test_after_it_is_confirmed_it_is_reversed_and_may_confirm_again() -> None:
    told = confirmed()
    assert told(at(999)) == ["confirming", "reversed"]
    (reversed_,) = told.of(EventType.REVERSED)
    assert (reversed_.status, reversed_.confirmations) == (Status.CONFIRMING, 2)
    assert reversed_.data.settled_sat == 50_000
    assert told.payment.settled_sat == 0
    assert told(at(1000)) == ["confirming", "confirmed"]


def test_one_wrong_tip_does_not_confirm_for_ever() -> None:
    """300,000 blocks too many for some seconds, and a payment one deep at 6."""
    told = Told(terms(confirmations_required=6))
    assert told(at(301_000, 1_000))[-1] == "confirmed"
    assert told(at(1_000, 1_000)) == ["confirming", "reversed"]
    assert told.payment.confirmations == 1


def test_one_wrong_height_does_not_confirm_for_ever() -> None:
    told = Told()
    wrong = replace(mined("t1", 1_000), block_height=7)
    assert told(view(wrong))[-1] == "confirmed"
    assert told(at(1_000, 1_000)) == ["confirming", "reversed"]
    receipt = told.receipt("t1")
    assert (receipt.block_height, receipt.confirmations) == (1_000, 1)


def test_a_height_below_the_one_that_is_known_of_a_block_is_not_believed() -> None:
    told = Told()
    told(at(1_000, 1_000))
    wrong = replace(mined("t1", 1_000), block_height=7)
    assert told(view(wrong)) == []
    assert told.status() is Status.CONFIRMING
    assert told(at(1_002, 1_000)) == ["confirming", "confirmed"]


def test_a_block_far_above_the_tip_is_no_block() -> None:
    told = Told()
    assert told(at(1_000, 1_003)) == ["detected"]
    assert told.receipt("t1").block_hash is None
    assert told(at(1_001, 1_003)) == ["confirming"]


def test_a_tip_that_was_read_before_the_block_came_lowers_nothing() -> None:
    told = Told()
    told(at(1_001, 1_000))
    assert told(at(999, 1_000)) == []
    assert told.payment.confirmations == 2


@pytest.mark.parametrize(
    "lower",
    [
        at(998, is_current=False),
        view(replace(mined("t1", 998), verified_by_source=False), tip=998),
        at(1_002),
        at(5_000),
    ],
)
def test_only_a_current_source_that_shows_it_itself_lowers_a_depth(
    lower: ChainView,
) -> None:
    told = confirmed()
    assert told(lower) == []
    assert told.status() is Status.CONFIRMED


def test_beyond_what_is_required_no_fall_is_told() -> None:
    told = confirmed()
    told(at(5_000))
    assert told(at(1_000)) == []
    assert told(at(999)) == ["confirming", "reversed"]


def test_what_a_person_confirmed_no_fall_reverses() -> None:
    told = Told()
    told(at(999))
    told.payment = replace(told.payment, status=Status.CONFIRMED)
    assert told(at(998)) == ["confirming"]
    assert told.status() is Status.CONFIRMED


def test_a_surplus_that_falls_reverses_nothing() -> None:
    told = Told()
    told(view(mined("t1", 990), mined("t2", 998)))
    assert told(view(mined("t1", 990), mined("t2", 998), tip=998)) == ["confirming"]
    assert told.status() is Status.CONFIRMED


def test_a_receipt_in_another_block_falls_nowhere() -> None:
    told = confirmed()
    other = mined("t1", 998, branch="b")
    assert told(view(other, tip=999, source="other")) == []
    assert told.receipt("t1").block_hash == block(998)


@given(
    required=st.integers(0, 6),
    tips=st.lists(st.integers(1_000, 1_012), min_size=1, max_size=8),
)
def test_the_last_word_of_a_current_source_is_what_counts(
    required: int, tips: list[int]
) -> None:
    told = Told(terms(confirmations_required=required))
    for tip in tips:
        told(at(tip, 1_000))
        depth, followed = tip - 999, max(required, 1)
        recorded = told.payment.confirmations
        assert min(recorded, followed) == min(depth, followed)
        assert (told.status() is Status.CONFIRMED) is (depth >= required)
        assert (told.payment.settled_sat > 0) is (depth >= required)
