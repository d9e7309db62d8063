"""One address of a mailbox, read strictly: `local@domain`. Values only, no I/O.

Less than RFC 5322 allows: atoms between dots, no quotes, no comments, no address in
brackets. What comes through can be put into an SMTP command and into a header as it is.
The local part may have letters of any script (RFC 6531); the domain is kept as the name
servers have it (IDNA 2008 with UTS 46, as browsers read names).
"""

import re
from typing import Final

import idna
import msgspec

__all__ = ["MAX_ADDRESS", "MailAddress", "parse_address"]

MAX_ADDRESS: Final = 254
"""Characters: RFC 5321 (4.5.3.1.3) gives a path 256, with its angle brackets."""

_MAX_LOCAL = 64  # octets, RFC 5321 4.5.3.1.1
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")  # RFC 5322 3.2.3
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class MailAddress(msgspec.Struct, frozen=True):
    """Where a mail goes, or whom it is from."""

    local: str
    domain: str  # lower-case ASCII

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can be told it."""
        return not self.local.isascii()


def parse_address(text: str) -> MailAddress:
    """Raises `ValueError`, which does not repeat the text."""
    if len(text) > MAX_ADDRESS:
        raise ValueError(f"an address has at most {MAX_ADDRESS} characters")
    local, at, domain = text.rpartition("@")
    if not at or "@" in local:
        raise ValueError("an address has the form name@domain")
    if not all(map(_is_atom, local.split("."))):
        raise ValueError("the part before the @ is not valid")
    if len(local.encode()) > _MAX_LOCAL:
        raise ValueError(f"the part before the @ is longer than {_MAX_LOCAL} bytes")
    return MailAddress(local, _domain(domain))


def _is_atom(text: str) -> bool:
    """Of the letters that are not ASCII those that show as themselves, no blanks."""
    plain = "".join(c for c in text if c.isascii())
    return (
        bool(text)
        and text.isprintable()
        and (not plain or _ATOM.fullmatch(plain) is not None)
    )


def _domain(text: str) -> str:
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except UnicodeError:
            raise ValueError("its domain is not a valid international name") from None
    name = text.lower()
    if len(name) > 253 or not all(map(_LABEL.fullmatch, name.split("."))):
        raise ValueError("its domain is not valid")
    if name.rpartition(".")[2].isdigit():
        raise ValueError("its domain is a number, not a name")
    return name
