"""Keeping one source's mempool in the script index, at the least cost that is honest.

Asked for its names, a full mempool answers 6.7 MB. So it is compared name by name only
when that is needed:

- A source that pushes nothing is compared in each round, and so is any in a round in
  which somebody waits for a proof (a deadline): what was not read proves nothing.
- One that pushes each change (`engine.chain.push`) is compared at the start, whenever
  something may be missing (a gap in its counters, another connection, a block that was
  undone), and now and then all the same. In between what is heard is applied, and the
  number of transactions that the node says it has is held against ours: a message that
  was lost without a trace is found out within a round or two.

What was pushed is nobody's word. A transaction that concerns somebody who is watched,
takes the place of another, or whose bytes did not come, is asked for; one that left and
concerns somebody is taken out when the node does not know it any more. The rest is
believed until the next comparison, and verified when somebody is watched whom it pays.

New ones are always read first: while 100,000 are read at a start, what is broadcast
meanwhile is seen at once. Of a name that no transaction was given for nobody knows whom
it pays: mostly it has left in between, but until a list is without it nothing is proved
by that comparison. Pure but for the feed that it asks. One source's; only its worker
touches it.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import msgspec

from engine.chain.disappearance import gone_for_good
from engine.chain.feed import BlockFeed, SourceStatus
from engine.chain.pausing import pausing
from engine.chain.push import News, PoolChange, Push
from engine.chain.script_index import ScriptIndex
from engine.chain.witness import Assessment, Yardstick

__all__ = ["MempoolReader", "MempoolRound", "PoolResult"]

COMPARE_EVERY_S = 600.0
"""A mempool that is told change by change is compared all the same."""

POLL_S = 0.9
"""Between two comparisons of a source that pushes a part only: its poll's pace."""

ODD_ROUNDS = 3
"""Rounds in a row that count another number than the node. Once it is a change that is
on its way; so often it is a loss."""

GAP_S, MAX_GAP_S = 2.0, 60.0
"""Least time between comparisons that a wrong number leads to; it doubles as long as
the numbers never agree."""

MAX_LIES, DEAF_S = 100, 600.0
"""So many transactions of a round that were pushed and that the node does not know are
another node's, or nobody's: nothing of it is heard for so long."""

_CHUNK = 100  # transactions asked for at once, between two calls of progress


class MempoolRound(msgspec.Struct, frozen=True):
    """One reading: whom to ask, and what the round has found so far."""

    feed: BlockFeed
    index: ScriptIndex
    first: SourceStatus  # the round's first word
    yardstick: Yardstick
    budget: int  # transactions to read
    progress: Callable[[], None]
    may_replace: bool = True  # the source is current, and not below us
    must_prove: bool = False  # somebody waits to hear what is not there
    blocks: int = 0  # that were applied
    undone: int = 0

    @property
    def is_short(self) -> bool:
        """Whether blocks are still to be read."""
        return self.index.tip != self.first.tip


class PoolResult(msgspec.Struct, frozen=True):
    """What became of the mempool."""

    last: SourceStatus
    assessment: Assessment  # by the worse of the round's two words
    is_cut: bool = False  # there was more than one round may read
    more: bool = False
    disappeared: int = 0


