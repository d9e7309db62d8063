"""Tells many followers of something the same, a few at a time.

Ten thousand clients of one payment take a tenth of a second; whoever follows another
payment must not wait for them. So each topic (a payment, the freshness) has a queue of
its own, in which the order of what is told is kept, and the topics take turns.

A plain object of the router, which calls `step` in turns of its own while it `waits`.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from engine.runtime.ref import Ref

__all__ = ["FOLLOWERS_PER_STEP", "MAX_WAITING", "FanOut", "TellOne"]

#: Followers that are told in one step: about a tenth of a millisecond.
FOLLOWERS_PER_STEP: Final = 16

#: What may wait for the followers of one topic.
MAX_WAITING: Final = 1_000

#: Tells one follower; must not wait.
TellOne = Callable[[Any], object]


class _Telling:
    """One thing, and who is still to be told it."""

    __slots__ = ("followers", "next", "thing")

    def __init__(
        self, thing: object, followers: tuple[tuple[Ref, TellOne], ...]
    ) -> None:
        self.thing = thing
        self.followers = followers
        self.next = 0


class FanOut:
    """See the module docstring."""

    __slots__ = ("_topics",)

    def __init__(self) -> None:
        self._topics: dict[str, deque[_Telling]] = {}  # whose turn it is comes first

    def tell(
        self, topic: str, thing: object, followers: Iterable[tuple[Ref, TellOne]]
    ) -> bool:
        """Tell a few at once, others in steps. False: too much waits, it is not told.

        A follower whose function raises is killed with the error, alone.
        """
        everybody = tuple(followers)
        waiting = self._topics.get(topic)
        if waiting is None:
            if len(everybody) <= FOLLOWERS_PER_STEP:
                _tell(thing, everybody)
                return True
            waiting = self._topics[topic] = deque()
        elif len(waiting) >= MAX_WAITING:
            return False
        waiting.append(_Telling(thing, everybody))
        return True

    @property
    def waits(self) -> bool:
        """Whether anybody is still to be told something."""
        return bool(self._topics)

    def step(self) -> None:
        """Tell a few followers of one topic."""
        if not self._topics:
            return
        topic = next(iter(self._topics))
        rounds = self._topics.pop(topic)
        current = rounds[0]
        end = current.next + FOLLOWERS_PER_STEP
        _tell(current.thing, current.followers[current.next : end])
        current.next = end
        if end >= len(current.followers):
            rounds.popleft()
        if rounds:
            self._topics[topic] = rounds


def _tell(thing: object, followers: tuple[tuple[Ref, TellOne], ...]) -> None:
    for ref, tell in followers:
        try:
            tell(thing)
        except Exception as error:  # noqa: BLE001 - the border of one session
            ref.kill(error)
