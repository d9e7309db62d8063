"""Simulated time and a seeded dispatcher: the same actors, deterministically.

`SimulatedDispatcher.step()` runs one turn of one actor, picked by a seeded random
generator among all that have mail. When nobody has, `SimulatedClock.advance()` jumps
to the next timer. A whole week of shop life runs in a second, and one integer, the
seed, reproduces it. Wall time may be made to jump while monotonic time goes on.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from engine.runtime.clock import COALESCE_S, CoalescedTimers, Timer
from engine.runtime.ref import Ref
from engine.runtime.timer_buckets import TimerBuckets

__all__ = ["SimulatedClock", "SimulatedDispatcher"]

_BUDGETS = (1, 1, 2, 8)  # messages in one turn


class SimulatedClock:
    """A clock that moves only when told. Times in milliseconds inside."""

    def __init__(self, start_ms: int) -> None:
        self._wall_ms = start_ms
        self._elapsed_ms = 0
        self._timers: TimerBuckets[Timer] = TimerBuckets()  # by ms of _elapsed_ms
        self._coalesced = CoalescedTimers(self._add)

    def now(self) -> int:
        return self._wall_ms

    def monotonic(self) -> float:
        return self._elapsed_ms / 1000

    def call_later(self, delay_s: float, ref: Ref, message: object) -> Timer:
        due = self._elapsed_ms + max(int(delay_s * 1000), 1)
        timer = Timer(due, ref, message)
        self._add(timer)
        return timer

    def call_later_coalesced(self, delay_s: float, ref: Ref) -> int:
        every_ms = int(COALESCE_S * 1000)
        number = (self._elapsed_ms + int(delay_s * 1000)) // every_ms + 1
        return self._coalesced.add(number, number * every_ms, ref)

    def _add(self, timer: Timer) -> None:
        assert timer.due > self._elapsed_ms
        self._timers.add(timer.due, timer)

    def next_due_ms(self) -> int | None:
        """Milliseconds from now to the next timer that nobody cancelled, or None."""
        while (timer := self._timers.first()) is not None:
            if timer.ref is not None:
                return timer.due - self._elapsed_ms
            self._timers.take(timer.due)
        return None

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass, firing what becomes due on the way."""
        until = self._elapsed_ms + ms
        while (timer := self._timers.take(until)) is not None:
            self._pass(timer.due - self._elapsed_ms)
            timer.fire()
        self._pass(until - self._elapsed_ms)

    def jump_wall(self, ms: int) -> None:
        """Move the wall clock only: an NTP step, a suspended laptop."""
        self._wall_ms += ms

    def forget_timers(self) -> None:
        """A process crash: nothing in memory survives, pending timers included."""
        self._timers.clear()
        self._coalesced.clear()

    def _pass(self, ms: int) -> None:
        assert ms >= 0
        self._elapsed_ms += ms
        self._wall_ms += ms


class SimulatedDispatcher:
    """Runs one turn at a time, in an order that the seed decides."""

    def __init__(self, random: Random) -> None:
        self._draw = random.random
        self.runnable: list[Ref] = []  # whoever has mail now; to be looked at
        self.dead_letters: Counter[str] = Counter()
        self.turns = 0

    def schedule(self, ref: Ref) -> None:
        self.runnable.append(ref)

    def dead_letter(self, ref: Ref, message: object) -> None:
        self.dead_letters[type(message).__name__] += 1

    @property
    def idle(self) -> bool:
        return not self.runnable

    def step(self) -> Ref | None:
        """Run one turn of one actor; the one that ran, or None when all are idle."""
        runnable, random = self.runnable, self._draw
        if not runnable:
            return None
        # `random()` alone: three times as fast as `choice`, and every step draws.
        at = int(random() * len(runnable))
        runnable[at], runnable[-1] = runnable[-1], runnable[at]
        ref = runnable.pop()
        ref.run_turn(_BUDGETS[int(random() * 4)])
        self.turns += 1
        return ref

    def forget_all(self) -> None:
        """A process crash: whoever was runnable never runs again."""
        for ref in self.runnable:
            ref.forget_mail()
        self.runnable.clear()
