"""Errors of Lightning nodes; see `engine/lightning/node.py`."""

from engine.errors.base import EngineError
from engine.errors.codes import Code

__all__ = [
    "InvoiceMismatch",
    "LightningError",
    "NodeBusy",
    "NodeGarbage",
    "NodeRefused",
    "NodeUnavailable",
]


class LightningError(EngineError):
    """A Lightning node did not do what was asked. `str` holds no secret.

    `retry_after_s` is what the node asked for (Retry-After), or None.
    """

    code = Code.LIGHTNING_UNAVAILABLE

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


class NodeUnavailable(LightningError):
    """No answer, or none in time. What was asked may have been done."""


class NodeBusy(LightningError):
    """We are asked to slow down; nothing was done."""


class NodeRefused(LightningError):
    """A clear no: a key without that right, an amount out of bounds. Nothing was done.

    `why`: a word for programs: "key", "amount", "funds", "route", "expired", "paid",
    "unknown" or "other".
    """

    def __init__(self, detail: str, why: str = "other") -> None:
        super().__init__(detail)
        self.why = why


class NodeGarbage(LightningError):
    """An answer that cannot be believed; what was asked may have been done."""


class InvoiceMismatch(NodeGarbage):
    """An invoice that is not the one that was asked for: no payer may see it."""
