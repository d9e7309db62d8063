"""The round planner: who is asked next, when, and with what. Pure.

It holds what watchers want to know (the scripts, the polls that wait) and how each
source fares (a breaker, a request budget, the round under way), and plans one round
after the other:

- The first source that is current is asked (`actors/sources/choice.py`); one round is
  under way at a time. The others are probed now and then.
- A block feed gets all polls at once and answers from its index. It is told of new
  scripts by difference, and of all of them when it begins anew (`Round.reset`).
- An address feed gets as many polls as its budget allows, merchants in turn, the most
  urgent of each first (`actors/sources/waiting.py`).
- An address that the source cannot read is asked of the next, in a round aside.
- What a round leaves without a view is asked for again: silence is no answer. An error
  changes nothing but the report, and the breaker of the source that failed.

It sends nothing, waits for nothing and knows no clock: `SourceActor` does that.
Moments are monotonic seconds, `rand` is a number in [0, 1).
"""

import itertools
from collections.abc import Iterable

import msgspec

from actors.facts.published import SourceReport
from actors.messages import Poll, Round, RoundDone
from actors.sources.aside import Aside
from actors.sources.choice import alerts, choose
from actors.sources.feed_state import Feed, FeedSpec
from actors.sources.interests import Interests
from actors.sources.messages import Probed
from actors.sources.waiting import WaitingPolls
from actors.sources.witnesses import Witnesses
from engine.chain.feed import Output, SourceStatus, Tip, places
from engine.chain.witness import Best
from engine.errors import SourceBehind, SourceError
from engine.ports import Alert
from engine.runtime.ref import Ref
from engine.runtime.registry import Registry

__all__ = ["Ask", "RoundPlanner", "Wait"]

MAX_POLLS = 20_000
"""Polls handed to a block feed in one round; more wait for the next."""

MAX_ADDRESSES = 20
"""Polls handed to an address feed in one round: short, so that an urgent poll never
waits for long."""

RESERVE = 3
"""Requests that the budget must hold before a round begins: the tip, and an address."""

ROUND_GAP_S = 0.05
"""Least time between the beginnings of two rounds that claims and pushes ask for."""

ASIDE_WAIT_S = 0.5
"""How long to wait for a source that is just answering another's questions."""

NO_SOURCE_S = 60.0
"""How long to wait when there is no source at all."""


class Ask(msgspec.Struct, frozen=True):
    """Send `round` to this feed's worker now. `left`: who was asked until now, if it
    is another."""

    feed: Feed
    round: Round
    left: Feed | None = None


class Wait(msgspec.Struct, frozen=True):
    """Nothing to ask before so much time has passed."""

    seconds: float


