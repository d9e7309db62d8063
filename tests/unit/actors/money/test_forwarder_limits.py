"""The forwarder's numbers: how much a round takes, how long what waits is left."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.money.following import Follower
from engine.errors import SourceUnavailable
from engine.store.writes import PauseForwarding, Write
from engine.wallet.fees import FeeRules
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.outgoing import Outgoing, OutgoingState
from tests.unit.actors.money.sweep_stage import SweepStage, paying_tx
from tests.unit.actors.money.test_forwarder import stolen
from tests.unit.actors.money.test_forwarder_waits import (
    is_due,
    queued,
    why_it_waits,
)

ROUND_S = 11.0
HOUR_S = 3_601.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SweepStage]:
    stage = SweepStage(tmp_path)
    yield stage
    stage.close()


def alerts(stage: SweepStage, kind: str) -> list[tuple[str, str, str | None]]:
    standing = stage.node.alerts.standing()
    return [(a.subject, a.detail, a.merchant) for a in standing if a.kind == kind]


def test_before_the_node_is_ready_nothing_is_done(stage: SweepStage) -> None:
    stage.booted.publish(False)
    stage.paid("pay_1", 50_000)
    stage.pass_s(5 * ROUND_S)
    assert stage.outgoing() == []
    stage.booted.publish(True)
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]


def test_while_it_is_paused_nothing_is_sent_on_and_what_is_under_way_goes_on(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.append(Write(rows=(PauseForwarding(stage.clock.now(), "me"),)))
    stage.paid("pay_2", 60_000, index=1)
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    assert stage.states() == ["confirmed"]
    assert queued(stage) == ["pay_2"]
    assert is_due(stage)


def test_five_hundred_payments_of_a_merchant_are_looked_at_in_a_round(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    queue, due = stage.store.forward_queue, stage.store.forward_due

    def forward_queue(merchant: str, limit: int) -> Any:
        asked.append((merchant, limit))
        return queue(merchant, limit)

    def forward_due(at: int, later: int) -> Any:
        asked.append(later)
        return due(at, later)

    monkeypatch.setattr(stage.store, "forward_queue", forward_queue, raising=False)
    monkeypatch.setattr(stage.store, "forward_due", forward_due, raising=False)
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert asked[:2] == [600_000, ("shop", 500)]


def test_a_transaction_is_looked_at_with_each_block_and_every_half_minute(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    look = Follower._look

    def counted(follower: Follower, outgoing: Outgoing) -> Any:
        looks.append(stage.clock.monotonic())
        return look(follower, outgoing)

    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    monkeypatch.setattr(Follower, "_look", counted)
    stage.pass_s(95)
    assert 2 <= len(looks) <= 4
    assert all(b - a >= 30 for a, b in itertools.pairwise(looks))
    before = len(looks)
    stage.way.height += 1
    stage._show_tip()
    stage.pass_s(ROUND_S)
    assert len(looks) == before + 1


def test_a_bump_pays_a_quarter_more_where_the_estimate_does_not(
    stage: SweepStage,
) -> None:
    stage.way.estimate = 20_000
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (first,) = stage.outgoing()
    stage.pass_s(HOUR_S)
    _, bump = stage.outgoing()
    wanted = first.rate_sat_kvb * 125 // 100
    assert wanted <= bump.rate_sat_kvb <= wanted + 10
    assert stage.node.counters["forward.bumps"] == 1
    assert (bump.replaces, bump.first) == (first.id, first.id)
    assert first.at < bump.at <= bump.moved_at


def test_what_no_higher_fee_is_allowed_for_is_stuck_and_says_why(
    tmp_path: Path,
) -> None:
    policy = ForwardPolicy(anywhere=True, fees=FeeRules(cap_sat_kvb=2_000))
    stage = SweepStage(tmp_path, policy)
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (only,) = stage.outgoing()
    stage.pass_s(HOUR_S)
    ((subject, detail, merchant),) = alerts(stage, "forward.stuck")
    assert (subject, merchant) == (only.id, "shop")
    assert detail.startswith(f"{only.txid} does not confirm: ")
    assert stage.node.counters["forward.bumps"] == 0
    stage.close()


def test_what_is_sent_is_counted_by_what_was_answered(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert stage.node.counters["forward.sent_taken"] == 1


def test_after_three_in_a_row_that_fail_nothing_is_asked_and_the_next_begins_behind(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        stage.paid(f"pay_{number}", 50_000 + number, index=number)
        stage.pass_s(ROUND_S)
    assert len(stage.outgoing()) == 5
    followed: list[str] = []
    bad = {one.id for one in stage.outgoing()}

    def follow(_follower: Follower, outgoing: Outgoing) -> Any:
        followed.append(outgoing.id)
        if outgoing.id in bad:
            raise SourceUnavailable("nobody answers")
        yield from ()

    monkeypatch.setattr(Follower, "follow", follow)
    stage.pass_s(ROUND_S)
    order = list(followed)
    assert len(order) == 3
    assert [detail for _, detail, _ in alerts(stage, "forward.waits")] == [
        "nobody answers"
    ]
    followed.clear()
    stage.pass_s(ROUND_S)
    assert len(followed) == 2, "those behind them"
    assert not set(followed) & set(order)
    followed.clear()
    bad -= {order[1]}
    stage.pass_s(ROUND_S)
    assert followed[:3] == order, "then from the beginning"
    assert len(followed) == 5, "one that went well in between begins the count anew"


def test_a_coin_that_a_stranger_spent_is_named_and_final_after_six_blocks(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (only,) = stage.outgoing()
    (coin,) = only.plan.coins
    theft = stolen(stage, coin.txid)
    stage.mine_raw(theft)
    stage.pass_s(9 * ROUND_S)
    ((subject, detail, merchant),) = alerts(stage, "forward.conflict")
    assert (subject, merchant) == (only.id, "shop")
    assert detail.startswith(f"{coin.txid}:{coin.vout} was spent by ")
    assert detail.endswith(", which is not ours")
    stage.mine(blocks=4)
    stage.pass_s(9 * ROUND_S)
    assert stage.states() == ["broadcast"], "five deep"
    stage.mine()
    stage.pass_s(9 * ROUND_S)
    assert stage.states() == ["failed"]
    assert stage.outgoing()[0].lost == (coin.outpoint,)
    assert stage.node.counters["forward.failed"] == 1
    ((subject, detail, _),) = alerts(stage, "forward.failed")
    assert subject == only.id
    assert detail.startswith(f"{only.txid} can never confirm: ")


def test_a_block_that_is_lost_is_an_alert_for_a_day(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.pass_s(2 * ROUND_S)
    (only,) = stage.outgoing()
    stage.way.lose_blocks(1)
    stage.pass_s(4 * ROUND_S)
    ((subject, detail, _),) = alerts(stage, "forward.reorged")
    assert (subject, detail) == (
        only.id,
        f"{only.txid} lost its block; it is sent again",
    )
    now = stage.clock.now()
    kinds = {one.kind for one in stage.node.alerts.standing(now + 86_000_000)}
    assert "forward.reorged" in kinds
    kinds = {one.kind for one in stage.node.alerts.standing(now + 86_400_000)}
    assert "forward.reorged" not in kinds


def test_what_lies_deep_is_looked_after_no_more(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    (only,) = stage.outgoing()
    assert only.is_open
    stage.mine(blocks=20)
    stage.pass_s(4 * ROUND_S)
    (only,) = stage.outgoing()
    assert (only.state, only.is_open) == (OutgoingState.CONFIRMED, False)
    assert stage.status("pay_1") == "forwarded"


def test_a_coin_that_no_source_shows_is_left_for_ten_minutes_while_others_go(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    (txid,) = stage.way.mined
    stage.paid("pay_2", 60_000, index=1)
    stage.way.lies[txid] = paying_tx(stage.script("p2wpkh", 0), 5_000, 99)
    stage.pass_s(9 * ROUND_S)
    assert stage.told("pay_2") == ["forwarding"]
    assert len(why_it_waits(stage)) == 1
    stage.way.lies.clear()
    stage.pass_s(400)
    assert stage.told("pay_1") == [], "it is left alone for a while"
    assert len(why_it_waits(stage)) == 1
    stage.pass_s(300)
    assert stage.told("pay_1") == ["forwarding"]
    stage.pass_s(ROUND_S)
    assert why_it_waits(stage) == []


def test_a_coin_as_large_as_what_is_left_of_the_day_goes(tmp_path: Path) -> None:
    stage = SweepStage(tmp_path, ForwardPolicy(anywhere=True, per_day_sat=100_000))
    stage.paid("pay_1", 60_000)
    stage.paid("pay_2", 40_000, index=1)
    stage.paid("pay_3", 1_500, index=2)
    stage.pass_s(ROUND_S)
    (only,) = stage.outgoing()
    assert {coin.payment_id for coin in only.plan.coins} == {"pay_1", "pay_2"}
    assert why_it_waits(stage) == ["the limit of 100000 sat in a day is reached"]
    assert queued(stage) == ["pay_3"]
    assert not is_due(stage)
    assert is_due(stage, in_ms=60_000)
    stage.close()


def test_trouble_of_one_merchant_is_its_own_and_ends_with_it(stage: SweepStage) -> None:
    stage.way.estimate = None
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    ((subject, _, merchant),) = alerts(stage, "forward.waits")
    assert (subject, merchant) == ("shop", "shop")
    stage.way.estimate = 2_000
    stage.pass_s(2 * ROUND_S)
    assert alerts(stage, "forward.waits") == []


def test_a_round_that_fails_is_the_node_s_until_one_goes_well(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.paid("pay_1", 50_000)
    with monkeypatch.context() as patch:

        def fails(*_: object) -> Any:
            raise SourceUnavailable("nobody answers")

        patch.setattr(Follower, "follow_all", fails)
        stage.pass_s(ROUND_S)
        assert alerts(stage, "forward.waits") == [("", "nobody answers", None)]
    stage.pass_s(ROUND_S)
    assert alerts(stage, "forward.waits") == []
