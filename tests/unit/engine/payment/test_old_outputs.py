"""What is older than a payment pays something else; no clock is asked which that is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import BLOCK_TIME_SLACK_S, ChainView, Output, Tip
from engine.payment.model import Terms
from engine.payment.notes import LeftOut
from engine.payment.old_outputs import (
    MOST_KNOWN,
    NO_BLOCK,
    SURELY_OLD,
    as_of,
    asks_about,
    is_old,
)
from engine.payment.pertinent import MOST_NOTES
from engine.payment.rules import follow
from tests.unit.payment_cases import (
    HOUR_MS,
    T0,
    TIP,
    Told,
    block,
    mempool,
    mined,
    terms,
    view,
)

NOW = Tip(TIP, block(TIP))
DAY_S = 86_400


def agreed(
    *, index_knows: tuple[Output, ...] | None = None, **changes: object
) -> Terms:
    """Terms of a payment that was made when block 1000 was the tip."""
    past = None if index_knows is None else view(*index_knows)
    return as_of(terms(**changes), NOW, past)


def test_a_block_at_or_below_the_tip_of_its_creation_is_older() -> None:
    told = Told(agreed())
    assert told(view(mined("old", TIP), mined("older", 3))) == []
    assert told(view(mined("new", TIP + 1), tip=TIP + 1)) == ["detected", "confirming"]


@pytest.mark.parametrize("hours_ahead", [-30, 0, 3, 30])
def test_no_clock_that_is_wrong_loses_money_or_counts_what_is_old(
    hours_ahead: int,
) -> None:
    """Of this node, or of the miner."""
    created = T0 + hours_ahead * HOUR_MS
    told = Told(agreed(created_at=created, expires_at=created + HOUR_MS))
    new = mined("new", TIP + 1, time_s=T0 // 1000)
    old = mined("old", TIP - 1, time_s=T0 // 1000)
    assert told(view(new, old, tip=TIP + 1)) == ["detected", "confirming"]
    assert [receipt.txid for receipt in told.payment.receipts] == ["new"]


def test_what_the_index_knew_is_older_in_the_mempool_and_when_it_is_mined() -> None:
    told = Told(agreed(index_knows=(mempool("pool"), mined("block", TIP))))
    both = view(mempool("pool"), mined("block", TIP))
    assert told(both) == []
    assert told(view(mined("pool", TIP + 1), tip=TIP + 5)) == []
    assert told(view(mempool("pool", vout=1))) == ["detected"], "another output"


def test_after_a_reorg_of_that_tip_a_block_of_its_height_is_newer() -> None:
    """Unknown to whoever was asked then: the customer paid after the creation."""
    paid = mined("paid", TIP - 1, branch="b")
    told = Told(agreed())
    assert told(view(paid, tip=TIP + 2)) == [], "as far as anybody can tell"
    off = (block(TIP),)
    assert told(view(paid, tip=TIP + 2, off_chain=off))[0] == "detected"
    assert told(view(paid, tip=TIP + 3)) == [], "what is counted stays so"
    deep = mined("deep", TIP - SURELY_OLD, branch="b")
    assert told(view(paid, deep, tip=TIP + 3, off_chain=off)) == []


def test_where_all_was_known_what_was_not_is_newer_without_a_word_of_the_tip() -> None:
    told = Told(agreed(index_knows=()))
    paid = mined("paid", TIP - SURELY_OLD + 1, branch="b")
    assert told(view(paid, mined("deep", TIP - SURELY_OLD))) == [
        "detected",
        "confirming",
        "confirmed",
    ]
    assert [receipt.txid for receipt in told.payment.receipts] == ["paid"]


def test_only_where_it_matters_is_the_tip_asked_about() -> None:
    assert asks_about(agreed()) == NOW
    assert asks_about(agreed(index_knows=())) is None
    assert asks_about(as_of(terms(), None, None)) is None
    assert asks_about(terms()) is None


def test_where_no_tip_was_known_no_block_is_old() -> None:
    made = as_of(terms(), None, None)
    assert made.tip_height == NO_BLOCK
    assert Told(made)(view(mined("t", 0, time_s=0)))[0] == "detected"


def test_a_payment_from_before_tips_were_kept_goes_by_its_time() -> None:
    at_s = T0 // 1000 - BLOCK_TIME_SLACK_S
    assert Told()(view(mined("t", 3, time_s=at_s - 1))) == []
    assert Told()(view(mined("t", 3, time_s=at_s)))[0] == "detected"


def test_what_is_not_counted_is_noted_with_what_it_is() -> None:
    made = agreed(index_knows=(mempool("pool", 7),))
    shown = view(mempool("pool", 7), mined("deep", 3, 9), mempool("new"))
    notes = follow(Told(made).payment, shown, T0).notes
    assert {(note.why, note.subject, note.detail) for note in notes} == {
        (LeftOut.OLD, "pool:0", "7 sat, in the mempool, are older than the payment"),
        (LeftOut.OLD, "deep:0", "9 sat, in block 3, are older than the payment"),
    }


def test_of_many_old_outputs_some_are_noted_and_how_many_more_there_are() -> None:
    payment = Told(agreed()).payment
    shown = [mined(f"t{n}", 3) for n in range(MOST_NOTES + 7)]
    notes = follow(payment, view(*shown), T0).notes
    assert [note.subject for note in notes[:-1]] == [
        f"t{n}:0" for n in range(MOST_NOTES)
    ]
    assert (notes[-1].why, notes[-1].subject) == (LeftOut.OLD, "")
    assert notes[-1].detail == "7 more are older than the payment"
    assert len(follow(payment, view(*shown[:MOST_NOTES]), T0).notes) == MOST_NOTES


def test_of_very_many_known_outputs_the_largest_are_remembered() -> None:
    dust = tuple(mempool(f"d{n}", 294) for n in range(MOST_KNOWN + 5))
    made = agreed(index_knows=(*dust, mempool("money", 50_000)))
    assert len(made.ignore) == MOST_KNOWN
    assert ("money", 0) in made.ignore
    assert not made.is_past_known
    assert agreed(index_knows=dust[:MOST_KNOWN]).is_past_known


@pytest.mark.parametrize(
    "past", [view(is_current=False), view(complete=False), view(tip=TIP - 1)]
)
def test_an_index_that_does_not_know_all_is_believed_in_what_it_has(
    past: ChainView,
) -> None:
    made = as_of(terms(), NOW, replace(past, outputs=(mempool("t"),)))
    assert made.ignore == (("t", 0),)
    assert not made.is_past_known
    assert asks_about(made) == NOW


def test_what_earlier_payments_counted_stays_ignored() -> None:
    made = agreed(index_knows=(mempool("a"), mempool("b")), ignore=(("a", 0),))
    assert made.ignore == (("a", 0), ("b", 0))


@given(
    height=st.none() | st.integers(0, TIP + 30),
    tip=st.none() | st.integers(0, TIP + 30),
    past_known=st.booleans(),
    gone=st.booleans(),
    time_s=st.integers(0, 2 * T0 // 1000),
)
def test_whatever_was_known_the_rule_goes_by_blocks_alone(
    height: int | None, tip: int | None, past_known: bool, gone: bool, time_s: int
) -> None:
    there = None if tip is None else Tip(tip, block(tip))
    made = as_of(
        terms(), there, view(tip=tip) if past_known and tip is not None else None
    )
    output = mempool("t")
    if height is not None:
        output = mined("t", height, time_s=time_s)
    off = (block(tip),) if gone and tip is not None else ()
    found = is_old(made, output, view(off_chain=off))
    other_time = replace(output, block_time_s=1)
    assert is_old(made, other_time, view(off_chain=off)) is found
    if height is None or tip is None or height > tip:
        assert not found
    elif height <= tip - SURELY_OLD:
        assert found
    else:
        assert found is not (past_known or gone)
