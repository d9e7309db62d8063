"""What takes a payment back: replacements and reorgs; and what does not."""

import pytest
from msgspec.structs import replace

from engine.chain.feed import Output
from engine.payment.chain_rules import known_outputs
from engine.payment.losses import blocks_lost, merely_absent
from engine.payment.model import EventType, Flag, Status
from engine.payment.review import ReviewState, judge
from tests.unit.payment_cases import (
    HOUR_MS,
    T0,
    Told,
    block,
    confirmed,
    mempool,
    mined,
    terms,
    view,
)


def test_a_receipt_that_left_the_mempool_is_replaced() -> None:
    told = Told()
    told(view(mempool("t1")))
    assert told(view(mempool("t2"))) == ["replaced", "detected"]
    (gone,) = told.of(EventType.REPLACED)
    assert gone.data.receipt is not None
    assert (gone.txid, gone.data.receipt.txid) == ("t1", "t1")
    assert gone.data.reason == "no longer in the mempool nor in the best chain"
    assert told.status() is Status.CONFIRMING
    assert told.payment.received_sat == 50_000
    assert told(view()) == ["replaced"]
    assert told.status() is Status.PENDING
    assert told.payment.flags == (Flag.REPLACED,)


def test_what_comes_back_to_the_mempool_is_detected_again() -> None:
    told = Told()
    told(view(mempool("t1")))
    told(view())
    assert told(view(mempool("t1"))) == ["detected"]


def test_one_of_two_receipts_replaced_leaves_the_other() -> None:
    told = Told()
    told(view(mempool("t1", 20_000), mempool("t2", 30_000)))
    assert told(view(mempool("t1", 20_000))) == ["replaced", "underpaid"]
    assert told.last.data.short_sat == 30_000
    assert told.status() is Status.CONFIRMING
    assert Flag.UNDERPAID in told.payment.flags


def test_an_incomplete_view_takes_nothing_away() -> None:
    told = Told()
    told(view(mempool("t1")))
    assert told(view(complete=False)) == []


def test_a_replacement_is_never_counted_beside_what_it_replaced() -> None:
    """Seen at a node that told each change: "overpaid", and "replaced" after it."""
    told = Told()
    told(view(mempool("t1")))
    partly = view(mempool("t2"), complete=False, conflicted={"t1": "t2"})
    assert told(partly) == ["replaced", "detected"]
    assert told.payment.received_sat == 50_000


@pytest.mark.parametrize("who", ["behind", "another"])
def test_who_may_not_say_gone_yet_shows_no_replacement_either(who: str) -> None:
    """Seen of a source that was behind: "overpaid" by money and what replaced it."""
    told = Told()
    told(view(mempool("t1")))
    taken = view(mempool("t2", 49_990), mempool("t3", 1), conflicted={"t1": "t2"})
    held = (
        replace(taken, is_current=False)
        if who == "behind"
        else replace(taken, source="other")
    )
    assert "replaced" not in told(held)
    assert {receipt.txid for receipt in told.payment.receipts} == {"t1", "t3"}
    assert "replaced" in told(taken)
    assert {receipt.txid for receipt in told.payment.receipts} == {"t2", "t3"}


def test_a_view_with_money_that_waits_is_not_read_whole() -> None:
    """Or its block would not be read again after a crash, and that money be lost."""
    told = Told()
    told(view(mempool("t1")))
    taken = view(mined("t2", 1000), source="other", conflicted={"t1": "t2"})
    at = told.payment.receipts[0].seen_at + 1_000
    held = judge(ReviewState(), told.payment, taken, at, now=at, now_s=1.0)
    assert (held.events, held.holds_back) == ([], True)
    plain = judge(ReviewState(), told.payment, view(mempool("t1")), at, now=at, now_s=1)
    assert not plain.holds_back


def test_nor_what_replaced_the_replacement() -> None:
    told = Told()
    told(view(mempool("t1")))
    twice = {"t1": "t2", "t2": "t4"}
    behind = view(mempool("t4"), mempool("t3", 1), conflicted=twice, is_current=False)
    told(behind)
    assert {receipt.txid for receipt in told.payment.receipts} == {"t1", "t3"}
    round_about = view(
        mempool("t4"), conflicted={"t1": "t4", "t4": "t1"}, is_current=False
    )
    assert told(round_about) == []


