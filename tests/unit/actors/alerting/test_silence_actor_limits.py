"""How much at once, and from when on: the bounds of the watch for silence."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import actors.alerting.silence as subject
from actors.alerting.silence import SILENT, SilenceActor
from engine.merchants.record import Merchant
from engine.policy.periods import HOUR_MS
from engine.runtime.ref import Ref
from engine.store.writes import OrdersRow, Unavailable, Write
from tests.unit.actor_stage import ActorStage

HOUR_S = 3_600
DAY = 24


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def start(stage: ActorStage, expected: int = 10) -> SilenceActor:
    actor = SilenceActor(stage.node, expected)
    stage.start("silence", actor)
    stage.run()
    return actor


def usual(stage: ActorStage, merchant: str, an_hour: int, before: int = 0) -> None:
    """Five days of so many orders an hour; the last of them `before` hours ago."""
    now = stage.clock.now() // HOUR_MS
    rows = [
        OrdersRow(merchant, hour, an_hour, 0)
        for hour in range(now - 5 * DAY, now - before + 1)
    ]
    stage.append(Write(rows=tuple(rows)))
    stage.run()


def silent(stage: ActorStage) -> set[str]:
    standing = stage.node.alerts.standing()
    return {alert.subject for alert in standing if alert.kind == SILENT}


def rows_written(stage: ActorStage, patch: pytest.MonkeyPatch) -> list[Write]:
    found: list[Write] = []
    append = stage.node.append

    def kept(write: Write, reply: object) -> None:
        found.append(write)
        append(write, reply)  # type: ignore[arg-type]

    patch.setattr(stage.node, "append", kept)
    return found


def test_counts_are_taken_once_a_minute_and_for_five_hundred_at_a_time(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(stage)
    found = rows_written(stage, monkeypatch)
    stage.node.orders.add([f"m{n}" for n in range(501)])
    stage.pass_s(60)  # what was usual of the first 500 is read now
    assert found == []
    stage.pass_s(59.9)
    assert found == []
    stage.pass_s(0.1)
    assert [len(write.rows) for write in found] == [500]
    stage.pass_s(60)
    stage.pass_s(60)
    assert [len(write.rows) for write in found] == [500, 1]


def test_two_thousand_merchants_are_judged_and_no_more(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []
    original = SilenceActor._judge

    def counted(actor: SilenceActor, merchants: tuple[str, ...]) -> None:
        judged.append(len(merchants))
        original(actor, merchants)

    start(stage)
    for number in range(5):
        names = [f"m{n}" for n in range(number * 499, (number + 1) * 499)]
        stage.node.orders.add(names)
        stage.pass_s(120)
    monkeypatch.setattr(SilenceActor, "_judge", counted)
    stage.pass_s(60)
    assert sum(judged) == 2_000
    assert set(judged) == {100}


def test_at_the_start_two_thousand_records_are_read_and_the_default_without(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Many:
        def __iter__(self) -> Iterator[Merchant]:
            return (Merchant(name=f"m{n}") for n in range(2_100))

    asked: list[str] = []

    def know(_actor: SilenceActor, merchant: str) -> None:
        asked.append(merchant)

    monkeypatch.setattr(SilenceActor, "_know", know)
    monkeypatch.setattr(stage.node, "merchants", Many())
    start(stage)
    assert asked == ["default", *(f"m{n}" for n in range(2_000))]


def test_those_with_a_record_are_watched_from_the_start(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual(stage, "default", 20)
    usual(stage, "ann", 20)
    monkeypatch.setattr(stage.node, "merchants", [Merchant(name="ann")])
    start(stage)
    stage.pass_s(2 * HOUR_S)
    assert silent(stage) == {"default", "ann"}


def test_silence_begins_with_the_start_and_with_an_order_anew(
    stage: ActorStage,
) -> None:
    usual(stage, "default", 20, before=10)
    start(stage)
    begun = stage.clock.now()
    stage.pass_s(60)
    assert silent(stage) == set(), "the node was off: it heard nothing"
    stage.pass_s(29 * 60)
    assert silent(stage) == {"default"}, "ten of twenty an hour are missing"
    (alert,) = stage.node.alerts.standing()
    assert alert.detail.startswith("no order since ")
    assert alert.detail.endswith("some 10 are usual")
    assert alert.since == stage.clock.now() == begun + 30 * 60_000


def test_one_fewer_than_expected_is_no_silence(stage: ActorStage) -> None:
    usual(stage, "default", 20)
    start(stage, 11)
    stage.pass_s(30 * 60)
    assert silent(stage) == set()
    stage.pass_s(3 * 60)
    assert silent(stage) == {"default"}


def test_a_merchant_without_any_hour_is_never_silent(stage: ActorStage) -> None:
    start(stage, 1)
    stage.pass_s(5 * DAY * HOUR_S)
    assert silent(stage) == set()


def test_who_expects_none_reads_nothing_and_takes_no_counts(stage: ActorStage) -> None:
    actor = start(stage, 0)
    assert actor._hours == {}
    stage.node.orders.add(["ann"])
    stage.pass_s(200)
    assert stage.node.orders.merchants(9) == ["ann"]


def test_what_cannot_be_written_counts_in_the_hour_in_which_it_can(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = start(stage)
    stage.node.orders.add(["default"])
    stage.pass_s(60)
    hour = stage.clock.now() // HOUR_MS
    assert actor._hours["default"] == {hour: 1}
    with monkeypatch.context() as patch:

        def refuse(_write: Write, reply: object) -> None:
            assert callable(reply)
            reply(Unavailable("the disk is full"))

        patch.setattr(stage.node, "append", refuse)
        stage.node.orders.add(["default"] * 2)
        stage.pass_s(60)
        assert actor._hours["default"] == {hour: 1}
        stage.pass_s(HOUR_S)
    stage.pass_s(60)
    assert sum(actor._hours["default"].values()) == 3
    assert stage.store.order_hours("default") == {hour: 1, hour + 1: 2}
    assert stage.node.orders.merchants(9) == [], "given back once, and taken"


def test_a_week_and_a_day_of_hours_is_kept_on_disk_and_in_memory(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = stage.clock.now() // HOUR_MS
    kept, gone = hour - 8 * DAY, hour - 8 * DAY - 1
    rows = tuple(OrdersRow("default", h, 1, 0) for h in (gone, kept, hour - 1))
    stage.append(Write(rows=rows))
    actor = start(stage)
    found = rows_written(stage, monkeypatch)
    stage.node.orders.add(["default"])
    stage.pass_s(60)
    assert found[0].rows == (OrdersRow("default", hour, 1, kept),)
    assert set(actor._hours["default"]) == {kept, hour - 1, hour}
    assert set(stage.store.order_hours("default")) == {kept, hour - 1, hour}


def test_hours_of_a_clock_that_was_ahead_are_not_read(stage: ActorStage) -> None:
    hour = stage.clock.now() // HOUR_MS
    rows = tuple(OrdersRow("default", h, 1, 0) for h in (hour - 1, hour, hour + 1))
    stage.append(Write(rows=rows))
    actor = start(stage)
    assert set(actor._hours["default"]) == {hour - 1, hour}


def test_a_clock_a_year_ahead_takes_a_day_of_history_at_most(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual(stage, "default", 1)
    start(stage)
    found = rows_written(stage, monkeypatch)
    newest = stage.clock.now() // HOUR_MS
    stage.clock.jump_wall(365 * DAY * HOUR_MS)
    stage.node.orders.add(["default"])
    stage.pass_s(60)
    (row,) = found[0].rows
    assert isinstance(row, OrdersRow)
    assert row.keep_from == newest + DAY - 8 * DAY


def test_what_was_usual_is_read_once(stage: ActorStage) -> None:
    actor = start(stage)
    stage.node.orders.add(["default"] * 3)
    stage.pass_s(60)
    before = dict(actor._hours["default"])
    actor.ref.tell(subject._Read("default", {1: 99}))
    stage.run()
    assert actor._hours["default"] == before


def test_a_read_that_failed_leaves_the_merchant_to_the_next_minute(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = start(stage)
    stage.node.orders.add(["ann"])

    def unreadable(_ask: object, reply: object) -> None:
        assert callable(reply)
        reply(RuntimeError("no disk"))

    with monkeypatch.context() as patch:
        patch.setattr(stage.node, "read", unreadable)
        stage.pass_s(60)
        assert set(actor._hours) == {"default"}
    stage.pass_s(60)
    assert set(actor._hours) == {"default", "ann"}


def test_two_minutes_that_came_due_are_one(stage: ActorStage) -> None:
    assert subject.CountsDue.coalesce
    ref: Ref = stage.start("silence", SilenceActor(stage.node, 10))
    stage.run()
    ref.tell(msgspec.Raw(b"nothing that it knows"))
    stage.run()
    assert ref.is_alive
