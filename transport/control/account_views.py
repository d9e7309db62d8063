"""Accounts and entries as the API shows them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine.money.currency import minor_text
from engine.money.ledger import CREDIT, MAX_AMOUNT
from engine.money.worth import Worth
from engine.payment.events import iso
from engine.store.ledger_port import PostingRecord
from transport.http.inputs import Request

__all__ = [
    "AccountPage",
    "AccountView",
    "BalanceView",
    "DebitRequest",
    "DebitView",
    "EntryPage",
    "EntryView",
    "entry",
]


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """A user's account: so many credits. Below zero: what had been spent was taken back
    since (`payment.reversed`)."""

    account: str
    merchant: str
    unit: str = CREDIT
    balance: int


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """What came into an account of the books less what went out; `user:<account>` is a
    user's. The balances of a unit are zero in sum."""

    unit: str
    account: str
    balance: int


class AccountPage(msgspec.Struct, frozen=True, kw_only=True):
    merchant: str
    data: list[BalanceView]
    next_cursor: str | None


class WorthView(msgspec.Struct, frozen=True, kw_only=True):
    """What the sum was worth in money, at the rate of its moment."""

    currency: str
    amount: str
    amount_minor: int
    decimals: int
    rate: str
    rate_at: str


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an account. `credits`: more than zero if it came in. `kind`: the
    event of a payment that caused it, or `debit`. `worth`: what was paid for them."""

    id: int
    at: str
    kind: str
    credits: int
    payment_id: str | None
    seq: int | None
    reference: str | None
    worth: WorthView | UnsetType = UNSET


class EntryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    data: list[EntryView]
    next_cursor: str | None


class DebitRequest(Request):
    """So many credits are spent."""

    credits: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_AMOUNT,
            description=f"a whole number of credits between 1 and {MAX_AMOUNT}",
        ),
    ]
    reference: Annotated[
        Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
        | None,
        Meta(description="what for: at most 200 characters, no control characters"),
    ] = None


class DebitView(EntryView, frozen=True, kw_only=True):
    """The entry, and the account's balance at the moment of this answer."""

    account: str
    merchant: str
    balance: int


def entry(record: PostingRecord, account: str) -> EntryView:
    """As it concerns this account of the books."""
    posting = record.posting
    assert account in {posting.source, posting.target}, (account, posting)
    is_in = posting.target == account
    return EntryView(
        id=record.id,
        at=iso(record.at),
        kind=record.kind,
        credits=posting.amount if is_in else -posting.amount,
        payment_id=record.payment_id or None,
        seq=record.seq or None,
        reference=record.note or None,
        worth=UNSET if posting.worth is None else _worth(posting.worth),
    )


def _worth(worth: Worth) -> WorthView:
    return WorthView(
        currency=worth.currency,
        amount=minor_text(worth.minor, worth.decimals),
        amount_minor=worth.minor,
        decimals=worth.decimals,
        rate=worth.rate,
        rate_at=iso(worth.rate_at),
    )
