"""The notifiers' parent: who gets which events, who is ended, and who starts again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.delivery import notifiers
from actors.delivery.notifiers import RESTART_S
from actors.messages import ChannelChanged
from engine.delivery.attempt import AttemptOutcome
from engine.delivery.channel import Channel, channel_row, wants
from engine.payment.events import opening
from engine.payment.model import EventType
from engine.runtime.ref import Ref
from engine.store.writes import Entry, RemoveChannel, Requeue, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.street import Street
from tests.unit.payment_cases import mined, terms, view


@pytest.fixture(params=range(5))
def street(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path, seed=request.param)
    yield Street(stage)
    stage.close()


def notifier(street: Street, name: str) -> Ref:
    actor = street.ref.actor
    channels: dict[str, tuple[object, Ref]] = actor._channels  # type: ignore[union-attr]
    return channels[name][1]


def busy_sender(street: Street, name: str) -> Ref:
    """The sender that has been given a delivery and has not begun it."""
    actor: Any = notifier(street, name).actor
    senders: dict[Ref, str | None] = actor._senders._busy_with
    return next(ref for ref, payment in senders.items() if payment is not None)


def give_an_order(street: Street, name: str) -> Ref:
    """Go on until a sender has been given a delivery, and no further."""
    street.stage.append(creation(street, "p"))
    for _ in range(1_000):
        street.stage.run(turns=1)
        try:
            return busy_sender(street, name)
        except StopIteration:
            continue
    raise AssertionError("nobody is sent anything")


def creation(street: Street, name: str) -> Write:
    event, payment = opening(terms(id=name, address=f"address of {name}"))
    return Write(entries=(Entry(payment, (event,)),))


def test_the_senders_of_a_removed_channel_do_not_go_on(street: Street) -> None:
    street.channel("ann")
    sender = give_an_order(street, "ann")
    old = notifier(street, "ann")
    street.change(Write(rows=(RemoveChannel("ann"),)))
    street.stage.pass_s(60)
    assert (old.is_stopped, sender.is_stopped) == (True, True)
    assert len(street.shop.sent) <= 1
    sent = len(street.shop.sent)
    street.grow("p")
    street.stage.pass_s(60)
    assert len(street.shop.sent) == sent


def test_the_senders_of_a_stopped_notifier_end_before_they_begin(
    street: Street,
) -> None:
    street.channel("ann")
    sender = give_an_order(street, "ann")
    notifier(street, "ann").kill()
    assert not sender.is_alive
    sent = list(street.shop.sent)
    street.stage.run()
    assert street.shop.sent == sent


def test_who_is_ended_does_not_go_on_with_what_it_waited_for(street: Street) -> None:
    """A stop is mail, and mail waits for the answer: by then there is a successor."""
    street.channel("ann")
    ref, went_on = notifier(street, "ann"), list[object]()
    answer = ref.suspend(went_on.append)
    street.stage.append(Write(rows=(RemoveChannel("ann"),)))
    street.stage.run()
    answer("what is owed")
    street.stage.run()
    assert ref.is_stopped
    assert went_on == []


def test_a_sender_waits_for_its_endpoint_where_it_holds_up_nobody(
    street: Street,
) -> None:
    street.channel("ann")
    assert give_an_order(street, "ann").scope.blocking is True


def test_a_notifier_that_crashed_starts_again_by_itself_a_little_later(
    street: Street,
) -> None:
    street.channel("ann")
    ref = notifier(street, "ann")
    ref.kill(RuntimeError("a bug"))
    street.stage.run()
    assert street.stage.node.counters["notifiers.crashes"] == 1
    street.stage.create("p")
    street.stage.pass_s(RESTART_S - 0.1)
    assert street.shop.to("ann") == []
    street.stage.pass_s(0.2)
    assert street.shop.to("ann") == [("p", 1)]
    assert ref.incarnation == 2


def test_who_ended_by_itself_has_a_successor_while_the_channel_is_as_it_was(
    street: Street,
) -> None:
    """Its endpoint was gone, and before that was read the shop switched it on again."""
    street.channel("ann")
    before = notifier(street, "ann")
    before.stop()
    street.stage.run()
    assert notifier(street, "ann") is not before
    street.stage.create("p")
    assert street.shop.to("ann") == [("p", 1)]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_when_the_parent_ends_so_do_all_its_notifiers(street: Street, end: str) -> None:
    street.channel("ann")
    street.channel("bob")
    refs = [notifier(street, name) for name in ("ann", "bob")]
    getattr(street.ref, end)()
    street.stage.run()
    assert all(ref.is_stopped for ref in refs)


def test_a_disabled_channel_is_told_nothing(street: Street) -> None:
    street.channel("ann", enabled=False)
    street.stage.create("p")
    street.stage.pass_s(1)
    assert street.shop.sent == []


def test_a_change_of_one_channel_leaves_the_others_as_they_are(
    street: Street,
) -> None:
    street.channel("ann")
    street.channel("bob")
    before = notifier(street, "bob")
    street.channel("ann", url="https://new")
    assert notifier(street, "bob") is before
    assert before.incarnation == 1


def test_a_change_is_passed_on_to_the_notifier_concerned_only(street: Street) -> None:
    street.channel("ann")
    street.channel("bob")
    street.stage.create("p")
    street.shop.sent.clear()
    redelivery = Requeue(at=street.stage.clock.now())
    street.stage.journal.commit([Write(rows=(redelivery,))])  # the journal tells nobody
    street.ref.tell_system(ChannelChanged("ann"))
    street.stage.run()
    assert (street.shop.to("ann"), street.shop.to("bob")) == ([("p", 1)], [])
    street.ref.tell_system(ChannelChanged(None))
    street.stage.run()
    assert street.shop.to("bob") == [("p", 1)]


def test_an_event_is_offered_to_the_channels_of_its_merchant_and_of_all_only(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[str] = []

    def counting(channel: Channel, type_: EventType, merchant: str) -> bool:
        offered.append(channel.id)
        return wants(channel, type_, merchant)

    monkeypatch.setattr(notifiers, "wants", counting)
    for name, merchant in (("a", "default"), ("b", "*"), ("c", "bob"), ("d", "cy")):
        street.channel(name, merchant=merchant)
    street.change(Write(rows=(RemoveChannel("d"),)))
    street.stage.create("p")
    assert offered == ["a", "b"]
    assert (street.shop.to("a"), street.shop.to("b")) == ([("p", 1)], [("p", 1)])
    street.change(Write(rows=(RemoveChannel("a"),)))
    street.grow("p")
    assert set(offered[2:]) == {"b"}


def test_a_change_of_one_channel_reads_that_one_only(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_of_them(*_args: object) -> None:
        raise AssertionError("the channels of others were read")

    street.channel("ann")
    monkeypatch.setattr(type(street.stage.store), "channels", all_of_them)
    street.channel("bob")
    street.stage.create("p")
    assert street.shop.to("bob") == [("p", 1)]


def test_channels_that_cannot_be_read_end_the_parent(street: Street) -> None:
    street.stage.journal.connection.execute("ALTER TABLE channels RENAME TO gone")
    street.ref.tell_system(ChannelChanged("ann"))
    street.stage.run()
    assert not street.ref.is_alive


def test_an_old_timer_wakes_nobody_before_the_time(street: Street) -> None:
    """Tried again at once by hand, a delivery that fails rests anew."""
    street.channel("ann", schedule_s=(0.0, 10.0, 1_000.0))
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    street.stage.create("p")
    assert len(street.shop.sent) == 1
    street.stage.pass_s(5)
    street.change(Write(rows=(Requeue(at=street.stage.clock.now()),)))
    assert len(street.shop.sent) == 2
    street.stage.pass_s(7.5)  # the first timer was for 12 s at most
    assert len(street.shop.sent) == 2
    street.stage.pass_s(5)
    assert len(street.shop.sent) == 3


def test_a_redelivery_is_told_in_order_though_the_breaker_rests(
    street: Street,
) -> None:
    """What waits for its turn is read anew: something earlier is owed again."""
    street.channel("ann", schedule_s=(0.0, *[1.0] * 30))
    street.stage.create("p")
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    for number in range(12):
        street.stage.create(f"other{number}")
    street.stage.observe("p", view(mined("t", 1000)))
    street.stage.run()
    street.shop.sent.clear()
    street.change(Write(rows=(Requeue(payment_id="p", at=street.stage.clock.now()),)))
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.stage.pass_s(900)
    assert street.shop.to("ann", "p") == street.story("p")


@pytest.mark.parametrize("outcome", [AttemptOutcome.GONE, AttemptOutcome.RESTED])
def test_a_channel_that_was_removed_just_before_it_is_given_up_stays_removed(
    street: Street, outcome: AttemptOutcome
) -> None:
    """The notifier does not know yet; what it writes must not make the row anew."""

    def removed_now(*_: object) -> AttemptOutcome:
        street.stage.append(Write(rows=(RemoveChannel("ann"),)))
        return outcome

    street.channel("ann")
    street.shop.answer = removed_now
    street.stage.create("p")
    street.grow("p")
    street.stage.pass_s(60)
    assert [c.id for c in street.stage.store.channels()] == []


def test_a_channel_that_was_changed_just_before_it_is_given_up_keeps_the_change(
    street: Street,
) -> None:
    """Its old endpoint is gone; nobody has asked the new one yet."""

    def changed_now(host: str, *_: object) -> AttemptOutcome:
        if host != "old":
            return AttemptOutcome.DELIVERED
        new = replace(channel, url="https://new")
        street.stage.append(Write(rows=(channel_row(new),)))
        return AttemptOutcome.GONE

    channel = street.channel("ann", url="https://old")
    street.shop.answer = changed_now
    street.stage.create("p")
    street.grow("p", 2)
    street.stage.pass_s(60)
    assert (street.state("ann").url, street.state("ann").enabled) == (
        "https://new",
        True,
    )
    assert street.shop.to("new")
