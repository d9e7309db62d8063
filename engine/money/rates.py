"""What one bitcoin is worth: which of several providers' words count, and the sums that
follow from it. Pure; `Decimal` and integers only.

A provider may be wrong, late, gone or hostile; one alone must not set a price. So:

1. A quote counts for `fresh_s` seconds. (A provider's own time counts where it is older
   than that of its answer, so that a cached answer does not look new.)
2. The rate is the median of those that agree: of all fresh quotes of a currency, those
   within `bound_percent` of the middle one, if they are more than half of all (and two
   at least). The others are set aside, by name and with the reason.
3. Where one is left alone, or no majority agrees, whoever is within twice that bound of
   the last median (of at most `lone_s` seconds ago) is believed, and the price says so
   (`is_lone`). A lone word never becomes the last median: it could walk away with it.
4. Else there is no rate. Nothing is guessed and nothing old is used.

`SET`: a rate that the operator has fixed; always fresh, and on test networks only.
"""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Final

import msgspec

from engine.errors import InvalidAmount
from engine.money.amount import MAX_SAT, SAT_PER_BTC
from engine.money.currency import MAX_DECIMALS, decimals_of

__all__ = [
    "SET",
    "Median",
    "NoRate",
    "Policy",
    "Provider",
    "Quote",
    "Rate",
    "RatesReport",
    "UncountedQuote",
    "agreed",
    "median_now",
    "minor_value",
    "rate_from",
    "rate_of",
    "rate_text",
    "sat_price",
]

SET: Final = "fixed"
"""The name of the provider that is no provider: the operator's own word."""

_EXACT = Context(prec=60)
"""For a sum of two quotes of at most `_MAX_DIGITS` digits each, which is then exact."""

_AHEAD_MS = 10_000

_MAX_DIGITS = 25
_SMALLEST, _LARGEST = Decimal("1e-8"), Decimal("1e15")


class Quote(msgspec.Struct, frozen=True, gc=False):
    """One provider's word: so much is one BTC in the currency, at that moment (ms)."""

    provider: str
    currency: str
    rate: Decimal
    at: int


class Median(msgspec.Struct, frozen=True, gc=False):
    """What at least two providers agreed upon, and when (ms) they last did."""

    rate: Decimal
    at: int


class Policy(msgspec.Struct, frozen=True):
    """Which quotes are believed; see the module docstring. `every_s`: how often
    providers are asked, and so when it is worth coming back."""

    fresh_s: int = 300
    bound_percent: int = 5
    lone_s: int = 86_400
    every_s: int = 60


class Provider(msgspec.Struct, frozen=True):
    """How one provider fares. Times in ms. `error`: why its last answer was none;
    `failing_since`: since when there was no other. `refused`: by currency, why what it
    said last can be no rate."""

    name: str
    asked_at: int | None = None
    answered_at: int | None = None
    failing_since: int | None = None
    error: str | None = None
    state: str = "closed"  # of its breaker
    refused: Mapping[str, str] = {}


class UncountedQuote(msgspec.Struct, frozen=True, gc=False):
    """A quote that did not count, and why, in one line for people. `is_doubted`: by
    others, or by the last median; else it is merely old, or alone."""

    provider: str
    rate: Decimal
    at: int
    reason: str
    is_doubted: bool = True


class Rate(msgspec.Struct, frozen=True):
    """What counts now. `at` (ms): of the oldest quote that it is of."""

    currency: str
    rate: Decimal
    at: int
    providers: tuple[str, ...]  # sorted
    is_lone: bool = False
    aside: tuple[UncountedQuote, ...] = ()

    @property
    def text(self) -> str:
        """As `Price.rate` has it."""
        return rate_text(self.rate)


class NoRate(msgspec.Struct, frozen=True):
    """There is none. `is_quoted`: two providers quote the currency, or may, as not all
    have answered yet; else waiting will not help. `reason`: one line for people."""

    currency: str
    reason: str
    is_quoted: bool = True
    aside: tuple[UncountedQuote, ...] = ()


