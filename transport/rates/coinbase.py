"""Coinbase: one request for all its currencies.

`GET /v2/exchange-rates?currency=BTC`, no key: docs.cdp.coinbase.com, "Data API -
Exchange Rates": rates for one unit of the base currency, as text. No time is said.
"""

from collections.abc import Iterable

from transport.rates.dialect import Dialect, Malformed, Said, a_text, table

__all__ = ["COINBASE"]


def _read(answer: object) -> Iterable[Said]:
    said = table(answer, "data")
    if a_text(said, "currency") != "BTC":
        raise Malformed("rates of something else than BTC")
    return [Said(code, value) for code, value in table(said, "rates").items()]


COINBASE = Dialect(
    name="coinbase",
    url="https://api.coinbase.com",
    paths=("/v2/exchange-rates?currency=BTC",),
    read=_read,
)
