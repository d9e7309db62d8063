"""Tells somebody outside that the node works, as long as it does; watches the disk.

Whoever is dead cannot say so. An outside service (healthchecks.io, Uptime Kuma's push
monitor, …) is called at an interval, and raises the alarm when the calls stay away. A
call is made only while payments can be taken and told: the journal writes, the watchers
are up, and a source is current.

The disk is looked at with the same beat, as it is better to hear of it before it is
full: the alert `disk.low`.
"""

from __future__ import annotations

import logging
from typing import ClassVar

import msgspec

from actors.node import Node
from engine.ports import Outside
from engine.runtime.actor import Actor

__all__ = ["LOW", "HeartbeatActor"]

log = logging.getLogger("paybell.alert")

LOW = "disk.low"

LOW_BYTES = 512 * 1024 * 1024
"""A million payments with their events take some 5 GB; this is a busy day or two."""


class BeatDue(msgspec.Struct, frozen=True):
    """To itself."""

    coalesce: ClassVar[bool] = True


class HeartbeatActor(Actor):
    """See the module docstring. Blocks while it calls."""

    __slots__ = ("_every_s", "_failed", "_node", "_outside")

    blocking = True
    turn_timeout_s = 120.0

    def __init__(self, node: Node, outside: Outside, every_s: float) -> None:
        self._node = node
        self._outside = outside
        self._every_s = every_s
        self._failed = ""  # why the last call failed

    def on_start(self) -> None:
        self._node.clock.call_later(self._every_s, self.ref, BeatDue())

    def on_receive(self, message: object) -> None:
        if not isinstance(message, BeatDue):
            return
        self._node.clock.call_later(self._every_s, self.ref, BeatDue())
        self._look_at_disk()
        if self.why_not() is None:
            self._beat()
        else:
            self._node.counters.add("heartbeat.withheld")

    def why_not(self) -> str | None:
        """Why no call is made now; None: all is well."""
        health = self._node.health
        if health.journal is not None:
            return health.journal
        if health.fatal or not health.booted:
            return "the node is not ready"
        if not self._node.source_report.now.freshness.live:
            return "no source is current"
        return None

    def _look_at_disk(self) -> None:
        free = self._outside.free_bytes()
        if free is None:
            return
        if free < LOW_BYTES:
            detail = f"{free // 2**20} MiB are free where the database is"
            self._node.alerts.raise_(LOW, "", detail, self._node.clock.now())
        else:
            self._node.alerts.clear(LOW, "")

    def _beat(self) -> None:
        error = self._outside.beat()
        if error is None:
            self._node.counters.add("heartbeat.sent")
        else:
            self._node.counters.add("heartbeat.failed")
            if error != self._failed:
                log.warning("heartbeat.failed detail=%s", error)
        self._failed = error or ""
