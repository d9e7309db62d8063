"""Bugs on purpose in what is believed of money that a source does not list."""

from collections.abc import Callable

from msgspec.structs import replace

import engine.chain.disappearance
import engine.payment.chain_rules
import engine.payment.losses
import engine.payment.review
import engine.payment.rules
from engine.chain.departures import Departures
from engine.chain.feed import ChainView
from engine.payment.fold import EventBuilder
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_MEETINGS", "PLANTED_REPLACEMENTS"]


def a_mempool_that_was_lost_is_believed(patch: Patch) -> None:
    patch.setattr(engine.chain.disappearance, "_is_mass", lambda *_about: False)


def another_source_has_a_tenth_of_the_time_to_hear_of_it(patch: Patch) -> None:
    for module in (engine.payment.losses, engine.payment.review):
        patch.setattr(module, "ABSENCE_GRACE_MS", 60_000)


def _conflicts(
    patch: Patch, of: Callable[[ChainView], frozenset[tuple[str, str]]]
) -> None:
    """The view names others, whose place was taken."""
    read_view = engine.payment.chain_rules.read_view

    def bug(
        builder: EventBuilder, view: ChainView, most_news: int | None = None
    ) -> bool:
        return read_view(builder, replace(view, conflicted=of(view)), most_news)

    patch.setattr(engine.payment.rules, "read_view", bug)


def what_took_its_place_is_counted_beside_it(patch: Patch) -> None:
    """Until the mempool is read whole."""
    _conflicts(patch, lambda _view: frozenset())


def what_has_left_was_replaced(patch: Patch) -> None:
    """By whatever else came, and be it for no coin of the same."""
    _conflicts(patch, lambda view: frozenset((txid, "") for txid in view.left))


def what_had_left_before_is_not_known_as_replaced(patch: Patch) -> None:
    """A node that pushes tells that one has left before it tells of the other."""
    patch.setattr(Departures, "replaced_by", lambda *_about: set[bytes]())


PLANTED_MEETINGS: tuple[Plant, ...] = (
    a_mempool_that_was_lost_is_believed,
    another_source_has_a_tenth_of_the_time_to_hear_of_it,
)
"""Each is found within 20 worlds of `run_meeting`."""

PLANTED_REPLACEMENTS: tuple[Plant, ...] = (
    what_took_its_place_is_counted_beside_it,
    what_has_left_was_replaced,
    what_had_left_before_is_not_known_as_replaced,
)
"""Each is found within 20 worlds of `run_replacement`."""