class MempoolReader:
    """See the module docstring. `monotonic`: seconds."""

    def __init__(
        self, push: Push | None = None, monotonic: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._push = push
        self._monotonic = monotonic
        self._is_level = False  # the pool is the mempool, but for what is heard next
        self._floor = 0  # numbers of changes below were in the last comparison
        self._unread: Sequence[str] = ()  # names that a comparison found, to be read
        self._missed: set[str] = set()  # that were named, asked for, and not given
        self._leaving: set[str] = set()  # to be taken out at a tip that stands
        self._odd = 0  # rounds in a row whose number was another
        self._gap_s = GAP_S
        self._compare_from = self._compare_by = 0.0
        self._deaf_until = 0.0

    def read(self, task: MempoolRound) -> PoolResult:
        """Raises `SourceError`."""
        if self._push is None:
            if self._monotonic() >= self._compare_from:
                return self._compare(task, *self._names(task))
            if task.is_short:
                return self._later(task)
            if self._unread:
                return self._read_on(task)
            return self._compare(task, *self._names(task))
        news, now = self._push.log.take(), self._monotonic()
        if news.is_lost or task.undone or not task.may_replace or not self._hears:
            self._is_level = False
        has_asked = now >= self._deaf_until and self._hear(task, news)
        if self._unread and self._hears:
            return self._read_on(task)
        if task.is_short and now < self._compare_from:
            return self._later(task)
        if self._is_level and now < self._compare_by:
            return self._count(task, has_asked=has_asked)
        must_prove = task.must_prove or not self._push.log.heard
        if now < self._compare_from and not must_prove:
            return PoolResult(task.first, task.yardstick.assess(task.first))
        return self._compare(task, *self._names(task))

    @property
    def _hears(self) -> bool:
        """Whether each change is pushed, and may be heard."""
        if self._push is None or self._monotonic() < self._deaf_until:
            return False
        return self._push.log.is_live

    # -- comparing ---------------------------------------------------------------------

    def _names(self, task: MempoolRound) -> tuple[frozenset[str], int]:
        """The mempool, and the number of its next change; 0 if that is not told."""
        if self._push is not None and self._hears:
            return self._push.snapshot()
        return task.feed.mempool(), 0

    def _compare(
        self, task: MempoolRound, names: frozenset[str], number: int
    ) -> PoolResult:
        """Add what is new; remove what is gone if that can be known.

        Removals wait until all is added, so that a replacement arrives together with
        what it replaces. Nothing is known to be gone while a name stands for nobody
        knows what. That is looked at again at once; of a node that does so once more,
        at a poll's pace.
        """
        index = task.index
        task.progress()
        order = self._in_order(index.unknown_of(names, task.progress), task.progress)
        self._unread = order[task.budget :]
        is_usual = not self._missed
        is_given = self._take_in(task, order)
        last, assessment = self._last(task)
        is_cut = bool(self._unread)
        if is_cut or task.is_short or not is_given:  # then again at a poll's pace
            self._compare_from = self._monotonic() + POLL_S
        if is_cut or not (task.first.tip == index.tip == last.tip):
            return PoolResult(last, assessment, is_cut=is_cut, more=True)
        if not assessment.is_current:
            return PoolResult(last, assessment)
        if not is_given:
            return PoolResult(last, assessment, more=is_usual)
        gone, disappeared = gone_for_good(
            index, names, task.yardstick.now_ms, task.progress
        )
        index.apply_mempool((), gone, whole=not disappeared)
        index.hearsay.clear()
        self._leaving.clear()
        self._compared(number, level=not disappeared)
        return PoolResult(last, assessment, disappeared=disappeared)

    def _in_order(self, unknown: list[str], pause: Callable[[], None]) -> list[str]:
        """What is new first, then what was known to be unread, then what was missed."""
        if not self._unread and not self._missed:
            return unknown
        ranks = dict.fromkeys(self._unread, 1) | dict.fromkeys(self._missed, 2)
        order: tuple[list[str], ...] = ([], [], [])
        for txid in pausing(unknown, pause):
            order[ranks.get(txid, 0)].append(txid)
        return list(chain(*order))

    def _take_in(self, task: MempoolRound, order: Sequence[str]) -> bool:
        """Ask for the first of these, as many as may be. Whether all were given."""
        asked = set(order[: task.budget])
        missed = asked - self._fetch(task, order[: task.budget])
        self._missed.intersection_update(order)
        self._missed -= asked
        self._missed |= missed
        return not missed

    def _compared(self, number: int, *, level: bool) -> None:
        if self._push is None:
            return
        now = self._monotonic()
        self._floor = number
        self._is_level = level and self._hears
        self._compare_by = now + COMPARE_EVERY_S
        self._compare_from = now + POLL_S
        self._odd = 0

    def _read_on(self, task: MempoolRound) -> PoolResult:
        """More of what the last comparison found; what is new meanwhile is heard."""
        chunk, self._unread = (
            self._unread[: task.budget],
            self._unread[task.budget :],
        )
        self._fetch(task, chunk)
        assessment = task.yardstick.assess(task.first)
        return PoolResult(task.first, assessment, is_cut=True, more=True)

    def _later(self, task: MempoolRound) -> PoolResult:
        """There are blocks to be read first; the mempool was looked at just now."""
        assessment = task.yardstick.assess(task.first)
        return PoolResult(task.first, assessment, more=True)

    def _last(self, task: MempoolRound) -> tuple[SourceStatus, Assessment]:
        last = task.feed.status()
        assessment = task.yardstick.assess(task.first)
        if assessment.is_current:
            assessment = task.yardstick.assess(last)
        return last, assessment

    def _fetch(self, task: MempoolRound, txids: Sequence[str]) -> set[str]:
        """Ask for these and keep what there is of them; which there are."""
        found: set[str] = set()
        for start in range(0, len(txids), _CHUNK):
            chunk = task.feed.transactions(txids[start : start + _CHUNK])
            task.index.apply_mempool(chunk.values(), (), may_replace=task.may_replace)
            found.update(chunk)
            task.progress()
        return found

    # -- hearing -----------------------------------------------------------------------

    def _hear(self, task: MempoolRound, news: News) -> bool:
        """Apply what was pushed. Whether the node was asked for something."""
        index = task.index
        said: dict[str, PoolChange] = {}  # the last word on each
        for change in news.changes:
            if change.number and change.number < self._floor:
                continue  # the last comparison had it
            said.pop(change.txid, None)
            said[change.txid] = change
        quiet, asked, left = [], [], []
        for txid, change in said.items():
            if not change.is_added:
                left.append(txid)
            elif index.knows(txid):
                index.unlisted.pop(txid, None)
            elif change.tx is None or index.is_of_note(change.tx):
                asked.append(txid)
            else:
                quiet.append(change.tx)
        index.hear(quiet)
        doubted = index.hearsay.take_doubtful()
        awaited = [txid for txid in left if index.awaits(txid)]
        if len(asked) > task.budget:
            self._is_level = False  # a comparison will read them
            del asked[task.budget :]
        found = self._fetch(task, [*asked, *doubted, *awaited])
        self._part(index, set(left) - set(awaited), {*doubted, *awaited} - found)
        if found & set(awaited):
            self._is_level = False  # what was pushed is not what is so
        if len(asked) - len(found & set(asked)) > MAX_LIES:
            self._is_level = False
            self._deaf_until = self._monotonic() + DEAF_S
        return bool(asked or doubted or awaited)

    def _part(
        self, index: ScriptIndex, quietly: Iterable[str], awaited: Iterable[str]
    ) -> None:
        """These have left. A comparison sees to it where there will be one."""
        if not self._is_level:
            self._leaving.clear()
            return
        index.apply_mempool((), quietly)
        self._leaving.update(awaited)

    def _count(self, task: MempoolRound, *, has_asked: bool) -> PoolResult:
        """Hold the node's number of transactions against ours."""
        index, last = task.index, task.first
        assessment = task.yardstick.assess(last)
        if has_asked or task.blocks or self._leaving:
            last, assessment = self._last(task)
        if not (task.first.tip == index.tip == last.tip):
            return PoolResult(last, assessment, more=True)
        if not assessment.is_current:
            self._is_level = False
            return PoolResult(last, assessment)
        index.apply_mempool((), self._leaving)
        self._leaving.clear()
        if last.mempool_size == len(index.pool) - len(index.unlisted):
            self._odd, self._gap_s = 0, GAP_S
            index.apply_mempool((), (), whole=True)
            return PoolResult(last, assessment)
        self._odd += 1
        if self._odd < ODD_ROUNDS:
            return PoolResult(last, assessment, more=True)
        self._is_level = False
        self._compare_from = max(
            self._compare_from, self._compare_by - COMPARE_EVERY_S + self._gap_s
        )
        self._gap_s = min(2 * self._gap_s, MAX_GAP_S)
        return PoolResult(last, assessment)
