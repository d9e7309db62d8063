"""What comes by Lightning: final, once, beside whatever the chain shows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import Output
from engine.errors import Refused
from engine.money.amount import MAX_SAT
from engine.payment.booked import Booked, booked_of
from engine.payment.booking import postings_of
from engine.payment.crowd import MOST_RECEIPTS
from engine.payment.events import decode, encode
from engine.payment.lightning_rules import expires_at, has_open_invoice
from engine.payment.losses import merely_absent
from engine.payment.model import EventType, Flag, Status, Terms
from engine.payment.notes import LeftOut
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    InvoicePaid,
    Observation,
    Reviewed,
)
from engine.payment.review import ReviewState, judge
from engine.payment.rules import decide, follow, is_settled, next_deadline
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    INVOICE_HASH,
    T0,
    Told,
    both_terms,
    claim,
    gone,
    invoice,
    lightning_terms,
    mempool,
    mined,
    replayed,
    terms,
    view,
)
from tests.unit.payment_cases import (
    settled as paid,
)

DAY_MS = 24 * HOUR_MS
HALF = 25_000


def alone(**changes: object) -> Told:
    return Told(lightning_terms(**changes))


def both(**changes: object) -> Told:
    return Told(both_terms(**changes))


# -- Lightning alone -------------------------------------------------------------------


def test_a_settled_invoice_is_detected_and_confirmed_at_once() -> None:
    told = alone()
    assert told(paid()) == ["detected", "confirmed"]
    detected, confirmed = told.events[1:]
    assert detected.at == confirmed.at == T0
    assert (detected.status, confirmed.status) == (Status.CONFIRMING, Status.CONFIRMED)
    assert detected.txid == confirmed.txid == INVOICE_HASH
    assert detected.data.source == confirmed.data.source == "shop"
    assert detected.data.verified
    assert confirmed.data.settled_sat == 50_000
    assert confirmed.received_sat == 50_000
    assert told.payment.flags == ()
    assert told.payment.receipts[0].vout == 0
    assert told.payment.receipts[0].seen_at == T0


def test_the_same_invoice_again_changes_nothing_whatever_it_says() -> None:
    told = alone()
    told(paid())
    for again in (paid(), paid(49_000), paid(60_000, fee_msat=5)):
        assert told(again, after_ms=DAY_MS) == []


def test_an_invoice_has_no_transaction_to_look_up() -> None:
    told = both()
    told(paid(HALF))
    assert told.payment.tx_hash is None
    told(view(mempool("t1", HALF)))
    assert told.payment.tx_hash == "t1"


def test_gross_net_and_fee_stand_apart_in_the_event() -> None:
    told = alone()
    told(paid(50_000, fee_msat=1_200_001, credit_msat=3_000_001))
    receipt = told.events[1].data.receipt
    assert receipt is not None
    assert receipt.amount_sat == 50_000
    kept = receipt.settled
    assert receipt.is_lightning
    wire = encode(told.events[1], told.payment.terms)
    assert b'"settled":{"net_sat":45798,"fee_sat":1201,"credit_sat":3001}' in wire
    assert kept == told.payment.receipts[0].settled


@pytest.mark.parametrize(
    ("msat", "sat", "rest"),
    [(50_000_999, 50_000, 999), (50_001_000, 50_001, 0), (50_000_001, 50_000, 1)],
)
def test_a_part_of_a_satoshi_is_kept_and_in_no_sum(
    msat: int, sat: int, rest: int
) -> None:
    told = alone()
    told(paid(received_msat=msat))
    (receipt,) = told.payment.receipts
    assert (receipt.amount_sat, told.payment.received_sat) == (sat, sat)
    assert b'"msat":%d' % rest in encode(told.events[1], told.payment.terms) or not rest


def test_fee_and_credit_are_never_more_than_came() -> None:
    told = alone()
    told(paid(50_000, fee_msat=10**12, credit_msat=10**12))
    wire = encode(told.events[1], told.payment.terms)
    assert b'"settled":{"fee_sat":50000}' in wire


@pytest.mark.parametrize("msat", [0, -1, (MAX_SAT + 1) * 1000])
def test_a_sum_that_cannot_be_true_is_not_counted_and_noted(msat: int) -> None:
    payment = alone().payment
    built = follow(payment, paid(received_msat=msat), T0)
    assert built.events == []
    assert [note.why for note in built.notes] == [LeftOut.INVOICE]


def test_all_bitcoin_there_is_can_be_paid() -> None:
    told = alone(amount_sat=None, lightning=invoice(amount_msat=None))
    assert told(paid(MAX_SAT)) == ["detected", "confirmed"]


def test_another_invoice_or_a_payment_without_one_counts_nothing() -> None:
    for other in (paid(payment_hash="00" * 32), paid(node="another")):
        for told in (alone(), both(), Told(terms())):
            built = follow(told.payment, other, T0)
            assert built.events == []
            assert [note.why for note in built.notes] == [LeftOut.INVOICE]


def test_any_amount_is_enough_where_any_was_asked() -> None:
    told = alone(amount_sat=None, lightning=invoice(amount_msat=None))
    assert told(paid(1)) == ["detected", "confirmed"]
    assert told.last.data.settled_sat == 1


def test_less_than_a_satoshi_is_received_and_too_little() -> None:
    told = alone(amount_sat=None, lightning=invoice(amount_msat=None))
    assert told(paid(received_msat=1)) == ["detected"]
    assert told.payment.flags == (Flag.UNDERPAID,)
    assert told.review(EXPIRY) == ["expired"]


def test_too_much_is_told_and_confirmed() -> None:
    told = alone()
    assert told(paid(60_000)) == ["detected", "overpaid", "confirmed"]
    assert told.events[2].data.excess_sat == 10_000
    assert told.payment.flags == (Flag.OVERPAID,)


def test_too_little_is_told_and_over_at_the_deadline() -> None:
    """Its invoice is settled: nothing can come any more, and no node need say so."""
    told = alone()
    assert told(paid(49_999)) == ["detected", "underpaid"]
    assert told.events[2].data.short_sat == 1
    assert told.status() is Status.CONFIRMING
    assert next_deadline(told.payment) == EXPIRY
    assert told.review(EXPIRY) == ["expired"]


def test_a_tolerance_counts_as_on_the_chain() -> None:
    assert alone(tolerance_sat=1)(paid(49_999)) == ["detected", "confirmed"]


def test_confirmations_shown_are_those_required() -> None:
    """Nobody waits for more; a page that draws `2 of 3` draws all of them."""
    for required in (0, 1, 3):
        told = both(confirmations_required=required)
        told(paid())
        assert told.last.confirmations == told.payment.confirmations == required


# -- over unpaid -----------------------------------------------------------------------


def test_nothing_expires_before_its_node_was_asked_after_the_expiry() -> None:
    told = alone()
    assert next_deadline(told.payment) == EXPIRY
    assert told.review(EXPIRY + DAY_MS) == []
    assert told(gone(EXPIRY - 1)) == []
    assert told(gone(EXPIRY)) == ["expired"]
    assert told.status() is Status.EXPIRED


def test_the_invoice_s_own_expiry_counts_where_it_is_later() -> None:
    told = alone(lightning=invoice(expires_at=EXPIRY + 90_000))
    assert next_deadline(told.payment) == expires_at(told.payment) == EXPIRY + 90_000
    assert told(gone(EXPIRY + 89_999)) == []
    assert told(gone(EXPIRY + 90_000)) == ["expired"]


def test_the_payment_s_own_expiry_counts_where_that_is_later() -> None:
    told = alone(lightning=invoice(expires_at=EXPIRY - 90_000))
    assert told(gone(EXPIRY - 1)) == []
    assert told(gone(EXPIRY)) == ["expired"]


def test_the_word_on_another_invoice_expires_nothing() -> None:
    other = gone(EXPIRY)
    told = Told(lightning_terms(lightning=invoice(payment_hash="00" * 32)))
    assert told(other) == []


def test_a_word_that_nothing_came_never_takes_back_what_came() -> None:
    told = alone()
    told(paid())
    assert told(gone(EXPIRY + DAY_MS)) == []
    assert told.review(EXPIRY + DAY_MS, EXPIRY + DAY_MS) == []
    assert told.status() is Status.CONFIRMED


@pytest.mark.parametrize("sat", [50_000, 49_999])
def test_after_the_expiry_it_is_late(sat: int) -> None:
    told = alone()
    told(gone(EXPIRY))
    rest = ["confirmed"] if sat == 50_000 else ["underpaid"]
    assert told(paid(sat), after_ms=2 * HOUR_MS) == ["detected", "late", *rest]
    assert Flag.LATE in told.payment.flags
    late = told.of(EventType.LATE)[0]
    assert (late.txid, late.data.receipt) == (INVOICE_HASH, told.payment.receipts[0])
    after = Status.CONFIRMED if sat == 50_000 else Status.EXPIRED
    assert told.status() is after


def test_after_cancelling_it_is_late_and_stays_cancelled() -> None:
    told = alone()
    told(Cancel("api"))
    assert told(paid()) == ["detected", "late"]
    assert told.status() is Status.CANCELLED
    assert told(ConfirmByHand("ann")) == ["confirmed"]


def test_what_came_in_cannot_be_cancelled() -> None:
    told = alone()
    told(paid(1))
    with pytest.raises(Refused):
        decide(told.payment, Cancel("api"), T0)


def test_after_a_hand_confirmed_it_money_is_told_and_nothing_else() -> None:
    told = alone()
    told(ConfirmByHand("ann"))
    assert told(paid()) == ["detected"]


def test_who_waits_is_not_let_go() -> None:
    told = alone()
    end = told.payment.terms.monitor_until
    assert not is_settled(told.payment, end)
    told(gone(EXPIRY))
    assert is_settled(told.payment, end)
    assert not is_settled(told.payment, end - 1)


def test_a_claim_of_a_transaction_does_not_concern_it() -> None:
    assert alone()(claim()) == []
    assert both()(claim()) == ["detected"]


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


# -- the books -------------------------------------------------------------------------


def booked(told: Told) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for event in told.events:
        for posting in postings_of(event, told.payment.terms):
            key = posting.source, posting.target
            sums[key] = sums.get(key, 0) + posting.amount
    return sums


def test_gross_goes_to_sales_and_what_the_node_kept_to_fees() -> None:
    told = alone()
    told(paid(50_000, fee_msat=1_000_000, credit_msat=2_000_000))
    assert booked(told) == {
        ("sales", "lightning:shop"): 50_000,
        ("lightning:shop", "fees"): 1_000,
    }
    data = told.last.data
    assert (data.booked_sat, data.booked_lightning_sat) == (50_000, 50_000)
    assert data.lightning_fee_sat == 1_000
    assert data.held_lightning_sat is None


def test_of_a_mixed_payment_each_part_is_where_it_came() -> None:
    told = both()
    told(view(mined("t1", 998, HALF)))
    told(paid(HALF))
    assert booked(told) == {
        ("sales", "lightning:shop"): HALF,
        ("sales", "onchain"): HALF,
    }


def test_too_little_is_held_and_then_sold_when_the_rest_comes() -> None:
    told = both()
    told(paid(HALF, fee_msat=1_000))
    assert booked(told) == {}
    told.review(EXPIRY)
    assert booked(told) == {
        ("held", "lightning:shop"): HALF,
        ("lightning:shop", "fees"): 1,
    }
    told(view(mined("t1", 998, HALF)))
    assert told.status() is Status.CONFIRMED
    sums = booked(told)
    assert sums.pop(("held", "lightning:shop")) == sums.pop(("lightning:shop", "held"))
    assert (
        sums
        == {
            ("sales", "lightning:shop"): HALF,
            ("sales", "onchain"): HALF,
            ("lightning:shop", "fees"): 2,
            ("fees", "lightning:shop"): 1,
        }
        or sums[("lightning:shop", "fees")] - sums.get(("fees", "lightning:shop"), 0)
        == 1
    )


def test_a_reversal_takes_back_what_was_sold_of_both() -> None:
    told = both()
    told(paid(HALF, fee_msat=1_000))
    told(view(mined("t1", 998, HALF)))
    lost = (mined("t1", 998).block_hash or "",)
    told(view(mempool("t1", HALF), off_chain=lost))
    assert told.last.type is EventType.REVERSED
    sums = booked(told)
    for (source, target), amount in list(sums.items()):
        assert sums[target, source] == amount
    assert booked_of(told.payment) == Booked()


# -- whatever comes, in whatever order -------------------------------------------------

steps = st.one_of(
    st.builds(
        lambda sat, fee: paid(sat, fee_msat=fee),
        st.sampled_from([1, HALF, 49_999, 50_000, 60_000]),
        st.integers(0, 10**7),
    ),
    st.builds(
        lambda found, tip, complete, source: view(
            *found, tip=tip, complete=complete, source=source
        ),
        st.lists(
            st.sampled_from(
                [
                    mempool("t1", HALF),
                    mined("t1", 998, HALF),
                    mined("t2", 1_000, 50_000),
                    mempool("t2", 50_000),
                ]
            ),
            unique_by=lambda output: output.txid,
        ),
        st.integers(1_000, 1_004),
        st.booleans(),
        st.sampled_from(["node", "other"]),
    ),
    st.builds(gone, st.sampled_from([T0, EXPIRY - 1, EXPIRY, EXPIRY + DAY_MS])),
    st.builds(
        Reviewed,
        st.sampled_from([T0, EXPIRY, EXPIRY + DAY_MS]),
        st.sampled_from([0, EXPIRY - 1, EXPIRY]),
    ),
    st.just(ConfirmByHand("ann")),
    st.just(Cancel("api")),
)


@settings(max_examples=150)
@given(
    agreed=st.sampled_from(
        [
            lightning_terms(),
            lightning_terms(amount_sat=None, lightning=invoice(amount_msat=None)),
            both_terms(),
            both_terms(confirmations_required=0),
            both_terms(tolerance_sat=1, quorum_above_sat=30_000),
        ]
    ),
    told=st.lists(steps, max_size=12),
)
def test_the_story_stays_true_in_any_order_and_repetition(
    agreed: Terms, told: list[Observation]
) -> None:
    story = Told(agreed)
    said: InvoicePaid | None = None
    for observation in told:
        try:
            story(observation, after_ms=60_000)
        except Refused:
            continue
        if isinstance(observation, InvoicePaid) and said is None:
            said = observation
        if said is not None:
            kept = [r for r in story.payment.receipts if r.is_lightning]
            assert [r.amount_sat for r in kept] == [said.received_msat // 1000]
            enough = said.received_msat // 1000 >= story.payment.threshold_sat
            if enough and story.status() is not Status.CANCELLED:
                assert story.payment.counts_as_paid
    assert replayed(story.events) == story.payment
    once = [e for e in story.events if e.data.receipt and e.data.receipt.is_lightning]
    assert sum(e.type is EventType.DETECTED for e in once) == (said is not None)
    _check_sums(story)


def _check_sums(story: Told) -> None:
    """What the events book comes to what the payment stands at."""
    now = booked_of(story.payment)
    sums = {
        name: sum(getattr(event.data, name) or 0 for event in story.events)
        for name in ("booked_sat", "held_sat", "booked_lightning_sat")
    }
    fees = sum(event.data.lightning_fee_sat or 0 for event in story.events)
    held = sum(event.data.held_lightning_sat or 0 for event in story.events)
    assert sums["booked_sat"] == now.sold_sat
    assert sums["held_sat"] == now.held_sat
    assert sums["booked_lightning_sat"] == now.sold_lightning_sat
    assert held == now.held_lightning_sat
    assert fees == now.lightning_fee_sat


def test_events_of_lightning_come_back_from_the_wire_as_they_were() -> None:
    told = alone()
    created = told.events[0]
    wire = encode(created, told.payment.terms)
    assert b'"address":null' in wire
    assert b'"method":"lightning"' in wire
    assert b'"payment_hash":"%b"' % INVOICE_HASH.encode() in wire
    assert b"lightning:5e" not in wire
    assert decode(wire) == created
    mixed = both()
    wire = encode(mixed.events[0], mixed.payment.terms)
    assert b'"method"' not in wire
    assert b'"payment_hash"' in wire
    assert mixed.payment.terms.address.encode() in wire
    plain = Told(terms())
    assert b"payment_hash" not in encode(plain.events[0], plain.payment.terms)


def _coinbase(output: Output) -> Output:
    return replace(output, is_coinbase=True)
