"""Where a mail server is, and how it is spoken to: the one reader of its URL. Pure.

| URL | meaning |
|---|---|
| `smtp+starttls://user:password@host:port` | TLS by STARTTLS, always: port 587 |
| `smtps://user:password@host:port` | TLS from the first byte (RFC 8314): port 465 |
| `smtp://localhost:port` | no TLS: port 25; on this machine only |
| `smtp://host:port?insecure=yes` | no TLS, over a network that is trusted |

A password is told to nobody who can be overheard, so a URL without TLS has no user.
Neither the values nor the errors about them show the password.
"""

from enum import StrEnum
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

__all__ = ["MAIL_PORTS", "MailServer", "Security", "parse_server"]

MAIL_PORTS = frozenset({25, 465, 587})
"""On these a mail server may be expected. A webhook must not go there."""

_MAX_CHARS = 1_000
_LOOPBACK = frozenset({"localhost", "::1"})


class Security(StrEnum):
    """How a connection is made private. The words are the schemes of the URL."""

    STARTTLS = "smtp+starttls"
    TLS = "smtps"
    PLAIN = "smtp"


_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.PLAIN: 25}


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server's URL, taken apart. `repr` shows no user and no password."""

    security: Security
    host: str
    port: int
    user: str = ""  # "": nobody logs in
    password: str = ""
    insecure: bool  # no TLS, and over a network if it must be

    def __repr__(self) -> str:
        return f"MailServer({self.origin})"

    @property
    def origin(self) -> str:
        """What may be told to people and logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.security}://{host}:{self.port}"

    @property
    def is_on_loopback(self) -> bool:
        """By its name, that is: who connects looks at the address, too."""
        return self.host in _LOOPBACK or self.host.startswith("127.")


def parse_server(url: str) -> MailServer:
    """Raises `ValueError`, which quotes nothing of the URL but its scheme."""
    split = _split(url)
    schemes = ", ".join(f"{one}://" for one in Security)
    try:
        security = Security(split.scheme)
    except ValueError:
        raise ValueError(f"it must begin with one of {schemes}") from None
    if split.path not in {"", "/"} or split.fragment:
        raise ValueError("it may have a user, password, host and port only")
    insecure = split.query == "insecure=yes"
    if split.query and not (insecure and security is Security.PLAIN):
        raise ValueError("after the ? only insecure=yes may stand, of smtp://")
    server = MailServer(
        security=security,
        host=(split.hostname or "").rstrip("."),
        port=split.port or _PORTS[security],
        user=_decoded(split.username),
        password=_decoded(split.password),
        insecure=insecure,
    )
    if not server.host:
        raise ValueError("it has no host")
    _check_privacy(server)
    return server


def _check_privacy(server: MailServer) -> None:
    if server.security is not Security.PLAIN:
        return
    if server.user or server.password:
        raise ValueError(
            "smtp:// is not encrypted and takes no user and password; use"
            " smtp+starttls:// or smtps://"
        )
    if not (server.insecure or server.is_on_loopback):
        raise ValueError(
            "smtp:// is not encrypted and goes to this machine only; use"
            " smtp+starttls:// or smtps://, or say ?insecure=yes"
        )


def _split(url: str) -> SplitResult:
    if len(url) > _MAX_CHARS or not url.isascii() or not url.isprintable():
        raise ValueError("it has letters that must be %-encoded, or is too long")
    if " " in url:
        raise ValueError("it has a space in it")
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        # Not chained: urllib's words quote what it took for the port.
        raise ValueError("it cannot be read (is the port a number?)") from None
    return split


def _decoded(text: str | None) -> str:
    """smtplib logs in with ASCII only; so does every server that people have."""
    decoded = unquote(text or "")
    if not decoded.isascii() or not decoded.isprintable():
        raise ValueError("its user or password has letters that are not ASCII")
    return decoded
