"""Whether a source is a current witness: who is behind proves nothing.

A source says of itself where it is (`SourceStatus`); it is compared with the best tip
that it or anybody has shown us and that was believed (`Best`). Behind is who is lower
than that, who says so itself (first download, headers ahead of blocks, mempool not
loaded, its adapter's doubt), and whose tip is implausibly old for its network. What
follows from being behind is decided by others: `engine.chain.sync` undoes nothing then,
workers stamp their views, the planner asks the next source. Pure.

More work is better where both tell it (`chainwork`), else more height. Another block
at the same height is not behind: that is a reorg, or the start of one.

A best tip may be a lie that was believed. It costs nothing but waiting, and heals: the
real chain grows past it, or `is_outgrown` says that it has grown for a day without it.

Protocol facts: Bitcoin Core's `getblockchaininfo` (blocks, headers, chainwork,
initialblockdownload) and `getmempoolinfo` (loaded). Core is in its first download as
long as its tip is more than 24 h old (-maxtipage) at a start: on networks without
steady blocks that says nothing.
"""

from enum import StrEnum

import msgspec

from engine.chain.feed import BLOCK_TIME_SLACK_S, SourceStatus, Tip

__all__ = [
    "CURRENT",
    "MAX_TIP_AGE_S",
    "Assessment",
    "Best",
    "Standing",
    "Yardstick",
    "assess",
    "best_after",
    "is_lower",
]

HEADERS_AHEAD = 2
"""A node has a block's header some seconds before the block; two of them in a hurry."""

SLIGHTLY_BEHIND = 2
"""Blocks. So little may be a block's way through the network: it takes seconds."""

MAX_TIP_AGE_S = {
    # A block in 10 min on average: a gap over 3 h is one in e^18, or one in a thousand
    # years, and a miner's clock may be an hour behind (it must be past the median of
    # the last eleven). A node that stands still is found out after as long.
    "mainnet": 4 * 3_600,
    # Miners come and go, clocks are bent on purpose (a block may be of minimum
    # difficulty 20 min after the last): hours without a block have been seen.
    "testnet": 24 * 3_600,
    # One signer; a network of one's own may rest over a long weekend.
    "signet": 14 * 86_400,
}
"""How old a tip may be by its own time. None for regtest: blocks come on demand."""

HEALED_AFTER_S = 86_400
"""A chain that has grown for so long without the best tip has outgrown it: 1 day."""

BLOCKS_PER_HOUR = 60
"""How fast a chain may plausibly grow: ten times as fast as it should."""

_SLACK_BLOCKS = 144  # whatever the clocks say: a day's blocks

_STEADY = frozenset({"mainnet", "testnet"})
"""Networks that always have new blocks, and whose height is bounded by time."""


class Standing(StrEnum):
    """What a source is worth as a witness."""

    CURRENT = "current"
    BEHIND = "behind"
    FAILING = "failing"  # it does not answer, or nothing that can be read


class Assessment(msgspec.Struct, frozen=True):
    """`reason`: why it is not current, one line for people. `is_slight`: a block or
    two, as while a new one travels; no reason yet to leave it."""

    standing: Standing
    reason: str | None = None
    is_slight: bool = False

    @property
    def is_current(self) -> bool:
        return self.standing is Standing.CURRENT


CURRENT = Assessment(Standing.CURRENT)


class Best(msgspec.Struct, frozen=True):
    """The best tip that was believed. `shown_at` (ms): when anybody last showed it."""

    tip: Tip
    shown_at: int
    chainwork: int | None = None


class Yardstick(msgspec.Struct, frozen=True):
    """What a source's status is held against; see `assess`."""

    best: Best | None = None
    now_ms: int = 0
    network: str = "regtest"

    def assess(self, status: SourceStatus) -> Assessment:
        return assess(status, self.best, self.now_ms, self.network)


def assess(
    status: SourceStatus, best: Best | None, now_ms: int, network: str
) -> Assessment:
    """What this source is worth now, by what it says of itself. Never `FAILING`."""
    height = status.tip.height
    headers = status.headers if status.headers is not None else height
    if status.initial_download and _is_downloading(status, now_ms, network):
        known = f"block {height:,} of {max(headers, height):,}"
        return _behind(f"still in its first download ({known})")
    if headers > height + HEADERS_AHEAD:
        return _behind(f"at block {height:,}, and knows of block {headers:,} itself")
    late = CURRENT
    if best is not None and is_lower(status.tip, status.chainwork, best):
        late = _lower(status.tip, best, network)
        if not late.is_slight:
            return late
    if not status.mempool_loaded:
        return _behind("its mempool is not loaded yet")
    if status.doubt is not None:
        return _behind(status.doubt)
    most_s, age_s = MAX_TIP_AGE_S.get(network), _age_s(status, now_ms)
    if most_s is not None and age_s is not None and age_s > most_s:
        return _behind(
            f"its newest block, {height:,}, is {_duration(age_s)} old by this"
            " machine's clock"
        )
    return late


