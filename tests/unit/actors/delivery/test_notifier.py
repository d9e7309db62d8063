"""Notifiers: in order per payment, each channel by itself, and never forgetting."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.delivery.attempt import AttemptOutcome
from engine.payment.model import EventType
from engine.store.writes import RemoveChannel, Requeue, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.street import Body, Street
from tests.unit.payment_cases import mined, view


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path)
    yield Street(stage)
    stage.close()


def test_every_event_reaches_the_shop_in_order_and_once(street: Street) -> None:
    street.channel("ann")
    for name in ("p", "q"):
        street.stage.create(name)
        street.grow(name, 3)
    for name in ("p", "q"):
        assert street.shop.to("ann", name) == street.story(name)


def test_a_channel_gets_only_what_it_asked_for(street: Street) -> None:
    street.channel("ann", merchant="ann")
    street.channel("deep", types=(EventType.CONFIRMING,))
    street.stage.create("p", merchant="bob")
    street.grow("p")
    assert street.shop.to("ann") == []
    kinds = [msgspec.json.decode(b, type=Body).type for b in street.shop.bodies]
    assert set(kinds) == {"payment.confirming"}


def test_what_fails_is_tried_again_before_anything_later(street: Street) -> None:
    street.channel("ann")
    answers = [AttemptOutcome.DELIVERED, AttemptOutcome.RETRY, AttemptOutcome.RETRY]
    street.shop.answer = lambda _h, _p, seq: (
        answers.pop() if seq == 1 else AttemptOutcome.DELIVERED
    )
    street.stage.create("p")
    street.grow("p", 2)
    assert street.shop.to("ann") == [("p", 1)]
    street.stage.pass_s(120)
    assert street.shop.to("ann")[:3] == [("p", 1)] * 3
    assert street.shop.to("ann")[2:] == street.story("p")
    assert len(set(street.shop.ids[:3])) == 1
    assert len(set(street.shop.bodies[:3])) == 1
    log = street.stage.store.attempts("ann", None, 100)
    assert [a.attempt for a in log if a.seq == 1] == [3, 2, 1]


def test_a_payment_that_cannot_be_delivered_delays_no_other(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda _h, payment, _s: (
        AttemptOutcome.RETRY if payment == "p" else AttemptOutcome.DELIVERED
    )
    for name in ("p", "q"):
        street.stage.create(name)
        street.grow(name, 2)
    assert street.shop.to("ann", "p") == [("p", 1)]
    assert street.shop.to("ann", "q") == street.story("q")


def test_a_dead_endpoint_delays_no_other_channel(street: Street) -> None:
    street.channel("dead")
    street.channel("ann")
    street.shop.answer = lambda host, *_: (
        AttemptOutcome.RETRY if host == "dead" else AttemptOutcome.DELIVERED
    )
    for number in range(30):
        street.stage.create(f"p{number}")
    assert len(street.shop.to("ann")) == 30
    assert len(street.shop.to("dead")) < 30


def test_when_the_schedule_is_used_up_the_next_event_has_its_turn(
    street: Street,
) -> None:
    street.channel("ann")
    street.shop.answer = lambda _h, _p, seq: (
        AttemptOutcome.RETRY if seq == 1 else AttemptOutcome.DELIVERED
    )
    street.stage.create("p")
    street.grow("p")
    street.stage.pass_s(300)
    assert street.shop.to("ann") == [("p", 1)] * 3 + street.story("p")[1:]
    assert street.stage.store.outbox_counts()["dead"] == 1


def test_dead_letters_are_delivered_again_on_demand(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    street.stage.create("p")
    street.stage.pass_s(300)
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.shop.sent.clear()
    now = street.stage.clock.now()
    street.change(Write(rows=(Requeue(payment_id="p", at=now),)))
    street.stage.pass_s(400)
    assert street.shop.to("ann") == street.story("p")


def test_what_was_delivered_can_be_delivered_again_in_order(street: Street) -> None:
    street.channel("ann")
    street.stage.create("p")
    street.grow("p", 2)
    street.shop.sent.clear()
    now = street.stage.clock.now()
    street.change(Write(rows=(Requeue(channel_id="ann", at=now),)))
    street.stage.pass_s(1)
    assert street.shop.to("ann") == street.story("p")


def test_a_restart_resumes_from_the_outbox(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    street.stage.create("p")
    street.grow("p", 2)
    street.ref.kill()
    street.stage.clock.forget_timers()
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.shop.sent.clear()
    street.ref.start()
    street.grow("p")
    street.stage.pass_s(60)
    assert street.shop.to("ann") == street.story("p")


def test_a_changed_channel_is_used_from_then_on(street: Street) -> None:
    street.channel("ann")
    street.stage.create("p")
    street.channel("ann", url="https://new")
    street.grow("p")
    assert street.shop.to("ann") == [("p", 1)]
    assert street.shop.to("new") == street.story("p")[1:]
    street.change(Write(rows=(RemoveChannel("ann"),)))
    before = len(street.shop.sent)
    street.grow("p")
    assert len(street.shop.sent) == before


@pytest.fixture
def reads(street: Street, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is asked of the database from now on."""
    asked: list[object] = []
    read = street.stage.node.read

    def count(ask: Callable[[Any], Any], reply: Callable[[Any], None]) -> None:
        asked.append(ask)
        read(ask, reply)

    street.channel("ann")
    monkeypatch.setattr(street.stage.node, "read", count)
    return asked


def test_an_event_is_sent_as_it_was_committed_and_nothing_is_read(
    street: Street, reads: list[object]
) -> None:
    for name in ("p", "q"):
        street.stage.create(name)
    assert sorted(street.shop.to("ann")) == [("p", 1), ("q", 1)]
    assert reads == []


def test_two_events_of_one_commit_are_sent_and_nothing_is_read(
    street: Street, reads: list[object]
) -> None:
    street.stage.create("p")
    street.stage.observe("p", view(mined("t", 1000)))
    street.stage.run()
    assert street.shop.to("ann") == street.story("p")
    assert len(street.story("p")) == 3
    assert reads == []


def test_what_came_while_one_was_under_way_is_read_once_for_each(
    street: Street, reads: list[object]
) -> None:
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    street.stage.create("p")
    street.grow("p", 3)
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.stage.pass_s(30)
    assert len(set(street.shop.to("ann"))) == len(street.story("p"))
    assert len(reads) == len(street.story("p"))
