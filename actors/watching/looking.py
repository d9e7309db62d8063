"""What a watcher asks the sources, how soon again, and how it judges what it is shown
by the node's clock. No actor."""

from actors.facts.published import SourceReport
from actors.messages import Poll, Watch
from actors.node import Node
from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView, places
from engine.payment.chain_rules import known_outputs
from engine.payment.model import Payment
from engine.payment.observations import InvoiceGone, InvoicePaid, ProviderClaim
from engine.payment.old_outputs import NO_BLOCK, asks_about
from engine.payment.review import Judgement, ReviewState, judge, poll_interval_s
from engine.runtime.clock import COALESCE_S
from engine.runtime.ref import Ref

__all__ = [
    "LOOK_AT_CHAIN",
    "RETRY_S",
    "due_at",
    "interest",
    "interval_s",
    "judged_now",
    "question",
    "question_by_hand",
    "resumed",
    "script_of",
    "seen_at",
]

LOOK_AT_CHAIN = (ProviderClaim, InvoicePaid, InvoiceGone)
"""What somebody says, and the chain may have more of it: it is looked at, at once."""

RETRY_S = 5.0
"""After a commit that the journal could not make: look again so much later."""


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
    made_at = payment.terms.tip_height
    return Poll(
        script,
        places(known),
        due,
        known,
        asks_about(payment.terms),
        by_hand_at=by_hand_at,
        born=NO_BLOCK if made_at is None else made_at,
    )


def question_by_hand(node: Node, payment: Payment, script: bytes) -> Poll:
    """The first of all, as somebody waits for it."""
    return question(payment, script, 0.0, by_hand_at=node.clock.monotonic())


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


def seen_at(asked_at: int | None, covered_by: SourceReport | None) -> int | None:
    """When (ms) a source was asked whose answer is known: the one to the last question,
    or the silence of one that covers all scripts (None: silence says nothing)."""
    if asked_at is None or covered_by is None or covered_by.complete_as_of is None:
        return asked_at
    return max(asked_at, covered_by.complete_as_of)


def judged_now(
    node: Node,
    payment: Payment,
    review: ReviewState | None,
    view: ChainView,
    asked_at: int,
) -> Judgement:
    """What follows from a view that was asked for at `asked_at` (ms)."""
    return judge(
        review or ReviewState(),
        payment,
        view,
        asked_at,
        now=node.clock.now(),
        now_s=node.clock.monotonic(),
        rate_for=node.rate_for,
    )


def resumed(
    node: Node, payment: Payment, review: ReviewState | None
) -> ReviewState | None:
    """After a commit that failed: what is still to be judged, if anything is."""
    now, now_s = node.clock.now(), node.clock.monotonic()
    state = (review or ReviewState()).after_commit_failed(payment, now, now_s)
    return state if state.is_open else None
