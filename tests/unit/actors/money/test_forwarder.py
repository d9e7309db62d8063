"""The forwarder's rounds, over a mempool that answers as Bitcoin Core's sources do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.edge.forwarding import retry_rows
from actors.money import rounds, telling
from actors.money.steps import TellPayment, Want
from actors.node import Node
from engine.bitcoin.signed_tx import TxIn, decode_tx, make_tx
from engine.chain.feed import TxOut
from engine.policy.periods import DAY_MS
from engine.store.writes import Write
from engine.wallet.fees import FeeRules
from engine.wallet.forward_policy import ForwardPolicy
from tests.unit.actors.money.sweep_stage import SweepStage, paying_tx

ROUND_S = 11.0
HOUR_S = 3_601.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SweepStage]:
    stage = SweepStage(tmp_path)
    yield stage
    stage.close()


def limited(tmp_path: Path, sat: int) -> SweepStage:
    return SweepStage(tmp_path, ForwardPolicy(anywhere=True, per_day_sat=sat))


def test_a_sweep_arrives_and_is_told_once(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    assert stage.states() == ["confirmed"]
    assert stage.told("pay_1") == ["forwarding", "forwarded"]
    assert stage.status("pay_1") == "forwarded"
    assert stage.alerts == set()


def test_a_payment_that_gives_no_answer_keeps_no_other_waiting(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its watcher crashes on what it is told, each time."""
    do = telling.carry_out

    def deaf(node: Node, wanted: Want, reply: Callable[[object], None]) -> None:
        if not (isinstance(wanted, TellPayment) and wanted.payment_id == "pay_1"):
            do(node, wanted, reply)

    monkeypatch.setattr(rounds, "carry_out", deaf)
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.paid("pay_2", 60_000, index=1)
    stage.pass_s(10 * ROUND_S)
    stage.mine()
    stage.pass_s(10 * ROUND_S)
    assert stage.status("pay_2") == "forwarded"
    assert stage.told("pay_1") == []
    assert "forward.waits" in stage.alerts


# -- a higher fee ----------------------------------------------------------------------


