"""What an edge that runs by itself tells the node of itself: counts and alerts.

The reader of a Redis stream has no request to answer and no actor to live in. Any
greenlet of the hub's thread.
"""

from actors.node import Node

__all__ = ["NodeWatch"]


class NodeWatch:
    """Implements `HeldWatch` of `transport/inbound/redis_held.py`."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def now(self) -> int:
        """ms"""
        return self._node.clock.now()

    def trouble(self) -> str | None:
        """Why it takes nothing at all now. None: it is well."""
        health = self._node.health
        if health.journal is None and not health.booted:
            return "the node is starting: watchers are being brought back"
        return health.journal

    def count(self, name: str) -> None:
        self._node.counters.add(name)

    def alert(self, kind: str, subject: str, detail: str) -> None:
        self._node.alerts.raise_(kind, subject, detail, self._node.clock.now())

    def clear(self, kind: str, subject: str) -> None:
        self._node.alerts.clear(kind, subject)
