"""The state of one payment's deliveries to one channel, as a table. Pure.

A channel has a `DeliveryQueue` for each payment of which it has still to be told
something. The queue says what is done next; `actors/delivery/notifier.py` does it:
it acts on the state that a method leads to. The events themselves are in the outbox of
the database; a queue holds at most the one that is sent next, its head, and the one
behind it.

`TRANSITIONS[state][happening]` is the state that follows. A missing key is an
`IllegalStep`: a bug, and nothing changes. Everything that affects the state of a queue
must live in this file. Times are milliseconds of the wall clock.
"""

from __future__ import annotations

from enum import Enum

from engine.errors import IllegalStep
from engine.store.records import Pending
from engine.store.writes import DeliveryResult

__all__ = ["TRANSITIONS", "DeliveryQueue", "Happening", "State"]


class State(Enum):
    """What a queue waits for."""

    UNREAD = "unread"
    """A turn. Only the outbox knows what comes next."""

    READY = "ready"
    """A turn. The head is known."""

    READING = "reading"
    """The outbox's answer to the question for the head."""

    SENDING = "sending"
    """The end of an attempt."""

    RECORDING = "recording"
    """The commit of what an attempt came to."""

    RESTING = "resting"
    """The time of the next attempt (`rests_until`)."""

    UNRECORDED = "unrecorded"
    """The time (`rests_until`) to try once more to commit what an attempt came to."""

    OVER = "over"
    """Nothing: nothing more is owed, and the queue is to be forgotten."""


class Happening(Enum):
    """What can happen to a queue."""

    ROUTED = "an event of the payment was committed"
    LISTED = "the outbox lists the payment among those that are owed something now"
    LISTED_LATER = "the outbox lists it, and the head is due later"
    OWED_ANEW = "something that was told may be owed again"
    TURN = "a sender is free"
    HEAD = "the outbox has a head that is due"
    HEAD_LATER = "the outbox has a head that is due later"
    NO_HEAD = "the outbox has nothing more"
    NO_HEAD_THEN = "the outbox had nothing more, and something came since"
    UNREADABLE = "the outbox could not be read"
    ANSWERED = "the attempt has ended"
    SENDER_DIED = "the attempt ended without an answer"
    LAST_SETTLED = "the head is delivered or given up, and nothing is behind it"
    NEXT_KNOWN = "the head is delivered or given up, and what comes next is known"
    SETTLED = "the head is delivered or given up, and the outbox may hold more"
    POSTPONED = "the attempt failed, and another one follows"
    NOT_RECORDED = "what the attempt came to could not be committed"
    DUE = "a time has come; perhaps one that is waited for no more"


_S, _H = State, Happening

_COMES_ANY_TIME = (_H.ROUTED, _H.LISTED, _H.LISTED_LATER, _H.OWED_ANEW, _H.DUE)


def _stay(state: State) -> dict[Happening, State]:
    return dict.fromkeys(_COMES_ANY_TIME, state)


TRANSITIONS: dict[State, dict[Happening, State]] = {
    _S.UNREAD: {**_stay(_S.UNREAD), _H.TURN: _S.READING},
    _S.READY: {
        **_stay(_S.READY),
        # Something earlier may be owed again.
        _H.LISTED: _S.UNREAD,
        _H.LISTED_LATER: _S.UNREAD,
        _H.OWED_ANEW: _S.UNREAD,
        _H.TURN: _S.SENDING,
    },
    _S.READING: {
        **_stay(_S.READING),
        _H.HEAD: _S.READY,
        _H.HEAD_LATER: _S.RESTING,
        _H.NO_HEAD: _S.OVER,
        _H.NO_HEAD_THEN: _S.READING,
        _H.UNREADABLE: _S.RESTING,
    },
    _S.SENDING: {
        **_stay(_S.SENDING),
        _H.ANSWERED: _S.RECORDING,
        _H.SENDER_DIED: _S.RESTING,
    },
    _S.RECORDING: {
        **_stay(_S.RECORDING),
        _H.LAST_SETTLED: _S.OVER,
        _H.NEXT_KNOWN: _S.READY,
        _H.SETTLED: _S.READING,
        _H.POSTPONED: _S.RESTING,
        _H.NOT_RECORDED: _S.UNRECORDED,
    },
    _S.RESTING: {
        **_stay(_S.RESTING),
        _H.LISTED: _S.UNREAD,
        _H.DUE: _S.UNREAD,
    },
    # An attempt was made: nothing is sent before what it came to is written down.
    _S.UNRECORDED: {**_stay(_S.UNRECORDED), _H.DUE: _S.RECORDING},
    _S.OVER: {},
}


