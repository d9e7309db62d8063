"""The alert of a watcher that is put aside: whose it is, and when it is over."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.facts.published import WatcherTrouble
from actors.watching import quarantine
from tests.unit.actor_stage import ActorStage

PUT_ASIDE = WatcherTrouble("a bug", quarantined=True)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def test_its_merchant_is_told(stage: ActorStage) -> None:
    stage.create("p", merchant="ann")
    stage.book.note_trouble("p", PUT_ASIDE)
    quarantine.alert_of(stage.node, "p")
    stage.run()
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject) == ("watcher.quarantined", "p")
    assert (alert.merchant, alert.since) == ("ann", stage.clock.now())
    assert alert.detail == (
        "its watcher keeps crashing and is left alone; the log says why"
    )


@pytest.mark.parametrize("answer", [None, RuntimeError("no disk")])
def test_the_node_is_told_of_one_that_cannot_be_read(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    def read(_ask: object, reply: Callable[[Any], None]) -> None:
        reply(answer)

    monkeypatch.setattr(stage.node, "read", read)
    stage.book.note_trouble("p", PUT_ASIDE)
    quarantine.alert_of(stage.node, "p")
    (alert,) = stage.node.alerts.standing()
    assert (alert.subject, alert.merchant) == ("p", None)


@pytest.mark.parametrize("trouble", [None, WatcherTrouble("a bug", quarantined=False)])
def test_one_that_was_woken_meanwhile_is_no_alert(
    stage: ActorStage, trouble: WatcherTrouble | None
) -> None:
    stage.create("p")
    stage.book.note_trouble("p", trouble)
    quarantine.alert_of(stage.node, "p")
    stage.run()
    assert stage.node.alerts.standing() == ()


def test_it_ends_for_one_or_for_all_and_no_other_alert_does(
    stage: ActorStage,
) -> None:
    alerts, now = stage.node.alerts, stage.clock.now()
    for subject in ("p", "q", "r"):
        alerts.raise_("watcher.quarantined", subject, "why", now)
    alerts.raise_("payment.waits", "p", "why", now)
    quarantine.over(stage.node, "p")
    left = [(alert.kind, alert.subject) for alert in alerts.standing()]
    assert left == [
        ("watcher.quarantined", "q"),
        ("watcher.quarantined", "r"),
        ("payment.waits", "p"),
    ]
    quarantine.all_over(stage.node)
    left = [(alert.kind, alert.subject) for alert in alerts.standing()]
    assert left == [("payment.waits", "p")]
