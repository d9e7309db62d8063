"""Who is dead does not beat, and who cannot work does not either."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.alerting.heartbeat import LOW, LOW_BYTES, HeartbeatActor
from engine.ports import Freshness
from engine.store.writes import Outcome, Unavailable, Write
from tests.unit.actor_stage import ActorStage


class Outside:
    def __init__(self) -> None:
        self.beats = 0
        self.error: str | None = None
        self.free: int | None = LOW_BYTES

    def beat(self) -> str | None:
        self.beats += 1
        return self.error

    def free_bytes(self) -> int | None:
        return self.free


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    fresh = Freshness(source="node", live=True, since=0)
    stage.published.publish(replace(stage.published.now, freshness=fresh))
    stage.booted.publish(True)
    yield stage
    stage.close()


def beating(stage: ActorStage) -> Outside:
    outside = Outside()
    stage.start("heartbeat", HeartbeatActor(stage.node, outside, 60.0))
    return outside


def test_it_beats_as_long_as_all_is_well(stage: ActorStage) -> None:
    outside = beating(stage)
    stage.pass_s(600)
    assert outside.beats == 10
    assert stage.node.counters["heartbeat.sent"] == 10


def full(batch: Sequence[Write], done: Callable[[list[Outcome]], None]) -> None:
    """A writer whose disk is full."""
    done([Unavailable("the disk is full")] * len(batch))


@pytest.mark.parametrize("what", ["journal", "source", "boot"])
def test_it_is_silent_while_payments_are_not_told(
    stage: ActorStage, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = beating(stage)
    source = stage.published
    stale = Freshness(source="node", live=False, since=0)
    if what == "journal":
        monkeypatch.setattr(stage.store, "submit", full)
        stage.append(Write())
    elif what == "source":
        source.publish(replace(source.now, freshness=stale))
    else:
        stage.booted.publish(False)
    stage.pass_s(600)
    assert outside.beats == 0
    assert stage.node.counters["heartbeat.withheld"] == 10


def test_a_beat_that_fails_is_counted_and_tried_with_the_next(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    outside = beating(stage)
    outside.error = "connect: refused"
    stage.pass_s(300)
    assert stage.node.counters["heartbeat.failed"] == 5
    assert caplog.text.count("heartbeat.failed") == 1, "logged once, not each minute"
    outside.error = None
    stage.pass_s(60)
    assert stage.node.counters["heartbeat.sent"] == 1


def test_a_disk_that_is_nearly_full_is_an_alert_until_it_is_not(
    stage: ActorStage,
) -> None:
    outside = beating(stage)
    outside.free = LOW_BYTES - 1
    stage.pass_s(61)
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.detail[:8]) == (LOW, "511 MiB ")
    outside.free = None  # that cannot be said: nothing new
    stage.pass_s(60)
    assert len(stage.node.alerts) == 1
    outside.free = LOW_BYTES
    stage.pass_s(60)
    assert len(stage.node.alerts) == 0


@pytest.mark.parametrize(
    ("free", "is_low"), [(536_870_911, True), (536_870_912, False)]
)
def test_half_a_gibibyte_is_enough(stage: ActorStage, free: int, is_low: bool) -> None:
    outside = beating(stage)
    outside.free = free
    stage.pass_s(61)
    assert len(stage.node.alerts) == is_low


def test_the_alert_of_a_disk_is_the_nodes_and_of_when_it_was_seen(
    stage: ActorStage,
) -> None:
    outside = beating(stage)
    outside.free = 3 * 2**20
    stage.pass_s(60)
    (alert,) = stage.node.alerts.standing()
    assert (alert.subject, alert.merchant) == ("", None)
    assert alert.since == stage.clock.now()
    assert alert.detail == "3 MiB are free where the database is"


def test_each_reason_to_be_silent_is_said(stage: ActorStage) -> None:
    outside = Outside()
    actor = HeartbeatActor(stage.node, outside, 60.0)
    assert actor.why_not() is None
    stage.published.publish(
        replace(
            stage.published.now,
            freshness=Freshness(source="node", live=False, since=0),
        )
    )
    assert actor.why_not() == "no source is current"
    stage.booted.publish(False)
    assert actor.why_not() == "the node is not ready"
    report = stage.journal_report
    report.publish(replace(report.now, trouble="the disk is full"))
    assert actor.why_not() == stage.node.health.journal is not None


def test_a_failure_of_another_kind_is_logged_too_and_so_is_the_next_outage(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    outside = beating(stage)
    for error in ("refused", "refused", "timeout", None, "timeout"):
        outside.error = error
        stage.pass_s(60)
    assert caplog.text.count("heartbeat.failed detail=refused") == 1
    assert caplog.text.count("heartbeat.failed detail=timeout") == 2


def test_it_beats_first_when_an_interval_is_over_and_is_called_by_nobody_else(
    stage: ActorStage,
) -> None:
    outside = Outside()
    ref = stage.start("heartbeat", HeartbeatActor(stage.node, outside, 60.0))
    ref.tell("what is no beat")
    stage.pass_s(59)
    assert outside.beats == 0
    stage.pass_s(1)
    assert outside.beats == 1


def test_it_may_block_for_two_minutes() -> None:
    assert HeartbeatActor.blocking
    assert HeartbeatActor.turn_timeout_s == 120.0