class RatesReport(msgspec.Struct, frozen=True):
    """What is known of rates, as the one actor that asks providers publishes it.

    `providers`: in the order of the setting; none: this node knows no rates. `quotes`:
    the last of each provider, by currency, also old ones. `medians`: the last, by
    currency. Ask it with `rate_of`.
    """

    policy: Policy = Policy()
    providers: tuple[Provider, ...] = ()
    quotes: Mapping[str, tuple[Quote, ...]] = {}
    medians: Mapping[str, Median] = {}

    @property
    def is_off(self) -> bool:
        """Whether this node was given no providers."""
        return not self.providers


def rate_from(value: object) -> Decimal:
    """A provider's number as a rate. Raises `InvalidAmount` for what cannot be one:
    zero, negative, not finite, of too many digits, beyond all reason."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidAmount("a rate is a number")
    try:
        rate = Decimal(value)
    except InvalidOperation as error:
        raise InvalidAmount("a rate that is no number") from error
    if not rate.is_finite() or not _SMALLEST <= rate <= _LARGEST:
        raise InvalidAmount("a rate that is out of all bounds")
    if len(rate.as_tuple().digits) > _MAX_DIGITS:
        raise InvalidAmount(f"a rate of more than {_MAX_DIGITS} digits")
    return rate


def rate_text(rate: Decimal) -> str:
    """Plain decimal without needless zeros: `50000`, `61234.5`."""
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rate_of(report: RatesReport, currency: str, now: int) -> Rate | NoRate:
    """What one BTC is worth `now` (ms), or why nobody can say."""
    quotes = report.quotes.get(currency, ())
    if quotes and quotes[0].provider == SET:
        return Rate(currency, quotes[0].rate, now, (SET,))
    last = report.medians.get(currency)
    if not quotes or (len(quotes) == 1 and last is None):
        silent = [p.name for p in report.providers if p.answered_at is None]
        if silent:
            return NoRate(currency, f"{', '.join(silent)} did not answer yet")
        reason = "no provider of this node quotes it"
        if quotes:
            reason = f"only {quotes[0].provider} quotes it, and one sets no price alone"
        return NoRate(currency, reason, is_quoted=False)
    return agreed(quotes, last, report.policy, now)


def agreed(
    quotes: Sequence[Quote], last: Median | None, policy: Policy, now: int
) -> Rate | NoRate:
    """What these quotes, each of another provider and at least one, come to."""
    assert len({q.provider for q in quotes}) == len(quotes) > 0, quotes
    currency = quotes[0].currency
    fresh = [quote for quote in quotes if _is_fresh(quote, policy, now)]
    old = f"older than {policy.fresh_s} s"
    aside = [
        UncountedQuote(q.provider, q.rate, q.at, old, is_doubted=False)
        for q in quotes
        if q not in fresh
    ]
    if not fresh:
        reason = f"no quote of the last {policy.fresh_s} s"
        return NoRate(currency, reason, aside=tuple(aside))
    kept = _majority(fresh, policy)
    if kept:
        middle = _median([quote.rate for quote in kept])
        why = "more than {} % away from {}, what most say"
        aside += _set_aside(fresh, kept, why, policy.bound_percent, middle)
        return _rate(currency, middle, kept, aside, is_lone=False)
    return _against_last(currency, fresh, last, policy, now, aside)


def _is_fresh(quote: Quote, policy: Policy, now: int) -> bool:
    """One that is much later than now is of before the clock was put back."""
    return now - policy.fresh_s * 1000 <= quote.at <= now + _AHEAD_MS


def _majority(fresh: list[Quote], policy: Policy) -> list[Quote]:
    """Those around the middle one, if they are two at least, and most of all.

    The middle is a quote itself (the lower one of two): a mean of two who disagree is
    nobody's word.
    """
    by_rate = sorted(fresh, key=lambda quote: quote.rate)
    middle = by_rate[(len(by_rate) - 1) // 2].rate
    kept = [q for q in fresh if _is_near(q.rate, middle, policy.bound_percent)]
    return kept if len(kept) >= 2 and 2 * len(kept) > len(fresh) else []


def _against_last(
    currency: str,
    fresh: list[Quote],
    last: Median | None,
    policy: Policy,
    now: int,
    aside: list[UncountedQuote],
) -> Rate | NoRate:
    """Nobody bears another out: the last median has to."""
    alone = len(fresh) == 1
    said = ", ".join(f"{q.provider} says {rate_text(q.rate)}" for q in fresh)
    if last is None or last.at < now - policy.lone_s * 1000:
        when = f"of the last {policy.lone_s} s"
        reason = f"{said}, {'alone' if alone else 'which disagree'}"
        reason += f", and there is no median {when} to hold against it"
        why = "nobody bears it out"
        aside += [
            UncountedQuote(q.provider, q.rate, q.at, why, is_doubted=not alone)
            for q in fresh
        ]
        return NoRate(currency, reason, aside=tuple(aside))
    bound = 2 * policy.bound_percent
    kept = [q for q in fresh if _is_near(q.rate, last.rate, bound)]
    aside += _set_aside(
        fresh, kept, "more than {} % away from {}, the last median", bound, last.rate
    )
    if not kept:
        reason = f"{said}, more than {bound} % away from the last median"
        return NoRate(currency, reason, aside=tuple(aside))
    middle = _median([quote.rate for quote in kept])
    return _rate(currency, middle, kept, aside, is_lone=True)


def _rate(
    currency: str,
    rate: Decimal,
    kept: list[Quote],
    aside: list[UncountedQuote],
    *,
    is_lone: bool,
) -> Rate:
    rates = [quote.rate for quote in kept]
    assert min(rates) <= rate <= max(rates), (rate, rates)
    return Rate(
        currency=currency,
        rate=rate,
        at=min(quote.at for quote in kept),
        providers=tuple(sorted(quote.provider for quote in kept)),
        is_lone=is_lone,
        aside=tuple(aside),
    )


def _set_aside(
    fresh: list[Quote], kept: list[Quote], why: str, percent: int, rate: Decimal
) -> list[UncountedQuote]:
    reason = why.format(percent, rate_text(rate))
    return [
        UncountedQuote(q.provider, q.rate, q.at, reason) for q in fresh if q not in kept
    ]


def _is_near(rate: Decimal, middle: Decimal, percent: int) -> bool:
    return _EXACT.multiply(
        abs(_EXACT.subtract(rate, middle)), Decimal(100)
    ) <= _EXACT.multiply(middle, Decimal(percent))


def _median(rates: list[Decimal]) -> Decimal:
    """Of an even number the mean of the two in the middle; exact."""
    rates = sorted(rates)
    middle = len(rates) // 2
    if len(rates) % 2:
        return rates[middle]
    return _EXACT.divide(_EXACT.add(rates[middle - 1], rates[middle]), Decimal(2))


def median_now(quotes: Sequence[Quote], policy: Policy, now: int) -> Median | None:
    """What these quotes of one currency agree upon; None: they do not. No lone one is:
    there is nothing to hold it against."""
    found = agreed(quotes, None, policy, now)
    return Median(found.rate, found.at) if isinstance(found, Rate) else None


def sat_price(minor: int, decimals: int, rate: Decimal) -> int:
    """What a price is in satoshi, rounded up: the least whole number of satoshi that is
    worth no less than `minor` units of 10^-decimals at `rate`.

    Raises `InvalidAmount` for a price of nothing, or of more than all bitcoin.
    """
    if minor < 1:
        raise InvalidAmount("must be more than nothing")
    over, under = rate.as_integer_ratio()
    sat = -(-minor * SAT_PER_BTC * under // (over * _units(decimals)))
    assert sat >= 1, (minor, decimals, rate)
    if sat > MAX_SAT:
        raise InvalidAmount("is more than 21 million BTC")
    return sat


def minor_value(sat: int, currency: str, rate: Decimal) -> int:
    """What a sum of satoshi is worth, in the currency's smallest unit, rounded to the
    nearest one (a half away from zero): what is taken back is worth what was given."""
    over, under = rate.as_integer_ratio()
    whole, part = divmod(
        2 * abs(sat) * over * _units(decimals_of(currency)) + SAT_PER_BTC * under,
        2 * SAT_PER_BTC * under,
    )
    assert part >= 0, part
    return -whole if sat < 0 else whole


def _units(decimals: int) -> int:
    assert 0 <= decimals <= MAX_DECIMALS, decimals
    units: int = 10**decimals
    return units
