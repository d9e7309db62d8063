"""Blockchain.com: one request for all its currencies.

`GET /ticker`, no key: blockchain.com/explorer/api/exchange_rates_api: by currency, an
object whose `last` is a number. No time is said.
"""

from collections.abc import Iterable

from transport.rates.dialect import Dialect, Malformed, Said, member

__all__ = ["BLOCKCHAIN"]


def _read(answer: object) -> Iterable[Said]:
    if not isinstance(answer, dict):
        raise Malformed("an answer that is no object")
    return [Said(code, member(ticker, "last")) for code, ticker in answer.items()]


BLOCKCHAIN = Dialect(
    name="blockchain",
    url="https://blockchain.info",
    paths=("/ticker",),
    read=_read,
)
