"""The oracle: what must be true of a payment in the end, from the chain alone.

It knows the chain's last word, the payment's terms and whether a person had a hand in
it, and nothing of how the engine works. It speaks only when all is settled: every
transaction is mined or gone, many blocks deep, and every deadline has passed.
"""

from engine.chain.feed import Output
from engine.payment.model import Payment, Status
from tests.simulation.chain import SimChain, script_of

__all__ = ["disagreement", "final_outputs", "is_paid"]

_SLACK_S = 7_200


def final_outputs(chain: SimChain, label: str, payment: Payment) -> list[Output]:
    """The outputs that pay the payment."""
    ignored = set(payment.terms.ignore)
    return [
        output
        for output in chain.outputs(chain.now, script_of(label))
        if (output.txid, output.vout) not in ignored
    ]


def disagreement(
    chain: SimChain, label: str, payment: Payment, by_hand: bool, created_s: int
) -> str | None:
    """How the engine's last word differs from the truth; None if it does not.

    `created_s` is the true time of the creation. "?" when an output is older than the
    payment (its address was used before), or seems to be, because the node's clock was
    far ahead then: what is counted is a matter of when it was first seen.
    """
    outputs = final_outputs(chain, label, payment)
    oldest_s = max(created_s, payment.terms.created_at // 1000 - _SLACK_S)
    if any((o.block_time_s or 0) < oldest_s for o in outputs):
        return "?"
    there = {(o.txid, o.vout): (o.amount_sat, o.block_hash) for o in outputs}
    counted = {(r.txid, r.vout): (r.amount_sat, r.block_hash) for r in payment.receipts}
    if counted != there:
        return f"it counts {counted}, the chain has {there}"
    expected = _status(payment, sum(o.amount_sat for o in outputs), by_hand)
    stands = payment.status
    if stands in {Status.FORWARDED, Status.FAILED}:
        stands = Status.CONFIRMED  # where its money went is judged elsewhere
    if stands is not expected:
        return f"it is {payment.status}, the chain says {expected}"
    return None


def is_paid(chain: SimChain, label: str, payment: Payment, by_hand: bool) -> bool:
    """Whether the chain pays it, or a person says so: of one that was not cancelled."""
    total_sat = sum(o.amount_sat for o in final_outputs(chain, label, payment))
    return _status(payment, total_sat, by_hand) is Status.CONFIRMED


def _status(payment: Payment, total_sat: int, by_hand: bool) -> Status:
    terms = payment.terms
    if by_hand:
        return Status.CONFIRMED
    if payment.status is Status.CANCELLED:
        return Status.CANCELLED
    enough = 1 if terms.amount_sat is None else terms.amount_sat - terms.tolerance_sat
    return Status.CONFIRMED if total_sat >= max(enough, 1) else Status.EXPIRED
