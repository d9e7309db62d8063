"""Blocks that nobody read: of whom they are, and for how long."""

import pytest

from engine.chain.feed import ChainView, Tip
from engine.chain.shown import SKIPPED
from engine.chain.unread import Unread, seen_by

A, B, C = Tip(10, "aa"), Tip(50, "bb"), Tip(90, "cc")


def view(unread_below: int) -> ChainView:
    return ChainView("acme", Tip(100, "dd"), (), unread_below=unread_below)


@pytest.mark.parametrize(
    ("made_at", "complete"), [(None, False), (10, False), (48, False), (49, True)]
)
def test_a_payment_that_was_open_before_they_ended_is_not_seen_whole(
    made_at: int | None, complete: bool
) -> None:
    """Made at block 49, its first possible block is 50, the first that was read."""
    seen = seen_by(view(50), made_at)
    assert (seen.complete, seen.gap) == (complete, None if complete else SKIPPED)


def test_where_all_was_read_the_view_is_as_it_was() -> None:
    whole = view(0)
    assert seen_by(whole, None) is whole
    assert seen_by(whole, 5) is whole


def test_none_are_unread_when_reading_went_on_where_it_had_stopped() -> None:
    assert Unread.of(A, Tip(11, "")) is None
    assert Unread.of(A, A) is None
    assert Unread.of(None, B) is None
    assert Unread.of(A, None) is None
    assert Unread.of(A, B) == Unread(A, B)
    assert Unread.of(Unread(A, B).all_read.after, Unread(A, B).all_read.below) is None


def test_two_absences_are_one_stretch() -> None:
    later = Unread(Tip(60, ""), C)
    assert Unread(A, B).and_these(later) == Unread(A, C)
    assert later.and_these(Unread(A, B)) == Unread(A, C)
