"""A view that is not of a current source shows money, and proves nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import ChainView, Output
from engine.payment.model import EventType, Flag, Status
from engine.payment.observations import ProviderClaim
from engine.payment.rules import follow
from tests.unit.payment_cases import (
    HOUR_MS,
    Told,
    block,
    confirmed,
    mempool,
    mined,
    terms,
    view,
)


def behind(*outputs: Output, **about: object) -> ChainView:
    return view(*outputs, is_current=False, **about)  # type: ignore[arg-type]


def test_it_shows_money_and_counts_no_block() -> None:
    told = Told()
    assert told(behind(mined("t1", 900), mempool("t2", 7))) == [
        "detected",
        "detected",
        "overpaid",
    ]
    assert told.status() is Status.CONFIRMING
    assert {(r.block_hash, r.confirmations) for r in told.payment.receipts} == {
        (None, 0)
    }
    assert told(behind(mined("t1", 900), mempool("t2", 7), tip=2_000)) == []


def test_it_confirms_nothing_even_where_no_confirmation_is_asked_for() -> None:
    told = Told(terms(confirmations_required=0))
    assert told(behind(mempool("t1"))) == ["detected"]
    assert told(view(mempool("t1"))) == ["confirmed"]


def test_what_it_showed_is_not_confirmed_before_the_mempool_was_compared() -> None:
    """What a view lists that is not complete may be of hours ago, and gone since."""
    told = Told(terms(confirmations_required=0))
    assert told(behind(mempool("t1"))) == ["detected"]
    assert told(view(mempool("t1"), complete=False)) == []
    assert told(view(mempool("t1"))) == ["confirmed"]


def test_what_its_mempool_has_lost_confirms_nothing_and_is_not_gone() -> None:
    told = Told(terms(confirmations_required=0))
    assert told(behind(mempool("t1"))) == ["detected"]
    unlisted = replace(mempool("t1"), verified_by_source=False)
    assert told(view(unlisted)) == []
    assert told(view(mempool("t1"))) == ["confirmed"]


@pytest.mark.parametrize("announced", [True, False])
def test_news_are_of_now_in_a_view_that_is_not_complete_too(announced: bool) -> None:
    told = Told(terms(confirmations_required=0))
    if announced:
        told(ProviderClaim("blockonomics", "t1", 50_000))
    first = "confirming" if announced else "detected"
    assert told(view(mempool("t1"), complete=False)) == [first, "confirmed"]


@pytest.mark.parametrize("announced", [True, False])
def test_news_that_are_only_remembered_confirm_nothing_before_the_mempool_was_compared(
    announced: bool,
) -> None:
    """They were news before, and could not be written: they may have left since."""
    told = Told(terms(confirmations_required=0))
    if announced:
        told(ProviderClaim("blockonomics", "t1", 50_000))
    first = "confirming" if announced else "detected"
    shown = view(mempool("t1"), complete=False)
    assert told(replace(shown, remembered=frozenset({"t1"}))) == [first]
    assert told(view(mempool("t1"))) == ["confirmed"]


def test_what_needs_no_depth_and_is_in_a_block_is_confirmed_by_any_current_view() -> (
    None
):
    told = Told(terms(confirmations_required=0))
    told(behind(mempool("t1")))
    shown = view(mined("t1", 900), complete=False)
    assert told(shown) == ["confirming", "confirmed"]


def test_too_little_shown_by_it_is_told_as_too_little() -> None:
    told = Told()
    assert told(behind(mempool("t1", 20_000))) == ["detected", "underpaid"]


def test_a_claim_is_corroborated_by_it() -> None:
    told = Told()
    told(ProviderClaim("blockonomics", "t1", 50_000))
    assert told(behind(mempool("t1"))) == ["confirming"]
    assert told.last.data.verified is True


@pytest.mark.parametrize(
    "seen",
    [
        behind(),
        behind(off_chain=(block(998),)),
        behind(mined("t1", 998, branch="b")),
        behind(mined("t1", 998), tip=998),
        behind(mempool("t1")),
        behind(source="other", off_chain=(block(998),)),
    ],
)
@pytest.mark.parametrize("paid", [mempool("t1"), mined("t1", 998), mined("t1", 1_000)])
def test_it_takes_nothing_away(paid: Output, seen: ChainView) -> None:
    told = Told()
    told(view(paid))
    before = told.payment
    assert told(seen, after_ms=HOUR_MS) == []
    assert told.payment == before


def test_what_it_showed_a_current_source_may_take_away() -> None:
    told = Told()
    told(behind(mempool("t1"), source="old"))
    assert told(view(), after_ms=600_000) == ["replaced"]


_views = st.builds(
    lambda outputs, off, tip, source, complete: behind(
        *outputs, off_chain=tuple(off), tip=tip, source=source, complete=complete
    ),
    st.lists(
        st.builds(mempool, st.sampled_from("abc"), st.integers(1, 60_000))
        | st.builds(
            mined,
            st.sampled_from("abc"),
            st.integers(990, 1_003),
            st.integers(1, 60_000),
            branch=st.sampled_from("ab"),
        ),
        max_size=3,
        unique_by=lambda output: output.txid,
    ),
    st.lists(st.builds(block, st.integers(990, 1_003)), max_size=3),
    st.integers(900, 1_100),
    st.sampled_from(["node", "other"]),
    st.booleans(),
)
_NEWS = {
    EventType.DETECTED,
    EventType.LATE,
    EventType.UNDERPAID,
    EventType.OVERPAID,
}


@given(
    st.sampled_from([0, 1, 3]),
    st.booleans(),
    st.lists(st.booleans() | _views, max_size=6),
)
def test_whatever_it_shows_only_receipts_are_added(
    required: int, paid: bool, steps: list[bool | ChainView]
) -> None:
    """Between views of it (False) comes one of a current source (True)."""
    told = confirmed() if paid else Told(terms(confirmations_required=required))
    for step in steps:
        if isinstance(step, bool):
            told(view(mined("a", 998), mempool("b", 9)) if step else behind())
            continue
        before = told.payment
        events = follow(before, step, told.now).events
        assert {event.type for event in events} <= _NEWS
        told(step, after_ms=HOUR_MS)
        after = told.payment
        assert after.receipts[: len(before.receipts)] == before.receipts
        assert all(r.block_hash is None for r in after.receipts[len(before.receipts) :])
        assert after.settled_sat == before.settled_sat
        assert after.confirmed_at == before.confirmed_at
        kept = {f for f in before.flags if f not in {Flag.UNDERPAID, Flag.OVERPAID}}
        assert kept <= set(after.flags)
        assert follow(after, replace(step, is_current=False), told.now).events == []
