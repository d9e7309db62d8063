"""Who is told of alerts, over channels that answer as the test says."""

import pytest
from msgspec.structs import replace

from actors.alerting.line import QUIET_MS
from engine.delivery.attempt import AttemptOutcome
from engine.delivery.channel import channel_of
from engine.store.writes import Write
from tests.unit.actors.alerting.board import KIND, Board, full


def test_an_alert_and_its_end_are_told_to_those_who_name_alerts(board: Board) -> None:
    board.channel("phone")
    board.channel("shop", "*", "payment.*")
    board.raise_("node")
    board.stage.pass_s(59)
    assert board.phones.heard == []
    board.stage.pass_s(2)
    assert board.phones.heard == [("phone", "alert.raised", "node")]
    told = board.phones.bodies[0].data
    assert (told["kind"], told["detail"], told["total"]) == (KIND, "why", 1)
    assert told["since"] == "2026-01-02T03:04:05.678Z" or told["since"]
    assert board.told("phone") == 1
    board.node.alerts.clear(KIND, "node")
    board.stage.pass_s(1_000)
    assert board.phones.heard[1:] == [("phone", "alert.resolved", "node")]
    assert board.told("phone") == 0
    assert len(set(board.phones.ids)) == 2


def test_what_comes_and_goes_is_told_nobody(board: Board) -> None:
    board.channel("phone")
    for _ in range(20):
        board.raise_("node")
        board.stage.pass_s(30)
        board.node.alerts.clear(KIND, "node")
        board.stage.pass_s(30)
    assert board.phones.heard == []


def test_one_that_was_told_and_is_away_again_and_again_is_not_told_to_be_over(
    board: Board,
) -> None:
    board.channel("phone")
    board.raise_("node")
    board.stage.pass_s(400)
    for _ in range(5):
        board.node.alerts.clear(KIND, "node")
        board.stage.pass_s(40)
        board.raise_("node")
        board.stage.pass_s(40)
    assert board.phones.heard == [("phone", "alert.raised", "node")]


def test_a_thousand_alerts_of_a_kind_are_a_few_messages(board: Board) -> None:
    board.channel("phone")
    for number in range(1_000):
        board.raise_(f"p{number:03}", "payment.waits")
        if number % 100 == 99:
            board.stage.pass_s(60)
    board.stage.pass_s(2_000)
    assert sum(int(str(b.data["total"])) for b in board.phones.bodies) == 1_000
    assert len(board.phones.bodies) < 5
    assert all(len(list(b.data["more"])) <= 19 for b in board.phones.bodies)  # type: ignore[call-overload]


def test_a_merchant_is_told_of_its_own_alerts_and_of_nobody_elses(board: Board) -> None:
    board.channel("ann", "ann")
    board.channel("bob", "bob")
    board.channel("operator")
    board.raise_("p1", "payment.waits", "ann")
    board.raise_("node")
    board.raise_("", "sources.none_current")
    board.stage.pass_s(700)
    heard = {who: set[str]() for who in ("ann", "bob", "operator")}
    for (who, _, _), body in zip(board.phones.heard, board.phones.bodies, strict=True):
        heard[who].add(str(body.data["kind"]))
    assert heard["ann"] == {"payment.waits", "sources.none_current"}
    assert heard["bob"] == {"sources.none_current"}
    assert heard["operator"] == {"payment.waits", KIND, "sources.none_current"}


def test_a_failed_message_is_tried_again_with_its_id(board: Board) -> None:
    board.channel("phone")
    board.phones.answer = lambda _: AttemptOutcome.RETRY
    board.raise_("node")
    board.stage.pass_s(400)
    assert len(board.phones.ids) >= 3
    assert len(set(board.phones.ids)) == 1
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.stage.pass_s(1_000)
    assert len(set(board.phones.ids)) == 1
    assert board.told("phone") == 1
    attempts = board.stage.store.attempts("phone", None, 50)
    assert attempts[0].outcome == "delivered"
    assert attempts[0].attempt == len(attempts)


