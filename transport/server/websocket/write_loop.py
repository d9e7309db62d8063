"""What all sockets of a server share: one greenlet that writes and watches the time.

A greenlet per socket for writing and another for pings would cost 10 KB per idle
connection and a switch per message. Instead a socket that has something to say puts
itself on the loop's list; the loop lets it write what fits without waiting, several
messages in one call. Only a socket whose peer does not keep up gets a greenlet of its
own, until it has caught up. Pings and deadlines are alarms in one store.

Who always has more to say stands in line at the turnstile: however many flood
us, together they get one short turn each time the hub has looked at all sockets.

It knows no WebSocket: only what can write and what has an alarm. Started by
`transport/server/server.py`.
"""

import logging
import math
import time
from collections import deque
from typing import Protocol

import gevent
from gevent.event import Event
from gevent.hub import Waiter

from engine.runtime.timer_buckets import TimerBuckets
from engine.runtime.yielding import yield_to_hub

__all__ = ["Alarm", "Sleeper", "WriteLoop", "Writer"]

_log = logging.getLogger("paybell.live")

#: The loop gives way to other greenlets after this long.
_TURN_S = 0.002
#: Alarms are this exact. Ten thousand sockets have thousands of alarms a minute.
_TICK_S = 0.1

#: An alarm so late was kept by a process that had no turn (a machine that slept,
#: or was paused). What its peer said meanwhile lies in the kernel's buffers.
_LATE_S = 1.0

#: Looks of the hub at its sockets before such alarms: libev takes 64 of those that are
#: ready at the first, and twice as many at each further one.
_LOOKS = 12


class Writer(Protocol):
    def on_writable(self) -> None:
        """Write what can be written now; never wait."""


class Sleeper(Protocol):
    def on_alarm(self, now_s: float) -> None:
        """The time of an alarm has come (time.monotonic()); never wait."""


class Alarm:
    """One that is set. A cancelled one stays in the store, empty, until it is due."""

    __slots__ = ("target",)

    def __init__(self, target: Sleeper) -> None:
        self.target: Sleeper | None = target

    def cancel(self) -> None:
        self.target = None


class WriteLoop:
    """Shared by all WebSockets of one server; runs in one greenlet."""

    def __init__(self) -> None:
        self._dirty: deque[Writer] = deque()  # each socket at most once
        self._alarms: TimerBuckets[Alarm] = TimerBuckets()  # by ticks of _TICK_S
        self._looked_s = 0.0  # monotonic: when the sockets were, before late alarms
        self._wake = Event()
        self._line: deque[Waiter[None]] = deque()  # at the turnstile
        self._turnstile = gevent.get_hub().loop.timer(0.0)
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def write_soon(self, target: Writer) -> None:
        """`on_writable` is called in the next turn. The caller asks only once."""
        self._dirty.append(target)
        self._wake.set()

    def set_alarm(self, target: Sleeper, due_s: float) -> Alarm:
        """`on_alarm` is called once, not before `due_s` (time.monotonic()), and up to
        0.1 s later: all that are due in the same tenth of a second cost one wake-up.
        """
        alarm = Alarm(target)
        tick = math.ceil(due_s / _TICK_S)
        first = self._alarms.next_tick
        self._alarms.add(tick, alarm)
        if first is None or tick < first:
            self._wake.set()
        return alarm

    def wait_turn(self) -> None:
        """Wait, in a greenlet, behind all others who have had their share; one passes
        each time the hub has looked at all sockets.
        """
        waiter: Waiter[None] = Waiter()
        self._line.append(waiter)
        if len(self._line) == 1:
            self._turnstile.start(self._let_pass)
        waiter.get()

    def _let_pass(self) -> None:
        """The hub calls."""
        waiter = self._line.popleft()
        if self._line:
            self._turnstile.start(self._let_pass)
        waiter.switch(None)

    def _run(self) -> None:
        while True:
            self._wake.clear()
            turn_ends = time.monotonic() + _TURN_S
            while self._dirty and time.monotonic() < turn_ends:
                self._call_writable(self._dirty.popleft())
            if self._was_away():
                for _ in range(_LOOKS):
                    yield_to_hub()
                self._looked_s = time.monotonic()
                turn_ends = self._looked_s + _TURN_S
            self._call_due(turn_ends)
            if self._dirty or self._idle_s() == 0.0:
                yield_to_hub()
            else:
                self._wake.wait(self._idle_s())

    def _idle_s(self) -> float | None:
        """Seconds until the next alarm is due: 0.0 if one is, None if none is set."""
        tick = self._alarms.next_tick
        return None if tick is None else max(0.0, tick * _TICK_S - time.monotonic())

    def _was_away(self) -> bool:
        """Whether an alarm is late that was not due yet at the last look: with a crowd
        of alarms, or too much to do, there is one look a second and not one a turn."""
        tick = self._alarms.next_tick
        if tick is None or tick * _TICK_S <= self._looked_s:
            return False
        return time.monotonic() - tick * _TICK_S >= _LATE_S

    def _call_due(self, turn_ends: float) -> None:
        while (now := time.monotonic()) < turn_ends:
            alarm = self._alarms.take(math.floor(now / _TICK_S))
            if alarm is None:
                return
            if alarm.target is not None:
                self._call_alarm(alarm.target, now)

    # One socket's trouble must not stop the writing of all the others.

    def _call_writable(self, target: Writer) -> None:
        try:
            target.on_writable()
        except Exception:  # noqa: BLE001
            _log.exception("live.write_failed")

    def _call_alarm(self, target: Sleeper, now: float) -> None:
        try:
            target.on_alarm(now)
        except Exception:  # noqa: BLE001
            _log.exception("live.alarm_failed")