def test_a_conflict_that_is_over_or_of_other_money_holds_no_news() -> None:
    told = Told()
    told(view(mempool("t1")))
    over = {"t1": "t2"}
    behind = view(mempool("t1"), mempool("t2", 7), conflicted=over, is_current=False)
    assert "detected" in told(behind), "it is there again"
    others = view(
        mempool("t1"), mempool("t3", 7), conflicted={"x": "t3"}, is_current=False
    )
    assert "detected" in told(others)
    told(view(mined("t1", 1000), mempool("t3", 7)))
    late = view(mempool("t5", 7), conflicted={"t1": "t5"}, is_current=False)
    assert "detected" in told(late), "what is in a block was not replaced"


def test_of_an_incomplete_view_only_a_conflict_that_pays_us_takes_money_away() -> None:
    told = Told()
    told(view(mempool("t1"), mempool("t3", 1)))
    taken = {"t1": "t2"}
    elsewhere = view(mempool("t3", 1), complete=False, conflicted=taken)
    assert told(elsewhere) == [], "it may be there again at the next look"
    there = view(mempool("t1"), mempool("t3", 1), complete=False, conflicted=taken)
    assert told(there) == []
    mined_perhaps = view(
        mempool("t2", 7), mempool("t3", 1), complete=False, left=("t1",)
    )
    assert "replaced" not in told(mined_perhaps), "it left, maybe into a block"
    assert {receipt.txid for receipt in told.payment.receipts} == {"t1", "t2", "t3"}
    behind = replace(elsewhere, outputs=(mempool("t4", 7),), is_current=False)
    assert "replaced" not in told(behind)


def test_another_source_may_say_gone_only_when_it_had_time_to_hear_of_it() -> None:
    told = Told()
    told(view(mempool("t1")))
    other = view(source="other")
    assert told(other, after_ms=599_999) == [], "ten minutes, as the docs say"
    assert told(other, after_ms=1) == ["replaced"]


def test_a_mined_receipt_that_is_merely_not_listed_stays() -> None:
    told = Told()
    told(view(mined("t1", 1000)))
    for source in ("node", "other"):
        assert told(view(source=source, tip=1005), after_ms=HOUR_MS) == []
    assert told.payment.confirmations == 1


def test_a_lagging_source_neither_lowers_nor_repeats_a_depth() -> None:
    told = Told()
    told(view(mined("t1", 1000), tip=1001))
    lagging = view(mined("t1", 1000), tip=1000, source="other", is_current=False)
    assert told(lagging) == []
    assert told.payment.confirmations == 2
    assert told(view(mined("t1", 1000), tip=1001)) == []


def test_a_block_above_the_tip_that_was_read_first_is_one_deep() -> None:
    told = Told()
    assert told(view(mined("t1", 1001), tip=1000)) == ["detected", "confirming"]
    assert told.payment.confirmations == 1
    assert told(view(mined("t1", 1001), tip=1001)) == []


def test_depth_recorded_is_no_reason_to_confirm_by_a_view_that_lags() -> None:
    told = Told()
    told(view(mined("t1", 998, 25_000)))
    halves = (mined("t1", 998, 25_000), mined("t2", 997, 25_000))
    assert told(view(*halves, tip=999, is_current=False)) == ["detected"]
    assert [r.confirmations for r in told.payment.receipts] == [3, 0]
    assert told(view(*halves, tip=999)) == ["confirming", "confirming"]
    assert [r.confirmations for r in told.payment.receipts] == [2, 3]
    assert told.status() is Status.CONFIRMING
    assert told(view(*halves, tip=1000)) == ["confirming", "confirmed"]


def test_a_reorg_before_confirmed_sends_the_receipt_back_to_the_mempool() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    assert told(view(mempool("t1"), off_chain=(block(999),))) == ["reorged"]
    assert told.payment.confirmations == 0
    assert told.payment.flags == (Flag.REORGED,)
    assert told.payment.received_sat == 50_000


def test_a_reorg_that_only_moves_the_receipt_goes_on_in_the_other_block() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    moved = mined("t1", 1000, branch="b")
    off = (block(999),)
    assert told(view(moved, tip=1001, off_chain=off)) == ["reorged", "confirming"]
    assert told.receipt("t1").block_hash == block(1000, "b")
    assert told.payment.confirmations == 2


