"""The rules of a payment, case by case: the usual road, the sums, what is ignored."""

import pytest
from msgspec.structs import replace

from engine.payment.model import MAX_RECEIPTS, EventType, Flag, Payment, Status
from engine.payment.observations import ConfirmByHand, ProviderClaim
from engine.payment.rules import decide, is_untouched
from tests.unit.payment_cases import (
    HOUR_MS,
    T0,
    TIP,
    Told,
    confirmed,
    mempool,
    mined,
    replayed,
    terms,
    view,
)


def test_a_payment_is_detected_in_the_mempool_and_followed_until_it_is_deep() -> None:
    told = Told()
    assert told(view()) == []
    assert told(view(mempool("t1"))) == ["detected"]
    assert told.status() is Status.CONFIRMING
    assert told(view(mined("t1", 1000), tip=1000)) == ["confirming"]
    assert told(view(mined("t1", 1000), tip=1001)) == ["confirming"]
    assert told(view(mined("t1", 1000), tip=1002)) == ["confirming", "confirmed"]
    assert told(view(mined("t1", 1000), tip=1003)) == []
    assert [event.confirmations for event in told.events] == [0, 0, 1, 2, 3, 3]
    assert [event.seq for event in told.events] == [1, 2, 3, 4, 5, 6]
    assert told.payment.settled_sat == 50_000
    assert replayed(told.events) == told.payment


def test_a_payment_first_seen_deep_in_the_chain_is_told_in_full() -> None:
    told = Told()
    assert told(view(mined("t1", 990))) == ["detected", "confirming", "confirmed"]


def test_several_receipts_add_up_and_the_shallowest_that_is_needed_counts() -> None:
    told = Told()
    assert told(view(mined("t1", 998, 20_000))) == [
        "detected",
        "underpaid",
        "confirming",
    ]
    assert told.last.data.receipts[0].confirmations == 3
    assert Flag.UNDERPAID in told.payment.flags
    second = (mined("t1", 998, 20_000), mined("t2", 1000, 30_000))
    assert told(view(*second)) == ["detected", "confirming"]
    assert told.payment.confirmations == 1
    assert told.payment.flags == ()
    assert told(view(*second, tip=1002)) == ["confirming", "confirmed"]


def test_several_receipts_are_told_in_the_order_of_the_chain() -> None:
    told = Told()
    shown = (mempool("last"), mined("t9", 999), mined("t5", 995), mined("t7", 997))
    told(view(*shown))
    detected = [event.txid for event in told.of(EventType.DETECTED)]
    assert detected == ["t5", "t7", "t9", "last"]
    assert [event.data.source for event in told.of(EventType.DETECTED)] == ["node"] * 4


def test_two_outputs_of_one_transaction_are_two_receipts() -> None:
    told = Told()
    both = (mempool("t1", 20_000, vout=0), mempool("t1", 30_000, vout=1))
    assert told(view(*both)) == ["detected", "detected"]
    assert told.payment.received_sat == 50_000
    assert told(view(mined("t1", 1000, 20_000), mined("t1", 1000, 30_000, vout=1))) == [
        "confirming"
    ]
    assert len(told.last.data.receipts) == 2


@pytest.mark.parametrize(
    ("paid", "tolerance", "kinds", "flags"),
    [
        (50_000, 0, ["detected"], ()),
        (49_999, 0, ["detected", "underpaid"], (Flag.UNDERPAID,)),
        (49_455, 0, ["detected", "underpaid"], (Flag.UNDERPAID,)),  # no wallet sends it
        (49_455, 545, ["detected"], ()),
        (49_454, 545, ["detected", "underpaid"], (Flag.UNDERPAID,)),
        (50_001, 0, ["detected", "overpaid"], (Flag.OVERPAID,)),
        (49_900, 100, ["detected"], ()),
        (49_899, 100, ["detected", "underpaid"], (Flag.UNDERPAID,)),
        (50_100, 100, ["detected"], ()),
        (50_101, 100, ["detected", "overpaid"], (Flag.OVERPAID,)),
    ],
)
def test_the_sum_is_judged_within_the_tolerance(
    paid: int, tolerance: int, kinds: list[str], flags: tuple[Flag, ...]
) -> None:
    told = Told(terms(tolerance_sat=tolerance))
    assert told(view(mempool("t1", paid))) == kinds
    assert told.payment.flags == flags


def test_what_is_too_little_or_too_much_is_told_against_what_was_asked() -> None:
    told = Told(terms(tolerance_sat=100))
    told(view(mempool("t1", 40_000)))
    assert told.last.data.short_sat == 10_000
    told(view(mempool("t1", 40_000), mempool("t2", 20_000)))
    assert told.last.data.excess_sat == 10_000