class DeliveryQueue:
    """One payment of which a channel has still to be told something.

    Methods are named for what happened; each returns the state that follows.
    """

    __slots__ = (
        "_as_of",
        "_more",
        "_newest",
        "_next",
        "head",
        "rests_until",
        "result",
        "state",
    )

    def __init__(
        self,
        head: Pending | None = None,
        *,
        rests_until: int | None = None,
        newest: int | None = None,
        as_of: int = 0,
    ):
        """`head`: a committed event, beside which nothing is owed. None: nobody knows
        what is owed but the outbox, which is asked at `rests_until`; if it is known
        that nothing is owed but the event `newest` (offset), for what is said of it.
        `as_of`: so many redeliveries had been committed when that was known."""
        assert head is None or (rests_until is None and newest is None)
        self.state = State.UNREAD if head is None else State.READY
        if rests_until is not None:
            self.state = State.RESTING
        self.head = head  # what is sent next, while it is known
        self.result: DeliveryResult | None = None  # of an attempt, until committed
        self.rests_until = rests_until or 0
        # The newest event (offset) of the payment, if every one that may be owed was
        # routed here; None: the outbox alone knows.
        self._newest = newest if head is None else head.offset
        self._next: Pending | None = None  # what comes behind the head, if it is known
        self._more = head is None  # the outbox may hold more than these two
        self._as_of = as_of  # redeliveries: what is known here is from before the next

    def routed(self, event: Pending) -> State:
        """This event of the payment was committed; nothing was tried of it yet."""
        if self._newest is not None:
            self._newest = max(self._newest, event.offset)
        if self.head is None or self._more:
            self._more = True
        elif event.offset > self.head.offset:
            if self._next is None:
                self._next = event
            else:
                self._more = True
        return self._step(Happening.ROUTED)

    def listed(self, next_at: int, now: int) -> State:
        """The outbox has something for this payment, due at `next_at`."""
        self._newest = self._next = None
        self._more = True
        later = next_at > now
        if later and self.state is State.RESTING:
            self.rests_until = next_at
        return self._step(Happening.LISTED_LATER if later else Happening.LISTED)

    def heard(self, redeliveries: int) -> State:
        """So many redeliveries were committed by now. After one more, nobody but the
        outbox knows what comes next; what is on its way (to the endpoint, or from the
        outbox) stays so. To be called before `turn` and `recorded`."""
        if redeliveries == self._as_of or self.state is State.READING:
            return self.state  # what is read now is doubted in its turn
        self._as_of = redeliveries
        self._newest = self._next = None
        self._more = True
        return self._step(Happening.OWED_ANEW)

    def turn(self) -> State:
        """A sender is free: send the head, or ask for it."""
        return self._step(Happening.TURN)

    def read(self, head: Pending | None, now: int) -> State:
        """The outbox was asked for the head, and this is it."""
        if head is None:
            more = self._more
            return self._step(Happening.NO_HEAD_THEN if more else Happening.NO_HEAD)
        self._more = self._newest is None or head.offset < self._newest
        if head.next_at > now:
            self.rests_until = head.next_at
            return self._step(Happening.HEAD_LATER)
        self.head = head
        return self._step(Happening.HEAD)

    def unreadable(self, again_at: int) -> State:
        """The outbox could not be read; it is asked again at `again_at`."""
        self.rests_until = again_at
        return self._step(Happening.UNREADABLE)

    def answered(self, result: DeliveryResult) -> State:
        """The attempt has ended, and this is to be committed."""
        assert self.head is not None
        assert result.offset == self.head.offset, "of another event"
        self.result = result
        return self._step(Happening.ANSWERED)

    def sender_died(self, again_at: int) -> State:
        """Nobody knows what the attempt came to; it is repeated at `again_at`."""
        self.rests_until = again_at
        return self._step(Happening.SENDER_DIED)

    def recorded(self) -> State:
        """What the attempt came to is committed."""
        assert self.result is not None
        result, self.result = self.result, None
        if result.state == "pending":
            self.rests_until = result.next_at
            return self._step(Happening.POSTPONED)
        if result.state == "dead" and self._next is not None:
            # What comes next has to say what was left out, as only the outbox knows.
            self._next, self._more = None, True
        if self._next is not None:
            self.head, self._next = self._next, None
            return self._step(Happening.NEXT_KNOWN)
        return self._step(Happening.SETTLED if self._more else Happening.LAST_SETTLED)

    def not_recorded(self, again_at: int) -> State:
        """It could not be committed; that is tried again at `again_at`."""
        self.rests_until = again_at
        return self._step(Happening.NOT_RECORDED)

    def due(self) -> State:
        """A time has come for which the queue waited, or had waited once."""
        return self._step(Happening.DUE)

    def _step(self, happening: Happening) -> State:
        after = TRANSITIONS[self.state].get(happening)
        if after is None:
            raise IllegalStep(self.state, happening)
        if after not in _KNOW_THE_HEAD:
            self.head = self._next = None
        if after is State.READING and happening not in _COMES_ANY_TIME:
            # It is asked now: the answer tells all but what comes from here on.
            self._more = False
        self.state = after
        return after


_KNOW_THE_HEAD = {
    State.READY,
    State.SENDING,
    State.RECORDING,
    State.UNRECORDED,
}