def test_a_reorg_that_drops_the_receipt_is_told_as_both() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    assert told(view(off_chain=(block(999),))) == ["reorged", "replaced"]
    assert told.status() is Status.PENDING


def test_the_same_source_naming_another_block_has_reorganised() -> None:
    """It may not know the lost block any more; two blocks cannot both hold it."""
    told = Told()
    told(view(mined("t1", 999)))
    moved = view(mined("t1", 1000, branch="b"), tip=1000)
    assert told(moved) == ["reorged", "confirming"]
    deeper = view(mined("t1", 1000, branch="b"), tip=1002)
    assert told(deeper) == ["confirming", "confirmed"]


def test_another_source_moves_a_receipt_only_with_more_depth_to_show() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    elsewhere = mined("t1", 999, branch="b")
    assert told(view(elsewhere, tip=1000, source="other")) == []
    assert told(view(elsewhere, tip=1001, source="other"))[0] == "reorged"
    assert told.status() is Status.CONFIRMED


def test_a_source_that_places_a_receipt_elsewhere_confirms_nothing_by_it() -> None:
    """Two blocks are named for it, and it is not clear yet which one holds."""
    told = Told()
    told(view(mined("t1", 998, 25_000)))
    assert told.receipt("t1").confirmations == 3
    elsewhere = mined("t1", 998, 25_000, branch="b")
    rest = mined("t2", 998, 25_000, branch="b")
    assert told(view(elsewhere, rest, source="other")) == ["detected", "confirming"]
    assert told.status() is Status.CONFIRMING
    agreed = (mined("t1", 998, 25_000), mined("t2", 998, 25_000, branch="b"))
    assert told(view(*agreed)) == ["confirmed"]


def test_a_surplus_that_is_lost_after_confirmed_reverses_nothing() -> None:
    told = Told()
    told(view(mined("t1", 997), mined("t2", 998, 10_000)))
    assert told.payment.settled_sat == 60_000
    lost = view(mined("t1", 997), mempool("t2", 10_000), off_chain=(block(998),))
    assert told(lost) == ["reorged"]
    assert told(view(mined("t1", 997)))[0] == "replaced"
    assert told.status() is Status.CONFIRMED


def test_one_satoshi_too_little_left_after_confirmed_reverses() -> None:
    told = Told()
    told(view(mined("t1", 997, 49_999), mined("t2", 998, 1)))
    assert told.status() is Status.CONFIRMED
    left = view(mined("t1", 997, 49_999), mempool("t2", 1), off_chain=(block(998),))
    assert told(left) == ["reorged", "reversed"]


def test_of_any_amount_the_loss_of_one_satoshi_reverses() -> None:
    told = Told(terms(amount_sat=None))
    told(view(mined("t1", 998, 1)))
    assert told.payment.settled_sat == 1
    assert told(view(mempool("t1", 1), off_chain=(block(998),)))[1] == "reversed"


def test_a_failed_payment_that_was_not_paid_is_not_reversed() -> None:
    """One whose forward alone failed is: test_forward_rules.py."""
    told = confirmed()
    never = replace(told.payment, status=Status.FAILED, confirmed_at=None)
    told.payment = never
    assert told(view(off_chain=(block(998),))) == ["reorged", "replaced"]
    assert told.status() is Status.FAILED


def test_a_part_of_what_was_needed_that_is_lost_after_confirmed_reverses() -> None:
    told = Told(terms(tolerance_sat=100))
    told(view(mined("t1", 997, 40_000), mined("t2", 998, 9_900)))
    assert told.payment.settled_sat == 49_900
    left = view(mined("t1", 997, 40_000), mempool("t2", 9_900), off_chain=(block(998),))
    assert told(left) == ["reorged", "reversed"]
    assert told.status() is Status.CONFIRMING


def test_a_reorg_after_confirmed_reverses_and_may_confirm_again() -> None:
    told = confirmed()
    off = (block(998),)
    assert told(view(mempool("t1"), off_chain=off)) == ["reorged", "reversed"]
    assert told.last.data.settled_sat == 50_000
    assert told.status() is Status.CONFIRMING
    assert told.payment.confirmed_at is None
    again = view(mined("t1", 1001, branch="b"), tip=1003)
    assert told(again) == ["confirming", "confirmed"]
    assert told.payment.settled_sat == 50_000


