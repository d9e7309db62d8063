"""Polls that wait for a round, and who is served first. Pure.

A block feed takes all of them. An address feed has a budget of requests, so that there
some wait: merchants are served in turn, and the most urgent poll of each first. One who
has a thousand addresses looked at by hand takes another's place once, not a thousand
times. By hand an address is looked at once in so much time at most: what comes sooner
waits, and is one look. A webhook or the watcher itself is not held up.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from actors.messages import Poll
from engine.policy.turns import Turns

__all__ = ["WaitingPolls"]


class WaitingPolls:
    """See the module docstring. Moments are monotonic seconds."""

    __slots__ = (
        "_asked",
        "_by_hand_s",
        "_by_script",
        "_held",
        "_last",
        "_merchants",
    )

    def __init__(self, by_hand_s: float) -> None:
        """`by_hand_s`: between a look at an address and the next one by hand."""
        self._by_hand_s = by_hand_s
        self._by_script: dict[bytes, Poll] = {}
        self._merchants: dict[bytes, str] = {}  # of scripts that have a budget
        self._asked: dict[bytes, float] = {}  # in the last rounds of an address feed
        self._held: dict[bytes, tuple[float, Poll]] = {}  # by hand, until then
        self._last = ""  # the merchant who was served last

    def __len__(self) -> int:
        return len(self._by_script)

    def __iter__(self) -> Iterator[Poll]:
        return iter(self._by_script.values())

    def __contains__(self, script: bytes) -> bool:
        return script in self._by_script

    def of_merchant(self, script: bytes, merchant: str) -> None:
        """In whose turn this script is asked for."""
        self._merchants[script] = merchant

    def forget(self, script: bytes) -> None:
        """Nobody watches it any more."""
        self._by_script.pop(script, None)
        self._merchants.pop(script, None)
        self._held.pop(script, None)

    def add(self, poll: Poll) -> bool:
        """In place of one that waits, and as urgent as that. Whether it is urgent."""
        waiting = self._by_script.get(poll.script)
        if waiting is not None and waiting.due < poll.due:
            poll = replace(poll, due=waiting.due)
        self._by_script[poll.script] = poll
        return poll.due == 0.0

    def add_unless_there(self, poll: Poll) -> None:
        self._by_script.setdefault(poll.script, poll)

    def hold(self, poll: Poll) -> bool:
        """Keep a look by hand that comes too soon. False: it does not."""
        assert poll.by_hand_at is not None
        until = self._asked.get(poll.script, -math.inf) + self._by_hand_s
        if until <= poll.by_hand_at:
            return False
        self._held[poll.script] = until, poll
        return True

    def held_s(self, now: float) -> float | None:
        """Seconds until the next look that is held; None if there is none."""
        if not self._held:
            return None
        return max(min(until for until, _ in self._held.values()) - now, 0.0)

    def take(self, most: int | None) -> tuple[Poll, ...]:
        """As many, in any order; None: all."""
        return self._taken(list(itertools.islice(self, most)))

    def take_in_turn(self, most: int, now: float) -> tuple[Poll, ...]:
        """As many, merchants in turn, the most urgent of each first."""
        self._release(now)
        lines: dict[str, list[Poll]] = {}
        for poll in self:
            lines.setdefault(self._merchants.get(poll.script, ""), []).append(poll)
        turns: Turns[Poll] = Turns(self._last)
        for merchant, line in lines.items():
            for poll in heapq.nsmallest(most, line, key=lambda p: p.due):
                turns.add(merchant, poll)
        taken = [poll for poll in (turns.take() for _ in range(most)) if poll]
        self._last = turns.last
        self._note_asked(taken, now)
        return self._taken(taken)

    def _release(self, now: float) -> None:
        for script, (until, poll) in tuple(self._held.items()):
            if until <= now:
                del self._held[script]
                self._by_script.setdefault(script, poll)

    def _note_asked(self, polls: Iterable[Poll], now: float) -> None:
        """Those of the last seconds only, oldest first: few, as they had a budget."""
        for poll in polls:
            self._held.pop(poll.script, None)
            self._asked.pop(poll.script, None)
            self._asked[poll.script] = now
        for script, at in tuple(self._asked.items()):
            if at > now - self._by_hand_s:
                break
            del self._asked[script]

    def _taken(self, polls: list[Poll]) -> tuple[Poll, ...]:
        for poll in polls:
            del self._by_script[poll.script]
        if not self._by_script:
            self._by_script = {}  # an emptied dict keeps its size: 5 MB after 100,000
        return tuple(polls)
