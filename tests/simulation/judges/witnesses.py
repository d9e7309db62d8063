"""Whose word may take something away: whether a source was a witness when it answered.

By what it said of itself in that very round, and by the highest tip that anybody had
shown before. A source that was behind proves no absence, no loss, no depth.
"""

from __future__ import annotations

from tests.simulation.record import Answers

__all__ = ["ON_ITS_WAY", "why_no_witness"]

ON_ITS_WAY = 2
"""So many blocks may be on their way to a source that clients are told is live."""

HEADERS_AHEAD = 5
"""Headers come a moment before their blocks; so many are a chain that it lacks."""

OLD_MS = {"mainnet": 24 * 3_600_000}
"""So old no tip is on a network that always has new blocks."""


def why_no_witness(answers: Answers, network: str, late: int = 0) -> str | None:
    """Why nothing follows from what the source did not show in this round.

    `late`: blocks that it may lack all the same.
    """
    for status in answers.told:
        tip = status.tip
        if status.initial_download and network != "regtest":
            return "it was in its first download"
        if not status.mempool_loaded:
            return "it had not loaded its mempool"
        if status.doubt is not None:
            return status.doubt
        if status.headers is not None and status.headers - tip.height > HEADERS_AHEAD:
            return f"it had headers up to {status.headers}, and blocks to {tip.height}"
        if tip.height + late < answers.best_height:
            return f"it was at {tip.height}, and {answers.best_height} had been shown"
        mined_at = answers.at if status.tip_time_s is None else status.tip_time_s * 1000
        if answers.at - mined_at > OLD_MS.get(network, answers.at):
            return "its tip was more than a day old"
    return None
