"""What a refund takes of coins, and what goes on to the owner, to the satoshi."""

from hypothesis import given
from hypothesis import strategies as st

from engine.payment.refund import Refund, RefundState
from engine.payment.refund_sums import in_order, paid_out, rests_of
from engine.wallet.coin import Coin
from engine.wallet.outgoing import Outgoing, OutgoingKind
from engine.wallet.plan import PlannedOutput
from engine.wallet.spend import plan_payment

TO = b"\x00\x14" + bytes(20)
ONWARD = b"\x00\x14" + b"\x01" * 20


def coin(number: int, sat: int, payment: str) -> Coin:
    return Coin(
        txid=f"{number:064x}", vout=0, amount_sat=sat, script=TO, wallet="wal_1",
        index=number, payment_id=payment, merchant="default", height=5,
    )  # fmt: skip


def outgoing(coins: list[Coin], one: Refund, rate: int) -> Outgoing:
    plan = plan_payment(
        in_order(coins, one.payment_id), [PlannedOutput(TO, one.amount_sat)], ONWARD,
        rate, 100, fee_from_outputs=one.takes_fee,
    )  # fmt: skip
    return Outgoing(
        id="out_1", kind=OutgoingKind.REFUND, merchant="default", txid="ab" * 32,
        raw=b"raw", plan=plan, to="", vsize=plan.vsize, at=1, height=1,
    )  # fmt: skip


def refund(sat: int, *, takes_fee: bool) -> Refund:
    return Refund(
        id="ref_1", payment_id="p0", merchant="default", state=RefundState.PENDING,
        amount_sat=sat, rate="given", created_at=0, takes_fee=takes_fee,
    )  # fmt: skip


@given(
    sats=st.lists(st.integers(30_000, 10**8), min_size=1, max_size=6),
    part=st.integers(1, 99),
    rate=st.integers(1_000, 20_000),
    takes_fee=st.booleans(),
)
def test_refund_fees_and_rests_are_all_that_is_spent(
    sats: list[int], part: int, rate: int, takes_fee: bool
) -> None:
    coins = [coin(n, sat, f"p{n % 3}") for n, sat in enumerate(sats)]
    one = refund(max(sum(sats) * part // 200, 5_000), takes_fee=takes_fee)
    made = outgoing(coins, one, rate)
    out, rests = paid_out(one, made), rests_of(one, made)
    spent = out.amount_sat + out.fee_sat
    assert spent + sum(part.amount_sat for _, part in rests) == made.plan.total_sat
    assert out.fee_sat + sum(p.fee_sat for _, p in rests) == made.plan.fee_sat
    assert sum(p.amount_sat - p.fee_sat for _, p in rests) == made.plan.change_sat
    assert out.amount_sat == one.amount_sat or takes_fee
    assert made.plan.coins[0].payment_id == "p0", "its own coin first"
    names = [name for name, _ in rests]
    assert len(set(names)) == len(names)


def test_a_coin_that_is_all_the_refund_bears_the_fee() -> None:
    one = refund(50_000, takes_fee=True)
    made = outgoing([coin(1, 50_000, "p0")], one, 1_000)
    out = paid_out(one, made)
    assert out.amount_sat + out.fee_sat == 50_000
    assert rests_of(one, made) == []
