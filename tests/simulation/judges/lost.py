"""Mempools that were lost: what is missing with many others proves nothing.

A source that lists at once none of what it had, or over a fourth less, with no block
and no double spend to say why, has lost its mempool; money is not taken back so. What
it had stays in what its watchers are shown, until something else spends the same. While
it is behind nothing is taken from it: what it had in all that time is held against what
it has when it is a witness again.
"""

from collections.abc import Sequence

from tests.simulation.chain import Snapshot
from tests.simulation.judges.witnesses import why_no_witness
from tests.simulation.record import Answers, Record

__all__ = ["is_lost_with_many"]

_YOUNG_S = 3 * 3_600

_ROUNDS = 4  # that may lie between two comparisons of the whole mempool


def is_lost_with_many(
    record: Record, source: str, txid: str, served: Sequence[Snapshot], network: str
) -> bool:
    """Whether the source still had this when it lost its mempool."""
    chain = record.chain
    if any(chain.is_spent(seen, txid) for seen in served):
        return False
    rounds = list(record.rounds.get(source, ()))
    last = max(
        (
            number
            for number, answers in enumerate(rounds)
            if any(chain.has(seen, txid) for seen in answers.snapshots)
        ),
        default=None,
    )
    if last is None:
        return False
    sure = [_may_take_away(answers, network) for answers in rounds]
    first, witnessed = last, 0
    while first > 0 and witnessed < _ROUNDS:
        first -= 1
        witnessed += sure[first]
    for now in range(last, len(rounds)):
        if now > last + _ROUNDS and all(sure[now - _ROUNDS : now]):
            break  # it was taken away long before
        if why_no_witness(rounds[now], network) is not None:
            continue
        had = {id(s): s for a in rounds[first : now + 1] for s in a.snapshots}
        for has in {id(s): s for s in rounds[now].snapshots}.values():
            if _is_mass(record, list(had.values()), has, txid):
                return True
    return False


def _may_take_away(answers: Answers, network: str) -> bool:
    """Whether nobody could call it behind: hours without a block are a reason to."""
    young = network != "mainnet" or all(
        status.tip_time_s is None or answers.at / 1000 - status.tip_time_s < _YOUNG_S
        for status in answers.told
    )
    return young and why_no_witness(answers, network) is None


def _is_mass(record: Record, had: Sequence[Snapshot], has: Snapshot, txid: str) -> bool:
    """By any one of what it had, or by all of it together: what is known of a mempool
    that nothing is taken from only grows."""
    each = [record.chain.left_out(before, has) for before in had]
    return any(
        txid in missing and _is_many(len(missing), len(missing | has.pool.keys()))
        for missing in (*each, set().union(*each))
    )


def _is_many(missing: int, listed: int) -> bool:
    return missing == listed or (missing > 1 and 4 * missing > listed)
