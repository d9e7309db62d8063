"""Which output pays which refund, of those that a merchant's own wallet pays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import ChainView, Output
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_seen import paid_by, pays
from tests.unit.payment_cases import mempool, mined, view

ONE = Refund(
    id="ref_1", payment_id="pay_1", merchant="default", state=RefundState.PENDING,
    amount_sat=20_000, rate="given", created_at=0, claimed_at=1, after_height=900,
)  # fmt: skip


def seen(height: int | None = 901, sat: int = 20_000, **changes: object) -> ChainView:
    output = mempool("tx", sat) if height is None else mined("tx", height, sat)
    return view(replace(output, **changes), tip=1_000)


@pytest.mark.parametrize("height", [901, 1_000])
def test_the_sum_in_a_block_after_the_claim_pays(height: int) -> None:
    shown = seen(height)
    assert pays(ONE, shown.outputs[0], shown)


@pytest.mark.parametrize(
    "shown",
    [
        seen(None), seen(900), seen(1_001), seen(sat=19_999), seen(sat=20_001),
        seen(verified_by_source=False), replace(seen(), is_current=False),
    ],
)  # fmt: skip
def test_nothing_else_does(shown: ChainView) -> None:
    assert not pays(ONE, shown.outputs[0], shown)


@pytest.mark.parametrize(("sat", "does"), [(17_999, False), (18_000, True)])
def test_a_fee_may_be_taken_off_up_to_a_tenth(sat: int, *, does: bool) -> None:
    shown = seen(sat=sat)
    assert pays(replace(ONE, takes_fee=True), shown.outputs[0], shown) is does
    assert not pays(ONE, shown.outputs[0], shown)


@pytest.mark.parametrize(
    ("least", "sat", "does"),
    [(500, 500, True), (500, 499, False), (19_999, 18_000, True)],
)
def test_a_psbt_of_ours_may_have_taken_more_than_a_tenth(
    least: int, sat: int, *, does: bool
) -> None:
    """Of a small sum: whoever signed it has paid, and is not asked to sign another."""
    shown = seen(sat=sat)
    given_out = replace(ONE, psbt_at=1, psbt_least_sat=least)
    assert pays(replace(given_out, takes_fee=True), shown.outputs[0], shown) is does
    assert not pays(given_out, shown.outputs[0], shown)


def test_an_output_pays_one_refund_the_one_that_was_claimed_first() -> None:
    later = replace(ONE, id="ref_0", claimed_at=2)
    two = view(mined("b", 950, 20_000), mined("a", 940, 20_000), tip=1_000)
    assert [(r.id, o.txid) for r, o in paid_by([later, ONE], two)] == [
        ("ref_1", "a"),
        ("ref_0", "b"),
    ]
    assert [(r.id, o.txid) for r, o in paid_by([later, ONE], two, {("a", 0)})] == [
        ("ref_1", "b")
    ]


def told(refunds: list[Refund], *outputs: Output) -> dict[str, str]:
    return {r.id: o.txid for r, o in paid_by(refunds, view(*outputs, tip=1_000))}


def test_what_must_arrive_whole_is_paid_before_what_bears_its_fee() -> None:
    """A simulated world (--refunds, 396): the whole sum counted for the refund that may
    cost a fee, and what was sent for that one fits no other."""
    bears = replace(ONE, id="bears", takes_fee=True)
    whole = replace(ONE, id="whole", claimed_at=2)
    assert told([bears, whole], mined("x", 940, 20_000)) == {"whole": "x"}
    assert told([bears], mined("y", 941, 19_000)) == {"bears": "y"}
    both = told([bears, whole], mined("y", 930, 19_000), mined("x", 940, 20_000))
    assert both == {"whole": "x", "bears": "y"}


@given(
    wanted=st.lists(st.tuples(st.integers(90, 110), st.booleans()), max_size=5),
    sent=st.lists(st.integers(80, 111), max_size=5),
)
def test_as_many_are_paid_as_can_be(
    wanted: list[tuple[int, bool]], sent: list[int]
) -> None:
    """Of what is seen at one moment, tried in every order."""
    refunds = [
        replace(ONE, id=f"r{n}", amount_sat=sat, takes_fee=bears)
        for n, (sat, bears) in enumerate(wanted)
    ]
    outputs = [mined(f"o{n}", 940, sat) for n, sat in enumerate(sent)]
    shown = view(*outputs, tip=1_000)

    def most(left: list[Refund], of: list[Output]) -> int:
        if not left or not of:
            return 0
        first, *others = left
        found = most(others, of)
        for output in of:
            if pays(first, output, shown):
                rest = [o for o in of if o is not output]
                found = max(found, 1 + most(others, rest))
        return found

    assert len(told(refunds, *outputs)) == most(refunds, outputs)
