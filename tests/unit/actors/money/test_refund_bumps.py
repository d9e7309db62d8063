"""Which transaction of a refund the chain takes, and that the books say the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.edge.forwarding import retry_rows
from engine.payment.model import EventType
from engine.store.writes import Write
from tests.unit.actors.money.refund_stage import PAYERS_SCRIPT, RefundStage

E = EventType

ROUND_S = 11.0
HOUR_S = 3_601.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[RefundStage]:
    stage = RefundStage(tmp_path)
    yield stage
    stage.close()


def sent(stage: RefundStage, number: int = 0) -> tuple[int, int]:
    """What the transaction that is mined brings the payer, and what it costs."""
    one = next(o for o in stage.outgoing() if o.txid in stage.way.mined)
    paid = one.plan.outputs[0]
    assert paid.script == PAYERS_SCRIPT
    return paid.amount_sat, one.plan.fee_sat


def books_are_right(stage: RefundStage, came_sat: int) -> None:
    """All that came went to the payer, the owner and the miners, to the satoshi."""
    back, fee = sent(stage)
    own = came_sat - back - fee
    wanted = {"sales": -came_sat, "refunds": back, "fees": fee, "own": own}
    assert stage.booked() == {name: sat for name, sat in wanted.items() if sat}
    payment = stage.payment("pay_1")
    assert payment.refunded_sat == back
    refund = stage.refund()
    assert refund.state.value == "paid"
    assert refund.txid in stage.way.mined
    assert len(stage.events_of("pay_1", E.REFUNDED)) == 1


def begun(stage: RefundStage, *, takes_fee: bool, sat: int = 20_000) -> None:
    """A refund is in the mempool; what its bump costs is ten times as much."""
    stage.order("pay_1")
    stage.pay("pay_1", 50_000)
    stage.gives_back("pay_1", sat, takes_fee=takes_fee)
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]
    stage.way.estimate = 20_000


@pytest.mark.parametrize("takes_fee", [False, True])
def test_a_bump_that_no_node_takes_leaves_the_first_one_on_its_way(
    stage: RefundStage, *, takes_fee: bool
) -> None:
    begun(stage, takes_fee=takes_fee)
    stage.own_way.calls_invalid = True
    stage.pass_s(HOUR_S)
    assert stage.states()[:2] == ["seen", "failed"]
    assert "forward.stuck" in stage.alerts
    assert "forward.failed" not in stage.alerts
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    assert stage.states()[0] == "confirmed"
    books_are_right(stage, 50_000)
    assert stage.told("pay_1")[-1] == "forwarded"
    assert stage.living_coins_are_single()


def test_bumps_that_no_node_takes_are_made_ever_more_seldom(
    stage: RefundStage,
) -> None:
    """Each is a row that stays."""
    begun(stage, takes_fee=False)
    stage.own_way.calls_invalid = True
    stage.pass_s(24 * HOUR_S)
    assert stage.states() == ["seen", *["failed"] * 5]


def test_a_miner_takes_the_bump_that_no_node_takes(stage: RefundStage) -> None:
    begun(stage, takes_fee=True)
    stage.own_way.calls_invalid = True
    stage.pass_s(HOUR_S)
    _, bump, *_ = stage.outgoing()
    stage.own_way.calls_invalid = False
    stage.mine_raw(bump.raw)
    stage.pass_s(6 * ROUND_S)
    assert stage.states()[:2] == ["replaced", "confirmed"]
    books_are_right(stage, 50_000)


def test_a_miner_takes_what_no_node_takes_of_a_refund(stage: RefundStage) -> None:
    """What goes on to the owner beside it is booked, and nothing else is sent."""
    stage.order("pay_1")
    stage.pay("pay_1", 50_000)
    stage.gives_back("pay_1", 20_000)
    stage.own_way.calls_invalid = True
    stage.pass_s(ROUND_S)
    (first,) = stage.outgoing()
    assert first.state == "failed"
    stage.pass_s(ROUND_S)
    assert stage.refund().state.value == "pending"
    stage.own_way.calls_invalid = False
    stage.way.estimate = 3_000
    stage.pass_s(2 * ROUND_S + 60)
    assert stage.states() == ["failed", "seen"]
    stage.mine_raw(first.raw)
    stage.pass_s(6 * ROUND_S)
    assert stage.states() == ["confirmed", "failed"]
    books_are_right(stage, 50_000)
    payment = stage.payment("pay_1")
    assert payment.forward is not None
    assert [one.txid for one in payment.forward.parts] == [first.txid]
    assert stage.status("pay_1") == "forwarded"
    stage.mine(blocks=12)
    stage.pass_s(40.0)
    assert not any(one.is_open for one in stage.outgoing())
    assert "forward.failed" not in stage.alerts


def test_a_miner_takes_what_no_node_takes_and_nothing_else_could_be_made(
    stage: RefundStage,
) -> None:
    """A simulated world (--refunds, 795): the refund waited, as a node took nothing;
    its fee was more of it than an owner's wallet may take, so that who watches the
    payer's address did not know it. It waited for ever, and was in no book."""
    stage.order("pay_1")
    stage.pay("pay_1", 50_000)
    stage.gives_back("pay_1", 1_400, takes_fee=True)
    stage.own_way.calls_invalid = True
    stage.pass_s(2 * ROUND_S)
    (first,) = stage.outgoing()
    assert first.plan.fee_sat * 10 > 1_400
    assert (first.state.value, stage.refund().state.value) == ("failed", "pending")
    stage.mine_raw(first.raw)
    stage.pass_s(6 * ROUND_S)
    assert stage.states()[0] == "confirmed"
    assert stage.refund().txid == first.txid
    books_are_right(stage, 50_000)


