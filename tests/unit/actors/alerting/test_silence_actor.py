"""Orders that stay away, over simulated days."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from actors.alerting.silence import SILENT, SilenceActor
from engine.runtime.ref import Ref
from engine.store.writes import Unavailable, Write
from tests.unit.actor_stage import ActorStage

HOUR_S = 3_600


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def start(stage: ActorStage, expected: int = 10) -> Ref:
    return stage.start("silence", SilenceActor(stage.node, expected))


def trade(stage: ActorStage, hours: int, an_hour: int, *merchants: str) -> None:
    random = Random(7)
    for _ in range(hours * 6):
        for merchant in merchants:
            number = sum(random.random() < an_hour / 60 for _ in range(10))
            stage.node.orders.add([merchant] * number)
        stage.pass_s(HOUR_S / 6)


def silent(stage: ActorStage) -> set[str]:
    standing = stage.node.alerts.standing()
    return {alert.subject for alert in standing if alert.kind == SILENT}


def test_a_shop_that_falls_silent_is_told_and_resolved_with_its_next_order(
    stage: ActorStage,
) -> None:
    start(stage)
    trade(stage, 24 * 5, 20, "ann", "bob")
    assert silent(stage) == set()
    trade(stage, 2, 20, "bob")
    assert silent(stage) == {"ann"}
    (alert,) = stage.node.alerts.standing()
    assert alert.merchant == "ann"
    assert "no order since" in alert.detail
    stage.node.orders.add(["ann"])
    stage.pass_s(120)
    assert silent(stage) == set()


def test_a_small_shop_is_silent_for_longer(stage: ActorStage) -> None:
    start(stage)
    trade(stage, 24 * 5, 1, "ann")
    trade(stage, 4, 0)
    assert silent(stage) == set()
    trade(stage, 10, 0)
    assert silent(stage) == {"ann"}


def test_what_was_usual_is_known_after_a_restart_and_silence_begins_anew(
    stage: ActorStage,
) -> None:
    first = start(stage)
    trade(stage, 24 * 5, 20, "ann")
    first.kill()
    first.stop()
    stage.pass_s(5 * HOUR_S)  # the node is off
    again = start(stage)
    assert again is not first
    stage.pass_s(120)
    stage.node.orders.add(["ann"])
    stage.pass_s(120)
    assert silent(stage) == set()
    trade(stage, 2, 0)
    assert silent(stage) == {"ann"}


def test_counts_that_cannot_be_written_are_not_lost(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(stage)
    stage.node.orders.add(["ann"] * 3)
    stage.pass_s(61)  # what was usual is read
    append = stage.node.append

    def refuse(_write: Write, reply: object) -> None:
        assert callable(reply)
        reply(Unavailable("the disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(stage.node, "append", refuse)
        stage.pass_s(180)
    assert stage.node.append == append
    stage.pass_s(61)
    assert sum(stage.store.order_hours("ann").values()) == 3


def test_zero_is_never(stage: ActorStage) -> None:
    start(stage, 0)
    trade(stage, 24 * 4, 20, "ann")
    trade(stage, 20, 0)
    assert silent(stage) == set()


def test_history_of_more_than_a_week_is_forgotten(stage: ActorStage) -> None:
    start(stage)
    trade(stage, 24 * 10, 6, "ann")
    hours = stage.store.order_hours("ann")
    assert len(hours) <= 24 * 8 + 1


def test_an_order_of_an_hour_to_come_hides_no_silence(stage: ActorStage) -> None:
    first = start(stage)
    trade(stage, 24 * 5, 20, "default")
    stage.clock.jump_wall(365 * 86_400_000)
    stage.node.orders.add(["default"])
    stage.pass_s(61)
    stage.clock.jump_wall(-365 * 86_400_000)
    assert len(stage.store.order_hours("default")) > 100, "a clock took the history"
    first.kill()
    first.stop()
    start(stage)
    trade(stage, 2, 0)
    assert silent(stage) == {"default"}


def test_of_many_shops_a_hundred_are_judged_in_a_turn_and_all_in_a_round(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []
    original = SilenceActor._judge

    def counted(actor: SilenceActor, merchants: tuple[str, ...]) -> None:
        judged.append(len(merchants))
        original(actor, merchants)

    start(stage)
    stage.node.orders.add([f"m{number}" for number in range(249)])
    stage.pass_s(61)  # what was usual of them is read
    monkeypatch.setattr(SilenceActor, "_judge", counted)
    stage.pass_s(60)
    assert judged == [100, 100, 50]
