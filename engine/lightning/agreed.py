"""The invoice that a payment agreed on. A value, kept in the payment's terms."""

import msgspec

__all__ = ["Invoice"]


class Invoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The invoice that was shown to the payer: read, and as it was asked for."""

    node: str  # name of the Lightning account that made it
    payment_hash: str  # 64 small hexadecimal digits
    bolt11: str
    amount_msat: int | None = None  # None: whatever comes
    expires_at: int  # ms, its own; a node takes nothing for it afterwards
    is_unified: bool = False  # shown in one URI with the address, as the merchant chose
    is_till: bool = False  # what comes in goes on: its account has `forward_to`
