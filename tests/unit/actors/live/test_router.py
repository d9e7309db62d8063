"""The router: nobody who follows is forgotten, however much mail there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.facts.published import JournalReport, Published
from actors.live.fanout import FOLLOWERS_PER_STEP, MAX_WAITING
from actors.live.messages import Subscribe, Unsubscribe
from actors.live.router import RouterActor
from actors.live.session import open_session
from actors.messages import FreshnessChanged, Publish
from engine.payment.events import CommittedEvent, opening
from engine.ports import Freshness
from engine.runtime.actor import Actor
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.live.wire import Wire
from tests.unit.payment_cases import terms


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


class Silent(Actor):
    def on_receive(self, message: object) -> None:
        """Nothing."""


def test_followers_are_told_although_the_routers_mailbox_is_full(
    stage: ActorStage,
) -> None:
    router = stage.start("small router", RouterActor(stage.node, Published(0)), limit=3)
    told: list[CommittedEvent] = []

    def on_event(event: CommittedEvent) -> None:
        told.append(event)
        while router.tell("noise"):
            """Until it takes no more."""

    for number in range(3 * FOLLOWERS_PER_STEP):
        ref = stage.start(f"client {number}", Silent())
        router.tell(Subscribe("p", ref, None, on_event))
        stage.run()
    event, _payment = opening(terms(id="p"))
    stage.journal_report.publish(JournalReport(last_offset=1))
    router.tell(Publish((CommittedEvent(1, event, "default", b"{}"),)))
    stage.run()
    assert len(told) == 3 * FOLLOWERS_PER_STEP


class Follower:
    """Follows, and keeps what it is told; its actor has a mailbox of `limit`."""

    def __init__(self, stage: ActorStage, name: str, limit: int = 1_000) -> None:
        self.told: list[int] = []
        self.inbox = Inbox()
        self.ref = stage.start(name, self.inbox, limit)

    def __call__(self, event: CommittedEvent) -> None:
        self.told.append(event.offset)


def committed(stage: ActorStage, *offsets: int, merchant: str = "default") -> Publish:
    """Events of `p`, and the journal says that they are on disk."""
    event, _payment = opening(terms(id="p"))
    events = tuple(CommittedEvent(at, event, merchant, b"{}") for at in offsets)
    last = max(offsets, default=0)
    stage.journal_report.publish(JournalReport(last_offset=last))
    return Publish(events)


def test_an_event_that_is_not_known_to_be_committed_is_told_to_nobody(
    stage: ActorStage,
) -> None:
    follower = Follower(stage, "f")
    stage.node.router.tell(Subscribe("p", follower.ref, None, follower))
    told = committed(stage, 1, 2)
    stage.journal_report.publish(JournalReport(last_offset=1))
    stage.node.router.tell(told)
    stage.run()
    assert follower.told == [1]
    assert not stage.node.router.is_alive


@pytest.mark.parametrize("again", [1, 2])
def test_an_event_that_comes_again_is_told_to_nobody(
    stage: ActorStage, again: int
) -> None:
    follower = Follower(stage, "f")
    stage.node.router.tell(Subscribe("p", follower.ref, None, follower))
    stage.node.router.tell(committed(stage, 1, 2))
    stage.run()
    stage.node.router.tell(committed(stage, again))
    stage.journal_report.publish(JournalReport(last_offset=2))
    stage.run()
    assert follower.told == [1, 2]


def test_every_event_goes_to_the_notifiers(stage: ActorStage) -> None:
    inbox = Inbox()
    stage.node.notifiers = stage.start("notifiers", inbox)
    stage.node.router.tell(committed(stage, 1, 2))
    stage.run()
    assert [e.offset for e in inbox.got if isinstance(e, CommittedEvent)] == [1, 2]


def test_who_follows_by_mail_and_has_too_much_of_it_is_let_go(
    stage: ActorStage,
) -> None:
    slow = Follower(stage, "slow", limit=0)
    stage.node.router.tell(Subscribe("p", slow.ref))
    stage.node.router.tell(committed(stage, 1))
    stage.run()
    assert slow.ref.is_stopped
    assert stage.node.counters["sessions.too_slow"] == 1


def test_followers_of_a_payment_that_has_too_much_to_tell_are_let_go(
    stage: ActorStage,
) -> None:
    many = [Follower(stage, f"f{n}") for n in range(FOLLOWERS_PER_STEP + 1)]
    for follower in many:
        stage.node.router.tell(Subscribe("p", follower.ref, None, follower))
    stage.run()
    router: Any = stage.node.router.actor
    router.on_receive(committed(stage, *range(1, MAX_WAITING + 1)))
    assert stage.node.counters["sessions.too_slow"] == 0
    router.on_receive(committed(stage, MAX_WAITING + 1))
    assert stage.node.counters["sessions.too_slow"] == len(many)
    stage.run()
    assert all(follower.ref.is_stopped for follower in many)


def test_who_subscribes_twice_is_told_once_and_forgotten_once(
    stage: ActorStage,
) -> None:
    follower = Follower(stage, "f")
    for payment_id in ("p", "p", None, None):
        stage.node.router.tell(Subscribe(payment_id, follower.ref, None, follower))
    stage.node.router.tell(committed(stage, 1))
    stage.run()
    assert follower.told == [1, 1], "once as a follower of each"
    router: Any = stage.node.router.actor
    assert router._everyone == {follower.ref: 2}
    for payment_id in ("p", "p", None, None, "nothing"):
        stage.node.router.tell(Unsubscribe(payment_id, follower.ref))
    stage.run()
    assert router._everyone == {}
    assert router._by_payment == {}
    stage.node.router.tell(committed(stage, 2))
    stage.run()
    assert follower.told == [1, 1]


def test_a_merchants_follower_of_all_is_told_its_own(stage: ActorStage) -> None:
    ann, everybody = Follower(stage, "ann"), Follower(stage, "all")
    stage.node.router.tell(Subscribe(None, ann.ref, "ann", ann))
    stage.node.router.tell(Subscribe(None, everybody.ref, None, everybody))
    stage.node.router.tell(committed(stage, 1, merchant="bob"))
    stage.run()
    stage.node.router.tell(committed(stage, 2, merchant="ann"))
    stage.run()
    assert (ann.told, everybody.told) == ([2], [1, 2])


def test_freshness_is_told_to_all_who_follow_something(stage: ActorStage) -> None:
    one, other = Follower(stage, "one"), Follower(stage, "other")
    stage.node.router.tell(Subscribe("p", one.ref, None, one))
    stage.node.router.tell(Subscribe(None, one.ref, None, one))
    stage.node.router.tell(
        FreshnessChanged(Freshness(source="node", live=False, since=None))
    )
    stage.run()
    assert [type(message) for message in one.inbox.got] == [FreshnessChanged]
    assert other.inbox.got == []


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_router_that_ends_ends_its_sessions(stage: ActorStage, end: str) -> None:
    wires = [Wire(), Wire()]
    for number, wire in enumerate(wires):
        open_session(stage.node, f"s{number}", wire)
    stage.run()
    assert stage.node.sessions.now == 2
    getattr(stage.node.router, end)()
    stage.run()
    assert [wire.closed for wire in wires] == [[1001], [1001]]


def test_who_connects_just_when_the_router_ends_is_hung_up_on(
    stage: ActorStage,
) -> None:
    """Else the client would wait for ever: no router knows it."""
    wire = Wire()
    ref = open_session(stage.node, "s", wire)
    stage.node.router.stop()
    stage.run()
    assert wire.closed == [1001]
    assert ref.is_stopped


def test_a_router_that_starts_anew_has_no_session(stage: ActorStage) -> None:
    open_session(stage.node, "s", Wire())
    stage.run()
    stage.node.router.kill()
    stage.node.router.start()
    stage.run()
    assert stage.node.sessions.now == 0
    assert stage.node.counters["sessions.crashed"] == 0


def test_a_session_that_crashes_is_counted_and_gone(stage: ActorStage) -> None:
    wire = Wire()
    ref = open_session(stage.node, "s", wire)
    stage.run()
    ref.kill(RuntimeError("a bug"))
    stage.run()
    assert (stage.node.sessions.now, wire.closed) == (0, [1011])
    assert stage.node.counters["sessions.crashed"] == 1
    assert ref.is_stopped
