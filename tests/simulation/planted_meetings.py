"""Bugs on purpose in what is believed of money that a source does not list."""

import engine.chain.disappearance
import engine.payment.losses
import engine.payment.review
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_MEETINGS"]


def a_mempool_that_was_lost_is_believed(patch: Patch) -> None:
    patch.setattr(engine.chain.disappearance, "_is_mass", lambda *_about: False)


def another_source_has_a_tenth_of_the_time_to_hear_of_it(patch: Patch) -> None:
    for module in (engine.payment.losses, engine.payment.review):
        patch.setattr(module, "ABSENCE_GRACE_MS", 60_000)


PLANTED_MEETINGS: tuple[Plant, ...] = (
    a_mempool_that_was_lost_is_believed,
    another_source_has_a_tenth_of_the_time_to_hear_of_it,
)
"""Each is found within 20 worlds of `run_meeting`."""
