"""Money that goes: `replaced`, `reorged` and `reversed`."""

from __future__ import annotations

from collections.abc import Iterator

from engine.chain.feed import Output
from engine.payment.events import Event
from engine.payment.model import Claim, EventType, Receipt
from tests.simulation.chain import Snapshot
from tests.simulation.judges.book import SETTLED
from tests.simulation.judges.case import Case
from tests.simulation.judges.rivals import showed_a_rival
from tests.simulation.record import Outpoint, Shown, depth_in

__all__ = ["replaced", "reorged", "reversed_"]

GRACE_MS = 600_000
"""A source that did not show an unconfirmed output itself may not have heard of it."""

TWICE_MS = 2_000
"""Merely not to be listed must be so twice, this far apart."""


def replaced(case: Case) -> str | None:
    data = case.event.data
    if data.receipt is not None:
        return _is_gone(case, data.receipt)
    if data.claim is not None:
        return _is_withdrawn(case, data.claim)
    return "it names nothing"


def _is_gone(case: Case, receipt: Receipt) -> str | None:
    """The source that was just asked has it neither in its mempool nor in its chain,
    and could have: it listed it before, or had the time to hear of it."""
    key = receipt.txid, receipt.vout
    if case.before.receipts.get(key) != receipt:
        return "it is not what was counted"
    if receipt.block_hash is not None:
        return "it is in a block"
    lost_its_block = any(_lost_its_block(event, key) for _, event in case.earlier)
    # Or it had left before the mempool was lost, and is as gone after it.
    had_left = _where_it_had_left(case, key)
    lacking = [
        shown
        for shown in case.views
        if _lacks(case, shown, key, anew=lost_its_block or shown.source in had_left)
    ]
    if not lacking:
        return case.no_witness() or f"whoever was asked still had {key}"
    if not any(
        not shown.is_partial or showed_a_rival(case, shown.source, key)
        for shown in lacking
    ):
        return f"{key} was missing in a part of an answer, and nothing in its place"
    if lost_its_block:
        return None  # who knows what became of its block knows what became of it
    at = case.event.at
    if not any(
        shown.source == receipt.source or at - receipt.seen_at >= GRACE_MS
        for shown in lacking
    ):
        return f"{lacking[0].source} never listed {key}, and had no time to"
    if _comes_with_news(case) or any(
        shown.asked_at - earlier.asked_at >= TWICE_MS
        and _lacks(case, earlier, key, anew=earlier.source in had_left)
        for shown in lacking
        for earlier in case.history
    ):
        return None
    return f"{key} was missing in one answer only"


def _where_it_had_left(case: Case, key: Outpoint) -> set[str]:
    """Sources that lacked it since it was there, at whichever of them, and have not had
    it again. By the order in which they were heard: clocks jump, and of a receipt that
    lost its block the time is told at which that was heard, not when it was seen. What
    was in a block that the source undid came back to its mempool just then."""
    was_there = False
    was_in: set[tuple[str, int]] = set()
    left: set[str] = set()
    for shown in case.history:
        if _lacks(case, shown, key, anew=_has_undone(case, shown, was_in)):
            if was_there:
                left.add(shown.source)
            continue
        for outputs in _witnessed(case, shown):
            if key in outputs:
                was_there = True
                was_in |= _blocks_of(outputs[key])
                left.discard(shown.source)
    return left


def _has_undone(case: Case, shown: Shown, blocks: set[tuple[str, int]]) -> bool:
    return any(
        case.record.denies(seen, block, height)
        for answers in case.witnessed(shown)
        for seen in answers.snapshots
        for block, height in blocks
    )


def _blocks_of(output: Output) -> set[tuple[str, int]]:
    block, height = output.block_hash, output.block_height
    return set() if block is None or height is None else {(block, height)}


def _witnessed(case: Case, shown: Shown) -> Iterator[dict[Outpoint, Output]]:
    for answers in case.witnessed(shown):
        for _, outputs in case.outputs_in(answers):
            yield outputs


