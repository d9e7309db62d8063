"""The ledger's nouns: accounts, units, postings. Double entry, whole numbers. Pure.

A posting moves an amount of one unit from one account to another: what one gains the
other loses, so that the balances of a merchant's accounts in a unit are zero in sum,
always and by construction. Postings are only ever added; what was wrong is put right by
another one in the other direction. An account's balance is what came in less what went
out; in a bookkeeper's words `target` is debited and `source` is credited.

Which postings an event causes is said in `engine/payment/booking.py`; where they are
kept, in the store. A ledger is one merchant's: accounts of two never meet.
"""

from collections.abc import Iterable

import msgspec

from engine.money.worth import Worth

__all__ = [
    "CREDIT",
    "FEES",
    "HELD",
    "ISSUED",
    "MAX_AMOUNT",
    "ONCHAIN",
    "OPENING",
    "OWN",
    "REFUNDS",
    "SALES",
    "SAT",
    "SPENT",
    "Posting",
    "balances",
    "moved",
    "user_account",
    "user_of",
]

SAT = "sat"
CREDIT = "credit"
"""The two units beside currencies: satoshi, and the credits that a merchant's users
have with it."""

ONCHAIN = "onchain"
"""Confirmed coins at our addresses. Of an external payment: `gateway:<name>`; what came
by Lightning is at `lightning:<node>`."""

SALES = "sales"
"""What was sold for them. Money comes from here, so that the balance is negative."""

HELD = "held"
"""Confirmed coins of payments that are over unpaid: too little, or too late. Negative,
like `sales`: somebody decides whose they are."""

OWN = "own"
"""What went on to the owner's wallet."""

FEES = "fees"
REFUNDS = "refunds"

ISSUED = "issued"
"""Where users' credits come from: negative."""

SPENT = "spent"
"""Where they go when a shop takes them."""

OPENING = "opening"
"""The kind of postings that stand for all that was before there was a ledger."""

MAX_AMOUNT = 2**53 - 1
"""What JavaScript reads exactly; more than all satoshi. Balances are of 64 bits."""

_USER = "user:"


class Posting(msgspec.Struct, frozen=True, gc=False):
    """So much of a unit goes from one account to another."""

    unit: str  # SAT, CREDIT, or a currency in its smallest unit
    source: str
    target: str
    amount: int
    worth: Worth | None = None  # in money, at the rate of its moment; never negative

    def __post_init__(self) -> None:
        assert 0 < self.amount <= MAX_AMOUNT, self
        assert self.source != self.target, self
        assert all((self.source, self.target, self.unit)), self
        assert self.worth is None or self.worth.minor >= 0, self

    @property
    def user(self) -> str | None:
        """Whose credits it is about; None: nobody's."""
        return user_of(self.target) or user_of(self.source)

    def reversed(self) -> "Posting":
        """What takes it back."""
        return Posting(self.unit, self.target, self.source, self.amount, self.worth)


def moved(
    unit: str, source: str, target: str, amount: int, worth: Worth | None = None
) -> Posting:
    """A posting of this difference: one of less than nothing goes back. Its worth is
    taken with the sign that it has there; one of the other sign is none."""
    if amount < 0:
        back = worth and msgspec.structs.replace(worth, minor=-worth.minor)
        return moved(unit, target, source, -amount, back)
    if worth is not None and worth.minor < 0:
        worth = None
    return Posting(unit, source, target, amount, worth)


def user_account(account: str) -> str:
    """The ledger's name of a merchant's user's account."""
    return f"{_USER}{account}"


def user_of(account: str) -> str | None:
    """Whose account it is; None: one of the books."""
    return account[len(_USER) :] if account.startswith(_USER) else None


def balances(postings: Iterable[Posting]) -> dict[tuple[str, str], int]:
    """What these come to, by unit and account; zero in sum in each unit."""
    found: dict[tuple[str, str], int] = {}
    for posting in postings:
        for account, amount in (
            (posting.target, posting.amount),
            (posting.source, -posting.amount),
        ):
            key = posting.unit, account
            found[key] = found.get(key, 0) + amount
    assert sum(found.values()) == 0, found
    return found
