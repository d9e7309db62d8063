"""The real dispatcher: turns in one greenlet, those of blocking actors in a pool.

One greenlet takes actors that have mail from a run queue, gives each a turn of at most
`TURN_MESSAGES` messages, and lets others run every `SLICE_S` seconds (a turn ends with
the message during which they are over), sockets after a few of them, so that these are
served while a hundred thousand actors are busy. Actors whose class says
`blocking` run on a bounded pool of greenlets, one turn at a time each. Those that wait
for somebody outside do not get all of it: however many endpoints hang, the store is
read and the chain is looked at.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque

import gevent
from gevent.event import Event
from gevent.pool import Pool

from engine.errors import TurnTimeout
from engine.runtime.naming import who
from engine.runtime.ref import Ref
from engine.runtime.yielding import yield_to_hub

__all__ = ["GeventDispatcher"]

log = logging.getLogger("paybell.runtime")

TURN_MESSAGES = 32
"""Messages an actor may handle before the next actor is served."""

SLICE_S = 0.003
"""How long the dispatcher runs before it lets others run, seconds."""

SOCKETS_EVERY_S = 0.010
"""Others get their turn after each slice; sockets are looked at when slices took so
long together, seconds. After each one would be too little for the actors where all
others are busy as well; and one message may take longer than a slice."""

KEPT_FREE = 8
"""This part of the pool is not for turns that wait for somebody outside."""

SLOW_TURN_S = 0.050
"""A turn of an ordinary actor longer than this is a bug worth a log line, seconds."""


class GeventDispatcher:
    """See the module docstring."""

    def __init__(self, pool_size: int = 256) -> None:
        self._queue: deque[Ref] = deque()
        self._mail = Event()
        self._waiting: deque[Ref] = deque()
        self._outside: deque[Ref] = deque()
        self._kept_free = pool_size // KEPT_FREE  # for those that wait for none outside
        self._pool = Pool(pool_size)
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self.turns = 0
        self.slow_turns = 0
        self.dead_letters: Counter[str] = Counter()

    def start(self) -> None:
        assert self._greenlet is None, "one greenlet runs all turns"
        self._greenlet = gevent.spawn(self._run)

    def stop(self, timeout_s: float = 1.0) -> None:
        """Stop running turns. Blocking turns get `timeout_s`, then are killed."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
        self._pool.join(timeout=timeout_s)
        self._pool.kill(timeout=timeout_s)

    def schedule(self, ref: Ref) -> None:
        if ref.scope.blocking:
            line = self._outside if ref.scope.waits_outside else self._waiting
            line.append(ref)
            self._fill_pool()
            return
        self._queue.append(ref)
        if not self._mail.is_set():
            self._mail.set()

    def dead_letter(self, ref: Ref, message: object) -> None:
        self.dead_letters[type(message).__name__] += 1

    def _run(self) -> None:
        queue = self._queue
        worked_s = 0.0  # since the hub looked at the sockets
        while True:
            if not queue:
                self._mail.clear()
                self._mail.wait()
            slice_began = time.perf_counter()
            until = slice_began + SLICE_S
            while queue:
                began = time.perf_counter()
                if began >= until:
                    break
                ref = queue.popleft()
                ref.run_turn(TURN_MESSAGES, until)
                self.turns += 1
                took = time.perf_counter() - began
                if took > SLOW_TURN_S:
                    self.slow_turns += 1
                    log.warning("slow.turn %s ms=%.0f", who(ref), took * 1000)
            worked_s += time.perf_counter() - slice_began
            if worked_s < SOCKETS_EVERY_S:
                gevent.sleep(0)
            else:
                yield_to_hub()
                worked_s = 0.0

    def _fill_pool(self) -> None:
        while (ref := self._next_blocking(self._pool.free_count())) is not None:
            turn: gevent.Greenlet[..., object] = gevent.Greenlet(
                self._run_blocking, ref
            )
            self._pool.start(turn)
            # Linked after the pool's own link: its place is free again by then.
            turn.rawlink(self._place_is_free)

    def _next_blocking(self, free: int) -> Ref | None:
        if self._waiting and free > 0:
            return self._waiting.popleft()
        if self._outside and free > self._kept_free:
            return self._outside.popleft()
        return None

    def _place_is_free(self, _turn: object) -> None:
        self._fill_pool()

    def _run_blocking(self, ref: Ref) -> None:
        self.turns += 1
        limit = ref.scope.turn_timeout_s
        if limit is None:
            ref.run_turn(TURN_MESSAGES)
        else:
            with gevent.Timeout(limit, TurnTimeout(f"over {limit} s")):
                ref.run_turn(1)
