"""Errors of coins, keys and what we sign."""

from engine.errors.base import EngineError
from engine.errors.codes import Code

__all__ = ["CannotSpend", "SigningError", "WalletLocked"]


class CannotSpend(EngineError):
    """No transaction can be made of these coins now; nothing was done.

    `why`: a word for programs: "nothing", "funds", "dust", "fee", "weight" or "rate".
    """

    code = Code.INSUFFICIENT_FUNDS

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class SigningError(EngineError):
    """What was to be signed was not: a key or a previous transaction is missing, it
    does not say what the plan says, or a signature does not hold. Nothing may leave."""


class WalletLocked(EngineError):
    """The node holds no open key of this wallet: its passphrase was not given."""

    code = Code.WALLET_LOCKED
