"""What a payer reads of a payment that Lightning pays, where it is not what is said of
the chain: there is nothing to wait for, and no address to send the rest to. Pure.
"""

from engine.payment.model import Payment
from transport.pages.stages import Stage

__all__ = ["lightning_steps", "lightning_words"]

_STEPS = ("Waiting for payment", "Paid")


def lightning_words(payment: Payment, stage: Stage) -> tuple[str, str] | None:
    """Headline and sentence; None: those of the chain (`wording.py`)."""
    terms = payment.terms
    if terms.lightning is None:
        return None
    match stage:
        case Stage.PAID if _is_by_lightning(payment):
            return "Paid", "Your payment was received. Thank you."
        case Stage.WAITING if terms.has_chain and terms.lightning.is_unified:
            return (
                "Waiting for your payment",
                "Scan the code with a Lightning or Bitcoin wallet. If your wallet does"
                " not know both, copy the invoice or the address.",
            )
        case Stage.WAITING if terms.has_chain:
            return (
                "Waiting for your payment",
                "Pay over Lightning, at once, or with an ordinary Bitcoin transaction.",
            )
        case Stage.WAITING if terms.amount_sat is None:
            return (
                "Waiting for your payment",
                "Scan the code with your Lightning wallet, and choose the amount.",
            )
        case Stage.WAITING:
            return (
                "Waiting for your payment",
                "Scan the code with your Lightning wallet, or copy the invoice.",
            )
        case Stage.UNDERPAID if not terms.has_chain:
            return (
                "Partly paid",
                "Less arrived than was asked for. Please contact the shop.",
            )
        case Stage.EXPIRED if not terms.has_chain and not payment.receipts:
            return (
                "Expired",
                "The invoice has expired and cannot be paid any more. Ask the shop for"
                " a new one. If your wallet still shows a payment on its way, its money"
                " comes back to you.",
            )
    return None


def lightning_steps(payment: Payment, stage: Stage) -> tuple[str, ...] | None:
    """Waiting, paid; None: the steps of the chain."""
    terms = payment.terms
    if terms.lightning is None:
        return None
    if not terms.has_chain or (stage is Stage.WAITING and not payment.receipts):
        is_paid = stage is Stage.PAID
        return ("Payment sent", "Paid") if is_paid else _STEPS
    return ("Payment sent", "Paid") if _is_by_lightning(payment) else None


def _is_by_lightning(payment: Payment) -> bool:
    return bool(payment.receipts) and all(r.is_lightning for r in payment.receipts)
