"""Sessions: the state first, then the story, without a gap and without a repetition."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from actors.live.messages import Follow, FollowAll, Subscribe, Unfollow
from actors.live.session import open_session
from actors.messages import FreshnessChanged
from actors.node import Settings
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.store.epochs import Position
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.live.wire import Wire, connected, grow, opened
from tests.unit.payment_cases import mined, view


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_client_gets_the_state_first_and_then_every_event(stage: ActorStage) -> None:
    stage.create("p")
    grow(stage, "p")
    wire = opened(stage, Follow("p"))
    seq = stage.payment("p").seq
    assert wire.of("state") == [("p", seq, None)]
    assert wire.of("event") == []
    grow(stage, "p")
    assert wire.of("event") == [
        ("p", n) for n in range(seq + 1, stage.payment("p").seq + 1)
    ]


def test_a_client_that_comes_back_gets_what_it_missed(stage: ActorStage) -> None:
    stage.create("p")
    grow(stage, "p")
    grow(stage, "p")
    last = stage.payment("p").seq
    wire = opened(stage, Follow("p", since=Position(None, 2)))
    assert [kind for kind, _ in wire.lines[:2]] == ["state", "freshness"]
    assert wire.of("event") == [("p", n) for n in range(3, last + 1)]


def test_a_since_from_the_future_is_told_and_the_state_goes_on(
    stage: ActorStage,
) -> None:
    stage.create("p")
    wire = opened(stage, Follow("p", since=Position(None, 99)))
    assert [kind for kind, _ in wire.lines] == ["problem", "state", "freshness"]
    assert wire.of("problem") == ["since_in_future"]
    grow(stage, "p")
    assert wire.of("event")[0] == ("p", 2)
    assert wire.closed == []


EPOCHS = {
    "of this epoch": ("{present}-2", ["state", "freshness", "event"]),
    "of another": ("zzzzzzzz-2", ["problem", "state", "freshness"]),
    "of another, at its beginning": ("zzzzzzzz-0", ["problem", "state", "freshness"]),
    "that does not say": ("2", ["state", "freshness", "event"]),
}


@pytest.mark.parametrize("who", EPOCHS)
def test_a_position_of_another_epoch_is_told_to_begin_anew(
    stage: ActorStage, who: str
) -> None:
    stage.create("p")
    grow(stage, "p")
    grow(stage, "p")
    text, told = EPOCHS[who]
    since = Position.parse(text.format(present=stage.journal.epoch))
    wire = opened(stage, Follow("p", since=since))
    assert [kind for kind, _ in wire.lines][:3] == told
    assert wire.of("problem") == (["begins_anew"] if "problem" in told else [])
    since_told = None if "problem" in told else 2
    assert wire.of("state") == [("p", stage.payment("p").seq, since_told)]


def test_after_a_restore_a_number_alone_is_of_the_epoch_in_which_its_payment_began(
    stage: ActorStage,
) -> None:
    stage.create("p")
    grow(stage, "p")
    stage.journal.begin_epoch()
    stage.create("q")
    grow(stage, "q")
    for name, problems in (("p", ["begins_anew"]), ("q", [])):
        wire = opened(stage, Follow(name, since=Position(None, 1)))
        assert wire.of("problem") == problems
        last = stage.payment(name).seq
        after = last if problems else 1
        assert wire.of("event") == [(name, n) for n in range(after + 1, last + 1)]
    wire = opened(stage, Follow("p", since=Position(None, 0)))
    assert wire.of("problem") == [], "whoever read nothing has read nothing wrong"
    assert wire.of("event")[0] == ("p", 1)


def test_who_missed_nothing_is_told_no_problem(stage: ActorStage) -> None:
    stage.create("p")
    wire = opened(stage, Follow("p", since=Position(None, 1)))
    assert [kind for kind, _ in wire.lines] == ["state", "freshness"]
    assert wire.of("state") == [("p", 1, 1)]


@pytest.mark.parametrize("message", [Follow("p"), FollowAll(0)])
def test_a_session_that_ends_is_followed_by_nothing(
    stage: ActorStage, message: object
) -> None:
    stage.create("p")
    ref = connected(stage, Wire(), message)
    router: Any = stage.node.router.actor
    assert list(router._everyone) == [ref]
    ref.stop()
    stage.run()
    assert (router._everyone, router._all, router._by_payment) == ({}, {}, {})


@pytest.mark.parametrize("seed", range(8))
def test_following_everything_anew_begins_there_and_is_told_once(
    tmp_path: Path, seed: int
) -> None:
    """Also when all of what was asked for first has been told by then."""
    stage = ActorStage(tmp_path, seed)
    for name in ("p", "q", "r"):
        stage.create(name)
    wire = opened(stage, FollowAll(0), FollowAll(2))
    grow(stage, "p")
    told = wire.of("event")
    first = [("p", 1), ("q", 1), ("r", 1)]
    anew = told[3:] if told[:3] == first else told
    last = stage.payment("p").seq
    assert anew == [("r", 1), *(("p", n) for n in range(2, last + 1))]
    stage.close()


def test_a_payment_that_does_not_exist_is_a_problem_not_an_end(
    stage: ActorStage,
) -> None:
    stage.create("p")
    wire = opened(stage, Follow("nothing"), Follow("p"))
    assert wire.of("problem") == ["unknown"]
    assert wire.of("state") == [("p", 1, None)]


def test_a_client_that_did_not_get_the_state_gets_no_events_without_it(
    stage: ActorStage,
) -> None:
    class Narrow(Wire):
        """Takes events, but not what is as large as a state."""

        def state(self, payment: Payment, since: int | None) -> bool:
            return False

    stage.create("p")
    grow(stage, "p")
    wire = Narrow()
    connected(stage, wire, Follow("p", since=Position(None, 1)))
    assert wire.lines == []
    assert wire.closed == [1001]


def test_following_twice_is_following_once(stage: ActorStage) -> None:
    stage.create("p")
    wire = opened(stage, Follow("p"), Follow("p"))
    assert len(wire.of("state")) == 1


def test_a_session_follows_only_so_many_payments(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.live.session.MAX_FOLLOWED", 1)
    stage.create("p")
    stage.create("q")
    wire = opened(stage, Follow("p"), Follow("q"))
    assert wire.of("problem") == ["too_many"]
    assert wire.of("state") == [("p", 1, None)]


def test_who_unfollows_hears_no_more(stage: ActorStage) -> None:
    stage.create("p")
    wire = opened(stage, Follow("p"), Unfollow("p"))
    before = len(wire.lines)
    grow(stage, "p")
    assert len(wire.lines) == before


def test_following_everything_goes_by_the_journal(stage: ActorStage) -> None:
    for name in ("p", "q"):
        stage.create(name)
    wire = opened(stage, FollowAll(after=1))
    grow(stage, "p")
    grow(stage, "q")
    told = wire.of("event")
    assert told[0] == ("q", 1)
    assert [seq for name, seq in told if name == "p"] == list(
        range(2, stage.payment("p").seq + 1)
    )


def test_an_offset_from_the_future_is_told_and_the_journal_goes_on(
    stage: ActorStage,
) -> None:
    stage.create("p")
    wire = opened(stage, FollowAll(after=99))
    assert wire.of("problem") == ["since_in_future"]
    grow(stage, "p")
    assert wire.of("event")[0] == ("p", 2)


def test_following_everything_of_one_merchant_shows_no_other(
    stage: ActorStage,
) -> None:
    stage.create("p", merchant="ann")
    stage.create("q", merchant="bob")
    wire = opened(stage, FollowAll(after=0, merchant="ann"))
    grow(stage, "p")
    grow(stage, "q")
    assert {name for name, _ in wire.of("event")} == {"p"}


def test_a_session_that_ends_before_its_first_turn_hangs_up(stage: ActorStage) -> None:
    """Else its client waits for ever."""
    wire = Wire()
    ref = open_session(stage.node, "session", wire)
    while not ref.is_alive:
        stage.run(turns=1)
    ref.kill()
    stage.run()
    assert wire.closed == [1011]
    assert stage.node.sessions.now == 0


def test_a_session_whose_client_went_before_it_was_opened_is_none(
    stage: ActorStage,
) -> None:
    open_session(stage.node, "session", Wire()).stop()
    stage.run()
    assert stage.node.sessions.now == 0


def test_everybody_is_told_when_the_sources_grow_stale(stage: ActorStage) -> None:
    stage.create("p")
    wire = opened(stage, Follow("p"))
    stale = Freshness(source="node", live=False, since=None)
    stage.node.router.tell(FreshnessChanged(stale))
    stage.run()
    assert wire.of("freshness")[-1] == stale


def test_a_router_that_starts_again_ends_the_sessions_it_had(
    stage: ActorStage,
) -> None:
    stage.create("p")
    wire = opened(stage, Follow("p"))
    stage.node.router.kill()
    stage.node.router.start()
    stage.run()
    assert wire.closed == [1001]


def test_a_session_whose_reader_fails_ends_instead_of_lying(
    stage: ActorStage,
) -> None:
    stage.create("p")
    stage.journal.connection.execute("ALTER TABLE payments RENAME TO gone")
    wire = opened(stage, Follow("p"))
    assert wire.closed == [1011]


def test_a_subscription_is_for_one_merchant_or_all(stage: ActorStage) -> None:
    inbox = stage.supervisor
    stage.node.router.tell(Subscribe(None, stage.node.supervisor, "ann"))
    stage.run()
    stage.create("p", merchant="ann")
    stage.create("q", merchant="bob")
    events = [e for e in inbox.got if isinstance(e, CommittedEvent)]
    assert [e.event.payment_id for e in events] == ["p"]


@pytest.mark.parametrize("seed", range(60))
def test_in_any_order_of_turns_a_story_has_no_gap_and_no_repetition(
    tmp_path: Path, seed: int
) -> None:
    """Events are committed, clients come, go and come back, one turn at a time."""
    random = Random(seed)
    stage = ActorStage(tmp_path, seed, Settings(session_buffer=random.choice((1, 50))))
    names = ["p", "q"]
    for name in names:
        stage.create(name)
    wires = [Wire() for _ in range(3)]
    refs = [open_session(stage.node, f"s{n}", wire) for n, wire in enumerate(wires)]
    following: list[set[str]] = [set() for _ in wires]
    for _ in range(150):
        number, name = random.randrange(3), random.choice(names)
        action = random.random()
        if action < 0.25 and stage.node.journal.backlog == 0:
            # With a commit under way nobody may decide about the payment.
            seq = stage.payment(name).seq
            stage.observe(name, view(mined(f"n{seq}", 1000, 1)))
        elif action < 0.40:
            seen = random.choice((None, 0, stage.payment(name).seq))
            since = None if seen is None else Position(None, seen)
            refs[number].tell(Follow(name, since))
            following[number].add(name)
        elif action < 0.48:
            refs[number].tell(Unfollow(name))
            following[number].discard(name)
        else:
            stage.run(turns=random.randrange(4))
    stage.run()
    for wire, followed in zip(wires, following, strict=True):
        assert wire.closed == []
        last = _read(wire)
        assert set(last) >= followed
        for name in followed:
            assert last[name] == stage.payment(name).seq
    stage.close()


def _read(wire: Wire) -> dict[str, int]:
    """What a client knows in the end: the last seq of each payment."""
    last: dict[str, int] = {}
    for kind, what in wire.lines:
        if kind == "state":
            name, seq, since = what
            last[name] = seq if since is None else since
        elif kind == "event":
            name, seq = what
            assert seq == last[name] + 1, (name, seq, last)
            last[name] = seq
    return last