def test_a_reorg_after_confirmed_to_a_block_as_deep_reverses_nothing() -> None:
    told = confirmed()
    moved = view(mined("t1", 997, branch="b"), off_chain=(block(998),))
    assert told(moved) == ["reorged", "confirming"]
    assert told.status() is Status.CONFIRMED


def test_a_confirmed_payment_whose_transaction_is_dropped_is_pending_again() -> None:
    told = confirmed()
    dropped = view(off_chain=(block(998),))
    assert told(dropped) == ["reorged", "replaced", "reversed"]
    assert told.status() is Status.PENDING
    assert told.payment.received_sat == 0


def test_losing_what_was_not_needed_reverses_nothing() -> None:
    told = confirmed()
    told(view(mined("t1", 998), mempool("t2", 10)))
    assert told(view(mined("t1", 998))) == ["replaced"]
    assert told.status() is Status.CONFIRMED


def test_of_any_amount_what_is_left_is_confirmed_anew() -> None:
    told = Told(terms(amount_sat=None))
    told(view(mined("t1", 998, 700), mined("t2", 998, 900, branch="a")))
    assert told.payment.settled_sat == 1_600
    left = view(mined("t1", 998, 700), mempool("t2", 900), off_chain=())
    assert told(left) == []
    told = Told(terms(amount_sat=None))
    told(view(mined("t1", 997, 700), mined("t2", 998, 900)))
    lost = view(mined("t1", 997, 700), mempool("t2", 900), off_chain=(block(998),))
    assert told(lost) == ["reorged", "reversed", "confirmed"]
    assert told.payment.settled_sat == 700


# -- what a source only repeats from our journal ---------------------------------------


def _repeated(output: Output) -> Output:
    return replace(output, verified_by_source=False)


def test_what_a_source_only_repeats_is_never_news() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    told(view(off_chain=(block(999),)))
    assert told.payment.receipts == ()
    assert told(view(_repeated(mined("t1", 999)))) == []


def test_what_a_source_only_repeats_supports_a_receipt_but_confirms_nothing() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    assert told(view(_repeated(mined("t1", 990)))) == []
    assert len(told.payment.receipts) == 1
    assert told(view(_repeated(mined("t1", 999)), tip=1010)) == []
    assert told(view(mined("t1", 999), tip=1010)) == ["confirming", "confirmed"]


# -- what a restart and another source must know ---------------------------------------


def test_receipts_in_blocks_are_listed_as_a_source_would_but_unverified() -> None:
    told = Told()
    told(view(mined("t1", 999, 20_000), mempool("t2", 10_000)))
    (known,) = known_outputs(told.payment)
    assert (known.txid, known.vout, known.amount_sat) == ("t1", 0, 20_000)
    assert (known.block_hash, known.block_height) == (block(999), 999)
    assert not known.verified_by_source


def test_the_blocks_that_receipts_lost_are_named_once_for_each_that_was_placed() -> (
    None
):
    told = Told()
    told(view(mined("t1", 998, 20_000), mined("t2", 999, 10_000)))
    before, seen = told.payment, len(told.events)
    told(view(mined("t1", 998, 20_000), mempool("t2", 10_000), off_chain=(block(999),)))
    assert blocks_lost(before, told.events[seen:]) == [(999, block(999))]
    assert blocks_lost(told.payment, told.events[seen:]) == [], "it is in no block now"
    assert blocks_lost(before, []) == []


def test_merely_absent_is_what_only_silence_would_take_away() -> None:
    told = Told()
    told(view(mempool("t1", 10_000), mempool("t2", 10_000), mined("t3", 999, 10_000)))
    t1, t2 = mempool("t1", 10_000), mempool("t2", 10_000)
    assert merely_absent(told.payment, view(t1), T0) == {("t2", 0)}
    assert merely_absent(told.payment, view(t1, t2), T0) == frozenset()
    assert merely_absent(told.payment, view(t1, complete=False), T0) == frozenset()
    assert merely_absent(told.payment, view(t1, mempool("new")), T0) == frozenset()
