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
