"""Where a source is: the one place that reads the URLs of sources, of all kinds.

A URL holds what its server must know (scheme, host, port, path, user and password) and
what is for us alone: the reserved keys of its query. They are never sent.

| key | of | meaning |
|---|---|---|
| `name=` | all | who runs it; sources with the same name are one witness |
| `cookie=` | bitcoind | path of Core's cookie file, instead of a user |
| `zmq=` | bitcoind | where it publishes (ZMQ); may be given more than once; or `off` |

The path may be a secret (a hosted node's token), and so may the user: neither these
values nor the errors about them show more than the scheme and the name. Pure.
"""

import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

__all__ = ["ZMQ_OFF", "SourceUrl", "parse_source_url", "split_http_url"]

MAX_ZMQ = 8
"""Core has five topics; each may have an address of its own."""

ZMQ_OFF = "off"
"""As the one `zmq=`: nothing is listened to, and the node is not asked where."""

_PORTS = {"http": 8332, "https": 443}  # of Bitcoin Core (mainnet), and of hosted nodes
_RESERVED = {"bitcoind": ("cookie", "name", "zmq"), "esplora": ("name",)}

_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_ZMQ = re.compile(r"(?:tcp://[A-Za-z0-9._:\[\]-]{1,255}:[0-9]{1,5}|ipc://[!-~]{1,255})")


class SourceUrl(msgspec.Struct, frozen=True, kw_only=True):
    """A source's URL, taken apart."""

    base: str
    """`scheme://host:port`, and no secret."""

    path: str
    """From the slash on; it may be a secret."""

    host: str
    user: str | None = None
    password: str | None = None
    cookie: str | None = None
    name: str | None = None
    zmq: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"SourceUrl({self.name or '…'})"

    @property
    def operator(self) -> str:
        """Who runs it, as far as one can tell: two of one operator are one witness."""
        return self.name or self.host.lower()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no error, log line or page may hold; a word of three letters hides
        nothing, and is in many."""
        parts = (*self.path.split("/"), self.user, self.password)
        return tuple(part for part in parts if part and len(part) > 3)


def parse_source_url(kind: str, url: str) -> SourceUrl:
    """The URL of a source of this kind. ValueError, which does not quote it."""
    parts = split_http_url(url)
    scheme, host = parts.scheme, parts.hostname or ""
    keys = _reserved_keys(kind, parts.query)
    if parts.fragment:
        raise ValueError("its URL has a fragment (#…); a # in it is written %23")
    if kind == "esplora" and (parts.username or parts.password):
        raise ValueError("its URL has a user, and an explorer takes none")
    port = parts.port or (_PORTS[scheme] if kind == "bitcoind" else None)
    where = f"[{host}]" if ":" in host else host
    user, password = parts.username, parts.password
    return SourceUrl(
        base=f"{scheme}://{where}" + ("" if port is None else f":{port}"),
        path=parts.path or "/",
        host=host,
        user=None if user is None else unquote(user),
        password=None if user is None else unquote(password or ""),
        cookie=keys["cookie"][0] if keys["cookie"] else None,
        name=keys["name"][0] if keys["name"] else None,
        zmq=tuple(keys["zmq"]),
    )


def split_http_url(url: str) -> SplitResult:
    """Raises ValueError for what is no http(s) URL, without quoting it."""
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        # Not chained: urllib's words quote what it took for the port.
        raise ValueError("its URL cannot be read (is the port a number?)") from None
    if split.scheme not in {"http", "https"}:
        raise ValueError("its URL must begin with http:// or https://")
    if not split.hostname or not _HOST.fullmatch(split.hostname):
        raise ValueError("its URL has no valid host name")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("its URL has spaces or letters that must be %-encoded")
    return split


def _reserved_keys(kind: str, query: str) -> dict[str, list[str]]:
    """What the query says, key by key. ValueError for a key that is not ours."""
    keys: dict[str, list[str]] = {"cookie": [], "name": [], "zmq": []}
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=bool(query),
            max_num_fields=20,
        )
    except ValueError:
        raise ValueError("what follows the ? of its URL is not key=value") from None
    allowed = _RESERVED[kind]
    for key, value in pairs:
        if key not in allowed:
            words = " or ".join(f"{name}=" for name in allowed)
            raise ValueError(f"its URL may have {words} after the ?, and nothing else")
        keys[key].append(value)
    if len(keys["cookie"]) > 1 or len(keys["name"]) > 1 or len(keys["zmq"]) > MAX_ZMQ:
        raise ValueError("its URL gives a key more often than it may")
    if not all(map(_NAME.fullmatch, keys["name"])):
        raise ValueError("its name= must be 1 to 32 letters, digits or . _ -")
    if keys["zmq"] != [ZMQ_OFF] and not all(map(_ZMQ.fullmatch, keys["zmq"])):
        raise ValueError("its zmq= must be tcp://host:port, ipc:///path, or off")
    return keys
