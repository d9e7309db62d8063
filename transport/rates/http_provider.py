"""A provider of rates over HTTP: the port `RateProvider`, for any dialect.

Its client is the one of chain sources (`transport/chain/http_client.py`): an answer is
small and soon or it is none, redirects are not followed, certificates are checked,
nothing of what the provider wrote gets into an error. Asked by the blocking actor of
rates, one request after the other.
"""

import logging
from collections.abc import Sequence
from decimal import Decimal

from engine.errors import InvalidAmount, SourceBusy, SourceError, SourceGarbage
from engine.money.currency import CURRENCIES
from engine.money.rates import Quote, rate_from
from engine.ports import RateAnswer
from transport.chain.http_client import Request, SourceHttp, garbage
from transport.rates.dialect import Dialect, Malformed, Said, Slow
from transport.rates.exact_json import exact_json

__all__ = ["DEADLINE_S", "MAX_BYTES", "HttpProvider"]

log = logging.getLogger("paybell.rates")

DEADLINE_S = 5.0
"""For one answer, to its last byte: the others wait meanwhile."""

MAX_BYTES = 256 * 1024
"""Coinbase sends some 15 KB, the most of all."""


class HttpProvider:
    """See the module docstring. `dialects`: all of one provider, asked in turn."""

    def __init__(
        self,
        dialects: Sequence[Dialect],
        url: str = "",
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """`url`: where it is, in place of its own address."""
        assert len({dialect.name for dialect in dialects}) == 1, dialects
        self.name = dialects[0].name
        self._dialects = dialects
        self._http = SourceHttp(
            self.name, url or dialects[0].url, deadline_s=deadline_s
        )

    def __repr__(self) -> str:
        return f"<HttpProvider {self.name}>"

    def ask(self, now: int) -> RateAnswer:
        """One that answers some of several requests has answered; what it did not say
        is not quoted. Raises `SourceError`."""
        quotes: dict[str, Quote] = {}
        refused: dict[str, str] = {}
        first_error: SourceError | None = None
        for dialect in self._dialects:
            for path in dialect.paths:
                try:
                    said = self._said(dialect, path)
                except SourceGarbage as error:
                    first_error = first_error or error
                    continue
                except SourceError:
                    if not quotes:
                        raise
                    break
                self._judge(said, now, quotes, refused)
        if first_error is not None and not quotes:
            raise first_error
        if not quotes:
            raise garbage(self.name, "no rate of any currency")
        return RateAnswer(tuple(quotes.values()), tuple(refused.items()))

    def _said(self, dialect: Dialect, path: str) -> list[Said]:
        body = self._http.ask(Request(path, max_bytes=MAX_BYTES)).body
        where = f"{self.name}: {path.partition('?')[0]}"
        try:
            return list(dialect.read(exact_json(body)))
        except Malformed as error:
            raise garbage(where, str(error)) from error
        except Slow as error:
            raise SourceBusy(f"{where} asks us to slow down") from error
        except Exception as error:
            # What a stranger wrote broke our reading of it. That is our mistake, but
            # not one that may stop the actor, and with it, in the end, the node.
            log.exception("rates.unreadable provider=%s", self.name)
            raise garbage(where, "an answer that could not be read") from error

    def _judge(
        self,
        said: list[Said],
        now: int,
        quotes: dict[str, Quote],
        refused: dict[str, str],
    ) -> None:
        """Into quotes, and what can be none. Other assets than currencies are left."""
        for currency, value, at_s in said:
            if currency not in CURRENCIES:
                continue
            try:
                rate: Decimal = rate_from(value)
            except InvalidAmount as error:
                refused[currency] = str(error)
                continue
            at = now if at_s is None else min(now, at_s * 1000)
            quotes[currency] = Quote(self.name, currency, rate, at)
