"""Money that comes, and word of it: `detected` and `late`.

Also the first `confirming` of money that a webhook had announced, which is told in the
place of a second `detected`.
"""

from __future__ import annotations

from engine.payment.events import Event
from engine.payment.model import Claim, EventType, Receipt, Status
from engine.payment.observations import ProviderClaim
from tests.simulation.judges.book import OVER, Book
from tests.simulation.judges.case import Case, Decision, must_be_old
from tests.simulation.judges.rivals import counts_both

__all__ = ["announced_comes_true", "detected", "late", "must_tell_late"]


def detected(case: Case) -> str | None:
    claim = case.event.data.claim
    if claim is not None:
        return _announced(case, claim)
    return _seen(case)


def _announced(case: Case, claim: Claim) -> str | None:
    """A provider said just this, it is no proof, and it is nothing known already."""
    book, data, at = case.before, case.event.data, case.event.at
    if data.verified is not False or data.receipt is not None:
        return "a webhook's word was taken for money"
    told = case.record.claims.get(book.terms.id, ())
    if not any(
        (one.provider, one.txid, one.amount_sat, one.replaceable)
        == (claim.provider, claim.txid, claim.amount_sat, claim.replaceable)
        and claim.withdraw_at == _until(book, one, at)
        for one in told
    ):
        return f"no provider said {claim}"
    if claim.at != at or case.event.txid != claim.txid:
        return "it is told of another moment or transaction"
    if book.status is Status.CANCELLED:
        return f"it is {book.status}"
    if claim.txid is None and (book.receipts or book.claims):
        return "it may be what is known already"
    if any(claim.txid == txid for txid, _ in book.receipts):
        return "the money itself was told of"
    if any(known.txid in {claim.txid, None} for known in book.claims):
        return "it was announced already"
    return None


def _until(book: Book, claim: ProviderClaim, at: int) -> int:
    """So long it may stand: all of them keep a payment open for a time that is given
    (docs/merchants.md)."""
    covered = max([at, *(until for _, until in book.held)])
    left_ms = max(claim.total_s * 1000 - book.held_ms, 0)
    return min(at + claim.window_s * 1000, covered + left_ms)


def _seen(case: Case) -> str | None:
    """A source had listed that very output, and nobody was told of it yet."""
    book, data = case.before, case.event.data
    receipt = data.receipt
    if receipt is None or data.verified is not True:
        return "it names no output"
    if any(claim.txid in {receipt.txid, None} for claim in book.claims):
        return "a webhook had announced it: it is told a second time"
    return _is_news(case, receipt)


def announced_comes_true(case: Case) -> str | None:
    """`confirming` for an announcement: as `detected`, and it was announced."""
    book, data = case.before, case.event.data
    claim = data.claim
    if claim not in book.claims or claim is None:
        return "nothing of that kind was announced"
    if len(data.receipts) != 1 or data.verified is not True:
        return "it names no output"
    receipt = data.receipts[0]
    if claim.txid not in {receipt.txid, None}:
        return f"{claim.txid} was announced, not {receipt.txid}"
    return _is_news(case, receipt)


def _is_news(case: Case, receipt: Receipt) -> str | None:
    book, event = case.before, case.event
    key = receipt.txid, receipt.vout
    if key in book.receipts:
        return f"{key} is counted already"
    if key in book.terms.ignore:
        return f"{key} paid an earlier payment to this address"
    if receipt.block_hash is not None or receipt.confirmations:
        return "it is told with a block before it was told of"
    if event.txid != receipt.txid or event.data.source != receipt.source:
        return "it names another transaction or source than its receipt"
    if receipt.source not in {shown.source for shown in case.views}:
        return f"{receipt.source} said nothing at that moment"
    too_old = False
    for seen in case.record.snapshots_of(receipt.source):
        output = case.record.outputs(seen, case.script).get(key)
        if output is None or output.amount_sat != receipt.amount_sat:
            continue
        if not must_be_old(book.terms, output):
            return counts_both(case, receipt)
        too_old = True
    return (
        "it was mined well before the payment was made"
        if too_old
        else f"{receipt.source} never listed {key} with {receipt.amount_sat} sat"
    )


def late(case: Case) -> str | None:
    """Just before it the same output was told of, and all was over by then."""
    receipt = case.event.data.receipt
    if receipt is None or case.event.txid != receipt.txid:
        return "it names no output"
    if receipt not in _after_the_end(case.earlier):
        return "it did not come after the end"
    if any(_tells_late(event, receipt) for _, event in case.earlier):
        return "it is told twice"
    return None


def must_tell_late(decision: Decision) -> str | None:
    """Whether the decision leaves out that something came after the end."""
    for receipt in _after_the_end(decision):
        if not any(_tells_late(event, receipt) for _, event in decision):
            return f"nobody was told that {receipt.txid} came late"
    return None


def _after_the_end(decision: Decision) -> list[Receipt]:
    """What was told of for the first time when all was over."""
    found: list[Receipt] = []
    for book, event in decision:
        if book.status in OVER and event.data.verified:
            one = event.data.receipt
            found.extend(event.data.receipts if one is None else (one,))
    return found


def _tells_late(event: Event, receipt: Receipt) -> bool:
    return event.type is EventType.LATE and event.data.receipt == receipt
