"""Notifiers whose endpoint, sender, journal or key fails: nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.delivery.notifier import NotifierActor
from engine.delivery.attempt import AttemptOutcome
from engine.delivery.channel import channel_row
from engine.secrets.vault import Vault
from engine.store.writes import Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.street import SECRET, Street


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path)
    yield Street(stage)
    stage.close()


def test_an_endpoint_that_is_gone_disables_its_channel(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.GONE
    street.stage.create("p")
    street.stage.create("q")
    street.stage.pass_s(600)
    ann = street.state("ann")
    assert not ann.enabled
    assert ann.disabled_reason == "the endpoint answered 410 Gone"
    before = len(street.shop.sent)
    street.grow("p")
    street.stage.pass_s(600)
    assert len(street.shop.sent) == before <= 2


def test_a_channel_that_was_gone_comes_back_though_its_end_crashed(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.GONE

    def crash(_self: NotifierActor) -> None:
        raise RuntimeError("in stop")

    monkeypatch.setattr(NotifierActor, "on_stop", crash)
    street.stage.create("p")
    street.stage.pass_s(60)
    assert not street.state("ann").enabled
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.change(Write(rows=(channel_row(ann),)))
    street.stage.create("q")
    street.stage.pass_s(60)
    assert street.shop.to("ann", "q") == [("q", 1)]


def test_an_endpoint_that_asks_for_a_pause_gets_it(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.THROTTLED
    street.shop.retry_after_s = 120.0
    street.stage.create("p")
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.stage.create("q")
    street.stage.pass_s(90)
    assert street.shop.to("ann") == [("p", 1)]
    street.stage.pass_s(90)
    assert sorted(street.shop.to("ann")) == [("p", 1), ("p", 1), ("q", 1)]


def test_an_endpoint_that_has_too_much_and_names_no_time_rests_as_a_failing_one(
    street: Street,
) -> None:
    street.channel("ann", schedule_s=(0.0, *[1.0] * 200))
    street.shop.answer = lambda *_: AttemptOutcome.THROTTLED
    for number in range(20):
        street.stage.create(f"p{number}")
    street.stage.pass_s(4)
    assert len(street.shop.sent) == 10
    assert street.stage.node.counters["notifiers.crashes"] == 0
    assert street.stage.node.counters["webhook.throttled"] == 10


def test_an_endpoint_that_keeps_failing_is_left_to_rest(street: Street) -> None:
    street.channel("ann", schedule_s=(0.0, *[1.0] * 200))
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    for number in range(20):
        street.stage.create(f"p{number}")
    street.stage.pass_s(100)
    assert len(street.shop.sent) < 60
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.stage.pass_s(900)
    counts = street.stage.store.outbox_counts()
    assert counts == {"delivered": 20}


def test_a_sender_that_raises_costs_a_pause_and_no_event(street: Street) -> None:
    street.channel("ann")

    def bug(_host: str, _payment: str, _seq: int) -> AttemptOutcome:
        raise KeyError("a bug in the sender")

    street.shop.answer = bug
    street.stage.create("p")
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.grow("p")
    street.stage.pass_s(60)
    assert street.shop.to("ann") == [("p", 1), *street.story("p")]


def test_an_attempt_whose_outcome_could_not_be_written_is_written_later(
    street: Street,
) -> None:
    street.channel("ann")
    sql = street.stage.journal.connection

    def fill_the_disk(*_: object) -> AttemptOutcome:
        sql.execute("PRAGMA query_only = ON")
        return AttemptOutcome.DELIVERED

    street.shop.answer = fill_the_disk
    street.stage.create("p")
    street.stage.pass_s(2)
    assert street.shop.to("ann") == [("p", 1)]
    sql.execute("PRAGMA query_only = OFF")
    street.stage.pass_s(30)
    assert street.shop.to("ann") == [("p", 1)]
    assert street.stage.store.outbox_counts() == {"delivered": 1}


def test_a_channel_sealed_under_another_key_harms_nobody(street: Street) -> None:
    foreign = Vault(b"x" * 32).seal(SECRET, "eve")
    street.channel("eve", secret=foreign)
    street.channel("ann")
    street.stage.create("p")
    street.stage.pass_s(60)
    counters = street.stage.node.counters
    assert (counters["channels.sealed"] > 0, counters["notifiers.crashes"]) == (True, 0)
    assert street.shop.to("ann") == street.story("p")
    assert street.stage.store.outbox_counts()["pending"] == 1
