"""Which of the transactions that a mempool no longer lists may be believed to be gone.

One that is replaced or double-spent leaves with what takes its place, which is seen
before it (`Pool.evict_conflicts`), and a mined one with its block. What is left are
transactions that are merely not listed any more. A few at a time are that: a full
mempool drops the cheapest, and what has waited for two weeks.

Many at once, or all that there were, are a mempool that was lost, not money that was
taken back: a node that was killed, or that keeps none over a restart
(-persistmempool=0), or reads it back slowly without saying so. They prove nothing.
Those that pay somebody who is watched, and their parents, stay as *unlisted*, with the
money that they are, until they are listed again, mined or double-spent, or until every
node would have dropped them too. A view shows them as what its source does not verify:
they support what was told, and are never news, nor enough to confirm anything.

What an undone block gave back and the mempool never listed since has not disappeared
from it: a node drops what its new chain has no room for. It is no part of a mass, but
is believed gone no sooner than those that are.

Pure; changes nothing in the index but its notes of what is unlisted and returned.
"""

from collections.abc import Callable

from engine.chain.feed import MEMPOOL_EXPIRY_MS
from engine.chain.script_index import ScriptIndex

__all__ = ["MASS_SHARE", "MAX_UNLISTED_MS", "gone_for_good"]

MASS_SHARE = 4
"""More than a fourth at once is a mass, if it is more than one. In a second of a full
mempool's life one in ten thousand is dropped, in ten minutes of our absence one in
twenty; of a mempool that is lost, most is."""

MAX_UNLISTED_MS = MEMPOOL_EXPIRY_MS
"""Then every node would have dropped it."""


def gone_for_good(
    index: ScriptIndex,
    names: frozenset[str],
    now_ms: int,
    pause: Callable[[], None] | None = None,
) -> tuple[list[str], int]:
    """(what to take out of the pool, how many have disappeared at once and stay out of
    the list without being believed gone).

    Of the second, those that nobody waits for are in the first as well.
    """
    unlisted = index.unlisted
    index.returned = {t for t in index.returned if t in index.pool and t not in names}
    for txid in list(unlisted):
        if txid in names or txid not in index.pool:
            del unlisted[txid]
    missing = index.gone_from(names, pause)
    if not missing:
        return [], 0
    fresh = [txid for txid in missing if txid not in unlisted]
    left = sum(txid not in index.returned for txid in fresh)
    listed = len(index.pool) - len(missing) + left
    assert 0 <= left <= listed, (left, listed)
    disappeared = len(fresh) if _is_mass(left, listed) else 0
    if disappeared:
        unlisted.update(dict.fromkeys(fresh, now_ms))
        fresh = []
    if not unlisted:
        return fresh, 0
    kept = _awaited(index, now_ms)
    let_go = [txid for txid in unlisted if txid not in kept]
    for txid in let_go:
        del unlisted[txid]
    return fresh + let_go, disappeared


def _awaited(index: ScriptIndex, now_ms: int) -> set[str]:
    """The unlisted ones that pay who is watched, and those of which they spend: who
    double-spends a parent ends the child too."""
    young = {t for t, at in index.unlisted.items() if now_ms - at < MAX_UNLISTED_MS}
    pool = index.pool
    return pool.with_parents([t for t in young if pool.pays_any(t, index)], young)


def _is_mass(missing: int, listed: int) -> bool:
    if missing == listed:
        return missing > 0
    return missing > 1 and missing * MASS_SHARE > listed
