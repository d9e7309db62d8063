"""What a round of the forwarder does not take, and what it does with that: it is put
off or stays queued, says why, and keeps nobody else waiting."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.errors import SigningError
from engine.store.outgoing_port import Queued
from engine.store.outgoing_writes import MoveOutgoing, QueueForward
from engine.store.writes import Write
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Signer
from tests.unit.actors.money.sweep_stage import (
    OWNER,
    HeldTestKeys,
    SweepStage,
    paying_tx,
)

ROUND_S = 11.0
LATER_MS = 600_000


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SweepStage]:
    stage = SweepStage(tmp_path)
    yield stage
    stage.close()


def queued(stage: SweepStage) -> list[str]:
    found = stage.store.forward_queue("shop", 100)
    return [one.payment.id for one in found if isinstance(one, Queued)]


def is_due(stage: SweepStage, *, in_ms: int = 0) -> bool:
    never = 10**12  # beyond it are those of a clock that went back
    return stage.store.forward_due(stage.clock.now() + in_ms, never) == ["shop"]


def why_it_waits(stage: SweepStage) -> list[str]:
    standing = stage.node.alerts.standing()
    return [one.detail for one in standing if one.kind == "forward.waits"]


def not_live(stage: SweepStage) -> None:
    now = stage.published.now
    fresh = replace(now.freshness, live=False)
    stage.published.publish(replace(now, freshness=fresh))


def test_what_is_sent_on_is_queued_no_more_and_counted(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    assert queued(stage) == ["pay_1"]
    stage.pass_s(ROUND_S)
    assert stage.states() == ["seen"]
    assert queued(stage) == []
    assert stage.node.counters["forward.sweeps"] == 1


def test_dust_alone_is_put_off_and_is_no_trouble(stage: SweepStage) -> None:
    stage.way.estimate = 5_000
    stage.paid("pay_1", 1_200)
    stage.pass_s(ROUND_S)
    assert queued(stage) == ["pay_1"]
    assert not is_due(stage)
    assert not is_due(stage, in_ms=LATER_MS - 60_000)
    assert is_due(stage, in_ms=LATER_MS)
    assert why_it_waits(stage) == []


def test_to_where_the_node_does_not_send_nothing_goes(tmp_path: Path) -> None:
    stage = SweepStage(tmp_path, ForwardPolicy(destinations=frozenset({"elsewhere"})))
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert why_it_waits(stage) == [f"{OWNER} is no destination that the node names"]
    assert queued(stage) == ["pay_1"]
    assert not is_due(stage)
    assert is_due(stage, in_ms=LATER_MS)
    stage.close()


def test_without_a_current_source_nothing_is_signed(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    not_live(stage)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert why_it_waits(stage) == ["no source of the chain is current"]
    assert is_due(stage), "it is looked for in the next round"


def test_of_a_locked_wallet_no_source_is_missed(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it is locked is an alert of its own; the chain has nothing to do with it."""
    monkeypatch.setattr(HeldTestKeys, "can_sign", lambda *_: False)
    stage.paid("pay_1", 50_000)
    not_live(stage)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert why_it_waits(stage) == []
    assert queued(stage) == ["pay_1"]
    assert not is_due(stage)
    assert is_due(stage, in_ms=60_000)


def test_a_lie_about_one_coin_keeps_no_other_waiting(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    (txid,) = stage.way.mined
    stage.paid("pay_2", 60_000, index=1)
    stage.way.lies[txid] = paying_tx(stage.script("p2wpkh", 0), 5_000, 99)
    stage.pass_s(3 * ROUND_S)
    (only,) = stage.outgoing()
    assert {coin.payment_id for coin in only.plan.coins} == {"pay_2"}
    assert queued(stage) == ["pay_1"]
    assert len(why_it_waits(stage)) == 1
    assert "payment pay_1 cannot be sent on" in why_it_waits(stage)[0]


def test_what_cannot_be_signed_for_another_reason_says_which(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise SigningError("the key is of another wallet")

    monkeypatch.setattr(Signer, "sign", refuses)
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    assert stage.outgoing() == []
    assert why_it_waits(stage) == ["the key is of another wallet"]


def test_one_that_was_settled_is_looked_at_again_if_its_payment_is_not_forwarded(
    stage: SweepStage,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (only,) = stage.outgoing()
    seq = stage.payment("pay_1").seq
    closed = MoveOutgoing(replace(only, is_open=False), only.state)
    stage.append(Write(rows=(closed, QueueForward("pay_1", "shop", seq))))
    stage.run()
    assert not stage.outgoing()[0].is_open
    stage.pass_s(ROUND_S)
    assert stage.outgoing()[0].is_open
    stage.mine()
    stage.pass_s(3 * ROUND_S)
    assert stage.states() == ["confirmed"]
    assert stage.status("pay_1") == "forwarded"


def test_its_way_to_the_chain_is_closed_with_it(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr(stage.way, "close", lambda: closed.append(1))
    stage.forwarder.stop()
    stage.run()
    assert closed == [1]
