"""A miner's reward counts from depth 100: until then a reorg takes it for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import ChainView, Output
from engine.payment.chain_rules import known_outputs
from engine.payment.model import COINBASE_MATURITY, Status
from engine.payment.rules import decide, is_settled, next_deadline
from tests.unit.payment_cases import HOUR_MS, T0, TIP, Told, mempool, mined, terms, view

AT = 900


def reward(depth: int, *others: Output) -> ChainView:
    """It is in block 900, so deep by now."""
    output = replace(mined("c", AT), is_coinbase=True)
    return view(output, *others, tip=AT + depth - 1)


def coinbase(depth: int, txid: str, amount_sat: int) -> Output:
    """So deep at `TIP`."""
    return replace(mined(txid, TIP - depth + 1, amount_sat), is_coinbase=True)


@pytest.mark.parametrize("required", [0, 1, 3, 100])
def test_it_is_confirmed_at_a_hundred_whatever_less_is_required(required: int) -> None:
    assert COINBASE_MATURITY == 100, "consensus/consensus.h"
    told = Told(terms(confirmations_required=required))
    assert told(reward(1)) == ["detected", "confirming"]
    assert told(reward(3)) == ["confirming"]
    assert told.payment.confirmations == 3, "its depth is told as it is"
    assert (told.payment.received_sat, told.payment.confirmed_sat) == (50_000, 0)
    assert told(reward(99)) == ["confirming"]
    assert told.status() is Status.CONFIRMING
    assert told(reward(100)) == ["confirming", "confirmed"]
    assert told.payment.confirmed_sat == 50_000


def test_no_payment_expires_while_it_matures() -> None:
    told = Told()
    told(reward(1))
    assert next_deadline(told.payment) == T0 + 24 * HOUR_MS
    assert told.review(T0 + HOUR_MS) == []
    assert not is_settled(told.payment, T0 + 99 * HOUR_MS)


def test_beside_it_other_money_counts_as_ever() -> None:
    told = Told()
    both = view(coinbase(3, "c", 20_000), mined("t", 998, 30_000))
    assert told(both) == ["detected", "detected", "confirming"]
    assert told.payment.confirmed_sat == 30_000
    enough = view(*both.outputs, mined("u", 998, 20_000))
    assert told(enough) == ["detected", "overpaid", "confirming", "confirmed"]
    assert told.payment.settled_sat == 50_000


def test_the_receipt_remembers_it_where_a_source_does_not_say_so() -> None:
    told = Told()
    told(reward(3))
    (known,) = known_outputs(told.payment)
    assert known.is_coinbase
    silent = replace(known, is_coinbase=False, verified_by_source=True)
    assert told(replace(reward(60), outputs=(silent,))) == ["confirming"]
    assert told.status() is Status.CONFIRMING
    assert told.receipt("c").is_coinbase


def test_what_is_found_to_be_one_before_it_is_confirmed_waits() -> None:
    """As a receipt of the journal of an earlier version."""
    told = Told()
    told(view(mined("c", AT), tip=AT))
    assert not told.receipt("c").is_coinbase
    told(reward(2))
    assert told.receipt("c").is_coinbase
    assert told(reward(50)) == ["confirming"]


@given(
    required=st.integers(0, 120),
    depths=st.lists(st.integers(0, 130), min_size=1, max_size=4),
)
def test_confirmed_is_told_from_the_depth_that_each_needs(
    required: int, depths: list[int]
) -> None:
    """Half of the receipts are rewards; each is a part that the sum needs."""
    share = 12_000
    told = Told(terms(confirmations_required=required, amount_sat=share * len(depths)))
    outputs = [
        mempool(f"t{n}", share)
        if depth == 0
        else coinbase(depth, f"t{n}", share)
        if n % 2
        else mined(f"t{n}", TIP - depth + 1, share)
        for n, depth in enumerate(depths)
    ]
    told(view(*outputs))
    needed = [max(required, 100) if n % 2 else required for n in range(len(depths))]
    # One in the mempool is no reward, whichever number it has.
    deep = [
        depth >= (need if depth else required)
        for depth, need in zip(depths, needed, strict=True)
    ]
    assert (told.status() is Status.CONFIRMED) is all(deep)
    assert decide(told.payment, view(*outputs), told.now) == []
