"""What another source is asked than the one that is asked for all, aside. Pure.

An explorer may refuse an address with too long a history, while it answers for all the
others. Such an address is put before the next source in a small round of its own, while
the first one goes on with the rest; and for a while it is not asked about it again. Its
watcher has been told meanwhile why nothing is known.

And a payment may want a second, independent word (`Poll.heard`): it is put before a
source of an operator that was not heard yet.

Moments are monotonic seconds.
"""

from collections.abc import Mapping, Sequence

from actors.messages import Poll, Round
from actors.sources.choice import is_fit
from actors.sources.feed_state import Feed
from engine.chain.feed import Output
from engine.chain.witness import Best

__all__ = ["BARRED_S", "Aside"]

BARRED_S = 600.0
"""How long a source is not asked again for what it could not read: 10 min."""

MAX_POLLS = 20
"""In one round aside, as in any round of an explorer."""


class Aside:
    """What waits to be asked of another source, and who cannot read what."""

    __slots__ = ("_barred", "_polls")

    def __init__(self) -> None:
        self._barred: dict[bytes, dict[int, float]] = {}  # script -> source -> until
        self._polls: dict[bytes, Poll] = {}

    def bar(self, poll: Poll, feed: Feed, feeds: Sequence[Feed], now: float) -> None:
        """This source cannot read it: the next one is asked, if there is one left."""
        self._barred.setdefault(poll.script, {})[feed.number] = now + BARRED_S
        if any(not self.is_barred(poll.script, other, now) for other in feeds):
            self._polls[poll.script] = poll

    def is_barred(self, script: bytes, feed: Feed, now: float) -> bool:
        until = self._barred.get(script)
        return until is not None and until.get(feed.number, now) > now

    def takes(
        self, poll: Poll, active: Feed | None, feeds: Sequence[Feed], now: float
    ) -> bool:
        """Keep a poll that the source which is asked now cannot answer, and another
        may. False: it is to be asked as usual."""
        if not self._barred or active is None:
            return False
        if not self.is_barred(poll.script, active, now):
            return False
        if all(self.is_barred(poll.script, feed, now) for feed in feeds):
            return False
        self._polls[poll.script] = poll
        return True

    def put_back(self, polls: Sequence[Poll]) -> None:
        """They got no answer."""
        for poll in polls:
            self._polls.setdefault(poll.script, poll)

    def second(self, poll: Poll) -> None:
        """A second word is wanted, of another operator."""
        self._polls[poll.script] = poll

    def forget(self, script: bytes) -> None:
        """Nobody watches it any more."""
        self._barred.pop(script, None)
        self._polls.pop(script, None)

    def plan(
        self,
        feeds: Sequence[Feed],
        active: Feed | None,
        best: Best | None,
        addresses: Mapping[bytes, str],
        known: Mapping[bytes, tuple[Output, ...]],
        now: float,
        reserve: int,
    ) -> tuple[Feed, Round] | None:
        """The next round aside, which then is under way. One at a time."""
        if not self._polls or any(f.busy is not None and f.busy.aside for f in feeds):
            return None
        for feed in feeds:
            if feed is active or feed.busy is not None or not is_fit(feed, now):
                continue
            if feed.wait_s(now) > 0 or feed.poor_s(now, reserve) > 0:
                continue
            room = feed.room(now, reserve - 1, MAX_POLLS)
            polls = [
                poll
                for poll in self._polls.values()
                if not self.is_barred(poll.script, feed, now)
                and feed.spec.operator not in poll.heard
            ][:room]
            if not polls:
                continue
            for poll in polls:
                del self._polls[poll.script]
            scripts = tuple(poll.script for poll in polls)
            feed.round += 1
            work = Round(
                number=feed.round,
                watch=(scripts,) if feed.spec.by_block else (),
                known={s: known[s] for s in scripts if s in known},
                polls=tuple(polls),
                addresses={s: addresses[s] for s in scripts if s in addresses},
                best=best,
                aside=True,
            )
            feed.asked = {poll.script: poll for poll in polls}
            feed.breaker = feed.breaker.taking(now)
            feed.busy = work
            return feed, work
        return None
