"""Two sources for what is worth more than the shop trusts one with."""

from __future__ import annotations

from tests.simulation.chain import Snapshot
from tests.simulation.judges.case import Case
from tests.simulation.record import Outpoint, depth_in

__all__ = ["has_no_second", "wants_two"]

FRESH_MS = 600_000
"""So long an answer counts beside another's."""


def wants_two(case: Case) -> bool:
    """Whether the sum that is confirmed is more than one source may confirm."""
    above = case.before.terms.quorum_above_sat
    return above is not None and (case.event.data.settled_sat or 0) > above


def has_no_second(case: Case) -> str | None:
    """Beside the source that it was confirmed by, another was asked of late, was a
    witness, and had enough as deep and in the same blocks."""
    if not wants_two(case):
        return None
    agreed: dict[Outpoint, int] = {}
    for shown in case.history:
        if shown.source == case.event.data.source:
            continue
        if case.event.at - shown.asked_at >= FRESH_MS:
            continue
        for answers in case.witnessed(shown):
            for seen in answers.snapshots:
                agreed |= _as_deep(case, seen)
    if sum(agreed.values()) >= case.before.enough_sat:
        return None
    return f"only {case.event.data.source} had it, of two that must agree"


def _as_deep(case: Case, seen: Snapshot) -> dict[Outpoint, int]:
    """What is counted, and is as deep in this snapshot: in the same block, where a
    block is asked for."""
    listed = case.record.outputs(seen, case.script)
    any_place = case.before.terms.confirmations_required == 0
    return {
        key: receipt.amount_sat
        for key, receipt in case.before.receipts.items()
        if (output := listed.get(key)) is not None
        and (any_place or output.block_hash == receipt.block_hash)
        and depth_in(seen, output) >= case.depth_needed(key[0])
    }
