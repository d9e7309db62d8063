"""Who is asked for rates, as the setting says it. Pure.

    coinbase,kraken,bitstamp            in this order, at their own addresses
    mempool=https://mempool.example     one's own, or a mirror
    fixed:EUR=50000                     nobody: a rate that never changes, for tests

No provider is asked unless it is named: a node talks to nobody unasked.
"""

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

import msgspec

from engine.errors import InvalidAmount
from engine.money.currency import priced_in
from engine.money.rates import SET, rate_from

__all__ = ["PROVIDERS", "ProviderSetting", "fixed_rates", "parse_providers"]

PROVIDERS: Final = (
    "coinbase",
    "kraken",
    "bitstamp",
    "coingecko",
    "mempool",
    "blockchain",
)

_FIXED = f"{SET}:"
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?", re.ASCII)
_NETLOC = re.compile(r"[A-Za-z0-9._\[\]:-]{1,255}", re.ASCII)


class ProviderSetting(msgspec.Struct, frozen=True):
    """One of them. `url`: where it is; empty: at its own address. `currency` and
    `rate`: of a fixed rate only."""

    name: str
    url: str = ""
    currency: str = ""
    rate: str = ""


def parse_providers(value: str) -> tuple[ProviderSetting, ...]:
    """Raises ValueError with the reason."""
    parts = [part.strip() for part in value.split(",") if part.strip()]
    found = tuple(_parsed(part) for part in parts)
    fixed = [one for one in found if one.name == SET]
    if fixed and len(fixed) != len(found):
        raise ValueError("a fixed rate stands alone, without providers")
    keys = [one.currency if one.name == SET else one.name for one in found]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key} is given more than once")
    if len(found) == 1 and not fixed:
        raise ValueError(
            f"{found[0].name} alone: there must be two at least, so that one word"
            " never sets a price"
        )
    return found


def fixed_rates(providers: tuple[ProviderSetting, ...]) -> Mapping[str, Decimal]:
    """By currency; empty: there are real providers, or none."""
    return {one.currency: Decimal(one.rate) for one in providers if one.name == SET}


def _parsed(part: str) -> ProviderSetting:
    if part.startswith(_FIXED):
        return _fixed(part.removeprefix(_FIXED))
    name, has_url, url = part.partition("=")
    if name not in PROVIDERS:
        raise ValueError(f"{name[:100]!r} is none of {', '.join(PROVIDERS)}")
    return ProviderSetting(name, _checked_url(url) if has_url else "")


def _fixed(text: str) -> ProviderSetting:
    currency, _, rate = text.partition("=")
    try:
        priced_in(currency)
        if not re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,8})?", rate, re.ASCII):
            raise InvalidAmount("must be a plain decimal number")
        rate_from(rate)
    except InvalidAmount as error:
        raise ValueError(f"{_FIXED}{text[:60]!r}: {error}") from None
    return ProviderSetting(SET, currency=currency, rate=rate)


def _checked_url(text: str) -> str:
    """Without a slash at its end. Who can change an answer on its way sets our prices:
    plain http is for this machine, and for names without a dot (a container's)."""
    try:
        url = urlsplit(text)
        host, _port = url.hostname or "", url.port
    except ValueError:
        raise ValueError("a provider's URL is none") from None
    if url.scheme not in {"http", "https"} or not host:
        raise ValueError("a provider's URL begins with https://")
    if not _NETLOC.fullmatch(url.netloc) or not _PATH.fullmatch(url.path):
        raise ValueError("a provider's URL has host, port and a plain path only")
    if "?" in text or "#" in text:
        raise ValueError("a provider's URL has host, port and a plain path only")
    if url.scheme == "http" and not _is_near(host):
        raise ValueError(f"{host} is asked over https only")
    return text.rstrip("/")


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host
