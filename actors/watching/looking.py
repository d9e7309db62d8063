"""What a watcher asks the sources, and how soon again. No actor."""

from actors.messages import Poll, Watch
from actors.node import Node
from engine.bitcoin.address import parse_address
from engine.chain.feed import places
from engine.payment.chain_rules import known_outputs
from engine.payment.model import Payment
from engine.payment.observations import InvoiceGone, InvoicePaid, ProviderClaim
from engine.payment.old_outputs import asks_about
from engine.payment.review import ReviewState, poll_interval_s
from engine.runtime.clock import COALESCE_S
from engine.runtime.ref import Ref

__all__ = [
    "LOOK_AT_CHAIN",
    "due_at",
    "interest",
    "interval_s",
    "question",
    "script_of",
]

LOOK_AT_CHAIN = (ProviderClaim, InvoicePaid, InvoiceGone)
"""What somebody says, and the chain may have more of it: it is looked at, at once."""


def script_of(payment: Payment) -> bytes:
    """What pays it on the chain."""
    return parse_address(payment.terms.address, payment.terms.network).script


def interest(payment: Payment, script: bytes, ref: Ref) -> Watch:
    """Whom to show what is paid to the script, and what the journal knows of that."""
    terms, known = payment.terms, known_outputs(payment)
    since = asks_about(terms)
    return Watch(script, terms.address, ref, known, terms.merchant, since)


def question(
    payment: Payment, script: bytes, due: float, by_hand_at: float | None = None
) -> Poll:
    """`due` (monotonic s): of polls that compete for a budget, the lowest is first."""
    known = known_outputs(payment) if payment.receipts else ()
    return Poll(
        script,
        places(known),
        due,
        known,
        asks_about(payment.terms),
        by_hand_at=by_hand_at,
    )


def interval_s(node: Node, payment: Payment, review: ReviewState | None) -> float:
    """Until the next look that nobody asked for; sooner while a deadline waits."""
    slow_s = float(node.settings.poll_slow_s)
    if review is not None and review.overdue is not None:
        slow_s = min(slow_s, review.look_again_s(node.clock.monotonic()))
    return poll_interval_s(
        payment,
        node.clock.now(),
        slow_s=slow_s,
        ageing_s=node.settings.poll_ageing_s,
    )


def due_at(node: Node, poll: int) -> int:
    """When (ms) the timer of this number is due, as far as one can tell."""
    wait_s = max(poll * COALESCE_S - node.clock.monotonic(), 0.0)
    return node.clock.now() + round(wait_s * 1000)
