"""Who should be asked by now: a source that is behind is left, and gone back to.

Sources stand in the order of preference. Once one has been a good witness for long
enough, and all before it have been behind for as long, it is the one that is asked, and
what clients are told is live. A source that fails now and then settles nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.broken import Broken
from tests.simulation.feeds import SimSource

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Failover"]

PATIENCE_MS = 20 * 60_000
"""So long it may take, beside two of the source's rounds, an hour apart at most."""


class Failover:
    """See the module docstring. `look` now and then while the process is well."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._expected: SimSource | None = None
        self._since = 0  # true ms

    def look(self, ill_ms: int) -> None:
        """`ill_ms`: true ms, when anything else was wrong last."""
        world = self._world
        now, expected = world.true_ms(), _who_should_be_asked(world.sources)
        if expected is not self._expected:
            self._expected, self._since = expected, now
        shape = world.shape
        patience_ms = PATIENCE_MS + int(2_000 * (shape.every_s + shape.probe_s))
        node = world.node
        if expected is None or node is None:
            return
        # What was wrong with it between two looks was wrong, too.
        if now - max(self._since, ill_ms, expected.since) < patience_ms:
            return
        fresh = node.source_report.now.freshness
        if fresh.source != expected.name or not fresh.live:
            raise Broken(f"{expected.name} should be asked, and it says {fresh}")


def _who_should_be_asked(sources: list[SimSource]) -> SimSource | None:
    """The first that is well, if it is plain that those before it are no witnesses."""
    for source in sources:
        if source.is_well:
            return source
        if not source.is_plainly_behind:
            return None
    return None
