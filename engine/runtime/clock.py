"""Time as a port, and the hashed timing wheel behind the real one.

`Clock.now()` is the wall clock in UTC milliseconds: what deadlines and events carry.
It may jump. `Clock.call_later()` counts on a monotonic clock and ends in a *message*
to an actor: timers are mail, carry the incarnation that asked for them (a restarted
actor never gets its predecessor's timers) and can be cancelled.

The wheel (Varghese & Lauck 1987, scheme 6) holds a million timers at O(1) each; the
real clock drives it with one greenlet for all.

A million watchers that poll every minute use *coalesced timers* instead: all that wait
for the same tenth of a second share one timer and one message, so that waiting costs a
place in a list. Such a timer cannot be cancelled: whoever needs it no more compares the
number of the message with the one that it waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import gevent
import msgspec
from gevent.event import Event

if TYPE_CHECKING:
    from engine.runtime.ref import Ref

__all__ = [
    "COALESCE_S",
    "CoalescedTimers",
    "TimersDue",
    "Clock",
    "GeventClock",
    "Timer",
    "TimingWheel",
]

TICK_S = 0.010
"""Resolution of the wheel, in seconds: a timer fires up to one tick late."""

COALESCE_S = 0.1
"""Coalesced timers are so far apart, seconds."""

SLOTS = 8192
"""Buckets of the wheel; a power of two. One revolution is 82 s."""


class Timer:
    """One message that is due at a tick. Cancel it, or let it fire."""

    __slots__ = ("due", "incarnation", "message", "ref")

    def __init__(self, due: int, ref: Ref, message: object) -> None:
        self.due = due
        self.ref: Ref | None = ref
        self.incarnation = ref.incarnation
        self.message = message

    def cancel(self) -> None:
        """Forget the message. Cancelling twice, or after firing, is harmless."""
        self.ref = None
        self.message = None

    def fire(self) -> None:
        """Deliver, if nobody cancelled and the asking incarnation still lives.

        A crashed actor keeps its number until it starts again: then, too, it is dead.
        """
        ref, message = self.ref, self.message
        self.cancel()
        if ref is None:
            return
        assert ref.incarnation >= self.incarnation, "incarnations only grow"
        if ref.incarnation == self.incarnation and ref.is_alive:
            ref.tell_system(message)


class TimersDue(msgspec.Struct, frozen=True, gc=False):
    """The coalesced timer `number` has fired: it is `number` * COALESCE_S on the
    monotonic clock."""

    number: int


class _CoalescedTimer(Timer):
    """The timer that all who wait for one tenth of a second share.

    They are linked by a field of their own (`Ref.next_waiter`), the first of them to
    itself: the collector would walk a list of a million at each of its full rounds.
    """

    __slots__ = ("coalesced", "due_message", "last", "others")

    def __init__(
        self, due: int, ref: Ref, due_message: TimersDue, coalesced: CoalescedTimers
    ) -> None:
        super().__init__(due, ref, due_message)
        self.due_message = due_message
        self.coalesced = coalesced
        self.last: Ref | None = None
        self.others: list[Ref] = []  # who waits for another coalesced timer, too

    def add(self, ref: Ref) -> None:
        if ref.next_waiter is not None:
            self.others.append(ref)
            return
        ref.next_waiter = ref if self.last is None else self.last
        self.last = ref

    def fire(self) -> None:
        self.cancel()
        self.coalesced.forget(self.due_message.number)
        ref, self.last = self.last, None
        while ref is not None:
            next_waiter, ref.next_waiter = ref.next_waiter, None
            self._tell(ref)
            ref = None if next_waiter is ref else next_waiter
        for ref in self.others:
            self._tell(ref)

    def _tell(self, ref: Ref) -> None:
        if ref.is_alive:
            ref.tell_system(self.due_message)


class CoalescedTimers:
    """The coalesced timers that somebody waits for. A clock's helper; pure."""

    __slots__ = ("_by_number", "_take")

    def __init__(self, take: Callable[[_CoalescedTimer], None]) -> None:
        """`take` gets each new timer and fires it when it is due."""
        self._by_number: dict[int, _CoalescedTimer] = {}
        self._take = take

    def add(self, number: int, due: int, ref: Ref) -> int:
        """Let `ref` wait for a timer; its number, the same object for all."""
        timer = self._by_number.get(number)
        if timer is None:
            timer = self._by_number[number] = _CoalescedTimer(
                due, ref, TimersDue(number), self
            )
            self._take(timer)
        timer.add(ref)
        return timer.due_message.number

    def forget(self, number: int) -> None:
        """It fires: whoever asks for this number now gets a new timer."""
        del self._by_number[number]

    def clear(self) -> None:
        self._by_number.clear()


