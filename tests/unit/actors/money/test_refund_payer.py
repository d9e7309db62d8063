"""Who pays a refund, with which coins, and why it waits: one by one, on the stage."""

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import RefundMoved
from actors.money.refund_payer import RefundPayer, is_too_soon
from actors.money.steps import AskStore
from engine.bitcoin.signed_tx import TxIn, make_tx
from engine.chain.feed import TxOut
from engine.store.writes import MoveRefund, Write
from engine.wallet.forward_policy import SETTLED_DEPTH, ForwardPolicy
from tests.unit.actor_stage import Inbox
from tests.unit.actors.money.refund_stage import PAYER, RefundStage
from tests.unit.actors.money.sweep_stage import OWNER, HeldTestKeys
from tests.unit.engine.store.refund_cases import refund as refund_case

ROUND_S = 11.0
MINUTE_S = 72.0  # past the next try


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[RefundStage]:
    caplog.set_level(logging.INFO, "paybell.refunds")
    stage = RefundStage(tmp_path)
    yield stage
    stage.close()


def begun(stage: RefundStage, sat: int = 20_000, **more: Any) -> None:
    stage.paid("pay_1", 50_000)
    stage.gives_back("pay_1", sat, **more)


def waits(stage: RefundStage) -> list[tuple[str, str, str | None]]:
    standing = stage.node.alerts.standing(stage.clock.now())
    return [
        (a.subject, a.detail, a.merchant) for a in standing if a.kind == "refund.waits"
    ]


def not_live(stage: RefundStage, *, live: bool = False) -> None:
    now = stage.published.now
    fresh = replace(now.freshness, live=live)
    stage.published.publish(replace(now, freshness=fresh))


def moved(stage: RefundStage) -> list[str]:
    actor = stage.node.refunds.actor
    assert isinstance(actor, Inbox)
    return [m.refund_id for m in actor.got if isinstance(m, RefundMoved)]


def test_a_refund_is_one_transaction_that_brings_its_rest_to_the_owner(
    stage: RefundStage, caplog: pytest.LogCaptureFixture
) -> None:
    begun(stage)
    stage.pass_s(ROUND_S)
    (made,) = stage.outgoing()
    assert (made.kind.value, made.merchant, made.to) == ("refund", "shop", PAYER)
    assert (made.cause, made.instead_of) == ("ref_1", ())
    assert made.height == stage.way.height - SETTLED_DEPTH
    assert made.at <= made.moved_at
    payer, rest = made.plan.outputs
    assert payer.amount_sat == 20_000
    assert payer.amount_sat + rest.amount_sat + made.plan.fee_sat == 50_000
    refund = stage.refund()
    assert (refund.state.value, refund.outgoing_id) == ("paying", made.id)
    assert refund.txid == made.txid
    assert moved(stage) == ["ref_1"]
    (line,) = [m for m in caplog.messages if m.startswith("refund.prepared ")]
    assert line == (
        f"refund.prepared refund=ref_1 payment=pay_1 outgoing={made.id} tx={made.txid}"
        f" sat=20000 fee={made.plan.fee_sat}"
    )
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    refund = stage.refund()
    assert (refund.state.value, refund.outgoing_id) == ("paid", made.family)
    assert moved(stage) == ["ref_1", "ref_1"]
    assert stage.payment("pay_1").refunded_sat == 20_000


