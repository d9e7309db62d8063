"""Channels that refuse, go off or hear nothing, and clocks that are wrong."""

import pytest

from actors.alerting.notifier import AlertsChanged
from engine.alerts.telling import concerns
from engine.delivery.attempt import AttemptOutcome
from engine.ports import Alert
from engine.runtime.clock import Timer
from engine.runtime.ref import Ref
from engine.store.records import ToldAlert
from engine.store.writes import Write
from tests.unit.actors.alerting.board import KIND, Board, full


def test_an_alert_that_an_endpoint_refuses_silences_no_other(board: Board) -> None:
    board.channel("phone")

    def answer(_: str) -> AttemptOutcome:
        refused = board.phones.bodies[-1].data["kind"] == KIND
        return AttemptOutcome.REFUSED if refused else AttemptOutcome.DELIVERED

    board.phones.answer = answer
    board.raise_("node")
    board.stage.pass_s(70)
    board.raise_("", "disk.low")
    board.stage.pass_s(70)
    kinds = [str(body.data["kind"]) for body in board.phones.bodies]
    assert "disk.low" in kinds
    board.stage.pass_s(86_400)
    assert len([body for body in board.phones.bodies if body.data["kind"] == KIND]) == 3


def test_one_that_is_down_for_a_kind_hears_of_another_all_the_same(
    board: Board,
) -> None:
    board.channel("phone")
    board.phones.answer = lambda _: AttemptOutcome.RETRY
    board.raise_("node")
    board.stage.pass_s(600)
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.raise_("", "disk.low")
    board.stage.pass_s(62)
    assert board.phones.heard[-1] == ("phone", "alert.raised", "")


def test_a_channel_that_goes_off_is_told_to_the_others(board: Board) -> None:
    board.channel("gone")
    board.channel("phone")
    board.phones.answer = lambda name: (
        AttemptOutcome.GONE if name == "gone" else AttemptOutcome.DELIVERED
    )
    board.raise_("node")
    board.stage.pass_s(130)
    assert board.phones.heard[-1] == ("phone", "alert.raised", "gone")
    assert board.phones.bodies[-1].data["kind"] == "channel.disabled"
    board.stage.pass_s(100_000)
    assert board.phones.heard[-1][1] == "alert.raised", "a day that is over is no end"


def test_one_that_goes_off_while_nothing_can_be_written_is_not_forgotten(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    board.phones.answer = lambda _: AttemptOutcome.RESTED
    with monkeypatch.context() as patch:
        patch.setattr(board.stage.store, "submit", full)
        board.stage.append(Write())
        board.stage.pass_s(62)
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.stage.pass_s(30)
    board.raise_("node")
    board.stage.pass_s(62)
    assert ("phone", "alert.raised", "node") in board.phones.heard


@pytest.mark.parametrize("outcome", [AttemptOutcome.DELIVERED, AttemptOutcome.RETRY])
def test_a_clock_that_was_ahead_silences_nobody(
    board: Board, outcome: AttemptOutcome
) -> None:
    board.channel("phone")
    board.stage.clock.jump_wall(30 * 86_400_000)
    board.phones.answer = lambda _: outcome
    board.raise_("node")
    board.stage.pass_s(62)
    assert len(board.phones.heard) >= 1
    board.stage.clock.jump_wall(-30 * 86_400_000)
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.raise_("other")
    before = len(board.phones.heard)
    board.stage.pass_s(2_000)
    assert len(board.phones.heard) > before
    assert board.told("phone") == 2


def test_a_look_at_many_alerts_sorts_them_once(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def counted(alert: Alert, merchant: str) -> ToldAlert | None:
        looked.append(alert.subject)
        return concerns(alert, merchant)

    for number in range(50):
        board.channel(f"c{number}", f"m{number}")
    for number in range(100):
        board.raise_(f"p{number}", "payment.waits", f"m{number % 50}")
    board.stage.pass_s(5)
    monkeypatch.setattr("actors.alerting.notifier.concerns", counted)
    board.raise_("once more")
    board.stage.pass_s(0.5)
    assert len(looked) <= 2 * 101


def test_between_two_looks_one_timer_is_set_whatever_comes_and_goes(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    board.stage.pass_s(5)
    board.raise_("first")
    board.stage.run()
    waits: list[float] = []
    original = board.stage.clock.call_later

    def counted(delay_s: float, ref: Ref, message: object) -> Timer:
        if isinstance(message, AlertsChanged):
            waits.append(delay_s)
        return original(delay_s, ref, message)

    monkeypatch.setattr(board.stage.clock, "call_later", counted)
    for number in range(50):
        board.raise_(f"p{number}")
        board.stage.run()
    assert len(waits) == 1
