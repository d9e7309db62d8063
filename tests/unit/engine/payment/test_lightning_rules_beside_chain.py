"""What comes by Lightning and on the chain, of one payment, and when both are over."""

import pytest
from msgspec.structs import replace

from engine.chain.feed import Output
from engine.money.amount import MAX_SAT
from engine.payment.crowd import MOST_RECEIPTS
from engine.payment.lightning_rules import has_open_invoice
from engine.payment.losses import merely_absent
from engine.payment.model import Flag, Status
from engine.payment.review import ReviewState, judge
from engine.payment.rules import follow, next_deadline
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    INVOICE_HASH,
    T0,
    Told,
    both,
    gone,
    invoice,
    mempool,
    mined,
    terms,
    view,
)
from tests.unit.payment_cases import (
    settled as paid,
)

DAY_MS = 24 * HOUR_MS
HALF = 25_000


# -- beside the chain ------------------------------------------------------------------


def test_lightning_first_is_confirmed_and_the_chain_s_full_sum_is_too_much() -> None:
    told = both()
    assert told(paid()) == ["detected", "confirmed"]
    assert told(view(mempool("t1"))) == ["detected", "overpaid"]
    assert told.last.data.excess_sat == 50_000
    assert told(view(mined("t1", 1000))) == ["confirming"]
    assert told.status() is Status.CONFIRMED


def test_the_chain_first_and_lightning_s_full_sum_is_too_much() -> None:
    told = both()
    assert told(view(mined("t1", 998)))[-1] == "confirmed"
    assert told(paid()) == ["detected", "overpaid"]
    assert told.status() is Status.CONFIRMED
    assert told.payment.received_sat == 100_000


def test_lightning_confirms_at_once_beside_coins_that_are_not_deep_yet() -> None:
    told = both()
    assert told(view(mempool("t1", 1_000))) == ["detected", "underpaid"]
    assert told(paid()) == ["detected", "overpaid", "confirmed"]
    assert told.last.data.settled_sat == 50_000


def test_half_by_lightning_and_the_rest_by_the_chain() -> None:
    told = both()
    assert told(paid(HALF)) == ["detected", "underpaid"]
    assert told.last.confirmations == 3
    assert told(view(mempool("t1", HALF))) == ["detected"]
    assert told.last.confirmations == 0
    assert told(view(mined("t1", 1000, HALF), tip=1001)) == ["confirming"]
    assert told(view(mined("t1", 1000, HALF), tip=1002)) == ["confirming", "confirmed"]
    assert told.last.data.settled_sat == 50_000
    assert told.last.txid == "t1"


def test_half_by_the_chain_deep_enough_and_the_rest_by_lightning() -> None:
    told = both()
    told(view(mined("t1", 998, HALF)))
    assert told.status() is Status.CONFIRMING
    assert told(paid(HALF)) == ["detected", "confirmed"]
    assert told.last.data.settled_sat == 50_000
    assert told.last.txid == INVOICE_HASH


def test_half_by_the_chain_not_deep_enough_waits_for_its_depth() -> None:
    told = both()
    told(view(mined("t1", 999, HALF)))
    assert told(paid(HALF)) == ["detected"]
    assert told.status() is Status.CONFIRMING
    assert told(view(mined("t1", 999, HALF), tip=1001)) == ["confirming", "confirmed"]


def test_what_is_in_no_block_counts_in_a_view_of_its_moment_only() -> None:
    told = both(confirmations_required=0)
    told(view(mempool("t1", HALF)))
    assert told(paid(HALF)) == ["detected"]
    assert told(view(mempool("t1", HALF))) == ["confirmed"]


def test_a_miner_s_reward_waits_for_its_own_depth() -> None:
    told = both()
    reward = mined("t1", 998, HALF)
    told(view(_coinbase(reward)))
    assert told(paid(HALF)) == ["detected"]
    assert told(view(_coinbase(reward), tip=1097))[-1] == "confirmed"


def test_where_two_sources_are_needed_they_are_for_the_chain_s_part() -> None:
    told = both(quorum_above_sat=10_000)
    assert told(view(mined("t1", 998, HALF)))[:1] == ["detected"]
    assert told(paid(HALF)) == ["detected"], "one source's word on the other half"
    seen = follow(told.payment, view(mined("t1", 998, HALF)), told.now)
    assert seen.wants_second
    assert not seen.events
    all_but_one = both(quorum_above_sat=10_000)
    all_but_one(view(mined("t1", 998, HALF)))
    assert "confirmed" not in all_but_one(paid(49_999)), "not a satoshi of it counts"
    two = both(quorum_above_sat=10_000)
    assert two(paid()) == ["detected", "confirmed"], "a node's word on its own invoice"


