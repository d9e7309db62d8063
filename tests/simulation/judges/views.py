"""Whether a watcher is shown what its source says: nothing more and nothing kept back.

A view is put together from many calls, blocks and a mempool read by difference; here it
is held against the snapshots out of which the source answered. Where a source pushes
what happens, a view may lack what was still on its way, or was lost with nothing after
it that would have shown the gap: by the number of transactions alone nobody can tell
one that came for one that went.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.chain.feed import ChainView, Output
from engine.payment.model import Terms
from tests.simulation.judges.case import is_old
from tests.simulation.judges.lost import is_lost_with_many
from tests.simulation.judges.witnesses import why_no_witness
from tests.simulation.record import Answers, Outpoint, Record, outpoint_of

__all__ = ["is_not_as_served"]


def is_not_as_served(
    record: Record, script: bytes, terms: Terms, view: ChainView, asked_at: int
) -> str | None:
    """What of the view its source did not say; None if it is the source's word."""
    rounds = list(record.rounds_at(view.source, asked_at))
    served = [seen for answers in rounds for seen in answers.snapshots]
    if not served:
        return "the source was not asked then"
    if any(answers.lied for answers in rounds):
        return None  # what follows from it is for the other judges
    wrong = _overrated(view, rounds, terms) or _invented(record, script, view)
    if wrong is not None:
        return wrong
    for block in view.off_chain:
        height = record.chain.blocks[block].header.height
        if not any(
            record.denies(seen, block, height)
            for seen in record.snapshots_of(view.source)
        ):
            return f"the source never said that {block} is off its chain"
    if view.complete and not any(a.left_out or a.unheard for a in rounds):
        return _kept_back(record, script, view, rounds, terms)
    return None


def _overrated(view: ChainView, rounds: Sequence[Answers], terms: Terms) -> str | None:
    """Only of a witness it may be said that it is one, or that it shows all."""
    why = [why_no_witness(answers, terms.network) for answers in rounds]
    if view.is_current and all(why):
        return f"{view.source} is called current: {why[0]}"
    if view.complete and not view.is_current:
        return "it is called complete, and its source is behind"
    return None


def _invented(record: Record, script: bytes, view: ChainView) -> str | None:
    """Every output was listed so by the source at some time, up to this tip.

    What lost its block is loose again, whether or not it is in the mempool yet.
    """
    wanted = {_facts(o) for o in view.outputs if o.verified_by_source}
    is_tip = False
    for seen in record.snapshots_of(view.source):
        for output in record.outputs(seen, script).values() if wanted else ():
            wanted -= {_facts(output), _loose(output)}
        is_tip = is_tip or seen.at(view.tip.height) == view.tip.hash
        if is_tip and not wanted:
            return None
    if not is_tip:
        return f"the source never had {view.tip} in its chain"
    return f"the source never listed {sorted(key for key, *_ in wanted)}"


_Facts = tuple[Outpoint, int, str | None, int | None]


def _facts(output: Output) -> _Facts:
    where = output.block_hash, output.block_height
    return outpoint_of(output), output.amount_sat, *where


def _loose(output: Output) -> _Facts:
    return outpoint_of(output), output.amount_sat, None, None


def _kept_back(
    record: Record,
    script: bytes,
    view: ChainView,
    rounds: Sequence[Answers],
    terms: Terms,
) -> str | None:
    """A complete view lists all that the source had throughout the round, and nothing
    that it had at no moment of it; but for what it lost with its mempool, and for what
    was elsewhere when its mempool was named."""
    served = [seen for answers in rounds for seen in answers.snapshots]
    now = [record.outputs(seen, script) for seen in served]
    listed = {outpoint_of(output) for output in view.outputs}
    for key, output in now[0].items():
        if key in listed or key in terms.ignore or is_old(terms, output):
            continue
        if all(key in outputs for outputs in now) and not _was_elsewhere(
            record, script, view, rounds, key
        ):
            return f"it is called complete and leaves out {key}"
    its_own = {outpoint_of(o) for o in view.outputs if o.verified_by_source}
    gone = [
        key
        for key in its_own
        if not any(key in outputs for outputs in now)
        and not is_lost_with_many(record, view.source, key[0], served, terms.network)
    ]
    if gone:
        return f"it is called complete and lists {gone}, which the source has not"
    return None


def _was_elsewhere(
    record: Record,
    script: bytes,
    view: ChainView,
    rounds: Sequence[Answers],
    key: Outpoint,
) -> bool:
    """Whether it stood in a block of another branch, at a height that the view has
    read, at the very moment at which the mempool was named: of a source that went there
    and came back within the round. One that had it in its mempool then named it.
    """
    at_naming = [seen for answers in rounds for seen in answers.named]
    places = [record.outputs(seen, script).get(key) for seen in at_naming]
    return any(
        place is not None and record.is_elsewhere(place, view.tip) for place in places
    )