def test_a_dead_phone_delays_no_other(board: Board) -> None:
    board.channel("dead")
    board.channel("phone")
    board.phones.answer = lambda name: (
        AttemptOutcome.RETRY if name == "dead" else AttemptOutcome.DELIVERED
    )
    board.raise_("node")
    board.stage.pass_s(62)
    board.raise_("p", "payment.waits")
    board.stage.pass_s(62)
    assert [h for h in board.phones.heard if h[0] == "phone"] == [
        ("phone", "alert.raised", "node"),
        ("phone", "alert.raised", "p"),
    ]


def test_what_is_over_before_it_could_be_told_is_never_told(board: Board) -> None:
    board.channel("phone")
    board.phones.answer = lambda _: AttemptOutcome.RETRY
    board.raise_("node")
    board.stage.pass_s(100)
    board.node.alerts.clear(KIND, "node")
    board.stage.pass_s(100)
    tried = len(board.phones.heard)
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.stage.pass_s(4_000)
    assert len(board.phones.heard) == tried


def test_after_a_restart_nothing_is_told_twice_and_the_end_is_told(
    board: Board,
) -> None:
    board.channel("phone")
    board.raise_("node")
    board.stage.pass_s(61)
    board.restart()
    board.stage.pass_s(100)
    assert len(board.phones.heard) == 1
    board.node.alerts.clear(KIND, "node")
    board.restart()
    board.stage.pass_s(QUIET_MS / 1000 + 59)
    assert len(board.phones.heard) == 1, "its raiser may not have looked yet"
    board.stage.pass_s(60)
    assert board.phones.heard[1:] == [("phone", "alert.resolved", "node")]


def test_while_nothing_can_be_written_it_is_told_all_the_same_and_noted_later(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    with monkeypatch.context() as patch:
        patch.setattr(board.stage.store, "submit", full)
        board.stage.append(Write())
        board.stage.pass_s(61)
        assert board.phones.heard == [("phone", "alert.raised", "")]
        assert board.phones.bodies[0].data["kind"] == "journal.cannot_write"
        assert board.told("phone") == 0
    board.stage.pass_s(40)
    assert board.told("phone") == 1


@pytest.mark.parametrize("outcome", [AttemptOutcome.GONE, AttemptOutcome.RESTED])
def test_a_phone_that_wants_no_more_rests_with_a_reason(
    board: Board, outcome: AttemptOutcome
) -> None:
    board.channel("phone")
    board.phones.answer = lambda _: outcome
    board.raise_("node")
    board.stage.pass_s(4_000)
    assert len(board.phones.heard) == 1
    (record,) = board.stage.store.channels()
    channel = channel_of(record)
    assert not channel.enabled
    assert channel.disabled_reason
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.save(replace(channel, enabled=True))
    board.stage.pass_s(61)
    assert [subject for _, _, subject in board.phones.heard[1:]] == ["node", "phone"]


def test_who_wants_the_beginning_only_is_not_told_the_end(board: Board) -> None:
    board.channel("phone", "*", "alert.raised")
    board.raise_("node")
    board.stage.pass_s(61)
    board.node.alerts.clear(KIND, "node")
    board.stage.pass_s(1_000)
    assert [type_ for _, type_, _ in board.phones.heard] == ["alert.raised"]
    board.raise_("node")
    board.stage.pass_s(61)
    assert [type_ for _, type_, _ in board.phones.heard] == ["alert.raised"] * 2


def test_a_channel_that_is_changed_or_made_later_hears_what_stands(
    board: Board,
) -> None:
    board.raise_("node")
    board.stage.pass_s(100)
    board.channel("phone")
    board.stage.pass_s(1)
    assert board.phones.heard == [("phone", "alert.raised", "node")]
    board.channel("phone", description="the operator's")
    board.stage.pass_s(1_000)
    assert len(board.phones.heard) == 1, "it knows that already"


def test_a_sender_that_crashes_costs_one_attempt(board: Board) -> None:
    board.channel("phone")

    def crash(_: str) -> AttemptOutcome:
        board.phones.answer = lambda _: AttemptOutcome.DELIVERED
        raise RuntimeError("a bug")

    board.phones.answer = crash
    board.raise_("node")
    board.stage.pass_s(100)
    assert board.told("phone") == 1