class Clock(Protocol):
    """The port: real time, or simulated time."""

    def now(self) -> int:
        """Wall clock: milliseconds since 1970 UTC. May jump."""

    def monotonic(self) -> float:
        """Seconds that only grow; for measuring."""

    def call_later(self, delay_s: float, ref: Ref, message: object) -> Timer:
        """Send `message` to `ref` on its system lane in `delay_s` seconds or later."""

    def call_later_coalesced(self, delay_s: float, ref: Ref) -> int:
        """Send `ref` a `TimersDue` in `delay_s` seconds or up to COALESCE_S later; its
        number.

        Whoever lives behind the ref by then gets it.
        """


class TimingWheel:
    """Hashed timing wheel over integer ticks. Pure: it never reads a clock."""

    __slots__ = ("_buckets", "_mask", "count", "tick")

    def __init__(self, slots: int = SLOTS) -> None:
        assert slots & (slots - 1) == 0, "a tick finds its bucket by its last bits"
        self._buckets: list[list[Timer]] = [[] for _ in range(slots)]
        self._mask = slots - 1
        self.tick = 0
        self.count = 0

    def add(self, timer: Timer) -> None:
        """Take a timer; one that is due in the past fires at the next tick."""
        timer.due = max(timer.due, self.tick + 1)
        self._buckets[timer.due & self._mask].append(timer)
        self.count += 1

    def advance(self, tick: int, fire: Callable[[Timer], None]) -> None:
        """Move to `tick`, firing what became due, in order of due tick.

        A jump over more than one revolution looks at every bucket once.
        """
        if tick - self.tick > self._mask:
            self._advance_far(tick, fire)
            return
        while self.tick < tick:
            self.tick += 1
            bucket = self._buckets[self.tick & self._mask]
            if bucket:
                self._fire_bucket(bucket, self.tick, fire)

    def next_due(self) -> int | None:
        """The next tick whose bucket holds something, or None when all are empty.

        It may be a tick whose timers are due only a revolution later: a harmless
        early wake-up, for a search that is bounded by the number of slots.
        """
        if not self.count:
            return None
        for ahead in range(1, self._mask + 2):
            if self._buckets[(self.tick + ahead) & self._mask]:
                return self.tick + ahead
        return None

    def _fire_bucket(
        self, bucket: list[Timer], tick: int, fire: Callable[[Timer], None]
    ) -> None:
        due = [timer for timer in bucket if timer.due <= tick]
        rest = [t for t in bucket if t.due > tick and t.ref is not None]
        self.count -= len(bucket) - len(rest)
        assert self.count >= 0
        bucket[:] = rest
        for timer in due:
            fire(timer)

    def _advance_far(self, tick: int, fire: Callable[[Timer], None]) -> None:
        self.tick = tick
        due: list[Timer] = []
        for bucket in self._buckets:
            if bucket:
                due.extend(timer for timer in bucket if timer.due <= tick)
                bucket[:] = [t for t in bucket if t.due > tick and t.ref is not None]
        self.count = sum(map(len, self._buckets))
        for timer in sorted(due, key=lambda timer: timer.due):
            fire(timer)


class GeventClock:
    """The real clock: one greenlet turns the wheel for every timer of the node."""

    def __init__(self) -> None:
        self._wheel = TimingWheel()
        self._coalesced = CoalescedTimers(self._add)
        self._origin = time.monotonic()
        self._sooner = Event()
        self._wake_tick: int | None = None
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begin to turn. Timers taken before are kept."""
        assert self._greenlet is None, "one greenlet turns the wheel"
        self._greenlet = gevent.spawn(self._turn)

    def stop(self) -> None:
        """Stop turning; timers that are pending never fire."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, delay_s: float, ref: Ref, message: object) -> Timer:
        # The tick that ends after the time: counted from the tick that is going on, a
        # timer came early by what of this one had passed.
        due_s = time.monotonic() - self._origin + delay_s
        timer = Timer(int(due_s / TICK_S) + 1, ref, message)
        self._add(timer)
        return timer

    def call_later_coalesced(self, delay_s: float, ref: Ref) -> int:
        number = int((time.monotonic() + delay_s) / COALESCE_S) + 1
        due = int((number * COALESCE_S - self._origin) / TICK_S) + 1
        return self._coalesced.add(number, due, ref)

    def _add(self, timer: Timer) -> None:
        self._wheel.add(timer)
        if self._wake_tick is None or timer.due < self._wake_tick:
            self._sooner.set()

    def _tick_now(self) -> int:
        return int((time.monotonic() - self._origin) / TICK_S)

    def _turn(self) -> None:
        while True:
            self._wheel.advance(self._tick_now(), _fire)
            self._wake_tick = self._wheel.next_due()
            self._sooner.clear()
            if self._wake_tick is None:
                self._sooner.wait()
                continue
            wait_s = self._wake_tick * TICK_S - (time.monotonic() - self._origin)
            # Not `wait(wait_s)`: a Timeout and its exception, ten times a second.
            alarm = gevent.get_hub().loop.timer(max(wait_s, 0.001))
            alarm.start(self._sooner.set)
            try:
                self._sooner.wait()
            finally:
                alarm.close()


def _fire(timer: Timer) -> None:
    timer.fire()
