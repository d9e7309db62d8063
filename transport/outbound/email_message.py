"""One mail as bytes: headers, a plain text, and the same in HTML beside it.

The same mail is the same bytes at every attempt: its Message-ID, date and boundary come
from what it tells, not from when it is sent, so that a mail which arrives twice (a
server that dies between taking it and saying so) is known as one. The mails of a
payment refer to one id, by which mail programs show them together (RFC 5322 3.6.4).

The headers are few and all known, so they are written here: the library's own writer
splits long names at places where its own reader puts a blank (CPython 3.11), and passes
on a name that looks encoded already. Nothing of a text can begin another header: of
what is not printable nothing is left. The tests read it all back with
`email.policy.strict`. Pure.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from engine.mail.address import MailAddress

__all__ = ["Letter", "Mail", "as_bytes", "mail_id", "one_line"]

MAX_SUBJECT = 200
MAX_NAME = 100
MAX_ID_DOMAIN = 38
"""With these an id fits on a line of 78: folded, some readers take it for two."""

_WORD_BYTES = 45
"""In one encoded word: 60 characters of base64, of the 75 that it may have at most."""

_LINE = "\r\n"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What one recipient is sent. `repr` shows nobody's address."""

    sender: MailAddress
    sender_name: str
    to: MailAddress
    reply_to: MailAddress | None
    subject: str
    text: str
    html: str
    id: str  # with its angle brackets
    thread: str | None  # what it and others refer to
    at: int  # ms

    def __repr__(self) -> str:
        return f"Mail({self.id})"

    @property
    def needs_utf8(self) -> bool:
        """Whether it can only go by a server with SMTPUTF8 (RFC 6531)."""
        named = (self.sender, self.to, self.reply_to)
        return any(one is not None and one.needs_utf8 for one in named)


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What is written to somebody who asked for it. `repr` shows nothing of it."""

    subject: str
    text: str
    html: str
    about: str  # an id, of which the Message-ID is made
    at: int  # ms

    def __repr__(self) -> str:
        return f"Letter({self.about})"


def mail_id(sender: MailAddress, *parts: str) -> str:
    """A Message-ID, always the same of the same parts; it tells nothing of them."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    domain = sender.domain[-MAX_ID_DOMAIN:].lstrip(".-")
    return f"<{digest}@{domain}>"


def as_bytes(mail: Mail) -> bytes:
    """As it goes over the wire, with CRLF; dots are not doubled yet."""
    boundary = "=_" + mail.id.partition("@")[0].strip("<")  # no such text in a body
    lines = [f"{name}: {value}" for name, value in _headers(mail)]
    lines.append(f'Content-Type: multipart/alternative; boundary="{boundary}"')
    for kind, text in (("plain", mail.text), ("html", mail.html)):
        lines += [
            "",
            f"--{boundary}",
            f'Content-Type: text/{kind}; charset="utf-8"',
            "Content-Transfer-Encoding: quoted-printable",
            "",
            _printable(text),
        ]
    lines += [f"--{boundary}--", ""]
    return _LINE.join(lines).encode()


def one_line(text: str, most: int) -> str:
    """Text of others, for one line: no breaks, no controls, nothing that turns the
    writing about (bidi), no halves of characters; not longer than `most`."""
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * most])
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _headers(mail: Mail) -> Iterator[tuple[str, str]]:
    yield "Date", format_datetime(datetime.fromtimestamp(mail.at // 1000, UTC))
    yield "From", _mailbox(mail.sender, mail.sender_name)
    yield "To", _mailbox(mail.to)
    if mail.reply_to is not None:
        yield "Reply-To", _mailbox(mail.reply_to)
    subject = one_line(mail.subject, MAX_SUBJECT) or "Paybell"
    yield "Subject", subject if _is_plain(subject) else _encoded(subject)
    yield "Message-ID", mail.id
    if mail.thread is not None:
        yield "In-Reply-To", mail.thread
        yield "References", mail.thread
    # Nobody's holiday notice answers it (RFC 3834; the second one is Exchange's).
    yield "Auto-Submitted", "auto-generated"
    yield "X-Auto-Response-Suppress", "All"
    yield "MIME-Version", "1.0"


def _mailbox(address: MailAddress, name: str = "") -> str:
    shown = one_line(name, MAX_NAME)
    if not shown:
        return f"<{address}>"
    if _is_plain(shown):
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{_encoded(shown)}{_LINE} <{address}>"


def _is_plain(text: str) -> bool:
    """Whether it can stand in a header as it is, and is read as it is."""
    return text.isascii() and "=?" not in text


def _encoded(text: str) -> str:
    """Encoded words (RFC 2047), each of whole characters, each on a line of its own."""
    return f"{_LINE} ".join(
        f"=?utf-8?b?{base64.b64encode(part).decode()}?=" for part in _pieces(text)
    )


def _pieces(text: str) -> Iterator[bytes]:
    piece = b""
    for char in text:
        more = char.encode()
        if len(piece) + len(more) > _WORD_BYTES:
            yield piece
            piece = b""
        piece += more
    yield piece


def _printable(text: str) -> str:
    """Quoted-printable: seven bits, lines of 76. Every server takes that, and none on
    the way changes it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    raw = (lines.rstrip("\n") + "\n").encode("utf-8", "replace")
    quoted = binascii.b2a_qp(raw, istext=True).decode("ascii")
    return quoted.replace("\n", _LINE)
