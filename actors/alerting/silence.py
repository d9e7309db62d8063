"""Notices that no orders come when some usually do: the alert `orders.silent`.

The supervisor counts each order that is created (`OrderCounts`). This actor takes the
counts once a minute, writes them by the hour, and compares them with what is usual
(`engine/alerts/silence.py`), some merchants in each turn. A node that was off has heard
nothing: silence begins with its start.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from actors.node import Node
from engine.alerts.silence import DAYS, missing
from engine.merchants.name import DEFAULT
from engine.payment.events import iso
from engine.policy.periods import HOUR_MS
from engine.runtime.actor import Actor
from engine.store.writes import Committed, OrdersRow, Outcome, Write

__all__ = ["SILENT", "SilenceActor"]

log = logging.getLogger("paybell.alert")

SILENT = "orders.silent"

TICK_S = 60.0

MERCHANTS_PER_TICK = 500
"""Of so many merchants counts are written at a time; of the others they are kept."""


MERCHANTS_PER_TURN = 100
"""Judged in one turn: some 4 ms."""

MAX_JUDGED = 2_000
"""Merchants whose hours are in memory, 10 KB each: the first that had orders."""


class CountsDue(msgspec.Struct, frozen=True):
    """To itself: a minute is over."""

    coalesce: ClassVar[bool] = True


class _Judge(msgspec.Struct, frozen=True):
    merchants: tuple[str, ...]


class _Read(msgspec.Struct, frozen=True):
    merchant: str
    hours: Mapping[int, int]


class _Written(msgspec.Struct, frozen=True):
    counts: Mapping[str, int]
    hour: int
    is_done: bool


class SilenceActor(Actor):
    """See the module docstring."""

    __slots__ = ("_expected", "_hours", "_last", "_node", "_started_at")

    def __init__(self, node: Node, expected: int) -> None:
        """`expected`: when so many orders are missing it is a silence; 0: never."""
        self._node = node
        self._expected = expected
        self._started_at = node.clock.now()
        self._hours: dict[str, dict[int, int]] = {}  # of merchants that are known
        self._last: dict[str, int] = {}  # ms, when the last order came

    def on_start(self) -> None:
        if self._expected:
            self._know(DEFAULT)  # a shop alone on its node has no record
            for merchant in itertools.islice(self._node.merchants, MAX_JUDGED):
                self._know(merchant.name)
            self._again()

    def on_receive(self, message: object) -> None:
        match message:
            case CountsDue():
                self._take_counts()
                self.ref.tell_system(_Judge(tuple(self._hours)))
                self._again()
            case _Judge(merchants):
                self._judge(merchants[:MERCHANTS_PER_TURN])
                if later := merchants[MERCHANTS_PER_TURN:]:
                    self.ref.tell_system(_Judge(later))
            case _Read(merchant, hours):
                self._on_read(merchant, hours)
            case _Written(counts, hour, is_done):
                if not is_done:  # they count in the hour in which they can be written
                    self._node.orders.give_back(counts)
                    for merchant, number in counts.items():
                        self._hours[merchant][hour] -= number

    def _again(self) -> None:
        self._node.clock.call_later(TICK_S, self.ref, CountsDue())

    def _know(self, merchant: str) -> None:
        """Read what was usual, once."""
        ref = self.ref

        def reply(answer: Any) -> None:
            if isinstance(answer, dict):
                ref.tell_system(_Read(merchant, answer))

        self._node.read(lambda store: store.order_hours(merchant), reply)

    def _on_read(self, merchant: str, hours: Mapping[int, int]) -> None:
        if merchant in self._hours or len(self._hours) >= MAX_JUDGED:
            return
        now = self._node.clock.now()
        # Hours to come were counted by a clock that was ahead.
        past = {hour: n for hour, n in hours.items() if hour <= now // HOUR_MS}
        self._hours[merchant] = past
        newest = (max(past, default=0) + 1) * HOUR_MS
        self._last[merchant] = min(max(newest, self._started_at), now)

    def _take_counts(self) -> None:
        now = self._node.clock.now()
        hour = now // HOUR_MS
        known = set(self._hours)
        counts = self._node.orders.take(known, MERCHANTS_PER_TICK)
        if len(known) < MAX_JUDGED:
            for merchant in self._node.orders.merchants(MERCHANTS_PER_TICK):
                if merchant not in known:
                    self._know(merchant)  # its counts wait until what was is known
        if not counts:
            return
        kept_from = {}
        for merchant, number in counts.items():
            hours = self._hours[merchant]
            # By the newest hour that there was: one that is years ahead takes none.
            newest = max(hours, default=hour)
            oldest = kept_from[merchant] = min(hour, newest + 24) - 24 * (DAYS + 1)
            hours[hour] = hours.get(hour, 0) + number
            for old in [h for h in hours if h < oldest]:
                del hours[old]
            self._last[merchant] = now
        rows = tuple(OrdersRow(m, hour, n, kept_from[m]) for m, n in counts.items())
        ref = self.ref

        def reply(outcome: Outcome) -> None:
            ref.tell_system(_Written(counts, hour, isinstance(outcome, Committed)))

        self._node.append(Write(rows=rows), reply)

    def _judge(self, merchants: tuple[str, ...]) -> None:
        now = self._node.clock.now()
        for merchant in merchants:
            hours, last = self._hours[merchant], self._last[merchant]
            number = missing(hours, last, now) if hours else 0.0
            if number >= self._expected:
                detail = f"no order since {iso(last)}; some {number:.0f} are usual"
                self._node.alerts.raise_(
                    SILENT, merchant, detail, now, merchant=merchant
                )
            else:
                self._node.alerts.clear(SILENT, merchant)
