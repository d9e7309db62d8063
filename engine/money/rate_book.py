"""What the providers said last, and what is wrong with it. Pure; one actor's.

The report that is published is a value of its own: it does not change with the book.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from engine.money.rates import (
    SET,
    Median,
    NoRate,
    Policy,
    Provider,
    Quote,
    RatesReport,
    median_now,
    rate_of,
    rate_text,
)

__all__ = ["DISAGREE", "FAILING", "KINDS", "LONE", "NONE", "RateBook", "troubles"]

DISAGREE: Final = "rates.disagree"
FAILING: Final = "rates.failing"
LONE: Final = "rates.lone"
NONE: Final = "rates.none"
KINDS: Final = frozenset({DISAGREE, FAILING, LONE, NONE})
"""Of alerts; docs/errors.md says what to do."""

ALWAYS_LOOKED_AT: Final = frozenset({"EUR", "USD"})
"""Every provider quotes them; who lies is noticed before anybody sells by it."""


class RateBook:
    """By provider, in the order of the setting."""

    def __init__(
        self, names: Sequence[str], policy: Policy, before: RatesReport
    ) -> None:
        """`before`: the report of an earlier life, to go on from."""
        self._policy = policy
        self._medians = dict(before.medians)
        known = {provider.name: provider for provider in before.providers}
        self._providers = {name: known.get(name, Provider(name)) for name in names}
        self._quotes: dict[str, dict[str, Quote]] = {}  # by currency and provider
        for currency, quotes in before.quotes.items():
            self._quotes[currency] = {q.provider: q for q in quotes}

    def answered(
        self, name: str, quotes: Iterable[Quote], refused: Mapping[str, str], now: int
    ) -> set[str]:
        """All that it quotes, in place of what it quoted; the currencies concerned."""
        concerned = {c for c, said in self._quotes.items() if said.pop(name, None)}
        for quote in quotes:
            assert quote.provider == name, quote
            self._quotes.setdefault(quote.currency, {})[name] = quote
            concerned.add(quote.currency)
        self._providers[name] = Provider(
            name, asked_at=now, answered_at=now, refused=dict(refused)
        )
        return concerned

    def failed(self, name: str, error: str, now: int) -> None:
        """It said nothing; what it said before counts until it is old."""
        before = self._providers[name]
        since = now if before.failing_since is None else before.failing_since
        self._providers[name] = replace(
            before, asked_at=now, error=error, failing_since=since
        )

    def rests(self, name: str, state: str) -> None:
        """Its breaker's state."""
        self._providers[name] = replace(self._providers[name], state=state)

    def keep_median(self, currency: str, now: int) -> None:
        """If the quotes of this currency agree now, that is its last median."""
        quotes = self._in_order(currency)
        if quotes and (median := median_now(quotes, self._policy, now)) is not None:
            self._medians[currency] = median

    def remember(self, medians: Mapping[str, Median]) -> None:
        """Of before this process; what is known already counts more."""
        self._medians = {**medians, **self._medians}

    def report(self) -> RatesReport:
        """All of it, as a value."""
        quotes = {c: self._in_order(c) for c in sorted(self._quotes)}
        return RatesReport(
            policy=self._policy,
            providers=tuple(self._providers.values()),
            quotes={currency: said for currency, said in quotes.items() if said},
            medians=self.medians,
        )

    @property
    def medians(self) -> dict[str, Median]:
        return dict(self._medians)

    def _in_order(self, currency: str) -> tuple[Quote, ...]:
        said = self._quotes.get(currency, {})
        return tuple(said[name] for name in self._providers if name in said)


def troubles(
    report: RatesReport, wanted: Iterable[str], now: int
) -> dict[tuple[str, str], str]:
    """What a person should look at: kind and subject of each alert, with its detail.

    `wanted`: the currencies that prices were asked for in. Of the others (there are
    some 150, and providers know some by different markets) nothing is told.
    """
    if report.is_off or report.providers[0].name == SET:
        return {}
    found: dict[tuple[str, str], str] = {}
    newest = _newest(report)
    for provider in report.providers:
        since, fresh_ms = provider.failing_since, report.policy.fresh_s * 1000
        if since is not None and now - since >= fresh_ms:
            found[FAILING, provider.name] = provider.error or "it does not answer"
        elif since is None and now - newest.get(provider.name, now) > fresh_ms:
            age_s = (now - newest[provider.name]) // 1000
            found[FAILING, provider.name] = f"its newest rate is {age_s} s old"
    if any(provider.asked_at is None for provider in report.providers):
        return found  # the first round is not over
    doubted: dict[str, list[str]] = {}
    for currency in sorted({*wanted, *ALWAYS_LOOKED_AT}):
        rate = rate_of(report, currency, now)
        for aside in rate.aside:
            if aside.is_doubted:
                text = f"{currency} {rate_text(aside.rate)}: {aside.reason}"
                doubted.setdefault(aside.provider, []).append(text)
        for provider in report.providers:
            if (why := provider.refused.get(currency)) is not None:
                doubted.setdefault(provider.name, []).append(f"{currency}: {why}")
        if currency not in wanted:
            continue
        if isinstance(rate, NoRate):
            if rate.is_quoted:  # else whoever asked was told so, and nothing is wrong
                found[NONE, currency] = rate.reason
        elif rate.is_lone:
            found[LONE, currency] = f"only {', '.join(rate.providers)} says what it is"
    for name, texts in doubted.items():
        found[DISAGREE, name] = "; ".join(texts)
    return found


def _newest(report: RatesReport) -> dict[str, int]:
    """When (ms) each provider's newest quote was so, by what it says itself."""
    found: dict[str, int] = {}
    for quotes in report.quotes.values():
        for quote in quotes:
            found[quote.provider] = max(quote.at, found.get(quote.provider, quote.at))
    return found
