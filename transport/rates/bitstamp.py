"""Bitstamp: a request for each of the three currencies.

`GET /api/v2/ticker/btceur/`, no key: bitstamp.net/api, "Ticker": `last` and `timestamp`
(Unix time) as text. The answer names no currency, so each path has its own reader.
"""

from collections.abc import Iterable

from transport.rates.dialect import Dialect, Said, member, moment

__all__ = ["BITSTAMP"]


def _of(currency: str) -> Dialect:
    def read(answer: object) -> Iterable[Said]:
        return [Said(currency, member(answer, "last"), moment(answer, "timestamp"))]

    return Dialect(
        name="bitstamp",
        url="https://www.bitstamp.net",
        paths=(f"/api/v2/ticker/btc{currency.lower()}/",),
        read=read,
    )


BITSTAMP = tuple(_of(currency) for currency in ("USD", "EUR", "GBP"))
