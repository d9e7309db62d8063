"""What of a payment a till sends on, and how the payment is told of it. Pure.

What is sent on is what came by Lightning to the till's account: settled invoices,
without what the node kept of them and what of them is credit. Coins at an address go
their own way (`engine/payment/coins.py`).
"""

from typing import NamedTuple

from engine.lightning.till import TillForward, TillState
from engine.payment.events import Event
from engine.payment.forwarding import ForwardPart
from engine.payment.model import PAID_ONCE, EventType, Payment

__all__ = ["Came", "came_of", "concerns_till", "part_of"]


class Came(NamedTuple):
    """What came at the till's account, in satoshi."""

    net_sat: int  # came to its balance
    credit_sat: int  # cannot be spent


def concerns_till(event: Event) -> bool:
    """Whether there may be something to send on after it. Of a payment whose invoice is
    a till's; a store queues it then."""
    if event.type is EventType.CONFIRMED:
        return True
    if event.type is not EventType.DETECTED or event.status not in PAID_ONCE:
        return False
    receipt = event.data.receipt
    return receipt is not None and receipt.is_lightning


def came_of(payment: Payment) -> Came | None:
    """None: nothing is to be sent on (yet). A payment that is not paid keeps what came
    of it: a person decides whose it is."""
    settled = [receipt.settled for receipt in payment.receipts if receipt.is_lightning]
    if not settled or not payment.counts_as_paid:
        return None
    net = credit = 0
    for parts in settled:
        assert parts, payment.id
        net += parts.net_sat
        credit += parts.credit_sat
    return Came(net, credit)


def part_of(forward: TillForward) -> ForwardPart:
    """How its payment is told that it stands. Of the sum the fee is no part until it is
    known: what is kept back for it stays at the till."""
    assert forward.was_shown, forward
    is_paid = forward.state is TillState.PAID
    is_over = forward.state is TillState.GIVEN_UP
    amount = forward.amount_sat or forward.net_sat  # its invoice is over, of one
    return ForwardPart(
        outgoing=forward.id,
        txid=forward.payment_hash or forward.former[-1],
        amount_sat=amount + forward.fee_sat,
        fee_sat=forward.fee_sat,
        at=forward.at,
        completed_at=forward.moved_at if is_paid else None,
        failed=(forward.reason or "given up") if is_over else "",
        till=forward.source,
    )
