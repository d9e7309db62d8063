"""The nouns of a change of a payment's terms: what is wanted, and what is told of it in
`payment.updated`. Values; what follows from them is `amendment.py`'s to say.
"""

import msgspec
from msgspec import UNSET, UnsetType

from engine.lightning.agreed import Invoice

__all__ = ["Amend", "Changed", "Field", "FieldsMoved", "InvoiceMoved", "TextMoved"]

Field = str | int | bool | None
"""A value in a payment's metadata."""


class Amend(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody entitled to it wants this of the payment to be otherwise; what is unset
    stays."""

    by: str
    external_id: str | UnsetType | None = UNSET
    description: str | UnsetType = UNSET
    metadata: dict[str, Field] | UnsetType | None = UNSET  # a merge patch
    expires_at: int | UnsetType = UNSET  # ms
    seqs: frozenset[int] | None = None
    """Only if the payment is at one of these `seq`; None: however it is."""


class TextMoved(msgspec.Struct, frozen=True, gc=False):
    """Null: there was none, or is none any more. Times as RFC 3339 has them."""

    old: str | None
    new: str | None


class FieldsMoved(msgspec.Struct, frozen=True, gc=False):
    """The fields that are otherwise: as they were, as far as they were there, and as
    they are, as far as they still are."""

    old: dict[str, Field]
    new: dict[str, Field]


class InvoiceMoved(msgspec.Struct, frozen=True, gc=False):
    """An invoice for what is missing. `old`: the one before it, if that was not paid;
    its node may still take money for it."""

    old: Invoice | None
    new: Invoice


class Changed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What `payment.updated` tells; `data.changed` on the wire."""

    external_id: TextMoved | None = None
    description: TextMoved | None = None
    metadata: FieldsMoved | None = None
    expires_at: TextMoved | None = None
    lightning_rest: InvoiceMoved | None = None  # of a payment that is short
