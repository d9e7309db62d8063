"""Kraken: one request for the seven currencies that it trades against bitcoin.

`GET /0/public/Ticker?pair=…`, no key: docs.kraken.com, "Get Ticker Information". `c` is
the last trade, `[price, volume]`, as text. Pairs are answered by names of Kraken's own
(asked for XBTEUR, it answers XXBTZEUR). What is wrong comes with status 200, in
`error`. No time is said.
"""

from collections.abc import Iterable
from typing import Final

from transport.rates.dialect import Dialect, Malformed, Said, Slow, member, table

__all__ = ["KRAKEN"]

_PAIRS: Final = {
    "XXBTZUSD": "USD",
    "XXBTZEUR": "EUR",
    "XXBTZGBP": "GBP",
    "XXBTZCAD": "CAD",
    "XXBTZJPY": "JPY",
    "XBTCHF": "CHF",
    "XBTAUD": "AUD",
}
_BUSY: Final = (
    "EAPI:Rate limit",
    "EGeneral:Temporary lockout",
    "EGeneral:Too many requests",
    "EService:Busy",
    "EService: Throttled",
    "EService:Throttled",
)


def _read(answer: object) -> Iterable[Said]:
    errors = member(answer, "error")
    if not isinstance(errors, list):
        raise Malformed("an answer whose 'error' is no list")
    if any(isinstance(one, str) and one.startswith(_BUSY) for one in errors):
        raise Slow
    if errors:
        raise Malformed("an error in place of rates")
    found = []
    for pair, ticker in table(answer, "result").items():
        if (currency := _PAIRS.get(pair)) is not None:
            last = member(ticker, "c")
            if not isinstance(last, list) or not last:
                raise Malformed("a ticker whose 'c' is no list")
            found.append(Said(currency, last[0]))
    return found


KRAKEN = Dialect(
    name="kraken",
    url="https://api.kraken.com",
    paths=(
        "/0/public/Ticker?pair="
        + ",".join(f"XBT{currency}" for currency in _PAIRS.values()),
    ),
    read=_read,
)
