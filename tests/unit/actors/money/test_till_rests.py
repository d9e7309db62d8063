"""A till's forward that is stuck or given up, and whose invoice is paid after all."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.errors.lightning import NodeUnavailable
from engine.lightning.node import InvoiceStatus
from engine.lightning.till import GRACE_MS, TillForward, TillState, given_up
from engine.store.writes import MoveTill, Write
from tests.unit.actors.money.till_stage import TillsOnStage

S = TillState
DAY_S = 86_400


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[TillsOnStage]:
    stage = TillsOnStage(tmp_path, {"till": "own", "own": ""})
    yield stage
    stage.close()


def events(stage: TillsOnStage) -> list[str]:
    kept = stage.store.history("pay_1")
    types = [msgspec.json.decode(one.wire)["type"] for one in kept]
    return [name for name in types if "forward" in name or "failed" in name]


def stuck(stage: TillsOnStage) -> TillForward:
    """The till's node never answers when it is asked to pay."""
    stage.nodes["till"].fails["pay"] = NodeUnavailable("no answer")
    stage.came("pay_1")
    for _ in range(500):
        stage.pass_s(60)
        forward = stage.forward("pay_1")
        if forward.state is S.STUCK:
            assert forward.expires_at > stage.clock.now() + 600_000
            assert stage.alerts == {("till.stuck", forward.id)}
            return forward
    raise AssertionError(stage.forward("pay_1"))


def give_up(stage: TillsOnStage) -> None:
    forward = stage.forward("pay_1")
    gone = given_up(forward, stage.clock.now(), "by hand")
    assert gone is not None, forward
    stage.append(Write(rows=(MoveTill(gone, forward.step),)))
    stage.wake()


def to_the_end_of(stage: TillsOnStage, forward: TillForward) -> None:
    over = forward.expires_at + GRACE_MS
    stage.pass_s((over - stage.clock.now()) // 1_000 + 6)  # and a round


def test_money_that_arrives_while_it_is_stuck_is_told_once(stage: TillsOnStage) -> None:
    forward = stuck(stage)
    before, tries = events(stage), stage.nodes["till"].asked.count("pay")
    stage.nodes["till"].paid[forward.payment_hash] = 1
    stage.pass_s(1_800)
    assert stage.forward("pay_1").state is S.PAID
    assert stage.payment("pay_1").status == "forwarded"
    assert events(stage) == [*before, "payment.forwarded"]
    assert stage.alerts == set()
    assert stage.nodes["till"].asked.count("pay") == tries


def test_the_targets_word_is_enough(stage: TillsOnStage) -> None:
    stuck(stage)
    stage.nodes["own"].status = InvoiceStatus.PAID
    stage.pass_s(1_800)
    assert stage.payment("pay_1").status == "forwarded"


def test_one_that_stays_unpaid_is_stuck_in_silence_and_then_asked_for_no_more(
    stage: TillsOnStage, caplog: pytest.LogCaptureFixture
) -> None:
    forward = stuck(stage)
    seq, tries = stage.payment("pay_1").seq, stage.nodes["till"].asked.count("pay")
    caplog.clear()
    asked = len(stage.nodes["till"].asked)
    to_the_end_of(stage, forward)
    looks = len(stage.nodes["till"].asked) - asked
    assert 0 < looks <= 8
    both = [len(node.asked) for node in stage.nodes.values()]
    stage.pass_s(DAY_S)
    assert [len(node.asked) for node in stage.nodes.values()] == both
    after = stage.forward("pay_1")
    assert (after.state, after.reason) == (S.STUCK, forward.reason)
    assert stage.alerts == {("till.stuck", forward.id)}
    assert stage.payment("pay_1").seq == seq
    assert stage.nodes["till"].asked.count("pay") == tries
    assert not [line for line in caplog.messages if line.startswith("till.")]


def test_a_payment_hears_that_its_forward_was_given_up(stage: TillsOnStage) -> None:
    forward = stuck(stage)
    to_the_end_of(stage, forward)
    before = events(stage)
    give_up(stage)
    assert events(stage) == [*before, "payment.failed"]
    assert stage.payment("pay_1").status == "failed"
    assert not stage.forward("pay_1").is_open, "both said that it is over"
    assert stage.alerts == set()


def test_one_that_was_never_tried_is_given_up_and_nobody_is_asked(
    stage: TillsOnStage,
) -> None:
    stage.nodes["till"].fails["payout"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.wake()
    assert stage.forward("pay_1").state is S.INVOICED
    asked = len(stage.nodes["till"].asked)
    give_up(stage)
    stage.pass_s(60)
    assert events(stage) == ["payment.forwarding", "payment.failed"]
    assert not stage.forward("pay_1").is_open
    assert len(stage.nodes["till"].asked) == asked


def test_money_of_one_that_was_given_up_is_told_when_the_target_answers(
    stage: TillsOnStage,
) -> None:
    """Nobody could say whether it had arrived when a person decided."""
    forward = stuck(stage)
    stage.nodes["own"].fails["lookup"] = NodeUnavailable("down")
    to_the_end_of(stage, forward)
    before = events(stage)
    give_up(stage)
    stage.pass_s(3_600)
    assert events(stage) == [*before, "payment.failed"]
    assert stage.alerts == set()
    stage.nodes["own"].fails.clear()
    stage.nodes["own"].status = InvoiceStatus.PAID
    stage.pass_s(3_700)
    assert stage.forward("pay_1").state is S.PAID
    assert events(stage) == [*before, "payment.failed", "payment.forwarded"]
    assert stage.payment("pay_1").status == "forwarded"