def _lacks(case: Case, shown: Shown, key: Outpoint, *, anew: bool = False) -> bool:
    """Whether the source, asked then, was a witness and really had it no more (or left
    things out). One that had lost its whole mempool does not lack this one, unless its
    block gave it back to the mempool just then (`anew`)."""
    return any(
        answers.left_out or key not in outputs
        for answers in case.witnessed(shown)
        for seen, outputs in case.outputs_in(answers)
        if anew or not answers.forgot or case.record.chain.is_spent(seen, key[0])
    )


def _lost_its_block(event: Event, key: Outpoint) -> bool:
    about = event.data.receipt
    return (
        event.type is EventType.REORGED
        and about is not None
        and (about.txid, about.vout) == key
    )


def _comes_with_news(case: Case) -> bool:
    """Whether the source listed another output, which may be the replacement."""
    known = case.before.receipts.keys() | set(case.before.terms.ignore)
    return any(
        case.record.outputs(seen, case.script).keys() - known
        for seen in case.snapshots()
    )


def _is_withdrawn(case: Case, claim: Claim) -> str | None:
    """Its time is over, and a source that was asked since does not show it."""
    if claim not in case.before.claims:
        return "it was not announced"
    asked = [shown for shown in case.views if shown.asked_at >= claim.withdraw_at]
    if not asked:
        return "no source was asked since its time was over"
    known = case.before.receipts.keys() | set(case.before.terms.ignore)
    for shown in asked:
        for answers in case.witnessed(shown):
            for _, outputs in case.outputs_in(answers):
                if answers.left_out or not any(
                    key not in known
                    and claim.txid in {key[0], None}
                    and not case.is_old(output)
                    for key, output in outputs.items()
                ):
                    return None
    return case.no_witness() or "every source that was asked had it"


def reorged(case: Case) -> str | None:
    """The source has a positive word against the block that the receipt was in."""
    receipt, book = case.event.data.receipt, case.before
    if receipt is None or case.event.txid != receipt.txid:
        return "it names no output"
    known = book.receipts.get((receipt.txid, receipt.vout))
    if known is None or known.block_hash is None or known.block_height is None:
        return "it was in no block"
    if receipt.block_hash is not None or receipt.confirmations:
        return "it is told to be in one still"
    if receipt.amount_sat != known.amount_sat:
        return "its amount is another"
    wrong = case.no_witness(receipt.source)
    if wrong is not None:
        return wrong
    for seen in case.snapshots():
        if case.record.denies(seen, known.block_hash, known.block_height):
            return None
    return f"{receipt.source} did not say that {known.block_hash} is off its chain"


def reversed_(case: Case) -> str | None:
    """Of what it was confirmed for, less than it needs is left as deep as it must be.

    A surplus that goes reverses nothing; nor does a reorg that only moves the money;
    nor is what a hand confirmed taken back by the chain.
    """
    book = case.before
    if book.status not in SETTLED or not book.settled_sat:
        return "the chain had not confirmed it"
    if not book.has_lost:
        return "nothing was lost"
    if case.event.data.settled_sat != book.settled_sat:
        return "it names another sum than was confirmed"
    needs_sat = book.settled_sat if book.asked_sat is None else book.enough_sat
    left_sat = sum(
        receipt.amount_sat
        for receipt in book.receipts.values()
        if receipt.confirmations >= case.depth_needed(receipt.txid)
    )
    if left_sat >= needs_sat:
        return "what is left is enough"
    if any(_deep_sat(case, seen) < needs_sat for seen in case.snapshots()):
        return None
    return case.no_witness() or "whoever was asked had enough, deep enough"


def _deep_sat(case: Case, seen: Snapshot) -> int:
    """How much of what is counted this snapshot has, as deep as it must be."""
    listed = case.record.outputs(seen, case.script)
    return sum(
        receipt.amount_sat
        for key, receipt in case.before.receipts.items()
        if (output := listed.get(key)) is not None
        and depth_in(seen, output) >= case.depth_needed(key[0])
    )