def test_two_refunds_of_one_sum_to_one_payer_are_never_one_transaction(
    stage: RefundStage,
) -> None:
    """A simulated world (--refunds, 46): no node took the one, the other took the coin
    that was free, and the very same bytes were told as paying both."""
    stage.order("pay_1")
    stage.pay("pay_1", 50_000, 40_000)
    stage.gives_back("pay_1", 20_000)
    stage.own_way.calls_invalid = True
    stage.pass_s(ROUND_S)
    stage.gives_back("pay_1", 20_000, number=2)
    stage.pass_s(2 * ROUND_S)
    assert [one.cause for one in stage.outgoing()] == ["ref_1"]
    assert "refund.waits" in stage.alerts
    stage.own_way.calls_invalid = False
    for _ in range(4):
        stage.pass_s(130.0)
        stage.mine()
    stage.pass_s(4 * ROUND_S)
    refunds = stage.refund(), stage.refund(2)
    assert [one.state.value for one in refunds] == ["paid", "paid"]
    assert len({one.txid for one in refunds}) == 2
    assert stage.booked()["refunds"] == 40_000


def test_what_a_miner_took_leaves_the_rest_of_a_sweep_to_be_sent_anew(
    stage: RefundStage,
) -> None:
    """A sweep that no node took was given up by hand and its coin swept with others."""
    stage.paid("pay_1", 50_000)
    stage.own_way.calls_invalid = True
    stage.pass_s(ROUND_S)
    (first,) = stage.outgoing()
    assert (first.state, stage.status("pay_1")) == ("failed", "failed")
    stage.own_way.calls_invalid = False
    stage.paid("pay_2", 60_000, index=1)
    payment = stage.payment("pay_1")
    made = stage.store.outgoing_of_payment("pay_1")
    stage.append(Write(rows=tuple(retry_rows(payment, made))))
    stage.pass_s(2 * ROUND_S)
    _, both = stage.outgoing()
    assert {c.payment_id for c in both.plan.coins} == {"pay_1", "pay_2"}
    stage.mine_raw(first.raw)
    stage.pass_s(8 * ROUND_S)
    assert stage.states()[:2] == ["confirmed", "failed"]
    assert stage.status("pay_1") == "forwarded"
    (third,) = [o for o in stage.outgoing() if o.state == "seen"]
    assert {c.payment_id for c in third.plan.coins} == {"pay_2"}
    stage.mine()
    stage.pass_s(6 * ROUND_S)
    assert stage.status("pay_2") == "forwarded"
    fees = first.plan.fee_sat + third.plan.fee_sat
    assert stage.booked() == {
        "sales": -110_000, "own": 110_000 - fees, "fees": fees,
    }  # fmt: skip


def lost_after_it_was_told(stage: RefundStage) -> None:
    """The first one was mined and told; its block is lost, and it is bumped."""
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    assert stage.refund().state.value == "paid"
    stage.way.lose_blocks(1)
    stage.pass_s(HOUR_S)
    assert stage.states() == ["replaced", "seen"]


@pytest.mark.parametrize(
    ("takes_fee", "sat"), [(False, 20_000), (True, 20_000), (True, 50_000)]
)
def test_a_bump_that_is_mined_in_place_of_what_was_told_is_booked(
    stage: RefundStage, *, takes_fee: bool, sat: int
) -> None:
    begun(stage, takes_fee=takes_fee, sat=sat)
    lost_after_it_was_told(stage)
    first, bump = stage.outgoing()
    stage.mine(bump.txid)
    stage.pass_s(6 * ROUND_S)
    assert stage.states() == ["replaced", "confirmed"]
    books_are_right(stage, 50_000)
    (told,) = stage.events_of("pay_1", E.UPDATED)
    assert told.data.refund is not None
    more = bump.plan.fee_sat - first.plan.fee_sat if takes_fee else 0
    said = told.data.refund.amount_sat, told.data.refund.fee_sat
    assert said == (-more, more)
    assert told.data.refund.txid == stage.refund().txid == bump.txid
    assert told.txid is None, "who follows by the address alone does not learn it"
    stage.pass_s(10 * ROUND_S)
    assert len(stage.events_of("pay_1", E.UPDATED)) == 1


def test_what_wins_after_all_is_what_was_told_at_first(stage: RefundStage) -> None:
    """Mined, lost, bumped, the bump mined, lost, and the first one mined again."""
    begun(stage, takes_fee=True)
    lost_after_it_was_told(stage)
    first, bump = stage.outgoing()
    stage.mine(bump.txid)
    stage.pass_s(6 * ROUND_S)
    stage.way.lose_blocks(1)
    stage.mine_raw(first.raw)
    stage.pass_s(6 * ROUND_S)
    assert stage.states() == ["confirmed", "replaced"]
    books_are_right(stage, 50_000)
    there, back = stage.events_of("pay_1", E.UPDATED)
    assert there.data.refund is not None
    assert back.data.refund is not None
    assert there.data.refund.amount_sat == -back.data.refund.amount_sat


def test_a_bump_that_takes_all_of_the_rest_is_the_owners_to_bear(
    stage: RefundStage,
) -> None:
    """What was to go on to him is with the miners."""
    stage.order("pay_1")
    stage.pay("pay_1", 50_000)
    stage.gives_back("pay_1", 48_800)
    stage.pass_s(ROUND_S)
    stage.way.estimate = 8_000
    lost_after_it_was_told(stage)
    first, bump = stage.outgoing()
    assert (first.plan.change_sat > 0, bump.plan.change_sat) == (True, 0)
    stage.mine(bump.txid)
    stage.pass_s(6 * ROUND_S)
    books_are_right(stage, 50_000)
    payment = stage.payment("pay_1")
    assert payment.forward is not None
    assert payment.forward.arrived_sat == (1_200, 1_200)
