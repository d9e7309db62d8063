"""What can be sold at a till (`/pos`), and at which rate. From memory; no I/O.

The page counts with the rate only to show what a sum is about: a sale's price is fixed
by the node as the sale is made.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.gateway import Gateway
from engine.merchants.payment_methods import LIGHTNING, ONCHAIN
from engine.merchants.record import Merchant
from engine.money.currency import decimals_of
from engine.money.rates import SET, NoRate, rate_of
from engine.payment.events import iso

__all__ = ["TillMethodView", "TillRateView", "methods_of_till", "rate_of_till"]

DUST_SAT: Final = 546
"""Less is sent by no wallet to an address: nodes do not relay such an output (Bitcoin
Core's GetDustThreshold for P2PKH; other types have less)."""


class TillMethodView(msgspec.Struct, frozen=True, kw_only=True):
    """A way in which a sale can be paid, and for which sums: from `min_sat` on, up to
    `max_sat` (null: any)."""

    name: str
    min_sat: int
    max_sat: int | None


class TillRateView(msgspec.Struct, frozen=True, kw_only=True):
    """What one BTC is worth in the till's currency. `rate` is null while nobody can
    say; `reason` says why. `at`: of the oldest quote in it; null of a fixed rate."""

    currency: str
    decimals: int
    rate: str | None
    at: str | None
    reason: str | None


def methods_of_till(
    record: Merchant, gateway: Gateway, *, draws_addresses: bool
) -> Sequence[TillMethodView]:
    """Lightning first; none: this merchant can sell nothing here. `draws_addresses`:
    whether the node has an address for who has no wallet of his own."""
    found = []
    if gateway.lightning_account(record.name) is not None:
        most = record.lightning_max_sat
        found.append(TillMethodView(name=LIGHTNING, min_sat=1, max_sat=most))
    if draws_addresses or gateway.wallet(record.name) is not None:
        least = max(record.onchain_min_sat or 0, DUST_SAT)
        found.append(TillMethodView(name=ONCHAIN, min_sat=least, max_sat=None))
    return found


def rate_of_till(record: Merchant, gateway: Gateway) -> TillRateView | None:
    """None: its keypad knows satoshi alone, as no currency is named in the record, or
    as the node knows no rates."""
    currency = record.till.currency or record.accounting_currency
    if not currency:
        return None
    report = gateway.rates(currency)
    if report.is_off:
        return None
    found = rate_of(report, currency, gateway.now())
    decimals = decimals_of(currency)
    if isinstance(found, NoRate):
        return TillRateView(
            currency=currency,
            decimals=decimals,
            rate=None,
            at=None,
            reason=found.reason,
        )
    return TillRateView(
        currency=currency,
        decimals=decimals,
        rate=found.text,
        at=None if found.providers == (SET,) else iso(found.at),
        reason=None,
    )
