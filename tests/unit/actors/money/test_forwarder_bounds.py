"""The forwarder's rounds at their bounds: what is owed back, was taken before, is over
a limit or without a transaction, and what a round says of itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.money.forwarder import ForwarderActor
from engine.bitcoin.signed_tx import TxIn, make_tx
from engine.chain.feed import TxOut
from engine.errors import SourceUnavailable
from engine.store.outgoing_port import Queued
from engine.store.outgoing_writes import PauseForwarding, QueueForward
from engine.store.refund_writes import OpenRefund
from engine.store.writes import Write
from engine.wallet.forward_policy import ForwardPolicy
from tests.tools.core_way import CoreWay
from tests.unit.actors.money.refund_stage import RefundStage
from tests.unit.actors.money.sweep_stage import TIP, SweepStage, paying_tx
from tests.unit.engine.store.refund_cases import refund

ROUND_S = 11.0
MINUTE_MS = 60_000
NEVER = 10**12


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SweepStage]:
    stage = SweepStage(tmp_path)
    yield stage
    stage.close()


def queued(stage: SweepStage) -> list[str]:
    found = stage.store.forward_queue("shop", 100)
    return [one.payment.id for one in found if isinstance(one, Queued)]


def queue(stage: SweepStage, name: str) -> None:
    """As a person does who wants it looked at again."""
    row = QueueForward(name, "shop", stage.payment(name).seq)
    stage.append(Write(rows=(row,)))
    stage.run()


def is_due(stage: SweepStage, *, in_ms: int = 0) -> bool:
    return stage.store.forward_due(stage.clock.now() + in_ms, NEVER) == ["shop"]


def waits(stage: SweepStage) -> list[tuple[str | None, str]]:
    standing = stage.node.alerts.standing()
    return [(a.merchant, a.detail) for a in standing if a.kind == "forward.waits"]


# -- when ------------------------------------------------------------------------------


def test_nothing_goes_before_the_node_has_begun(stage: SweepStage) -> None:
    stage.booted.publish(False)
    stage.paid("pay_1", 50_000)
    stage.pass_s(3 * ROUND_S)
    assert stage.outgoing() == []
    stage.booted.publish(True)
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]


def test_that_it_is_paused_is_told_and_nothing_new_goes(stage: SweepStage) -> None:
    stage.append(Write(rows=(PauseForwarding(7, "boss"),)))
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    paused = stage.report.now.paused
    assert paused is not None
    assert (paused.at, paused.by) == (7, "boss")
    stage.append(Write(rows=(PauseForwarding(0, "boss"),)))
    stage.pass_s(ROUND_S)
    assert stage.report.now.paused is None
    assert stage.states() == ["seen"]


def test_trouble_of_a_round_is_over_when_one_went_well(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.way.is_down = True
    rounds = 0
    while not waits(stage) and rounds < 9:  # what is on its way is looked at seldom
        stage.pass_s(ROUND_S)
        rounds += 1
    assert waits(stage) == [(None, "core: nobody answers")]
    stage.way.is_down = False
    stage.pass_s(ROUND_S)
    assert waits(stage) == []


# -- coins -----------------------------------------------------------------------------


def test_what_is_owed_back_is_not_sent_on_and_looked_at_in_a_minute(
    tmp_path: Path,
) -> None:
    """Nobody has claimed it yet: its link is open."""
    stage = RefundStage(tmp_path)
    stage.paid("pay_1", 50_000)
    payment = stage.payment("pay_1")
    owed = refund(1, "pay_1", 20_000, merchant="shop")
    row = OpenRefund(owed, payment.seq, payment.received_sat, 9, 9)
    stage.append(Write(rows=(row,)))
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert queued(stage) == ["pay_1"]
    assert not is_due(stage)
    assert is_due(stage, in_ms=MINUTE_MS)
    stage.close()


def test_a_payment_without_a_coin_that_is_free_is_queued_no_more(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    queue(stage, "pay_1")
    assert queued(stage) == ["pay_1"]
    stage.pass_s(ROUND_S)
    assert queued(stage) == []
    assert len(stage.outgoing()) == 1


def test_a_coin_that_was_lost_is_not_tried_again_though_its_payment_is_queued(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (only,) = stage.outgoing()
    (coin,) = only.plan.coins
    thief = make_tx([TxIn(coin.txid, 0)], [TxOut(b"\x00\x14" + bytes(20), 49_000)])
    stage.mine_raw(thief.raw)
    stage.mine(blocks=7)
    stage.pass_s(8 * ROUND_S)
    assert stage.states() == ["failed"]
    queue(stage, "pay_1")
    stage.pass_s(3 * ROUND_S)
    assert stage.states() == ["failed"]
    assert queued(stage) == []


def test_what_is_settled_and_forwarded_stays_so_though_it_is_queued(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.mine(blocks=13)
    stage.pass_s(5 * ROUND_S)
    assert stage.status("pay_1") == "forwarded"
    assert not stage.outgoing()[0].is_open
    queue(stage, "pay_1")
    stage.pass_s(ROUND_S)
    assert not stage.outgoing()[0].is_open
    assert queued(stage) == []


# -- the limit of a day ----------------------------------------------------------------


def test_what_is_over_the_limit_is_looked_at_in_a_minute(tmp_path: Path) -> None:
    policy = ForwardPolicy(anywhere=True, per_day_sat=50_000)
    stage = SweepStage(tmp_path, policy)
    stage.paid("pay_1", 50_000)  # all of the limit, to the satoshi
    stage.paid("pay_2", 20_000, index=1)
    stage.pass_s(ROUND_S)
    (only,) = stage.outgoing()
    assert [coin.payment_id for coin in only.plan.coins] == ["pay_1"]
    assert waits(stage) == [("shop", "the limit of 50000 sat in a day is reached")]
    assert queued(stage) == ["pay_2"]
    assert not is_due(stage)
    assert is_due(stage, in_ms=MINUTE_MS)
    stage.close()


def test_without_a_limit_all_of_it_goes(tmp_path: Path) -> None:
    policy = ForwardPolicy(anywhere=True, per_day_sat=None)
    stage = SweepStage(tmp_path, policy)
    stage.paid("pay_1", 200_000_000)
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]
    stage.close()


# -- what a sweep is made of -----------------------------------------------------------


@pytest.mark.parametrize(("tip", "height"), [(TIP, TIP - 12), (13, 1), (5, 0)])
def test_it_is_looked_for_in_the_blocks_that_a_reorganisation_may_change(
    tmp_path: Path, tip: int, height: int
) -> None:
    stage = SweepStage(tmp_path, way=CoreWay(tip))
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert [one.height for one in stage.outgoing()] == [height]
    stage.close()


def test_a_coin_whose_transaction_nobody_shows_keeps_no_other_waiting(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.paid("pay_1", 50_000)
    (hidden,) = stage.way.mined
    stage.paid("pay_2", 60_000, index=1)
    shown = stage.way.raw_transaction

    def hides(txid: str, block_hash: str = "") -> bytes:
        if txid == hidden:
            raise SourceUnavailable("core: no such transaction")
        return shown(txid, block_hash)

    monkeypatch.setattr(stage.way, "raw_transaction", hides)
    stage.pass_s(3 * ROUND_S)
    (only,) = stage.outgoing()
    assert {coin.payment_id for coin in only.plan.coins} == {"pay_2"}
    why = "no source shows the transaction that paid it"
    assert waits(stage) == [("shop", f"payment pay_1 cannot be sent on: {why}")]


def test_a_coin_that_could_not_be_signed_for_is_tried_again_after_ten_minutes(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    (txid,) = stage.way.mined
    stage.paid("pay_2", 60_000, index=1)
    stage.way.lies[txid] = paying_tx(stage.script("p2wpkh", 0), 5_000, 99)
    stage.pass_s(3 * ROUND_S)
    stage.way.lies.clear()
    stage.pass_s(540.0)
    assert len(stage.outgoing()) == 1
    stage.pass_s(120.0)
    assert [one.plan.coins[0].payment_id for one in stage.outgoing()] == [
        "pay_2",
        "pay_1",
    ]
    assert waits(stage) == []


@pytest.mark.parametrize(("known", "left"), [(10_000, 10_001), (10_001, 1)])
def test_so_many_payments_that_cannot_be_signed_for_are_remembered(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch, known: int, left: int
) -> None:
    remembered: list[dict[str, float]] = []
    right = ForwarderActor._leave_unsigned

    def leave(self: ForwarderActor, *about: object) -> None:
        self._unsigned.update((f"other {n}", 0.0) for n in range(known))
        right(self, *about)  # type: ignore[arg-type]
        remembered.append(self._unsigned)

    monkeypatch.setattr(ForwarderActor, "_leave_unsigned", leave)
    stage.paid("pay_1", 50_000)
    (txid,) = stage.way.mined
    stage.paid("pay_2", 60_000, index=1)
    stage.way.lies[txid] = paying_tx(stage.script("p2wpkh", 0), 5_000, 99)
    stage.pass_s(ROUND_S)
    assert [len(one) for one in remembered] == [left]
