"""Providers of rates for tests: one real HTTP(S) server that answers as each of the six
documents it, or as badly as a test says.

    with RateServer() as server:
        provider = server.provider("kraken")
        server.say("kraken", reply(503))

Each provider has a path of its own below the server's address. The answers are those of
the providers' own documentation (mempool's, CoinGecko's, Kraken's and Coinbase's pages,
cut down), or recorded by others (Bitstamp's, of 2024-08-11; Blockchain.com's page has
its form); numbers and times are put in the place of theirs where a test needs new ones.
"""

import json
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final, Self

from gevent import socket

from tests.tools.receiver import Answer, Received, Receiver, reply
from transport.rates.http_provider import HttpProvider
from transport.rates.providers import DIALECTS

__all__ = ["DOCUMENTED", "PATHS", "RateServer", "json_reply"]

DOCUMENTED: Final[Mapping[str, str]] = {
    "coinbase": """{"data": {"currency": "BTC", "rates": {"AED": "222811.13",
        "BTC": "1", "ETH": "18.64", "EUR": "56092.5", "JPY": "9081000.123",
        "USD": "60663.045", "XAU": "24.9"}}}""",
    "kraken": """{"error":[],"result":{"XXBTZUSD":{"a":["30300.10000","1","1.000"],
        "b":["30300.00000","1","1.000"],"c":["30303.20000","0.00067643"],
        "v":["4083.67001100","4412.73601799"],"p":["30706.77771","30689.13205"],
        "t":[34619,38907],"l":["29868.30000","29868.30000"],
        "h":["31631.00000","31631.00000"],"o":"30502.80000"},
        "XXBTZEUR":{"c":["68644.20000","0.00002398"]}}}""",
    "bitstamp": """{"timestamp": "1723398353", "open": "60940", "high": "61868",
        "low": "59959", "last": "60192", "volume": "1008.29813067", "vwap": "60962",
        "bid": "60173", "ask": "60175", "side": "1", "open_24": "60652",
        "percent_change_24": "-0.76"}""",
    "coingecko": """{"bitcoin": {"usd": 67187.3358936566, "eur": 61921.44,
        "last_updated_at": 1711356300}}""",
    "mempool": """{"time": 1703252411, "USD": 43753, "EUR": 40545, "GBP": 37528,
        "CAD": 58123, "CHF": 37438, "AUD": 64499, "JPY": 6218915}""",
    "blockchain": """{"USD": {"15m": 478.68, "last": 478.68, "buy": 478.55,
        "sell": 478.68, "symbol": "$"}, "JPY": {"15m": 51033.99, "last": 51033.99,
        "buy": 51020.13, "sell": 51033.99, "symbol": "¥"}}""",
}

PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "coinbase": ("/v2/exchange-rates?currency=BTC",),
    "kraken": (
        "/0/public/Ticker?pair=XBTUSD,XBTEUR,XBTGBP,XBTCAD,XBTJPY,XBTCHF,XBTAUD",
    ),
    "bitstamp": tuple(f"/api/v2/ticker/btc{c}/" for c in ("usd", "eur", "gbp")),
    "mempool": ("/api/v1/prices",),
    "blockchain": ("/ticker",),
}


def json_reply(value: Any) -> Answer:
    return reply(
        200, [("Content-Type", "application/json")], json.dumps(value).encode()
    )


class RateServer:
    """See the module docstring. `at_s`: the time that it says it is, if not now's."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._receiver = Receiver(default=self._answer, tls=tls)
        self._said: dict[str, Answer] = {}
        self.asked: list[tuple[str, str]] = []  # provider, and path with its query
        self.at_s: int | None = None

    def __enter__(self) -> Self:
        self._receiver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.stop()

    def url(self, name: str) -> str:
        return self._receiver.url(f"/{name}")

    def provider(self, name: str, deadline_s: float = 60.0) -> HttpProvider:
        return HttpProvider(DIALECTS[name], self.url(name), deadline_s)

    def say(self, name: str, answer: Answer) -> None:
        """From now on, whatever it is asked."""
        self._said[name] = answer

    def quote(self, name: str, rates: Mapping[str, str]) -> None:
        """These rates, in the provider's own form, as of now."""
        self.say(name, lambda *call: self._quoted(name, rates, *call))

    def _answer(self, sock: socket.socket, asked: Received, receiver: Receiver) -> None:
        _, name, path = asked.target.split("/", 2)
        self.asked.append((name, f"/{path}"))
        if (said := self._said.get(name)) is not None:
            said(sock, asked, receiver)
        else:
            reply(200, (), DOCUMENTED[name].encode())(sock, asked, receiver)

    def _quoted(
        self,
        name: str,
        rates: Mapping[str, str],
        sock: socket.socket,
        asked: Received,
        receiver: Receiver,
    ) -> None:
        now = int(time.time()) if self.at_s is None else self.at_s
        body = _form(name, rates, asked.target, now)
        reply(404 if body is None else 200, (), body or b"")(sock, asked, receiver)


def _form(name: str, rates: Mapping[str, str], target: str, now: int) -> bytes | None:
    """An answer's text: numbers as they are, also those that JSON has not."""
    match name:
        case "coinbase":
            found = {"data": {"currency": "BTC", "rates": dict(rates)}}
            return json.dumps(found).encode()
        case "kraken":
            pairs = {"CHF": "XBTCHF", "AUD": "XBTAUD"}
            result = {
                pairs.get(code, f"XXBTZ{code}"): {"c": [rate, "0.1"]}
                for code, rate in rates.items()
            }
            return json.dumps({"error": [], "result": result}).encode()
        case "bitstamp":
            asked = re.search(r"/btc([a-z]{3})/", target)
            assert asked is not None, target
            if (rate := rates.get(asked[1].upper())) is None:
                return None
            return json.dumps({"timestamp": str(now), "last": rate}).encode()
        case "coingecko":
            prices = "".join(f'"{c.lower()}":{r},' for c, r in rates.items())
            return f'{{"bitcoin":{{{prices}"last_updated_at":{now}}}}}'.encode()
        case "mempool":
            prices = "".join(f',"{c}":{r}' for c, r in rates.items())
            return f'{{"time":{now}{prices}}}'.encode()
        case _:
            prices = ",".join(f'"{c}":{{"last":{r}}}' for c, r in rates.items())
            return f"{{{prices}}}".encode()