def test_one_that_waits_is_its_merchant_s_alert_and_tried_once_a_minute(
    stage: RefundStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []
    prepare = RefundPayer._prepare

    def counted(payer: RefundPayer, refund: Any) -> Any:
        tries.append(stage.clock.monotonic())
        return prepare(payer, refund)

    monkeypatch.setattr(RefundPayer, "_prepare", counted)
    begun(stage)
    not_live(stage)
    stage.pass_s(ROUND_S)
    why = "a refund of 20000 sat waits: no source of the chain is current"
    assert waits(stage) == [("ref_1", why, "shop")]
    stage.pass_s(170)
    assert 2 <= len(tries) <= 3
    assert all(b - a >= 60 for a, b in itertools.pairwise(tries))
    assert waits(stage) != [], "it stands from one try to the next"
    not_live(stage, live=True)
    stage.pass_s(MINUTE_S)
    assert waits(stage) == []
    assert stage.refund().state.value == "paying"


def test_without_a_tip_nothing_is_signed(stage: RefundStage) -> None:
    begun(stage)
    now = stage.published.now
    fresh = replace(now.freshness, tip_height=None)
    stage.published.publish(replace(now, freshness=fresh))
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert len(waits(stage)) == 1


def test_a_refund_that_another_wallet_may_have_signed_is_left_to_it(
    stage: RefundStage,
) -> None:
    begun(stage)
    before = stage.refund()
    row = MoveRefund(replace(before, psbt_at=stage.clock.now()), before.state)
    stage.append(Write(rows=(row,)))
    stage.run()
    stage.pass_s(MINUTE_S)
    assert stage.outgoing() == []
    assert waits(stage) == []


def test_of_a_wallet_that_we_do_not_hold_the_merchant_s_own_pays(
    stage: RefundStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeldTestKeys, "holds", lambda *_: False)
    begun(stage)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert waits(stage) == []
    assert stage.refund().state.value == "pending"


def test_when_all_has_gone_on_a_person_hears_where_from_it_can_be_paid(
    stage: RefundStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    assert stage.status("pay_1") == "forwarded"
    stage.gives_back("pay_1", 20_000)
    stage.pass_s(ROUND_S)
    ((subject, detail, merchant),) = waits(stage)
    assert (subject, merchant) == ("ref_1", "shop")
    assert "what came in has gone on to its owner" in detail


def test_the_coins_of_other_payments_are_taken_where_its_own_are_gone(
    stage: RefundStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    stage.gives_back("pay_1", 20_000)
    stage.paid("pay_2", 60_000, index=1)
    stage.pass_s(ROUND_S)
    (made,) = [one for one in stage.outgoing() if one.cause == "ref_1"]
    assert {coin.payment_id for coin in made.plan.coins} == {"pay_2"}


def test_its_own_coins_are_taken_before_others(stage: RefundStage) -> None:
    stage.paid("pay_2", 60_000, index=1)
    stage.paid("pay_1", 50_000)
    stage.gives_back("pay_1", 20_000)
    stage.pass_s(ROUND_S)
    (made,) = [one for one in stage.outgoing() if one.cause == "ref_1"]
    assert {coin.payment_id for coin in made.plan.coins} == {"pay_1"}


def test_the_rest_goes_where_the_payment_or_the_merchant_says_and_the_node_allows(
    stage: RefundStage,
) -> None:
    stage.paid("pay_1", 50_000)
    payment = stage.payment("pay_1")
    follower: Any = None
    payer = RefundPayer(stage.node, follower, ForwardPolicy(anywhere=True))
    assert payer._onward(payment) == OWNER
    nowhere = replace(payment, terms=replace(payment.terms, forward_to=""))
    assert payer._onward(nowhere) is None
    strict = RefundPayer(
        stage.node, follower, ForwardPolicy(destinations=frozenset({"elsewhere"}))
    )
    assert strict._onward(payment) is None


@pytest.mark.parametrize("theft", [True, False])
def test_one_whose_coin_a_stranger_spent_waits_for_another(
    stage: RefundStage, theft: bool
) -> None:
    begun(stage)
    stage.pass_s(ROUND_S)
    (made,) = stage.outgoing()
    if theft:
        (coin,) = made.plan.coins
        raw = make_tx([TxIn(coin.txid, 0)], [TxOut(b"\x00\x14" + bytes(20), 49_000)])
        stage.mine_raw(raw.raw)
        stage.mine(blocks=6)
    stage.pass_s(12 * ROUND_S)
    state = stage.refund().state.value
    assert state == ("pending" if theft else "paying")
    if theft:
        assert moved(stage) == ["ref_1", "ref_1"]
        assert stage.states() == ["failed"]


def is_owed(stage: RefundStage, payment_id: str) -> bool:
    follower: Any = None
    payer = RefundPayer(stage.node, follower, ForwardPolicy())
    steps = payer.is_owed(payment_id)
    ask = next(steps)
    assert isinstance(ask, AskStore)
    with pytest.raises(StopIteration) as end:
        steps.send(ask.question(stage.store))
    return bool(end.value.value)


def test_only_living_refunds_hold_a_payment_s_coins(stage: RefundStage) -> None:
    begun(stage)
    assert is_owed(stage, "pay_1")
    stage.pass_s(ROUND_S)
    assert stage.refund().state.value == "paying"
    assert is_owed(stage, "pay_1")
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    assert not is_owed(stage, "pay_1")
    assert not is_owed(stage, "nobody")


def test_ten_thousand_that_wait_are_remembered_and_then_all_are_tried_anew() -> None:
    clock = SimpleNamespace(monotonic=lambda: 1_000.0)
    node: Any = SimpleNamespace(clock=clock)
    follower: Any = None
    payer = RefundPayer(node, follower, ForwardPolicy())
    first = refund_case(0)
    assert payer._is_due(first)
    assert not payer._is_due(first)
    for number in range(1, 10_001):
        assert payer._is_due(refund_case(number))
    assert not payer._is_due(first)
    assert payer._is_due(refund_case(10_001))
    assert payer._is_due(first)
    clock.monotonic = lambda: 1_059.9
    assert not payer._is_due(first)
    clock.monotonic = lambda: 1_060.0
    assert payer._is_due(first)


@pytest.mark.parametrize(
    ("times", "now", "is_so"),
    [
        ([], 0, False),
        ([0], 59_999, True),
        ([0], 60_000, False),
        ([0, 100_000], 199_999, True),
        ([0, 100_000], 200_000, False),
    ],
)
def test_the_same_bytes_are_sent_again_when_as_much_time_has_passed(
    times: list[int], now: int, is_so: bool
) -> None:
    tries: Any = [SimpleNamespace(txid="t", at=at) for at in times]
    tries.append(SimpleNamespace(txid="another", at=now))
    assert is_too_soon("t", tries, now) is is_so


@pytest.mark.parametrize(("every_s", "stands_s"), [(10.0, 120), (600.0, 1_200)])
def test_an_alert_stands_for_two_tries_or_two_rounds(
    every_s: float, stands_s: int
) -> None:
    nobody: Any = None
    payer = RefundPayer(nobody, nobody, ForwardPolicy(every_s=every_s))
    assert payer._stands_for_ms() == stands_s * 1_000
