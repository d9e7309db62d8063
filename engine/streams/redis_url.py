"""Where a Redis is, in a URL as every client of Redis takes it. Pure.

    redis://[[user]:password@]host[:port][/db]     plain
    rediss://[[user]:password@]host[:port][/db]    TLS
    unix://[[user]:password@]/path/of.sock[?db=n]  a socket of this machine

Nothing that is raised or shown here holds the password.
"""

import re
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

__all__ = ["DEFAULT_PORT", "RedisUrl", "parse_redis_url"]

DEFAULT_PORT = 6_379

MAX_CHARS = 2_048

_DB = re.compile(r"/?([0-9]{1,5})?")
_SHAPE = "it must be redis://, rediss:// or unix:// with a host (or a path)"


class RedisUrl(msgspec.Struct, frozen=True, kw_only=True):
    """A Redis. `repr` and `shown` hold no password."""

    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    """Of a Unix socket; then there is no host."""

    is_tls: bool = False
    username: str | None = None
    password: str | None = None
    db: int = 0

    @property
    def shown(self) -> str:
        """For people: no user, no password."""
        if self.path:
            return f"unix://{self.path}" + (f"?db={self.db}" if self.db else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "rediss" if self.is_tls else "redis"
        return f"{scheme}://{host}:{self.port}/{self.db}"

    def __repr__(self) -> str:
        return f"RedisUrl({self.shown})"


def parse_redis_url(text: str) -> RedisUrl:
    """Raises `ValueError` with a reason that quotes nothing of it."""
    if len(text) > MAX_CHARS or not text.isprintable() or " " in text:
        raise ValueError(_SHAPE)
    try:
        url = urlsplit(text)
        port = url.port or DEFAULT_PORT
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if url.fragment:
        raise ValueError("a # in a password is written %23")
    if url.scheme == "unix":
        return _of_socket(url)
    if url.scheme not in {"redis", "rediss"} or not url.hostname:
        raise ValueError(_SHAPE)
    db = _DB.fullmatch(url.path)
    if db is None or url.query:
        raise ValueError("behind the host there may only be the number of a database")
    return RedisUrl(
        host=url.hostname,
        port=port,
        is_tls=url.scheme == "rediss",
        username=_part(url.username),
        password=_part(url.password),
        db=int(db[1] or 0),
    )


def _of_socket(url: SplitResult) -> RedisUrl:
    db = re.fullmatch(r"(?:db=([0-9]{1,5}))?", url.query)
    if not url.path.startswith("/") or url.hostname or db is None:
        raise ValueError("unix:// is followed by a path, and perhaps ?db= and a number")
    return RedisUrl(
        path=unquote(url.path),
        username=_part(url.username),
        password=_part(url.password),
        db=int(db[1] or 0),
    )


def _part(text: str | None) -> str | None:
    return unquote(text) if text else None
