"""Money that took the place of other money: never are both counted.

Two transactions that spend the same coin cannot both be. Who was shown the second by
the source that had shown the first, and counts it, takes the first away before.
"""

from __future__ import annotations

from engine.payment.model import Receipt
from tests.simulation.judges.case import Case
from tests.simulation.judges.witnesses import why_no_witness
from tests.simulation.record import Answers, Outpoint, Shown

__all__ = ["counts_both", "showed_a_rival"]


def counts_both(case: Case, news: Receipt) -> str | None:
    """Whether what has just come is counted beside what it put out.

    One source alone must have shown both, as a witness: another may not have heard of
    the first, or of the second, and who counts neither's word for the other's is right.
    """
    known = case.record.rivals(news.source).put_out_by(news.txid)
    views = [shown for shown in case.views if shown.source == news.source]
    if not all(_is_sure(case, answers) for one in views for answers in _of(case, one)):
        return None
    for key, old in case.before.receipts.items():
        if old.source != news.source or old.block_hash is not None:
            continue
        if key[0] in known or any(_shows_the_second_alone(case, v, key) for v in views):
            return f"{key[0]} is counted as well, and {news.source} showed its end"
    return None


def _of(case: Case, shown: Shown) -> list[Answers]:
    return list(case.record.rounds_at(shown.source, shown.asked_at))


def _is_sure(case: Case, answers: Answers) -> bool:
    spoiled = answers.forgot or answers.lied or answers.left_out
    return not spoiled and why_no_witness(answers, case.network) is None


def _shows_the_second_alone(case: Case, shown: Shown, first: Outpoint) -> bool:
    """Whether the view is whole, and at no moment of it the first was there: for what
    spends the same was."""
    seen = [s for answers in _of(case, shown) for s in answers.snapshots]
    return not shown.is_partial and all(
        case.record.chain.is_spent(one, first[0])
        and not case.record.chain.has(one, first[0])
        for one in seen
    )


def showed_a_rival(case: Case, source: str, key: Outpoint) -> bool:
    """Whether the source ever had something that spends the same."""
    chain = case.record.chain
    return any(
        chain.is_spent(seen, key[0]) for seen in case.record.snapshots_of(source)
    )
