"""How deep the money lies: `confirming`, and `confirmed` by the chain."""

from __future__ import annotations

from collections.abc import Iterator

from engine.payment.model import Receipt, Status
from tests.simulation.chain import Snapshot
from tests.simulation.judges.arrivals import announced_comes_true
from tests.simulation.judges.case import Case
from tests.simulation.judges.people import confirmed_by_hand
from tests.simulation.judges.quorum import has_no_second
from tests.simulation.record import depth_in

__all__ = ["confirmed", "confirming"]


def confirming(case: Case) -> str | None:
    """The source had it in that block of its chain, so deep, and that is news."""
    data = case.event.data
    if data.claim is not None:
        return announced_comes_true(case)
    if not data.receipts or case.event.txid != data.receipts[0].txid:
        return "it names no output"
    wrong = case.no_witness(data.source)
    if wrong is not None:
        return wrong
    for receipt in data.receipts:
        wrong = _is_no_news(case, receipt) or _is_not_so_deep(case, receipt)
        if wrong is not None:
            return f"{receipt.txid}: {wrong}"
    return None


def _is_no_news(case: Case, receipt: Receipt) -> str | None:
    known = case.before.receipts.get((receipt.txid, receipt.vout))
    if known is None:
        return "it was never detected"
    if known.amount_sat != receipt.amount_sat:
        return "its amount is another"
    if known.block_hash not in {None, receipt.block_hash}:
        return "it is in another block, and nobody was told that it left the first"
    told_up_to = max(case.depth_needed(receipt.txid), 1)
    depth, before = (min(one.confirmations, told_up_to) for one in (receipt, known))
    if known.block_hash is not None and depth == before:
        return f"so deep ({receipt.confirmations}) it was told to be already"
    if known.block_hash is not None and depth < before:
        return _has_not_fallen(case, receipt)
    return None


def _has_not_fallen(case: Case, receipt: Receipt) -> str | None:
    """It is less deep than it was told to be if the chain just served says so."""
    key = receipt.txid, receipt.vout
    for seen in case.snapshots():
        output = case.record.outputs(seen, case.script).get(key)
        if output is not None and depth_in(seen, output) <= receipt.confirmations:
            return None
    return f"nobody who was asked had it less deep than {receipt.confirmations}"


def _is_not_so_deep(case: Case, receipt: Receipt) -> str | None:
    """Less deep than it was it may be called: an explorer's tip is read first."""
    if receipt.block_hash is None:
        return "it is told to be in no block"
    key = receipt.txid, receipt.vout
    for seen in case.record.snapshots_of(receipt.source):
        output = case.record.outputs(seen, case.script).get(key)
        if (
            output is not None
            and output.block_hash == receipt.block_hash
            and output.block_height == receipt.block_height
            and depth_in(seen, output) >= receipt.confirmations
        ):
            return None
    return f"{receipt.source} never had it at depth {receipt.confirmations} there"


def confirmed(case: Case) -> str | None:
    """One witness had enough of what is counted, deep enough, where it is counted."""
    book, data = case.before, case.event.data
    if data.by is not None:
        return confirmed_by_hand(case)
    if book.status is not Status.CONFIRMING:
        return f"it was {book.status}"
    wrong = case.no_witness(data.source)
    if wrong is not None or data.source is None:
        return wrong or "it names no source"
    settled_sat = data.settled_sat or 0
    if settled_sat < book.enough_sat:
        return f"{settled_sat} sat are not the {book.enough_sat} that are enough"
    if not any(_is_deep_enough(case, seen) for seen in case.snapshots()):
        return f"no witness that was asked had {book.enough_sat} sat so deep then"
    wrong = has_no_second(case)
    if wrong is not None:
        return wrong
    # Of two that must agree, the second may know of a part.
    is_partial = case.before.terms.quorum_above_sat is not None or any(
        one.is_partial for one in case.views if one.source == data.source
    )
    for seen in _views_of(case, data.source):
        deep = _deep(case, seen)
        if case.event.txid not in {r.txid for r in deep}:
            continue
        sums = _sums(deep) if is_partial else {sum(r.amount_sat for r in deep)}
        if settled_sat in sums:
            return None
    return (
        f"{data.source} never had just {settled_sat} sat of its receipts at depth"
        f" {book.terms.confirmations_required}, where they are told to be"
    )


def _sums(receipts: list[Receipt]) -> set[int]:
    """What a witness may have listed who lists only some of them."""
    assert len(receipts) <= 16, "too many to try each choice of them"
    sums = {0}
    for receipt in receipts:
        sums |= {one + receipt.amount_sat for one in sums}
    return sums


def _is_deep_enough(case: Case, seen: Snapshot) -> bool:
    """Whether the chain that was really served has enough, as deep as it must be."""
    listed = case.record.outputs(seen, case.script)
    deep_sat = sum(
        receipt.amount_sat
        for key, receipt in case.before.receipts.items()
        if (output := listed.get(key)) is not None
        and depth_in(seen, output) >= case.depth_needed(key[0])
    )
    return deep_sat >= case.before.enough_sat


def _deep(case: Case, seen: Snapshot) -> list[Receipt]:
    """What is counted, and in this snapshot is as deep as it must be: in the block
    where it is told to be. Where no depth is asked for, what is told to be in none may
    be in one: a source that names a block that is not there is believed on the rest."""
    required = case.before.terms.confirmations_required
    listed = case.record.outputs(seen, case.script)
    return [
        receipt
        for key, receipt in case.before.receipts.items()
        if (output := listed.get(key)) is not None
        and (
            output.block_hash == receipt.block_hash
            or (receipt.block_hash is None and required == 0)
        )
        and depth_in(seen, output) >= case.depth_needed(key[0])
    ]


def _views_of(case: Case, source: str) -> Iterator[Snapshot]:
    """What it served, the newest first; then each of its blocks that was read as a tip.

    Blocks are read one by one, and the chain may change meanwhile: a tip is then a
    block that was the source's, with what was in its mempool at any time since.
    """
    yield from case.record.snapshots_of(source)
    chain = case.record.chain
    newest = next(case.record.snapshots_of(source))
    for seen in case.record.snapshots_of(source):
        for block in reversed(seen.best[-60:]):
            best = seen.best[: seen.best.index(block) + 1]
            yield Snapshot(best, newest.pool, chain.number[block] + 1)
