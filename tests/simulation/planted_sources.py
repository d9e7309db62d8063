"""Bugs on purpose in what is known of the chain, and in when it is asked."""

from typing import Any

from msgspec.structs import replace

from actors.messages import RoundDone
from actors.sources.planner import RoundPlanner
from actors.sources.source import SourceActor
from actors.watching.tour import Tour
from engine.chain.script_index import ScriptIndex
from engine.chain.witness import CURRENT
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_SOURCES"]


def what_the_mempool_had_once_it_has_for_ever(patch: Patch) -> None:
    patch.setattr(ScriptIndex, "gone_from", lambda *_about: [])


def the_first_round_begins_before_all_scripts_are_known(patch: Patch) -> None:
    for name in ("plan", "plan_soon"):
        plan = getattr(RoundPlanner, name)

        def bug(self: Any, now: float, *, ready: bool, plan: Any = plan) -> Any:
            return plan(self, now, ready=True)

        patch.setattr(RoundPlanner, name, bug)


def a_crashed_source_still_covers_all(patch: Patch) -> None:
    on_exit = SourceActor._on_worker_exit

    def bug(self: Any, ref: Any, report: Any) -> None:
        covered = self._node.source_report.now.complete_as_of
        on_exit(self, ref, report)
        self.planner._witnesses.covers(covered)
        self._publish()

    patch.setattr(SourceActor, "_on_worker_exit", bug)


def a_source_that_lags_is_live(patch: Patch) -> None:
    on_done = SourceActor._on_done

    def bug(self: Any, done: RoundDone) -> None:
        on_done(self, replace(done, assessment=CURRENT))

    patch.setattr(SourceActor, "_on_done", bug)


def nobody_is_told_that_silence_is_no_answer_any_more(patch: Patch) -> None:
    patch.setattr(Tour, "go_on", lambda *_about: None)


PLANTED_SOURCES: tuple[Plant, ...] = (
    what_the_mempool_had_once_it_has_for_ever,
    the_first_round_begins_before_all_scripts_are_known,
    a_crashed_source_still_covers_all,
    a_source_that_lags_is_live,
    nobody_is_told_that_silence_is_no_answer_any_more,
)
"""Each is found within 60 worlds of the usual kind."""