def is_lower(tip: Tip, chainwork: int | None, best: Best) -> bool:
    """Whether a chain with this tip is less than the best one."""
    if tip == best.tip:
        return False
    if chainwork is not None and best.chainwork is not None:
        return chainwork < best.chainwork
    return tip.height < best.tip.height


def best_after(
    best: Best | None, status: SourceStatus, now_ms: int, network: str
) -> Best | None:
    """The best tip after a source's status of now, if that can be believed.

    What a block feed has read block by block may be given as a status of its own
    (`SourceStatus(tip)`). A tip in doubt is never the best one, nor is one that is
    higher than a chain can grow in the time.
    """
    assert now_ms >= 0
    tip, work = status.tip, status.chainwork
    if best is not None and tip == best.tip:
        return Best(tip, now_ms, best.chainwork if work is None else work)
    if status.doubt is not None:
        return best
    if best is None or _is_outgrown(best, status, now_ms):
        return Best(tip, now_ms, work)
    if is_lower(tip, work, best) or not _is_more(tip, work, best):
        return best
    return (
        Best(tip, now_ms, work) if _is_plausible(tip, best, now_ms, network) else best
    )


def _is_more(tip: Tip, work: int | None, best: Best) -> bool:
    if work is not None and best.chainwork is not None:
        return work > best.chainwork
    return tip.height > best.tip.height


def _is_plausible(tip: Tip, best: Best, now_ms: int, network: str) -> bool:
    if network not in _STEADY:
        return True
    passed_h = max(now_ms - best.shown_at, 0) / 3_600_000
    grown = tip.height - best.tip.height
    return grown <= _SLACK_BLOCKS + BLOCKS_PER_HOUR * passed_h


def _is_outgrown(best: Best, status: SourceStatus, now_ms: int) -> bool:
    """Whether nobody shows the best tip any more, and this chain has had new blocks
    for a day since: mined, by their own time, after it was last shown.

    It is no matter of waiting: a source that stands still, or that reads old blocks
    again, never gets there.
    """
    time_s = status.tip_time_s
    if time_s is None or status.initial_download:
        return False
    is_possible = time_s <= now_ms / 1000 + BLOCK_TIME_SLACK_S
    return is_possible and time_s - best.shown_at / 1000 > HEALED_AFTER_S


def _is_downloading(status: SourceStatus, now_ms: int, network: str) -> bool:
    """Whether its "first download" is one; see the module docstring."""
    if network in _STEADY:
        return True
    height, headers = status.tip.height, status.headers
    if headers is not None and headers > height:
        return True
    most_s, age_s = MAX_TIP_AGE_S.get(network), _age_s(status, now_ms)
    if most_s is None:  # regtest: nothing of it but the age of its tip, maybe
        return False
    return height == 0 or (age_s is not None and age_s > most_s)


def _age_s(status: SourceStatus, now_ms: int) -> float | None:
    """How old its tip is; a time of the future is no age."""
    if status.tip_time_s is None:
        return None
    return max(now_ms / 1000 - status.tip_time_s, 0.0)


def _lower(tip: Tip, best: Best, network: str) -> Assessment:
    missing = best.tip.height - tip.height
    if missing <= 0:
        return _behind(
            f"at block {tip.height:,} of a chain with less work than that of block"
            f" {best.tip.height:,}, which was seen"
        )
    reason = f"at block {tip.height:,}; block {best.tip.height:,} was seen"
    if network == "regtest" and missing > SLIGHTLY_BEHIND:
        reason += " (if the chain was made anew: start with a new --db)"
    return Assessment(Standing.BEHIND, reason, is_slight=missing <= SLIGHTLY_BEHIND)


def _behind(reason: str) -> Assessment:
    assert reason
    return Assessment(Standing.BEHIND, reason)


def _duration(seconds: float) -> str:
    hours = round(seconds / 3_600)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"
