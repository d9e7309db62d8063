"""A poison event: it holds back its payment for a while, then the story goes on."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.delivery.attempt import AttemptOutcome
from engine.merchants.name import EVERYBODY
from engine.store.writes import Requeue, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.street import Body, Street

SCHEDULE = (0.0, 5.0, 5.0, 5.0, 5.0, 5.0, 100_000.0)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path)
    street = Street(stage)
    street.shop.status = 400
    yield street
    stage.close()


def refuse(street: Street, payment: str, *seqs: int) -> None:
    """The shop has a bug: of this payment it takes all but these."""
    street.shop.answer = lambda _host, name, seq: (
        AttemptOutcome.RETRY
        if (name, seq) in {(payment, each) for each in seqs}
        else AttemptOutcome.DELIVERED
    )


def told(street: Street, payment: str) -> list[tuple[int, tuple[int, ...]]]:
    """What was sent of a payment: which event, and what it said was left out."""
    bodies = [msgspec.json.decode(body, type=Body) for body in street.shop.bodies]
    return [(b.data.seq, b.skipped) for b in bodies if b.data.payment_id == payment]


def test_a_poison_event_holds_back_its_payment_for_a_number_of_attempts(
    street: Street,
) -> None:
    street.channel("ann", schedule_s=SCHEDULE, refused_attempts=3)
    refuse(street, "p", 1)
    street.stage.create("p")
    street.grow("p")
    street.stage.create("q")
    street.grow("q")
    assert street.shop.to("ann", "p") == [("p", 1)]
    assert street.shop.to("ann", "q") == street.story("q"), "others go on"
    street.stage.pass_s(60)
    first, *others = [seq for _, seq in street.story("p")]
    assert told(street, "p") == [(first, ())] * 3 + [
        (others[0], (first,)),
        *((seq, ()) for seq in others[1:]),
    ]
    assert street.stage.store.outbox_counts()["dead"] == 1
    assert street.stage.node.counters["deliveries.given_up"] == 1


def test_an_event_that_is_given_up_is_an_alert_for_a_day_of_whose_channel_it_is(
    street: Street,
) -> None:
    """That of a channel for everybody's events concerns the operator alone."""
    street.channel("ann", schedule_s=SCHEDULE, refused_attempts=2, merchant="cafe")
    street.channel("all", schedule_s=SCHEDULE, refused_attempts=2, merchant=EVERYBODY)
    refuse(street, "p", 1)
    street.stage.create("p", "cafe")
    alerts, clock = street.stage.node.alerts, street.stage.clock
    assert alerts.standing(clock.now()) == (), "it is tried once more"
    street.stage.pass_s(60)
    standing = alerts.standing(clock.now())
    assert {(one.kind, one.subject, one.merchant) for one in standing} == {
        ("deliveries.given_up", "ann", "cafe"),
        ("deliveries.given_up", "all", None),
    }
    assert {one.detail for one in standing} == {"it was not told some event: 400"}
    street.stage.pass_s(86_400)
    assert alerts.standing(clock.now()) == ()


def test_a_poison_event_holds_back_its_payment_for_a_time(street: Street) -> None:
    street.channel("ann", schedule_s=SCHEDULE, refused_attempts=20, refused_s=12)
    refuse(street, "p", 1)
    street.stage.create("p")
    street.grow("p")
    street.stage.pass_s(11)
    assert set(told(street, "p")) == {(1, ())}
    street.stage.pass_s(3)
    assert (2, (1,)) in told(street, "p"), "not by the schedule, in days"


def test_the_gap_is_told_until_a_delivery_that_tells_it_succeeds(
    street: Street,
) -> None:
    street.channel("ann", schedule_s=SCHEDULE, refused_attempts=1)
    refuse(street, "p", 1, 2)
    street.stage.create("p")
    street.grow("p", 2)
    street.stage.pass_s(60)
    sent = told(street, "p")
    assert sent[:3] == [(1, ()), (2, (1,)), (3, (1, 2))]
    assert all(skipped == () for _, skipped in sent[3:])


def test_the_gap_is_told_though_the_node_was_restarted_in_between(
    street: Street,
) -> None:
    street.channel("ann", schedule_s=SCHEDULE, refused_attempts=1)
    refuse(street, "p", 1)
    street.stage.create("p")
    assert told(street, "p") == [(1, ())]
    street.ref.kill()
    street.stage.clock.forget_timers()
    street.ref.start()
    street.stage.run()
    street.grow("p")
    assert told(street, "p")[1] == (2, (1,))


def test_a_dead_letter_that_is_delivered_after_all_leaves_no_gap(
    street: Street,
) -> None:
    street.channel("ann", schedule_s=SCHEDULE, refused_attempts=1)
    refuse(street, "p", 1)
    street.stage.create("p")
    refuse(street, "p")
    again = Requeue(payment_id="p", at=street.stage.clock.now())
    street.change(Write(rows=(again,)))
    street.stage.pass_s(1)
    street.grow("p")
    assert set(told(street, "p")) == {(seq, ()) for _, seq in street.story("p")}


def test_who_refuses_is_not_taken_for_dead(street: Street) -> None:
    """Twenty in a row: others are told at once."""
    street.channel("ann", schedule_s=SCHEDULE)
    street.shop.answer = lambda _host, name, _seq: (
        AttemptOutcome.DELIVERED if name == "good" else AttemptOutcome.RETRY
    )
    for number in range(20):
        street.stage.create(f"p{number}")
    street.stage.create("good")
    assert street.shop.to("ann", "good") == [("good", 1)]


def test_while_nothing_was_given_up_nothing_is_read_to_tell_an_event(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.channel("ann", refused_attempts=1)
    asked: list[object] = []
    read = street.stage.node.read

    def count(ask, reply):  # type: ignore[no-untyped-def]
        asked.append(ask)
        read(ask, reply)

    monkeypatch.setattr(street.stage.node, "read", count)
    street.stage.create("p")
    assert asked == []
    refuse(street, "q", 1)
    street.stage.create("q")
    street.stage.create("r")
    assert len(asked) == 1, "now it may be that something was left out"