def test_one_that_is_stuck_is_bumped_by_the_same_coins(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.way.estimate = 20_000
    stage.pass_s(HOUR_S)
    first, second = stage.outgoing()
    assert (first.state, second.state) == ("replaced", "seen")
    assert second.replaces == first.id
    assert second.plan.coins == first.plan.coins
    assert second.plan.fee_sat >= 9 * first.plan.fee_sat
    assert set(stage.way.pool) == {second.txid}
    assert stage.living_coins_are_single()
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    assert stage.states() == ["replaced", "confirmed"]
    assert stage.told("pay_1") == ["forwarding", "forwarding", "forwarded"]


def test_one_that_is_in_a_block_and_not_deep_enough_is_not_bumped(
    tmp_path: Path,
) -> None:
    """A world with money had this: blocks came slowly, and the bump was of a coin that
    the chain had spent already."""
    stage = SweepStage(tmp_path, ForwardPolicy(anywhere=True, confirmations=3))
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.way.estimate = 20_000
    stage.pass_s(2 * HOUR_S)
    assert stage.states() == ["seen"]
    stage.mine(blocks=2)
    stage.pass_s(3 * ROUND_S)
    assert stage.states() == ["confirmed"]
    assert stage.told("pay_1") == ["forwarding", "forwarded"]


def test_one_that_is_bumped_and_wins_all_the_same_counts_once(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (first,) = stage.outgoing()
    stage.pass_s(HOUR_S)
    assert stage.states() == ["replaced", "seen"]
    stage.mine_raw(first.raw)
    stage.pass_s(4 * ROUND_S)
    assert stage.states() == ["confirmed", "replaced"]
    assert stage.status("pay_1") == "forwarded"
    payment = stage.payment("pay_1")
    assert payment.forward is not None
    assert [p.txid for p in payment.forward.parts] == [first.txid]


def test_a_fee_beyond_the_cap_waits_and_says_so(tmp_path: Path) -> None:
    rules = FeeRules(cap_sat_kvb=3_000)
    stage = SweepStage(tmp_path, ForwardPolicy(anywhere=True, fees=rules))
    stage.paid("pay_1", 50_000)
    stage.way.estimate = 900_000
    stage.pass_s(ROUND_S)
    (only,) = stage.outgoing()
    assert only.rate_sat_kvb <= 3_100
    stage.pass_s(2 * HOUR_S)
    assert stage.states() == ["seen"]
    assert "forward.stuck" in stage.alerts
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    assert stage.states() == ["confirmed"]
    stage.mine(blocks=12)
    stage.pass_s(40.0)
    assert stage.alerts == set()
    stage.close()


def test_a_rising_mempool_refuses_and_the_bump_pays_what_it_asks(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.way.lags = True
    stage.way.min_fee = 5_000
    stage.pass_s(2 * ROUND_S)
    assert any("min relay fee not met" in words for words in stage.way.said)
    # Both are of one moment, so that their ids say nothing of which is the first.
    first, bump = sorted(stage.outgoing(), key=lambda one: bool(one.replaces))
    assert (first.state, bump.state) == ("replaced", "seen")
    assert bump.rate_sat_kvb >= 5_000
    assert stage.living_coins_are_single()


def test_without_an_estimate_nothing_is_signed_and_nothing_is_lost(
    stage: SweepStage,
) -> None:
    stage.way.estimate = None
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert "forward.waits" in stage.alerts
    stage.way.estimate = 2_000
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]
    stage.pass_s(ROUND_S)
    assert "forward.waits" not in stage.alerts


# -- answers that are lost, or are no news ---------------------------------------------


def test_an_answer_that_is_lost_sends_the_same_bytes_again(stage: SweepStage) -> None:
    stage.way.loses_answers = True
    stage.paid("pay_1", 50_000)
    stage.pass_s(3 * ROUND_S)
    (only,) = stage.outgoing()
    assert only.state == "broadcast"
    assert set(stage.way.pool) == {only.txid}
    stage.way.loses_answers = False
    stage.pass_s(4 * ROUND_S)
    assert stage.states() == ["seen"]
    assert len(stage.way.sends) > 1
    assert set(stage.way.sends) == {only.raw}


def test_one_that_is_in_a_block_already_is_no_failure(stage: SweepStage) -> None:
    stage.way.loses_answers = True
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.way.loses_answers = False
    stage.pass_s(4 * ROUND_S)
    assert stage.way.said == ["Transaction outputs already in utxo set"]
    assert stage.states() == ["confirmed"]
    assert stage.told("pay_1") == ["forwarding", "forwarded"]


def test_a_source_that_is_down_stops_the_round_and_nothing_else(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.way.is_down = True
    stage.pass_s(3 * ROUND_S)
    assert stage.outgoing() == []
    assert "forward.waits" in stage.alerts
    stage.way.is_down = False
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]


def test_a_liar_that_hands_out_another_transaction_gets_no_signature(
    stage: SweepStage,
) -> None:
    """With a larger sum in it, a signature would give the rest away as fee."""
    stage.paid("pay_1", 50_000)
    (txid,) = stage.way.mined
    stage.way.lies[txid] = paying_tx(stage.script("p2wpkh", 0), 5_000, 99)
    stage.pass_s(2 * ROUND_S)
    assert stage.outgoing() == []
    assert stage.way.sends == []
    assert "forward.waits" in stage.alerts
    stage.way.lies.clear()
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]


# -- strangers and reorganisations -----------------------------------------------------


def stolen(stage: SweepStage, txid: str) -> bytes:
    """Somebody else who holds the key has spent the coin. (What a block holds is not
    verified here.)"""
    return make_tx([TxIn(txid, 0)], [TxOut(b"\x00\x14" + bytes(20), 49_000)]).raw


def test_a_coin_that_a_stranger_spent_fails_the_forward_and_not_the_payment(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.paid("pay_2", 60_000, index=1)
    stage.pass_s(ROUND_S)
    (first,) = stage.outgoing()
    coin = next(c for c in first.plan.coins if c.payment_id == "pay_1")
    stage.mine_raw(stolen(stage, coin.txid))
    stage.pass_s(9 * ROUND_S)
    assert "forward.conflict" in stage.alerts
    assert stage.states() == ["broadcast"]  # a reorganisation may undo it
    stage.mine(blocks=6)
    stage.pass_s(4 * ROUND_S)
    assert "forward.failed" in stage.alerts
    assert stage.told("pay_1") == ["forwarding", "failed"]
    assert stage.status("pay_1") == "failed"
    assert stage.payment("pay_1").counts_as_paid
    # The other payment's coin is sent on anew.
    assert stage.states() == ["failed", "seen"]
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    assert stage.status("pay_2") == "forwarded"
    assert stage.living_coins_are_single()


def test_a_forward_that_failed_by_a_lie_is_tried_again_by_hand(
    stage: SweepStage,
) -> None:
    """A source said that a stranger's spend was final, and it was not so."""
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (first,) = stage.outgoing()
    assert retry_rows(stage.payment("pay_1"), stage.outgoing()) == []
    theft = stolen(stage, first.plan.coins[0].txid)
    stage.mine_raw(theft)
    stage.mine(blocks=6)
    stage.pass_s(8 * ROUND_S)
    assert stage.status("pay_1") == "failed"
    del stage.way.mined[decode_tx(theft).txid]
    stage.pass_s(8 * ROUND_S)
    assert stage.states() == ["failed"]  # not by itself
    rows = retry_rows(stage.payment("pay_1"), stage.outgoing())
    stage.append(Write(rows=tuple(rows)))
    stage.pass_s(4 * ROUND_S)
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    assert stage.states() == ["failed", "confirmed"]
    words = ["forwarding", "failed", "forwarding", "forwarded"]
    assert stage.told("pay_1") == words
    assert stage.status("pay_1") == "forwarded"
    assert stage.living_coins_are_single()


def test_one_that_loses_its_block_is_sent_again(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.pass_s(2 * ROUND_S)
    assert stage.told("pay_1") == ["forwarding", "forwarded"]
    stage.way.lose_blocks(1)
    stage.pass_s(8 * ROUND_S)
    assert "forward.reorged" in stage.alerts
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    assert stage.states() == ["confirmed"]
    assert len({*stage.way.sends}) == 1
    words = ["forwarding", "forwarded", "forwarding", "forwarded"]
    assert stage.told("pay_1") == words
    assert decode_tx(stage.way.sends[0]).txid in stage.way.mined


# -- what goes, and when ---------------------------------------------------------------


def test_dust_is_gathered_until_it_pays(stage: SweepStage) -> None:
    stage.way.estimate = 5_000
    stage.paid("pay_1", 1_200)
    stage.pass_s(2 * ROUND_S)
    assert stage.outgoing() == []
    assert stage.status("pay_1") == "confirmed"
    stage.way.estimate = 1_000
    for number in range(2, 30):
        stage.paid(f"pay_{number}", 1_200, index=number)
    stage.pass_s(700.0)
    (only,) = stage.outgoing()
    assert len(only.plan.coins) == 29
    assert only.plan.fee_sat * 10 <= 29 * 1_200


def test_a_coinbase_is_spent_when_it_is_a_hundred_deep(stage: SweepStage) -> None:
    stage.order("pay_1")
    stage.pay("pay_1", 50_000, is_coinbase=True)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    stage.mine(blocks=98)
    stage.watch("pay_1")
    stage.pass_s(700.0)
    assert stage.outgoing() == []
    stage.mine()
    stage.watch("pay_1")
    stage.pass_s(700.0)
    assert stage.states() == ["seen"]
    assert stage.way.said == []


def test_the_limit_of_a_day_holds_over_a_restart(tmp_path: Path) -> None:
    stage = limited(tmp_path, 100_000)
    stage.paid("pay_1", 70_000)
    stage.paid("pay_2", 60_000, index=1)
    stage.pass_s(ROUND_S)
    (first,) = stage.outgoing()
    assert [c.payment_id for c in first.plan.coins] == ["pay_1"]
    assert "forward.waits" in stage.alerts
    assert stage.report.now.at_limit == {"shop"}
    again = SweepStage(tmp_path, stage.policy, stage.way, stage.journal)
    again.clock.jump_wall(stage.clock.now() - again.clock.now())
    again.pass_s(5 * ROUND_S)
    assert len(again.outgoing()) == 1
    again.clock.jump_wall(-3 * DAY_MS)  # a clock that goes back frees nothing
    again.pass_s(5 * ROUND_S)
    assert len(again.outgoing()) == 1
    again.mine()
    assert again.report.now.at_limit == {"shop"}
    again.clock.jump_wall(4 * DAY_MS)
    again.pass_s(5 * ROUND_S)
    assert len(again.outgoing()) == 2
    assert again.report.now.at_limit == set()
    again.mine()
    again.pass_s(5 * ROUND_S)
    assert again.status("pay_2") == "forwarded"
    again.close()


def test_the_rest_of_a_payment_over_the_limit_goes_when_there_is_room(
    tmp_path: Path,
) -> None:
    """Two coins of one payment, and room for one."""
    stage = limited(tmp_path, 100_000)
    stage.paid("pay_1", 70_000, 60_000)
    stage.pass_s(ROUND_S)
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    (first,) = stage.outgoing()
    assert len(first.plan.coins) == 1
    stage.clock.jump_wall(DAY_MS + 60_000)
    stage.pass_s(4 * ROUND_S)
    stage.mine()
    stage.pass_s(4 * ROUND_S)
    assert stage.states() == ["confirmed", "confirmed"]
    assert sum(o.sent_sat + o.plan.fee_sat for o in stage.outgoing()) == 130_000
    assert stage.status("pay_1") == "forwarded"
    stage.close()
