"""Which output pays which refund, of those that a merchant's own wallet pays."""

import pytest
from msgspec.structs import replace

from engine.chain.feed import ChainView
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
