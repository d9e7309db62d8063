"""Many followers of one thing: order within a topic, turns between topics."""

from collections.abc import Callable
from random import Random

from actors.live.fanout import FOLLOWERS_PER_STEP, MAX_WAITING, FanOut
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedDispatcher


class Quiet(Actor):
    """A follower's actor, which is never sent anything."""


class Followers:
    """`count` of them; `told` is who heard what, in order."""

    def __init__(self, name: str, count: int) -> None:
        scope = ActorScope(SimulatedDispatcher(Random(1)), lambda _name: Quiet())
        self.refs = [Ref(scope, f"{name}{number}") for number in range(count)]
        for ref in self.refs:
            ref.start()
        self.told: list[tuple[Ref, object]] = []

    def items(self) -> list[tuple[Ref, Callable[[object], None]]]:
        return [(ref, self._ear(ref)) for ref in self.refs]

    def _ear(self, ref: Ref) -> Callable[[object], None]:
        return lambda thing: self.told.append((ref, thing))

    def heard(self, ref: Ref) -> list[object]:
        return [thing for who, thing in self.told if who is ref]


def finish(fan_out: FanOut) -> int:
    steps = 0
    while fan_out.waits:
        fan_out.step()
        steps += 1
    return steps


def test_a_few_followers_are_told_at_once() -> None:
    fan_out, few = FanOut(), Followers("f", FOLLOWERS_PER_STEP)
    assert fan_out.tell("p", 1, few.items())
    assert [thing for _, thing in few.told] == [1] * FOLLOWERS_PER_STEP
    assert not fan_out.waits


def test_many_followers_are_told_a_few_in_a_step() -> None:
    fan_out, many = FanOut(), Followers("m", 5 * FOLLOWERS_PER_STEP + 1)
    assert fan_out.tell("p", 1, many.items())
    assert not many.told
    fan_out.step()
    assert len(many.told) == FOLLOWERS_PER_STEP
    assert finish(fan_out) == 5
    assert [who for who, _ in many.told] == many.refs


def test_each_follower_is_told_everything_of_a_topic_in_order() -> None:
    fan_out, many = FanOut(), Followers("m", 3 * FOLLOWERS_PER_STEP)
    fan_out.tell("p", 1, many.items())
    fan_out.step()
    fan_out.tell("p", 2, many.items())
    # Nobody overtakes, not even when there are few left to tell.
    fan_out.tell("p", 3, many.items()[:1])
    finish(fan_out)
    assert many.heard(many.refs[0]) == [1, 2, 3]
    assert all(many.heard(ref) == [1, 2] for ref in many.refs[1:])


def test_a_topic_with_many_does_not_hold_up_one_with_few() -> None:
    fan_out = FanOut()
    many, some, few = (
        Followers("m", 100 * FOLLOWERS_PER_STEP),
        Followers("s", 2 * FOLLOWERS_PER_STEP),
        Followers("f", 1),
    )
    fan_out.tell("p", 1, many.items())
    fan_out.tell("q", 2, some.items())
    fan_out.tell("r", 3, few.items())
    assert len(few.told) == 1
    for _ in range(4):
        fan_out.step()
    assert len(some.told) == 2 * FOLLOWERS_PER_STEP
    assert len(many.told) == 2 * FOLLOWERS_PER_STEP
    finish(fan_out)
    assert len(many.told) == 100 * FOLLOWERS_PER_STEP


def test_a_follower_that_raises_ends_alone() -> None:
    fan_out, many = FanOut(), Followers("m", 2 * FOLLOWERS_PER_STEP)
    followers = many.items()

    def broken(_thing: object) -> None:
        raise ValueError("a bug")

    followers[3] = (many.refs[3], broken)
    fan_out.tell("p", 1, followers)
    finish(fan_out)
    assert not many.refs[3].is_alive
    assert len(many.told) == 2 * FOLLOWERS_PER_STEP - 1


def test_what_waits_for_a_topic_is_bounded() -> None:
    fan_out, many = FanOut(), Followers("m", FOLLOWERS_PER_STEP + 1)
    for number in range(MAX_WAITING):
        assert fan_out.tell("p", number, many.items())
    assert not fan_out.tell("p", "one too many", many.items())
    assert fan_out.tell("q", 1, many.items())
    finish(fan_out)
    assert len(many.heard(many.refs[0])) == MAX_WAITING + 1
