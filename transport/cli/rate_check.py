"""What the doctor finds out about providers of rates: do they answer, do they agree."""

import time
from collections.abc import Iterator

from engine.config import Config
from engine.errors import SourceError
from engine.money.rate_book import RateBook
from engine.money.rates import NoRate, RatesReport, rate_of, rate_text
from transport.cli.source_checks import Check
from transport.rates.providers import make_providers

__all__ = ["check_rates"]

LOOKED_AT = ("EUR", "USD")
"""Of 160 currencies, those that every provider quotes."""


def check_rates(config: Config) -> Iterator[Check]:
    """Each provider of `--rates`, then what they come to. Nobody is asked unless it is
    named there."""
    providers = make_providers(config.rates)
    names = [provider.name for provider in providers]
    book = RateBook(names, config.rates_policy, RatesReport())
    for provider in providers:
        now = round(time.time() * 1000)
        try:
            answer = provider.ask(now)
        except SourceError as error:
            advice = "check --rates, and whether this machine can reach it"
            yield False, f"rates of {provider.name}: {error}; {advice}"
            continue
        book.answered(provider.name, answer.quotes, dict(answer.refused), now)
        shown = [
            f"{quote.currency} {rate_text(quote.rate)}"
            for quote in answer.quotes
            if quote.currency in LOOKED_AT
        ]
        count = f"{len(answer.quotes)} currencies"
        yield True, f"rates of {provider.name}: {', '.join([count, *shown])}"
    report, now = book.report(), round(time.time() * 1000)
    for currency in (c for c in LOOKED_AT if c in report.quotes):
        rate = rate_of(report, currency, now)
        if isinstance(rate, NoRate):
            yield False, f"rate of {currency}: none: {rate.reason}; name another"
            continue
        for aside in rate.aside:
            text = f"{aside.provider} is set aside: {aside.reason}"
            yield False, f"rate of {currency}: {text}"
        whose = ", ".join(rate.providers)
        yield True, f"rate of {currency}: {rate.text}, the median of {whose}"