def test_too_little_never_confirms_however_deep() -> None:
    told = Told()
    told(view(mined("t1", 900, 49_999)))
    assert told.status() is Status.CONFIRMING


def test_more_money_after_the_confirmation_is_told_without_confirming_again() -> None:
    told = confirmed()
    assert told(view(mined("t1", 998), mempool("t2"))) == ["detected", "overpaid"]
    assert told(view(mined("t1", 998), mined("t2", 1000), tip=1002)) == ["confirming"]
    assert told.status() is Status.CONFIRMED


def test_what_a_person_confirmed_is_not_said_to_be_short() -> None:
    told = Told()
    told(view(mempool("t1", 20_000)))
    told(ConfirmByHand("ann"))
    both = view(mempool("t1", 20_000), mempool("t2", 10_000))
    assert told(both) == ["detected"]
    assert told(view(*both.outputs, mempool("t3", 30_000))) == ["detected", "overpaid"]
    assert told.last.data.excess_sat == 10_000


def test_any_amount_will_do_when_none_was_asked() -> None:
    told = Told(terms(amount_sat=None))
    assert told(view(mined("t1", 998, 1))) == ["detected", "confirming", "confirmed"]
    assert told.payment.flags == ()


def test_the_confirmation_names_a_transaction_that_is_deep() -> None:
    told = Told(terms(amount_sat=None))
    told(view(mined("t1", 998, 700), mempool("t2", 900)))
    event = told.of(EventType.CONFIRMED)[0]
    assert (event.txid, event.data.settled_sat) == ("t1", 700)


def test_with_no_confirmation_required_the_mempool_is_enough() -> None:
    told = Told(terms(confirmations_required=0))
    assert told(view(mempool("t1"))) == ["detected", "confirmed"]
    assert told(view(mined("t1", 1000))) == ["confirming"]
    assert told(view(mined("t1", 1000), tip=1005)) == []


def test_a_double_spend_after_zero_confirmations_reverses() -> None:
    told = Told(terms(confirmations_required=0))
    told(view(mempool("t1")))
    assert told(view()) == ["replaced", "reversed"]
    assert told.status() is Status.PENDING


# -- what is not looked at ---------------------------------------------------------


def test_outputs_mined_well_before_the_payment_pay_something_else() -> None:
    told = Told()
    assert told(view(mined("t1", 990, time_s=T0 // 1000 - 7_201))) == []
    assert told(view(mined("t1", 990, time_s=T0 // 1000 - 7_200))) != []


def test_an_output_of_nothing_is_no_receipt() -> None:
    told = Told(terms(amount_sat=None))
    assert told(view(mempool("t1", 0))) == []
    assert told(view(mempool("t1", 0), mempool("t1", 1, vout=1))) == ["detected"]


def test_outputs_that_an_earlier_payment_counted_are_ignored() -> None:
    told = Told(terms(ignore=(("t1", 0),)))
    assert told(view(mempool("t1"), mempool("t1", 50_000, vout=1))) == ["detected"]
    assert told.payment.receipts[0].vout == 1


def test_dust_spam_is_followed_up_to_a_bound_and_told_once() -> None:
    told = Told(terms(amount_sat=2_000_000))
    dust = [mempool(f"t{n}", 600) for n in range(MAX_RECEIPTS + 5)]
    assert len(told(view(*dust))) == MAX_RECEIPTS + 1
    assert len(told.payment.receipts) == MAX_RECEIPTS
    assert told(view(*dust)) == []


def test_a_view_of_nothing_tells_nothing_of_a_payment_that_nothing_was_seen_of() -> (
    None
):
    for status in Status:
        for complete in (True, False):
            payment = Payment(terms=terms(), status=status, seq=3)
            assert is_untouched(payment)
            assert decide(payment, view(complete=complete), T0 + 9 * HOUR_MS) == []
    assert not is_untouched(confirmed().payment)


def test_anything_that_was_seen_of_a_payment_is_something_to_lose() -> None:
    seen, claimed = Told(), Told()
    seen(view(mempool("t1", 1)))
    claimed(ProviderClaim("blockonomics", None, None))
    settled = replace(Told().payment, settled_sat=1)
    for payment in (seen.payment, claimed.payment, settled):
        assert not is_untouched(payment)


def test_outputs_of_all_kinds_at_once_are_told_with_the_sums_after_each() -> None:
    told = Told(terms(amount_sat=10_000))
    shower = [mempool(f"m{n}", 700) for n in range(12)]
    blocks = [mined(f"b{n}", 995 + n, 900) for n in range(6)]
    told(view(*blocks[:2], *shower[:3]))
    told(view(*blocks, *shower))
    assert told.payment.received_sat == 12 * 700 + 6 * 900
    told(view(*blocks[:4], *shower[6:], off_chain=(blocks[5].block_hash or "",)))
    told(view(*blocks, *shower, tip=TIP + 3))
