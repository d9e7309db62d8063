"""Mempools that were lost: what is missing with many others proves nothing.

A source that lists at once none of what it had, or over a fourth less, with no block
and no double spend to say why, has lost its mempool; money is not taken back so. What
it had stays in what its watchers are shown, until something else spends the same.
"""

from collections.abc import Sequence

from tests.simulation.chain import SimChain, Snapshot
from tests.simulation.record import Record

__all__ = ["is_lost_with_many"]

_ROUNDS = 4  # that may lie between two comparisons of the whole mempool


def is_lost_with_many(
    record: Record, source: str, txid: str, served: Sequence[Snapshot]
) -> bool:
    """Whether the source still had this when it lost its mempool."""
    chain = record.chain
    if any(chain.is_spent(seen, txid) for seen in served):
        return False
    rounds = [answers.snapshots for answers in record.rounds.get(source, ())]
    last = max(
        (n for n, seen in enumerate(rounds) if any(chain.has(s, txid) for s in seen)),
        default=None,
    )
    if last is None:
        return False
    before = [s for seen in rounds[max(last - _ROUNDS, 0) : last + 1] for s in seen]
    after = [s for seen in rounds[last : last + 1 + _ROUNDS] for s in seen]
    return any(
        _is_mass(chain, a, b, txid) for a in before if chain.has(a, txid) for b in after
    )


def _is_mass(chain: SimChain, before: Snapshot, after: Snapshot, txid: str) -> bool:
    missing = chain.left_out(before, after)
    listed = len(missing | after.pool.keys())
    many = len(missing) > 1 and 4 * len(missing) > listed
    return txid in missing and (many or len(missing) == listed)