def test_a_reorg_takes_the_chain_s_half_back_and_lightning_s_stays() -> None:
    told = both()
    told(paid(HALF))
    told(view(mined("t1", 998, HALF)))
    assert told.status() is Status.CONFIRMED
    lost = (mined("t1", 998).block_hash or "",)
    assert told(view(mempool("t1", HALF), off_chain=lost)) == ["reorged", "reversed"]
    assert told.status() is Status.CONFIRMING
    assert told(view(mined("t1", 1000, HALF, branch="b"), tip=1002))[-1] == "confirmed"


def test_a_reorg_of_what_was_too_much_reverses_nothing() -> None:
    told = both()
    told(view(mined("t1", 998)))
    told(paid())
    lost = (mined("t1", 998).block_hash or "",)
    assert told(view(off_chain=lost)) == ["reorged", "replaced"]
    assert told.status() is Status.CONFIRMED
    assert told.payment.flags == (Flag.REPLACED, Flag.REORGED)


@pytest.mark.parametrize("complete", [True, False])
def test_no_view_ever_touches_a_settled_invoice(complete: bool) -> None:
    told = both()
    told(paid())
    for source in ("node", "other", "shop"):
        for off in ((), (INVOICE_HASH,)):
            seen = view(source=source, complete=complete, off_chain=off, tip=2_000)
            assert told(seen, after_ms=15 * DAY_MS) == []
            assert merely_absent(told.payment, seen, told.now) == frozenset()
    assert told.status() is Status.CONFIRMED
    assert [r.txid for r in told.payment.receipts] == [INVOICE_HASH]


def test_a_view_that_lists_nothing_takes_coins_away_and_leaves_lightning() -> None:
    told = both()
    told(paid(HALF))
    told(view(mempool("t1", HALF)))
    assert told(view()) == ["replaced", "underpaid"]
    assert told.status() is Status.CONFIRMING
    assert [r.txid for r in told.payment.receipts] == [INVOICE_HASH]


def test_the_absence_of_an_invoice_in_views_opens_no_review() -> None:
    told = both()
    told(paid(HALF))
    for _ in range(2):
        judged = judge(
            ReviewState(), told.payment, view(), T0, now=T0, now_s=0.0, rate_for=None
        )
        assert (judged.events, judged.state.is_open) == ([], False)


def test_in_a_crowd_the_invoice_takes_nobody_s_seat() -> None:
    told = both(amount_sat=None)
    crowd = tuple(mempool(f"c{n}", 1, vout=n) for n in range(1_100))
    sized = tuple(
        mempool(f"s{bits}-{n}", 1 << bits, vout=n)
        for bits in range(0, 40, 2)
        for n in range(25)
    )
    told(view(*crowd))
    told(view(*crowd, *sized))
    before = len(told.payment.receipts)
    assert told(paid())[:1] == ["detected"]
    assert told(view(*crowd, *sized)) in ([], ["confirmed"])
    assert len(told.payment.receipts) == before + 1 <= MOST_RECEIPTS + 1


def test_an_earlier_payment_s_outputs_are_old_for_both() -> None:
    told = both(ignore=(("t1", 0),))
    assert told(view(mined("t1", 998))) == []
    assert told(paid())[-1] == "confirmed"


def test_more_than_there_is_in_all_is_no_evidence() -> None:
    told = both(amount_sat=None)
    told(view(mined("t1", 998, MAX_SAT - 10)))
    built = follow(told.payment, paid(11), told.now)
    assert built.events == []
    assert told(paid(10))[:1] == ["detected"]
    assert told(view(mempool("t2", 1), mined("t1", 998, MAX_SAT - 10))) == []


# -- both over -------------------------------------------------------------------------


def test_both_must_have_said_that_nothing_came() -> None:
    told = both()
    assert told(gone(EXPIRY)) == [], "the chain was not asked"
    assert told.review(EXPIRY, 0) == [], "the node was not asked"
    assert told.review(EXPIRY, EXPIRY - 1) == [], "asked before its invoice expired"
    assert told.review(EXPIRY, EXPIRY) == ["expired"]


def test_the_chain_must_be_asked_after_the_invoice_has_expired_too() -> None:
    told = both(lightning=invoice(expires_at=EXPIRY + 60_000))
    assert next_deadline(told.payment) == EXPIRY + 60_000
    assert told.review(EXPIRY + 59_999, EXPIRY + 60_000) == []
    assert told.review(EXPIRY + 60_000, EXPIRY + 60_000) == ["expired"]


def test_when_the_invoice_is_settled_the_chain_alone_is_asked_for_the_rest() -> None:
    told = both(lightning=invoice(expires_at=EXPIRY + 60_000))
    told(paid(HALF))
    assert not has_open_invoice(told.payment)
    assert next_deadline(told.payment) == EXPIRY
    assert told.review(EXPIRY, 0) == ["expired"]
    assert told(view(mined("t1", 998, HALF)))[-1] == "confirmed"


def test_a_payment_of_the_chain_asks_no_node() -> None:
    assert Told(terms()).review(EXPIRY) == ["expired"]


def _coinbase(output: Output) -> Output:
    return replace(output, is_coinbase=True)
