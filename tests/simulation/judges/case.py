"""One event before its judge: what was so before it, and what there is to judge by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.chain.feed import Output
from engine.payment.events import Event
from engine.payment.model import Payment, Terms
from tests.simulation.chain import Snapshot
from tests.simulation.judges.book import Book
from tests.simulation.judges.witnesses import why_no_witness
from tests.simulation.record import Answers, Outpoint, Record, Shown

__all__ = ["SLACK_MS", "Case", "Decision", "is_its_own", "is_old", "must_be_old"]

Decision = Sequence[tuple[Book, Event]]
"""Events of one decision, each with the payment as it found it."""

SLACK_MS = 7_200_000
"""A block's time may be off by two hours; an output mined earlier than that before the
payment was made pays something else."""


@dataclass(frozen=True, slots=True)
class Case:
    """See the module docstring. A judge returns why the event is wrong, or None."""

    record: Record
    script: bytes
    before: Book
    """The payment as the event found it."""

    event: Event
    earlier: Decision
    """What the same decision told before."""

    views: Sequence[Shown]
    """What the watcher was shown at the moment of the event: mostly one view."""

    history: Sequence[Shown]
    """All that it was ever shown, these included."""

    def witnessed(self, shown: Shown) -> Iterator[Answers]:
        """What the source answered then, if it was a witness."""
        for answers in self.record.rounds_at(shown.source, shown.asked_at):
            if why_no_witness(answers, self.network) is None:
                yield answers

    def snapshots(self) -> Iterator[Snapshot]:
        """What witnesses answered when they were asked for `views`."""
        for shown in self.views:
            for answers in self.witnessed(shown):
                yield from answers.snapshots

    def outputs_in(
        self, answers: Answers
    ) -> Iterator[tuple[Snapshot, dict[Outpoint, Output]]]:
        """All that paid the script, as the source had it at each moment of a round.

        And as it was told when its mempool was named: a source that is on another
        branch at that very moment, and before and after on the one that it tells of,
        shows nothing of what it has in the other's blocks.
        """
        for seen in answers.snapshots:
            yield seen, self.record.outputs(seen, self.script)
        tips = {status.tip for status in answers.told}
        for seen in answers.named if len(tips) == 1 else ():
            (tip,) = tips
            outputs = self.record.outputs(seen, self.script)
            told = {
                key: output
                for key, output in outputs.items()
                if not self.record.is_elsewhere(output, tip)
            }
            yield seen, told

    def no_witness(self, source: str | None = None) -> str | None:
        """Why what was shown at this moment, by this source, proves nothing; None if
        some of it may."""
        shown = [s for s in self.views if source in {None, s.source}]
        if not shown:
            return f"{source or 'no source'} said nothing at that moment"
        if any(True for one in shown for _ in self.witnessed(one)):
            return None
        for one in shown:
            for answers in self.record.rounds_at(one.source, one.asked_at):
                why = why_no_witness(answers, self.network)
                if why is not None:
                    return f"{one.source} was no witness: {why}"
        return f"{shown[0].source} was not asked then"

    def depth_needed(self, txid: str) -> int:
        """From this depth on it counts: what the shop asked for, and of a miner's
        reward what the chain's rules ask for."""
        required = self.before.terms.confirmations_required
        return self.record.depth_needed(txid, required)

    @property
    def network(self) -> str:
        return self.before.terms.network

    def is_old(self, output: Output) -> bool:
        """Whether it is too old to pay this payment."""
        return is_old(self.before.terms, output)


DEEP = 12
"""Blocks below the best tip that was known; no reorg is so deep."""


def is_old(terms: Terms, output: Output) -> bool:
    """Whether the output may be taken to have been there before the payment. Up to the
    tip that was known then it may: unless a reorg took that block."""
    if terms.tip_height is not None:
        return output.block_height is not None and (
            output.block_height <= terms.tip_height
        )
    return _is_old_by_time(terms, output)


def is_its_own(payment: Payment, output: Output) -> bool:
    """What was at the address before the payment is none of it (docs/states.md): what
    an earlier one counted, or what is in a block that was known then and no receipt."""
    coin = output.txid, output.vout
    is_receipt = coin in {(r.txid, r.vout) for r in payment.receipts}
    is_before = coin in payment.terms.ignore or is_old(payment.terms, output)
    return is_receipt or not is_before


def must_be_old(terms: Terms, output: Output) -> bool:
    """Whether it was there before the payment, and whoever counts it is wrong."""
    if terms.tip_height is not None:
        return output.block_height is not None and (
            output.block_height <= terms.tip_height - DEEP
        )
    return _is_old_by_time(terms, output)


def _is_old_by_time(terms: Terms, output: Output) -> bool:
    """Whether the output was there before the payment."""
    if output.block_time_s is None:
        return False
    return output.block_time_s < (terms.created_at - SLACK_MS) // 1000