class RoundPlanner:
    """See the module docstring."""

    __slots__ = (
        "_addresses",
        "_aside",
        "_began",
        "_interests",
        "_nudged",
        "_polls",
        "_unshown",
        "_unwatch",
        "_watch",
        "_witnesses",
        "feeds",
        "watchers",
    )

    def __init__(
        self,
        specs: list[FeedSpec],
        best: Best | None = None,
        network: str = "regtest",
        by_hand_s: float = 10.0,
    ) -> None:
        self._witnesses = Witnesses(specs, best, network)
        self.feeds = self._witnesses.feeds
        self.watchers: Registry[bytes, Ref] = Registry()  # who watches a script
        self._interests = Interests()
        by_address = any(not spec.by_block for spec in specs)
        self._addresses: dict[bytes, str] | None = {} if by_address else None
        self._polls = WaitingPolls(by_hand_s)
        self._aside = Aside()
        self._watch: dict[bytes, None] = {}  # new since the last round
        self._unwatch: set[bytes] = set()
        self._unshown: tuple[tuple[bytes, ...], ...] = ()  # by rounds that failed
        self._began = -1.0  # when the newest round began
        self._nudged = False  # something is new since the round under way began

    # -- what watchers want ------------------------------------------------------------

    def watch(
        self,
        script: bytes,
        address: str,
        ref: Ref,
        known: tuple[Output, ...],
        merchant: str = "",
        since: Tip | None = None,
    ) -> None:
        """Show this script as it is, and then what happens to it; see `Watch`."""
        self.watchers[script] = ref
        self._watch[script] = None
        if self._addresses is not None:
            self._addresses[script] = address
            self._polls.of_merchant(script, merchant)
        self._interests.put(script, known, since)
        self._unwatch.discard(script)

    def unwatch(self, script: bytes, ref: Ref) -> bool:
        """False if somebody else watches it by now."""
        if self.watchers.get(script) is not ref:
            return False
        self.watchers.pop(script)
        self._interests.forget(script)
        self._watch.pop(script, None)
        self._polls.forget(script)
        self._aside.forget(script)
        for feed in self.feeds:
            feed.asked.pop(script, None)
        if self._addresses is not None:
            self._addresses.pop(script, None)
        self._unwatch.add(script)
        return True

    def poll(self, poll: Poll) -> bool:
        """Look at this script in one of the next rounds. Whether it is urgent."""
        if poll.script not in self.watchers:
            return False
        if poll.by_hand_at is not None and self._polls.hold(poll):
            return False
        if poll.heard:
            self._aside.second(poll)
            return False
        if self._aside.takes(poll, self.active, self.feeds, self._began):
            return False
        return self._polls.add(poll)

    def show_again(self, script: bytes, now: float) -> None:
        """Its watcher could not take what it was shown."""
        self._polls.add_unless_there(self._first_poll(script, now))

    def nudge(self) -> None:
        """Something is new upstream: the next round is not to wait its time."""
        self._nudged = True

    # -- planning ----------------------------------------------------------------------

    @property
    def active(self) -> Feed | None:
        """Who was asked last."""
        return self._witnesses.active

    @property
    def report(self) -> SourceReport:
        """What is to be published now."""
        return self._witnesses.report

    @property
    def is_busy(self) -> bool:
        """Whether a round is under way that is not aside."""
        return any(feed.busy is not None and not feed.busy.aside for feed in self.feeds)

    @property
    def waiting(self) -> int:
        """Polls that no round has taken yet."""
        return len(self._polls)

    def plan_soon(self, now: float, *, ready: bool) -> Ask | Wait | None:
        """As `plan`; but a hundred claims in a second are not a hundred looks."""
        wait_s = self._began + ROUND_GAP_S - now
        return Wait(wait_s) if wait_s > 0 else self.plan(now, ready=ready)

    def plan(self, now: float, *, ready: bool) -> Ask | Wait | None:
        """The next round, which then is under way. None while another one is.

        Not before the node is `ready`: a catch-up must know all scripts before it
        reads the first block. Whoever makes it ready asks for a plan then.
        """
        if not ready or self.is_busy:
            return None
        feed = choose(self.feeds, self.active, now)
        if feed is None:
            waits = [f.wait_s(now) for f in self.feeds]
            return Wait(min(waits, default=NO_SOURCE_S) + 0.01)
        poor_s = feed.poor_s(now, RESERVE)
        if poor_s > 0:
            return Wait(poor_s)
        if feed.busy is not None:  # it is asked aside, for a moment
            return Wait(ASIDE_WAIT_S)
        left = self.active
        if feed is not left:
            self._witnesses.active = feed
            feed.primed = False
            self._witnesses.left()
        work = self._work_for(feed, now)
        assert len(work.polls) == len(feed.asked), "a script is asked for once"
        feed.breaker = feed.breaker.taking(now)
        feed.busy = work
        self._began = now
        return Ask(feed, work, left if left is not feed else None)

    def plan_after(
        self, done: RoundDone, now: float, *, ready: bool
    ) -> Ask | Wait | None:
        """What follows a round that has been finished by `finish`."""
        feed = self.feeds[done.feed]
        too_early = isinstance(done.error, SourceBehind)
        failed = done.error is not None and not too_early
        if failed or done.more or choose(self.feeds, feed, now) is not feed:
            return self.plan(now, ready=ready)
        urgent = any(poll.due == 0.0 for poll in self._polls)
        if self._nudged or (urgent and feed.spec.by_block and not too_early):
            return self.plan_soon(now, ready=ready)
        wait_s = feed.spec.every_s
        if not feed.spec.by_block and (self._polls or self._watch or self._unshown):
            wait_s = feed.poor_s(now, RESERVE)
        held_s = self._polls.held_s(now)
        if held_s is not None:
            wait_s = min(wait_s, max(held_s, feed.poor_s(now, RESERVE)))
        return Wait(max(wait_s, ROUND_GAP_S))

    # -- what becomes of a round -------------------------------------------------------

    def feed_asked(self, number: int, round_number: int) -> Feed | None:
        """The feed whose round this is; None if its worker has crashed since."""
        feed = self.feeds[number]
        under_way = feed.busy is not None and feed.busy.number == round_number
        return feed if under_way else None

    def heard(self, asked_at: int, *told: SourceStatus | None) -> None:
        """What a source said of itself in an answer, also in one that is not waited
        for; before `finish` and `probed`."""
        self._witnesses.heard(asked_at, *told)

    def answered(self, feed: Feed, scripts: Iterable[bytes]) -> None:
        """These got their views: whoever asked has an answer."""
        if feed.asked:
            for script in scripts:
                feed.asked.pop(script, None)

    def finish(self, done: RoundDone, now: float, rand: float) -> None:
        """The round is over, whatever came of it; its views have been handed out."""
        feed = self.feeds[done.feed]
        work = feed.busy
        assert work is not None
        assert work.number == done.number
        feed.busy = None
        feed.spend(done)
        if done.error is not None:
            self._witnesses.fail(feed, done.error, now, rand, done)
            if done.is_stuck and feed is self.active:
                feed.primed = False
                self._witnesses.left()
        else:
            self._witnesses.answered(feed, done, now)
            # What is unreadable is asked of another, or again when its watcher does.
            for poll in work.polls if done.unreadable else ():
                if poll.script in done.unreadable and poll.script in self.watchers:
                    self._aside.bar(poll, feed, self.feeds, now)
            self.answered(feed, done.unreadable)
            if work.aside and done.more:  # it has yet to read up to its tip
                self._aside.put_back(work.polls)
        self._put_back(feed, work, failed=done.error is not None)

    def crashed(self, feed: Feed, error: SourceError, now: float, rand: float) -> None:
        """Its worker died: a bug, not a failing source. It begins anew, and so does
        what it knew; nobody is covered by its silence any more."""
        work, feed.busy = feed.busy, None
        feed.primed = False
        if feed is self.active:
            self._witnesses.left()
        if work is not None:
            self._put_back(feed, work, failed=True)
            self._witnesses.fail(feed, error, now, rand)

    def _put_back(self, feed: Feed, work: Round, *, failed: bool) -> None:
        """What got no view is asked again: nothing is answered by silence."""
        if work.aside:
            self._aside.put_back(tuple(feed.asked.values()))
            feed.asked = {}
            return
        for poll in feed.asked.values():
            self._polls.add_unless_there(poll)
        feed.asked = {}
        if failed:  # the worker still knows the scripts: they are only to be shown
            self._unshown = work.show

    def set_aside(self, name: str, detail: str, now: float) -> None:
        """This source contradicts the others."""
        self._witnesses.set_aside(name, detail, now)

    def alerts(self, now: float) -> tuple[Alert, ...]:
        """What a person should know of the sources now."""
        return alerts(self.feeds, now)

    def believe(self, best: Best) -> None:
        """The best tip as it was known when the last run ended."""
        self._witnesses.believe(best)

    # -- who is not asked --------------------------------------------------------------

    def plan_aside(self, now: float, *, ready: bool) -> Ask | None:
        """A round of another source, for what the one that is asked cannot read."""
        if not ready:
            return None
        planned = self._aside.plan(
            self.feeds, self.active, self._witnesses.best, self._addresses or {},
            self._interests.known, now, RESERVE,
        )  # fmt: skip
        return None if planned is None else Ask(*planned)

    def probes(self, now: float, *, ready: bool) -> list[Feed]:
        """Whose workers are to be asked now how their sources are."""
        return self._witnesses.probes(now, RESERVE) if ready else []

    def probed(self, answer: Probed, now: float, rand: float) -> None:
        """How a source is that was probed."""
        self._witnesses.probed(answer, now, rand)

    # -- what a round asks -------------------------------------------------------------

    def _work_for(self, feed: Feed, now: float) -> Round:
        feed.round += 1
        self._nudged = False
        if feed.spec.by_block:
            work = self._block_work(feed)
        else:
            work = self._address_work(feed, now)
        feed.asked = {poll.script: poll for poll in work.polls}
        self._watch = {}
        self._unshown = ()
        self._unwatch = set()
        feed.primed = True
        return work

    def _block_work(self, feed: Feed) -> Round:
        reset, new = not feed.primed, tuple(self._watch)
        known, since = self._interests.known, self._interests.since
        # A reset answers every script; else from memory: any order will do.
        polls = self._polls.take(None if reset else MAX_POLLS)
        return Round(
            number=feed.round,
            watch=self.watchers.snapshot() if reset else (new,),
            known=dict(known) if reset else {s: known[s] for s in new if s in known},
            since=dict(since) if reset else {s: since[s] for s in new if s in since},
            show=(*self._unshown, new) if new else self._unshown,
            unwatch=tuple(self._unwatch),
            polls=polls,
            reset=reset,
            best=self._witnesses.best,
        )

    def _address_work(self, feed: Feed, now: float) -> Round:
        """To watch is to ask a first time."""
        for script in itertools.chain(*self._unshown, self._watch):
            if script not in self._polls and script in self.watchers:
                self._polls.add_unless_there(self._first_poll(script, now))
        room = feed.room(now, RESERVE - 1, MAX_ADDRESSES)
        polls = self._polls.take_in_turn(room, now)
        addresses = self._addresses or {}
        return Round(
            number=feed.round,
            polls=polls,
            addresses={p.script: addresses[p.script] for p in polls},
            best=self._witnesses.best,
        )

    def _first_poll(self, script: bytes, now: float) -> Poll:
        known = self._interests.known.get(script, ())
        since = self._interests.since.get(script)
        return Poll(script, places(known), now, known, since)
