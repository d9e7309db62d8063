"""How often and how much at once: the notifier's times and bounds, counted."""

import itertools
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from actors.alerting.notifier import AlertNotifierActor, AlertsChanged
from actors.facts.alerts import Alerts
from actors.messages import ChannelChanged
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import channel_of
from engine.ports import Alert
from engine.runtime.clock import Timer
from engine.runtime.ref import Exited, ExitReason, Ref
from engine.secrets.vault import Vault
from engine.store.writes import DeliveryResult, Outcome, Write
from tests.unit.actors.alerting.board import KIND, Board, full

DAY_S = 86_400


def timers(
    board: Board, patch: pytest.MonkeyPatch, kind: type[object]
) -> list[tuple[float, object]]:
    """What is set from now on, with its wait in s."""
    found: list[tuple[float, object]] = []
    original = board.stage.clock.call_later

    def counted(delay_s: float, ref: Ref, message: object) -> Timer:
        if isinstance(message, kind):
            found.append((delay_s, message))
        return original(delay_s, ref, message)

    patch.setattr(board.stage.clock, "call_later", counted)
    return found


def test_with_nothing_to_do_it_looks_every_half_minute(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    board.stage.pass_s(31)
    looks: list[int] = []
    original = Alerts.standing

    def counted(alerts: Alerts, now: int = 0) -> tuple[Alert, ...]:
        looks.append(now)
        return original(alerts, now)

    monkeypatch.setattr(Alerts, "standing", counted)
    board.stage.pass_s(120)
    waits = {after - before for before, after in itertools.pairwise(looks)}
    assert len(looks) == 4
    assert waits == {30_000}


def test_between_two_looks_is_a_second(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    board.stage.pass_s(5)
    set_ = timers(board, monkeypatch, AlertsChanged)
    board.raise_("first")
    board.stage.run()
    board.raise_("second")
    board.stage.run()
    board.stage.pass_s(0.4)
    board.raise_("third")
    board.stage.run()
    assert [wait for wait, _ in set_] == [1.0]
    board.stage.pass_s(0.7)
    board.raise_("fourth")
    board.stage.run()
    assert [round(wait, 3) for wait, _ in set_] == [1.0, 0.9], "it looked in between"


def test_nobody_to_tell_is_no_look_and_no_timer(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.stage.pass_s(31)
    set_ = timers(board, monkeypatch, AlertsChanged)
    board.raise_("node")
    board.stage.pass_s(100)
    assert set_ == []


def test_two_hundred_channels_are_looked_at_in_a_turn(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(450):
        board.channel(f"c{number:03}")
    board.stage.pass_s(5)
    seen: list[int] = []
    original = AlertNotifierActor._look_at

    def counted(actor: AlertNotifierActor, names: tuple[str, ...], on: object) -> None:
        seen.append(len(names))
        original(actor, names, on)  # type: ignore[arg-type]

    monkeypatch.setattr(AlertNotifierActor, "_look_at", counted)
    board.raise_("node")
    board.stage.run()
    assert seen == [450, 250, 50]
    board.stage.pass_s(62)
    assert len(board.phones.heard) == 450


@pytest.mark.parametrize("channel_id", [None, "phone"])
def test_channels_that_cannot_be_read_are_asked_for_again_in_five_seconds(
    board: Board, monkeypatch: pytest.MonkeyPatch, channel_id: str | None
) -> None:
    board.channel("phone")
    board.channel("other")
    set_ = timers(board, monkeypatch, ChannelChanged)

    def unreadable(_ask: object, reply: Callable[[object], None]) -> None:
        reply(RuntimeError("no disk"))

    with monkeypatch.context() as patch:
        patch.setattr(board.node, "read", unreadable)
        board.ref.tell(ChannelChanged("phone")) if channel_id else board.restart()
        board.stage.run()
    assert set_ == [(5.0, ChannelChanged(channel_id))]
    board.stage.pass_s(5)
    board.raise_("node")
    board.stage.pass_s(61)
    assert {name for name, _, _ in board.phones.heard} == {"phone", "other"}


def test_what_could_not_be_written_of_a_channel_is_read_again_in_five_seconds(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    board.phones.answer = lambda _: AttemptOutcome.RESTED
    set_ = timers(board, monkeypatch, ChannelChanged)
    with monkeypatch.context() as patch:
        patch.setattr(board.stage.store, "submit", full)
        board.raise_("node")
        board.stage.pass_s(60)
    assert set_ == [(5.0, ChannelChanged("phone"))]


def test_an_attempt_that_changes_no_channel_reads_none(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    set_ = timers(board, monkeypatch, ChannelChanged)
    with monkeypatch.context() as patch:
        patch.setattr(board.stage.store, "submit", full)
        board.raise_("node")
        board.stage.pass_s(60)
    assert board.phones.heard
    assert set_ == []


def test_each_attempt_is_a_line_of_the_channels_log_and_counted(board: Board) -> None:
    board.channel("phone")
    board.phones.answer = lambda _: AttemptOutcome.RETRY
    board.raise_("node")
    board.stage.pass_s(60)
    at = board.stage.clock.now()
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.stage.pass_s(10)
    second, first = board.stage.store.attempts("phone", None, 9)
    assert first.payment_id == "alerts"
    assert (first.seq, first.attempt, first.at, first.latency_ms) == (0, 1, at, 2)
    assert (first.outcome, first.error) == ("retry", "no such phone")
    assert first.status is None
    assert (second.outcome, second.attempt) == ("delivered", 2)
    assert board.node.counters["alerts.retry"] == 1
    assert board.node.counters["alerts.delivered"] == 1


def test_what_an_alert_came_to_is_no_delivery_of_a_payment(board: Board) -> None:
    written: list[Write] = []
    append = board.node.append

    def kept(write: Write, reply: Callable[[Outcome], None]) -> None:
        written.append(write)
        append(write, reply)

    board.channel("phone")
    board.phones.answer = lambda _: AttemptOutcome.RETRY
    board.node.append = kept  # type: ignore[method-assign]
    board.raise_("node")
    board.stage.pass_s(60)
    board.phones.answer = lambda _: AttemptOutcome.DELIVERED
    board.stage.pass_s(10)
    rows = [
        row
        for write in written
        for row in write.rows
        if isinstance(row, DeliveryResult)
    ]
    assert [(r.offset, r.seq, r.next_at, r.state) for r in rows] == [
        (0, 0, 0, "pending"),
        (0, 0, 0, "delivered"),
    ]


def test_the_messages_have_ids_of_their_time_and_a_number(board: Board) -> None:
    board.channel("phone")
    board.channel("desk")
    board.raise_("node")
    board.stage.pass_s(60)
    at = board.stage.clock.now()
    assert all(id_.startswith(f"alt_{at}_") for id_ in board.phones.ids)
    first, second = sorted(int(id_.rpartition("_")[2]) for id_ in board.phones.ids)
    assert second == first + 1 > 1
    assert board.phones.bodies[0].data["merchant"] is None


def test_a_merchants_channel_that_goes_off_is_the_merchants_alert_for_a_day(
    board: Board,
) -> None:
    board.channel("anns", "ann")
    board.phones.answer = lambda _: AttemptOutcome.GONE
    board.raise_("p", "payment.waits", "ann")
    board.stage.pass_s(61)
    assert board.phones.bodies[0].data["merchant"] == "ann"
    now = board.stage.clock.now
    (alert,) = [a for a in board.node.alerts.standing() if a.kind == "channel.disabled"]
    assert (alert.subject, alert.merchant) == ("anns", "ann")
    assert alert.detail == "the endpoint answered 410 Gone"
    board.stage.clock.jump_wall(alert.since + DAY_S * 1000 - 1 - now())
    kinds = {one.kind for one in board.node.alerts.standing(now())}
    assert "channel.disabled" in kinds
    kinds = {one.kind for one in board.node.alerts.standing(now() + 1)}
    assert "channel.disabled" not in kinds


def test_a_channel_of_everybody_that_goes_off_concerns_the_node(board: Board) -> None:
    board.channel("desk")
    board.phones.answer = lambda _: AttemptOutcome.GONE
    board.raise_("node")
    board.stage.pass_s(61)
    (alert,) = [a for a in board.node.alerts.standing() if a.kind == "channel.disabled"]
    assert alert.merchant is None


def test_a_channel_whose_secrets_cannot_be_opened_is_tried_again_and_told_later(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    board.channel("phone")
    (record,) = board.stage.store.channels()
    good = channel_of(record)
    other = Vault(b"o" * 32).seal(b"secret", "phone")
    board.save(replace(good, secret=other))
    board.ref.tell(ChannelChanged("phone"))
    board.raise_("node")
    board.stage.pass_s(70)
    assert board.phones.heard == []
    assert 1 <= caplog.text.count("channel.sealed channel=phone") <= 3
    board.save(good)
    board.ref.tell(ChannelChanged("phone"))
    board.stage.pass_s(1)
    assert len(board.phones.heard) == 1


def worker_of(board: Board, name: str) -> Ref:
    actor = board.ref.actor
    assert isinstance(actor, AlertNotifierActor)
    return actor._workers[name]


def test_one_sender_serves_a_channel_until_it_is_changed(board: Board) -> None:
    board.channel("phone")
    board.raise_("node")
    board.stage.pass_s(61)
    first = worker_of(board, "phone")
    board.raise_("p", "payment.waits")
    board.stage.pass_s(61)
    assert len(board.phones.heard) == 2
    assert worker_of(board, "phone") is first
    board.ref.tell(ChannelChanged("phone"))
    board.stage.run()
    assert worker_of(board, "phone") is first, "nothing was changed"
    board.channel("phone", description="the operator's")
    board.ref.tell(ChannelChanged("phone"))
    board.stage.run()
    assert first.is_stopped
    board.raise_("late", "disk.low")
    board.stage.pass_s(61)
    assert len(board.phones.heard) == 3
    assert worker_of(board, "phone") is not first


def test_the_sender_of_a_channel_that_is_off_ends(board: Board) -> None:
    board.channel("phone")
    board.raise_("node")
    board.stage.pass_s(61)
    worker = worker_of(board, "phone")
    board.channel("phone", enabled=False)
    board.ref.tell(ChannelChanged("phone"))
    board.stage.run()
    assert worker.is_stopped
    board.raise_("p", "payment.waits")
    board.stage.pass_s(400)
    assert len(board.phones.heard) == 1


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_with_the_notifier_its_senders_end_and_alerts_call_nobody(
    board: Board, end: str
) -> None:
    board.channel("phone")
    board.raise_("node")
    board.stage.pass_s(61)
    worker = worker_of(board, "phone")
    if end == "kill":
        board.ref.kill()
    board.ref.stop()
    board.stage.run()
    assert worker.is_stopped
    before = board.stage.dispatcher.dead_letters["AlertsChanged"]
    board.raise_("p", "payment.waits")
    assert board.stage.dispatcher.dead_letters["AlertsChanged"] == before


def test_the_answer_or_the_end_of_a_sender_that_was_replaced_is_nobodys(
    board: Board,
) -> None:
    board.channel("phone")
    heard: list[str] = []

    def change_meanwhile(_: str) -> AttemptOutcome:
        heard.append("once")
        if len(heard) == 1:
            old.append(worker_of(board, "phone"))
            board.save(replace(channel_of(board.stage.store.channels()[0]), url="x:"))
        return AttemptOutcome.DELIVERED

    old: list[Ref] = []
    board.phones.answer = change_meanwhile
    board.raise_("node")
    board.stage.pass_s(61)
    assert board.told("phone") == 1
    board.ref.tell(Exited(old[0], 1, ExitReason.CRASHED))
    board.stage.run()
    board.raise_("p", "payment.waits")
    board.stage.pass_s(61)
    assert board.told("phone") == 2


def test_an_answer_that_speaks_of_the_message_is_a_refusal(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.channel("phone")
    send = board.phones.send

    def refused(*args: object) -> SendResult:
        send(*args)  # type: ignore[arg-type]
        return SendResult(AttemptOutcome.RETRY, 422, "no", None, 2.4)

    monkeypatch.setattr(board.phones, "send", refused)
    board.raise_("node")
    board.stage.pass_s(2_000)
    assert len(board.phones.heard) == 3
    assert board.told("phone") == 1
    (_, _, first) = board.stage.store.attempts("phone", None, 9)
    assert (first.status, first.latency_ms) == (422, 2)


def test_only_the_channel_that_changed_is_read_again(board: Board) -> None:
    board.channel("phone")
    board.channel("desk")
    board.stage.pass_s(1)
    board.channel("desk", description="again")
    board.ref.tell(ChannelChanged("desk"))
    board.ref.tell(ChannelChanged("nobody"))
    board.raise_(KIND)
    board.stage.pass_s(61)
    assert {name for name, _, _ in board.phones.heard} == {"phone", "desk"}
