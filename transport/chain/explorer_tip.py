"""Which last block of an explorer is believed: one that follows from those before it.

An explorer says what its last block is; one wrong answer must not make everything
confirmed. So a new last block is believed only if

- it builds on the last one that was believed, by its own header; or else
- the explorer's chain has it at its height, and at the old height still has the old
  block, or another one (which is a reorg);
- its hash shows work, on mainnet;
- and it is no more blocks ahead than there can be after the time that has passed. On
  regtest and on testnet anybody makes a thousand blocks at once; more than that is
  believed when it is still told `TWICE_S` later.

A lower one is told as it is: an explorer that goes back says so of itself. What it was
told before stays the measure. The first one of all can only be held against itself
and, on mainnet, against the calendar.

Asks the explorer through the functions that it is given; knows no path and no JSON but
`Block`. Called by one caller at a time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.chain.feed import Tip
from transport.chain.esplora_json import Block

__all__ = ["FREE_STEP", "LAG_S", "MAX_JUMP", "TWICE_S", "TipGuard", "TipVerdict"]

FREE_STEP = 3
"""Blocks that may come at once where blocks take ten minutes, beside those of the time
that has passed: four within a minute are seen once in many years."""

FASTEST_S = 60.0
"""More than a block in this time, while we look, is not believed."""

CATCH_UP_S = 400.0
"""More than a block in this time since the old one was made is not believed."""

MAX_JUMP = 1_000
"""Blocks that may come at once where anybody can make them."""

TWICE_S = 30.0
"""How much later a larger jump must still be told there."""

WORK_BITS = 70
"""Zero bits that a block's hash must begin with on mainnet. In 2026 it takes 79: who
makes one up needs a five-hundredth of what the whole network needs for a block."""

LAG_S = 30.0
"""So long a server may tell the last block but one, or two: another one has it."""

REMEMBERED = 32  # tips that were believed, of which nothing is asked again

# A block of mainnet, and how fast blocks may have come since. Over two years they took
# 600 s; 480 s is out of question as long as the difficulty is adjusted.
_MAINNET_HEIGHT, _MAINNET_TIME_S = 840_000, 1_713_571_767
_MAINNET_FASTEST_S = 480

_TEN_MINUTES = frozenset({"mainnet", "signet"})

BlockAt = Callable[[int], str | None]
"""The block at a height of the explorer's best chain; None above its end."""


@dataclass(frozen=True)
class TipVerdict:
    """What became of a last block that was told."""

    tip: Tip  # to go by: the one that was told, or the one before it
    tip_time_s: int | None
    doubt: str | None = None  # why the one that was told is not believed
    reorg: bool = False  # blocks that stood before may stand no longer


