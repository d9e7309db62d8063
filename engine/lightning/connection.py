"""The state machine of a connection to a Lightning node: one table, and what is kept.

`TRANSITIONS[state][step]` is the state afterwards. A missing key is a
`BrokenInvariant`: a bug, and nothing changes. What it stands for:

- *opened*: a connection is held, on which the node pushes what is paid. A node without
  push has nothing to open: what it answers is all there is.
- *read*: what was paid while nobody listened is read in pages. It is all read once a
  reading that began after the opening found nothing more. One that began before proves
  nothing: what is paid between its answer and the opening would be missed.
- A connection that cannot be opened while the node answers requests is `behind`: what
  is paid is found by reading, later than by push.

Pure; times are ms of the wall clock unless a name ends in `_s`; `rand` is in [0, 1).
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.errors import BrokenInvariant
from engine.lightning.upstream import UpstreamState
from engine.policy.waits import jittered

__all__ = ["TRANSITIONS", "Connection", "LinkStep", "fresh", "wait_s"]

S = UpstreamState


class LinkStep(StrEnum):
    """What can happen to a connection."""

    OPENED = "opened"  # it is held from now on
    ALIVE = "alive"  # a sign of life of what is held
    READ_SOME = "read some"  # a page; more is to be read, or nothing is held
    READ_ALL = "read all"  # a page, and nothing of since the opening is left
    LOST = "lost"  # what was held has ended, or gave no sign of life for too long
    UNHELD = "unheld"  # it could not be opened
    FAILED = "failed"  # a request had no answer, or one that cannot be believed
    REFUSED = "refused"  # our key is refused
    RECONNECT = "reconnect"  # a person wants it to begin anew


TRANSITIONS: Final[dict[UpstreamState, dict[LinkStep, UpstreamState]]] = {
    S.CONNECTING: {
        LinkStep.OPENED: S.BEHIND,
        LinkStep.READ_SOME: S.BEHIND,
        LinkStep.READ_ALL: S.LIVE,  # without push
        LinkStep.UNHELD: S.FAILING,
        LinkStep.FAILED: S.FAILING,
        LinkStep.REFUSED: S.FAILING,
        LinkStep.RECONNECT: S.CONNECTING,
    },
    S.BEHIND: {
        LinkStep.OPENED: S.BEHIND,
        LinkStep.ALIVE: S.BEHIND,
        LinkStep.READ_SOME: S.BEHIND,
        LinkStep.READ_ALL: S.LIVE,
        LinkStep.LOST: S.FAILING,
        LinkStep.UNHELD: S.BEHIND,  # it answers requests all the same
        LinkStep.FAILED: S.FAILING,
        LinkStep.REFUSED: S.FAILING,
        LinkStep.RECONNECT: S.CONNECTING,
    },
    S.LIVE: {
        LinkStep.ALIVE: S.LIVE,
        LinkStep.READ_SOME: S.BEHIND,  # more was paid than it pushed
        LinkStep.READ_ALL: S.LIVE,
        LinkStep.LOST: S.FAILING,
        LinkStep.FAILED: S.FAILING,
        LinkStep.REFUSED: S.FAILING,
        LinkStep.RECONNECT: S.CONNECTING,
    },
    S.FAILING: {
        LinkStep.OPENED: S.BEHIND,
        LinkStep.ALIVE: S.FAILING,  # it pushes, and answers no request
        LinkStep.READ_SOME: S.BEHIND,
        LinkStep.READ_ALL: S.LIVE,
        LinkStep.LOST: S.FAILING,
        LinkStep.UNHELD: S.FAILING,
        LinkStep.FAILED: S.FAILING,
        LinkStep.REFUSED: S.FAILING,
        LinkStep.RECONNECT: S.CONNECTING,
    },
}

STEADY_MS: Final = 30_000
"""A connection that was live for so long begins its tries anew; one that opens and
ends again and again is left for longer and longer."""

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 30.0
REFUSED_WAIT_S: Final = 30.0
"""Between tries; a key comes back by a person's hand."""

_BAD = frozenset(
    {
        LinkStep.LOST,
        LinkStep.UNHELD,
        LinkStep.FAILED,
        LinkStep.REFUSED,
    }
)
_HELD = frozenset(
    {
        LinkStep.OPENED,
        LinkStep.ALIVE,
        LinkStep.LOST,
        LinkStep.UNHELD,
    }
)
_WORDS = frozenset(
    {
        LinkStep.OPENED,
        LinkStep.ALIVE,
        LinkStep.READ_SOME,
        LinkStep.READ_ALL,
    }
)


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of it. A value."""

    state: UpstreamState
    since: int  # in that state
    push: bool
    opened: bool  # always, without push
    openings: int = 0
    answered_at: int | None = None
    attempts: int = 0  # without success, in a row
    reason: str = ""  # why it is not live; empty: it is, or nobody knows yet
    refused: bool = False  # our key

    def after(self, step: LinkStep, now: int, reason: str = "") -> "Connection":
        """`reason`: of a step that is bad, one line for people.

        Raises `BrokenInvariant` for a step that cannot be.
        """
        state = TRANSITIONS[self.state].get(step)
        if state is None or (step is LinkStep.READ_ALL and not self.opened):
            raise BrokenInvariant(f"a connection that is {self.state} cannot: {step}")
        if step in _HELD:
            self._check_held(step)
        if step is LinkStep.RECONNECT:
            return replace(
                fresh(now, push=self.push),
                openings=self.openings,
                answered_at=self.answered_at,
            )
        opened = (self.opened or step is LinkStep.OPENED) and step is not LinkStep.LOST
        attempts, said = self.attempts, self.reason
        if step in _BAD:
            steady = self.state is S.LIVE and now - self.since >= STEADY_MS
            attempts = 1 if steady else attempts + 1
            said = reason
        elif state is S.LIVE:
            said = ""
        return Connection(
            state=state,
            since=self.since if state is self.state else now,
            push=self.push,
            opened=opened,
            openings=self.openings + (step is LinkStep.OPENED),
            answered_at=now if step in _WORDS else self.answered_at,
            attempts=attempts,
            reason=said,
            refused=step is LinkStep.REFUSED or (self.refused and state is S.FAILING),
        )

    def page(self, began: int, *, more: bool) -> LinkStep:
        """Which step a page is whose reading began after so many openings."""
        is_all = not more and self.opened and began == self.openings
        return LinkStep.READ_ALL if is_all else LinkStep.READ_SOME

    def _check_held(self, step: LinkStep) -> None:
        """What is held is opened once, and ends once."""
        was = step in (LinkStep.ALIVE, LinkStep.LOST)
        if not self.push or self.opened is not was:
            raise BrokenInvariant(f"what was held: {self.opened}; and now: {step}")

    def settled(self, now: int) -> "Connection":
        """Live for a while: the tries before count no more."""
        if self.attempts and self.state is S.LIVE and now - self.since >= STEADY_MS:
            return replace(self, attempts=0)
        return self


def fresh(now: int, *, push: bool) -> Connection:
    """Before anybody was asked."""
    return Connection(state=S.CONNECTING, since=now, push=push, opened=not push)


def wait_s(connection: Connection, rand: float, asked_s: float | None = None) -> float:
    """How long until the next try. `asked_s`: what the node asked for."""
    assert connection.attempts > 0, "nothing has failed"
    doublings = min(connection.attempts - 1, 20)
    wait = min(FIRST_WAIT_S * 2**doublings, LONGEST_WAIT_S)
    if connection.refused:
        wait = max(wait, REFUSED_WAIT_S)
    return max(jittered(wait, rand), asked_s or 0.0)
