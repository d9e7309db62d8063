"""What every part of the forwarder has at hand, by itself."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.money.desk import (
    MAX_MISSING,
    MOST_NAMED,
    STUCK,
    ForwarderDesk,
    _tried_again,
    news,
    which,
)
from actors.money.following import Follower
from actors.money.steps import Steps
from engine.errors import CannotSpend, SourceUnavailable
from engine.wallet.coin import Coin
from engine.wallet.fees import FeeRules
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Signer
from engine.wallet.outgoing import Outgoing, OutgoingState
from tests.unit.actors.money.sweep_stage import HeldTestKeys, SweepStage
from tests.unit.engine.store.outgoing_cases import coin, outgoing
from tests.unit.payment_cases import Told, terms

ROUND_S = 11.0
S = OutgoingState


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[SweepStage]:
    caplog.set_level(logging.INFO, "paybell.forward")
    stage = SweepStage(tmp_path)
    yield stage
    stage.close()


def desk(stage: SweepStage, policy: ForwardPolicy | None = None) -> ForwarderDesk:
    return Follower(
        stage.node, stage.way, Signer(HeldTestKeys()), policy or stage.policy
    )


def run(steps: Steps) -> object:
    """Steps whose questions the stage's store would answer with nothing."""
    answer = None
    try:
        while True:
            steps.send(answer)
    except StopIteration as end:
        return end.value


def of_payments(count: int) -> Outgoing:
    return spending(
        *(replace(coin(number), payment_id=f"p{number:03}") for number in range(count))
    )


def spending(*coins: Coin) -> Outgoing:
    one = outgoing(1)
    paid = sum(output.amount_sat for output in one.plan.outputs)
    fee = sum(coin.amount_sat for coin in coins) - paid
    return replace(one, plan=replace(one.plan, coins=coins, fee_sat=fee))


def test_a_line_names_whose_money_moves_and_a_hundred_at_most() -> None:
    one, two, many = of_payments(1), of_payments(2), of_payments(103)
    head = f"outgoing={one.id} tx={one.txid} merchant={one.merchant}"
    assert which(one) == f"{head} payment=p000"
    assert which(two) == f"{head} payments=p000,p001"
    assert which(of_payments(100)).endswith(",p099")
    assert which(many).endswith(",p098,p099 more=3")
    assert MOST_NAMED == 100


def test_under_way_is_under_way_and_the_rest_as_it_is() -> None:
    states = {state: news(replace(outgoing(1), state=state)) for state in S}
    assert states[S.SEEN] is states[S.BROADCAST] is S.BROADCAST
    assert states[S.CONFIRMED] is S.CONFIRMED
    assert states[S.FAILED] is S.FAILED
    assert states[S.REPLACED] is S.REPLACED


def test_what_is_forgotten_is_looked_at_anew_and_no_trouble_any_more(
    stage: SweepStage,
) -> None:
    one, alerts = desk(stage), stage.node.alerts
    for name in ("out_1", "out_2"):
        one.looked[name] = 5, 1.0
        one.told[name] = S.SEEN
        one.refused.add(name)
        alerts.raise_(STUCK, name, "why", 0)
    one.forget("out_1")
    one.forget("nobody")
    assert set(one.looked) == set(one.told) == one.refused == {"out_2"}
    assert [alert.subject for alert in alerts.standing()] == ["out_2"]


def test_ids_sort_by_their_time_and_differ(stage: SweepStage) -> None:
    one = desk(stage)
    first, same = one.new_id(), one.new_id()
    stage.pass_s(1)
    later = one.new_id()
    assert first != same
    assert first[:16] == same[:16] < later[:16]
    assert first.startswith(f"out_{stage.clock.now() - 1_000:012x}")
    assert len(first) == 4 + 12 + 16


def test_an_alert_is_the_merchant_s_and_may_pass(stage: SweepStage) -> None:
    one, made = desk(stage), outgoing(1)
    one.alert("forward.reorged", made, "why", 5_000)
    now = stage.clock.now()
    (alert,) = stage.node.alerts.standing(now + 4_999)
    assert (alert.subject, alert.merchant) == (made.id, made.merchant)
    assert (alert.detail, alert.since) == ("why", now)
    assert stage.node.alerts.standing(now + 5_000) == ()


def test_each_step_is_a_line_with_what_it_moves_and_costs(
    stage: SweepStage, caplog: pytest.LogCaptureFixture
) -> None:
    made = outgoing(1)
    desk(stage).note(made)
    said = f"forward.{made.state} {which(made)} sat={made.sent_sat}"
    assert caplog.messages == [f"{said} fee={made.plan.fee_sat}"]


def test_the_rate_is_the_sources_within_the_operator_s_bounds(
    stage: SweepStage,
) -> None:
    rules = FeeRules(cap_sat_kvb=3_000)
    one = desk(stage, ForwardPolicy(anywhere=True, fees=rules))
    stage.way.estimate = 2_500
    assert one.rate() == 2_500
    stage.way.estimate = 90_000
    assert one.rate() == 3_000
    stage.way.estimate = None
    with pytest.raises(CannotSpend):
        one.rate()


def coins(stage: SweepStage, *kept: bool) -> list[Coin]:
    """Of as many transactions; those that are not kept no source shows."""
    found = []
    for number, is_kept in enumerate(kept):
        name = f"pay_{number}"
        stage.paid(name, 50_000 + number, index=number)
        txid = list(stage.way.mined)[-1]
        found.append(replace(coin(number), txid=txid, payment_id=name))
        if not is_kept:
            del stage.way.mined[txid]
    return found


def test_each_transaction_is_asked_for_once(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = coins(stage, True, True)
    again = replace(first, vout=1)
    plan = spending(first, again, second).plan
    asked: list[str] = []
    original = stage.way.raw_transaction

    def raw(txid: str, block_hash: str = "") -> bytes:
        asked.append(txid)
        return original(txid, block_hash)

    monkeypatch.setattr(stage.way, "raw_transaction", raw)
    found = run(desk(stage).previous(plan))
    assert isinstance(found, dict)
    assert asked == list(found) == [first.txid, second.txid]


def test_after_three_that_no_source_shows_no_more_are_asked_for(
    stage: SweepStage,
) -> None:
    made = coins(stage, False, True, False, False, False)
    plan = spending(*made).plan
    found = run(desk(stage).some_previous(plan))
    assert isinstance(found, tuple)
    there, missing = found
    assert list(there) == [made[1].txid]
    assert missing == [made[0], made[2], made[3]]
    assert MAX_MISSING == 3
    with pytest.raises(SourceUnavailable):
        run(desk(stage).previous(plan))


def test_one_is_tried_again_by_whom_it_lost_no_coin_of() -> None:
    first, second = (replace(coin(n), payment_id=f"p{n}") for n in range(2))
    failed = replace(spending(first, second), lost=(first.outpoint,))
    names = {
        name: _tried_again(Told(terms(id=name)).payment, [failed])
        for name in ("p0", "p1", "p2")
    }
    assert names == {"p0": set(), "p1": {failed.id}, "p2": {failed.id}}
