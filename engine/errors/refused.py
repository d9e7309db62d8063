"""What a person wants of a payment, and its state does not allow."""

from engine.errors.base import EngineError
from engine.errors.codes import Code

__all__ = ["AmendmentRefused", "PaymentChanged", "Refused", "TooManyUpdates"]


class Refused(EngineError):
    """A person's command that the payment's state does not allow."""

    code = Code.WRONG_PAYMENT_STATE


class PaymentChanged(Refused):
    """A change that was wanted of the payment as it was is wanted of one that is not
    so any more."""

    code = Code.PAYMENT_CHANGED

    def __init__(self, payment_id: str, seq: int) -> None:
        self.seq = seq
        super().__init__(f"payment {payment_id} is at {seq} by now")


class TooManyUpdates(Refused):
    """A payment was changed as often as one may be."""

    code = Code.LIMIT_REACHED

    def __init__(self, payment_id: str, updates: int) -> None:
        super().__init__(
            f"payment {payment_id} was changed {updates:,} times, and does not change"
            " any more: keep what changes that often in your own system"
        )


class AmendmentRefused(Refused):
    """What a payment is to be changed to cannot be."""

    code = Code.INVALID_REQUEST

    def __init__(self, path: str, message: str) -> None:
        """`path`: a JSON pointer to what cannot be."""
        self.path, self.message = path, message
        super().__init__(f"{path} {message}")
