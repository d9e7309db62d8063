"""Whether those who wait for no timer may: by the watchers' word, and by what is known.

A watcher looks no more by itself while the silence of a source is its answer. If no
source covers it any longer, it looks again; when, is its own affair. Its word for it
is `next_poll_at`, which the API gives to everybody.
"""

from actors.facts.published import Watchers
from actors.watching.address import AddressActor
from engine.runtime.ref import Ref
from tests.simulation.broken import Broken

__all__ = ["Idlers"]

_APART_S = 20.0
_OFTEN = 5
"""So often, and so far apart, it is met idle before it counts: the process may have
been stopped before anybody heard of anything."""


class Idlers:
    """See the module docstring. Of one process: a start of it makes another."""

    def __init__(self) -> None:
        self._met: dict[Ref, tuple[int, int, float]] = {}  # of which life, how often

    def check(
        self, watchers: Watchers, complete_as_of: int | None, now_s: float
    ) -> None:
        """What is known at `now_s` (monotonic)."""
        if complete_as_of is not None:
            self._met.clear()
            return
        for ref in watchers.values():
            if not _looks_no_more(ref):
                self._met.pop(ref, None)
                continue
            life, times, last_s = self._met.get(ref, (0, 0, 0.0))
            if life != ref.incarnation:
                times = 0
            elif now_s < last_s + _APART_S:
                continue
            if times == _OFTEN:
                raise Broken(f"{ref.name} looks no more, and nobody looks for it")
            self._met[ref] = ref.incarnation, times + 1, now_s


def _looks_no_more(ref: Ref) -> bool:
    """And is not about to do anything else."""
    watcher = ref.actor
    return (
        isinstance(watcher, AddressActor)
        and watcher.next_poll_at is None
        and ref.is_alive
        and not ref.is_suspended
        and not ref.backlog
    )