class TipGuard:
    """See the module docstring. `now`: the wall clock, in seconds."""

    def __init__(self, network: str, now: Callable[[], float] = time.time) -> None:
        self._network = network
        self._now = now
        self._best: Tip | None = None  # the highest that was believed
        self._best_time_s: int | None = None
        self._seen_s = 0.0  # when it was told last
        self._known: dict[str, tuple[Tip, int | None]] = {}
        self._claim: tuple[int, float] | None = None  # height of a jump, told since
        self._lower_since: float | None = None  # a tip was told that was one before

    def known(self, block_hash: str) -> TipVerdict | None:
        """Of a block that was believed to be the last one before.

        Behind one name there are several servers, and some have a new block later. So
        one that is a little lower is gone by only when it is told for long.
        """
        known = self._known.get(block_hash)
        if known is None:
            return None
        self._claim = None
        now, best = self._now(), self._best
        assert best is not None, block_hash
        if block_hash == best.hash:
            self._seen_s, self._lower_since = now, None
            return TipVerdict(*known)
        if self._lower_since is None:
            self._lower_since = now
        lags = best.height - known[0].height <= FREE_STEP
        if lags and now - self._lower_since < LAG_S:
            return self.kept(None)
        return TipVerdict(*known)

    def kept(self, doubt: str | None) -> TipVerdict | None:
        """Go by the last one that was believed; None if there is none."""
        if self._best is None:
            return None
        return TipVerdict(self._best, self._best_time_s, doubt)

    def judge(self, block: Block, *, proven: bool, block_at: BlockAt) -> TipVerdict:
        """Of a block that is told to be the last one for the first time.

        `proven`: its fields hash to its id. Raises ValueError for a first block of all
        that cannot be; the text is for people.
        """
        told, best = Tip(block.height, block.id), self._best
        no_work = self._network == "mainnet" and int(told.hash, 16) >> 256 - WORK_BITS
        doubt = "tells of a last block that nobody has worked for" if no_work else None
        if best is None:
            doubt = doubt or self._first(told, block_at)
            if doubt is not None:
                raise ValueError(doubt)
            return self._believe(told, block)
        if doubt is not None:
            return self._doubted(doubt)
        if proven and block.previousblockhash == best.hash:
            if told.height == best.height + 1:
                return self._believe(told, block)
            return self._doubted(_misplaced(told))
        if told.height <= best.height:
            return self._lower(told, block, best, block_at)
        doubt = self._too_far(told, best)
        if doubt is None and block_at(told.height) != told.hash:
            doubt = _misplaced(told)
        if doubt is not None:
            return self._doubted(doubt)
        there = block_at(best.height)
        if there is None:
            text = f"has a last block at height {told.height:,}, and none at"
            return self._doubted(f"{text} {best.height:,}")
        return self._believe(told, block, reorg=there != best.hash)

    def _first(self, told: Tip, block_at: BlockAt) -> str | None:
        since_s = max(self._now() - _MAINNET_TIME_S, 0)
        most = _MAINNET_HEIGHT + since_s // _MAINNET_FASTEST_S
        if self._network == "mainnet" and told.height > most:
            by = "by this machine's clock"
            return f"tells of height {told.height:,}, which {by} is not reached yet"
        return None if block_at(told.height) == told.hash else _misplaced(told)

    def _lower(
        self, told: Tip, block: Block, best: Tip, block_at: BlockAt
    ) -> TipVerdict:
        """It went back, catches up, or has another branch of the same height."""
        if block_at(told.height) != told.hash:
            return self._doubted(_misplaced(told))
        if told.height == best.height:
            return self._believe(told, block, reorg=True)
        self._claim = None
        return TipVerdict(told, block.timestamp, reorg=True)

    def _too_far(self, told: Tip, best: Tip) -> str | None:
        """Why it cannot be so much higher than the last one; None if it can."""
        now, step = self._now(), told.height - best.height
        since_s = max(now - self._seen_s, 0.0)
        text = (
            f"jumped from height {best.height:,} to {told.height:,} in {since_s:.0f} s"
        )
        if self._network in _TEN_MINUTES:
            made_s = max(now - (self._best_time_s or now), 0.0)
            most = FREE_STEP + since_s / FASTEST_S + made_s / CATCH_UP_S
            return None if step <= most else text
        if step <= MAX_JUMP:
            return None
        claimed = self._claim
        if claimed is None or told.height < claimed[0]:
            self._claim = told.height, now
            return text
        return None if now - claimed[1] >= TWICE_S else text

    def _believe(self, told: Tip, block: Block, *, reorg: bool = False) -> TipVerdict:
        self._best, self._best_time_s = told, block.timestamp
        self._seen_s = self._now()
        self._claim = self._lower_since = None
        if reorg:
            self._known.clear()
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[told.hash] = told, block.timestamp
        return TipVerdict(told, block.timestamp, reorg=reorg)

    def _doubted(self, doubt: str) -> TipVerdict:
        verdict = self.kept(doubt)
        assert verdict is not None, doubt
        return verdict


def _misplaced(told: Tip) -> str:
    return f"tells of a last block that its own chain has not at height {told.height:,}"
