"""The rules of what comes by Lightning: of a payment that it alone can pay, and of one
that the chain can pay, too.

A settled invoice is final: no block holds it, no reorganisation undoes it. So it counts
as it comes, with whatever the chain has confirmed; `payment.detected` and
`payment.confirmed` are of one moment. An invoice is settled once: what its node says
again changes nothing. Of the two ways of one payment whichever is first counts, the
rest of a short payment may come by the other, and both in full are too much.

Nothing expires that an invoice may yet pay: only its node can say that it did not, and
only when it is asked after the invoice has expired. Of a payment that the chain can pay
as well, both must have said so (`Reviewed`). A node that is silent proves nothing. A
payment that was short may have several invoices (`rest_rules.py`): each may be paid
once, whichever the payer was shown last, and of each the node must have said so.

Sums at the node are in millisatoshi. Whole satoshi are counted; what is beyond them is
kept beside (`Settled.msat`) and is in no sum. A fee is rounded up, what cannot be spent
yet, too: never is more said to be there than there is.

Pure. Called by `rules.py` only, and by whoever asks about time.
"""

from engine.lightning.invoice import MAX_MSAT
from engine.payment.depth import is_deep, sums_of_deep
from engine.payment.fold import EventBuilder
from engine.payment.lightning_terms import Invoice, Settled
from engine.payment.model import TIME_IS_OVER, EventType, Payment, Receipt, Status
from engine.payment.notes import LeftOut, Note
from engine.payment.observations import InvoicePaid
from engine.payment.quorum import needs_two
from engine.payment.sums import emit_sums

__all__ = ["expires_at", "has_open_invoice", "open_invoices", "take_paid", "was_paid"]

_MSAT = 1_000


def take_paid(builder: EventBuilder, paid: InvoicePaid) -> None:
    """See the module docstring."""
    payment = builder.payment
    said = paid.node, paid.payment_hash
    if said not in ((one.node, one.payment_hash) for one in payment.terms.invoices):
        return _not_counted(builder, paid, "this payment has no such invoice")
    if was_paid(payment, paid.payment_hash):
        return None
    if not 0 < paid.received_msat <= MAX_MSAT - payment.received_sat * _MSAT:
        return _not_counted(builder, paid, f"{paid.received_msat} msat cannot be true")
    receipt = _receipt(paid, builder.now)
    _detected(builder, receipt)
    emit_sums(builder)
    _confirmed(builder, receipt)
    return None


def has_open_invoice(payment: Payment) -> bool:
    """Whether an invoice of it may be paid, as far as we were told."""
    return payment.terms.lightning is not None and bool(open_invoices(payment))


def open_invoices(payment: Payment) -> tuple[Invoice, ...]:
    """Those of it that may be paid, as far as we were told. Also one that nobody is
    shown any more: no node takes an invoice back."""
    invoices = payment.terms.invoices
    return tuple(one for one in invoices if not was_paid(payment, one.payment_hash))


def was_paid(payment: Payment, payment_hash: str) -> bool:
    """Whether this invoice of it is settled, as far as we were told."""
    return any(receipt.txid == payment_hash for receipt in payment.receipts)


def expires_at(payment: Payment) -> int:
    """When (ms) it may be over unpaid: not before any of its ways is."""
    terms = payment.terms
    if terms.lightning is None:
        return terms.expires_at
    invoices = open_invoices(payment)
    return max((terms.expires_at, *(one.expires_at for one in invoices)))


def _receipt(paid: InvoicePaid, now: int) -> Receipt:
    amount_sat, rest = divmod(paid.received_msat, _MSAT)
    fee_sat = min(_up(paid.fee_msat), amount_sat)
    credit_sat = min(_up(paid.credit_msat), amount_sat - fee_sat)
    return Receipt(
        txid=paid.payment_hash,
        vout=0,
        amount_sat=amount_sat,
        source=paid.node,
        seen_at=now,
        settled=Settled(
            net_sat=amount_sat - fee_sat - credit_sat,
            fee_sat=fee_sat,
            credit_sat=credit_sat,
            msat=rest,
        ),
    )


def _up(msat: int) -> int:
    return -(-max(msat, 0) // _MSAT)


def _not_counted(builder: EventBuilder, paid: InvoicePaid, why: str) -> None:
    detail = f"{paid.node} says that it was paid: {why}"
    builder.notes.append(Note(LeftOut.INVOICE, paid.payment_hash, detail))


def _detected(builder: EventBuilder, receipt: Receipt) -> None:
    payment = builder.payment
    status = payment.status
    is_late = status in TIME_IS_OVER
    total = builder.received_sat + receipt.amount_sat
    if status is Status.PENDING or (
        status is Status.EXPIRED and total >= payment.threshold_sat
    ):
        status = Status.CONFIRMING
    builder.emit(
        EventType.DETECTED,
        status=status,
        txid=receipt.txid,
        receipt=receipt,
        source=receipt.source,
        verified=True,
    )
    if is_late:
        builder.emit(EventType.LATE, txid=receipt.txid, receipt=receipt)


def _confirmed(builder: EventBuilder, receipt: Receipt) -> None:
    """What the chain has confirmed counts as it was told last: a view that has it
    otherwise takes it back."""
    payment = builder.payment
    if payment.status is not Status.CONFIRMING:
        return
    by_lightning, by_chain = sums_of_deep(payment)
    if needs_two(payment.terms, by_chain):
        by_chain = 0  # they must show it in one moment: the next view decides
    settled_sat = by_lightning + by_chain
    if settled_sat >= payment.threshold_sat:
        assert is_deep(receipt, payment.terms), receipt
        builder.emit(
            EventType.CONFIRMED,
            status=Status.CONFIRMED,
            txid=receipt.txid,
            settled_sat=settled_sat,
            source=receipt.source,
        )
