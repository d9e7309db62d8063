"""Places on the web that a merchant names: its logo, and where payers may return to.

`return_urls` is the allow-list of `return_url`, which comes with each payment and may
be a visitor's word: an open redirect would lend the shop's name, and ours, to a page
that asks for money. So an entry is a whole origin, and a path below which pages may be;
nothing is matched by a piece of a host's name, or by the text of a URL. Pure.

URLs are read as the WHATWG URL Standard reads those of http and https, where that
differs from RFC 3986: what a browser would make of them counts. What the two read
differently (a backslash, a control character, a user before the host) is refused.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta

__all__ = [
    "MAX_RETURN_URLS",
    "MAX_URL",
    "LogoUrl",
    "ReturnUrls",
    "WebPlace",
    "is_allowed_return",
    "origins_of",
    "place_mistake",
    "read_place",
    "return_urls_mistake",
]

MAX_RETURN_URLS: Final = 50
MAX_URL: Final = 2_048

_TEXT = r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]*$(?!\n)"

LogoUrl = Annotated[
    str,
    Meta(
        max_length=MAX_URL,
        pattern=r"^([Hh][Tt][Tt][Pp][Ss]://[!-~]*)?$(?!\n)",
        description=f"an https URL of at most {MAX_URL} characters, of a picture that"
        " the checkout page shows; empty for none",
    ),
]
ReturnUrls = Annotated[
    tuple[Annotated[str, Meta(max_length=MAX_URL, pattern=_TEXT)], ...],
    Meta(
        max_length=MAX_RETURN_URLS,
        description=f"a list of at most {MAX_RETURN_URLS} http or https URLs, like"
        " https://shop.example/orders/: a payment's return_url must be of the same"
        " scheme, host and port, and its path the same or, where the entry's path ends"
        " with /, below it",
    ),
]

#: Host names and IPv4 as they are written in ASCII, or an IPv6 address in brackets.
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)
_PORTS: Final = {"http": 80, "https": 443}
#: A dot as a browser reads it in a path, too.
_DOT = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)


class WebPlace(NamedTuple):
    """A URL, read: two texts that a browser takes to one place are equal here."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def origin(self) -> str:
        """As RFC 6454 writes it: the usual port is left out."""
        usual = self.port == _PORTS[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if usual else f":{self.port}")


def read_place(url: str) -> WebPlace:
    """Raises ValueError, which completes "the URL …" and quotes nothing."""
    if not re.fullmatch(r"[!-~]{1,2048}", url) or "\\" in url:
        raise ValueError("must be plain ASCII, without spaces and backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not url[len(scheme) :].startswith("://"):
        raise ValueError("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must have no user or password before the host")
    host = (parts.hostname or "").lower().removesuffix(".")
    if not _HOST.fullmatch(host if ":" not in host else f"[{host}]"):
        raise ValueError("must have the name of a host, in ASCII")
    if any(_DOT.fullmatch(part) for part in parts.path.split("/")):
        raise ValueError("must have no . or .. in its path")
    return WebPlace(
        scheme,
        f"[{host}]" if ":" in host else host,
        _PORTS[scheme] if port is None else port,
        parts.path or "/",
        parts.query,
    )


def place_mistake(url: str) -> str | None:
    """Why it is none, if it is not; completes "the URL …"."""
    try:
        read_place(url)
    except ValueError as error:
        return str(error)
    return None


def return_urls_mistake(entries: Iterable[str]) -> tuple[int, str] | None:
    """What is wrong with an entry, if anything is: its place, and the reason."""
    for at, entry in enumerate(entries):
        try:
            place = read_place(entry)
        except ValueError as error:
            return at, str(error)
        if place.query or "?" in entry or "#" in entry:
            return at, "must have no query and no fragment"
    return None


def is_allowed_return(url: str, entries: Iterable[str]) -> bool:
    """Whether the list has it. Raises ValueError if the URL is none that may be."""
    asked = read_place(url)
    return any(_holds(read_place(entry), asked) for entry in entries)


def origins_of(entries: Iterable[str]) -> tuple[str, ...]:
    """The shop's own origins, each once: who may show its checkout in a frame."""
    return tuple(dict.fromkeys(read_place(entry).origin for entry in entries))


def _holds(entry: WebPlace, asked: WebPlace) -> bool:
    if entry[:3] != asked[:3]:
        return False
    if entry.path.endswith("/"):
        return asked.path.startswith(entry.path)
    return asked.path == entry.path
