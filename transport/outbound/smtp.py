"""One SMTP conversation with a server that may do anything: a mail, or a handshake.

The commands are the standard library's (`smtplib`, cooperative under gevent); what is
ours is all that it leaves open. The address is looked up in a merchant's share of the
lookups and judged before it is connected to. Replies are bounded, line by line and all
together. Each step has a deadline, and all of them have one. Where TLS is asked for,
nothing goes out in the clear: a server that does not offer it (or somebody on the way
who takes the offer out) is refused, and its certificate must be of its name. A password
is told over TLS only.

A server's words are shown to people: on one line, bounded, without what we told it in
confidence, and without the address that the mail is for.

Blocks the calling greenlet, no longer than `Timing` says. Any greenlet.
"""

import base64
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

import gevent

from engine.mail.address import MailAddress
from engine.mail.server import MailServer, Security
from transport.outbound.email_message import one_line
from transport.outbound.exchange import DeadlinePassed, DeliveryError, reason_of
from transport.outbound.guard import Address, refusal
from transport.outbound.lookups import Lookups

__all__ = ["Dial", "SmtpFailed", "SmtpStep", "Timing", "check_server", "send_mail"]

CONNECT_S = 5.0
MAX_ADDRESSES = 4
MAX_LINE = 1_000
"""Bytes of a line. RFC 5321 4.5.3.1.5 allows a reply 512."""
MAX_REPLIES = 64 * 1024
"""Bytes of all replies of one conversation."""
MAX_WORDS = 200
GOODBYE_S = 1.0
"""For the answer to QUIT: the mail has its answer already."""

_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*?))?\r?\n", re.DOTALL)


class SmtpStep(StrEnum):
    """Where a conversation ended."""

    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    MESSAGE = "message"
    ACCEPTED = "answer to the message"


_OF_THE_MAIL = frozenset({SmtpStep.RECIPIENT, SmtpStep.MESSAGE, SmtpStep.ACCEPTED})


class SmtpFailed(Exception):
    """The mail was not accepted, or nobody knows: `step` ACCEPTED without a code."""

    def __init__(
        self,
        step: SmtpStep,
        detail: str,
        code: int | None = None,
        *,
        is_final: bool | None = None,
    ) -> None:
        """`code`: the server's reply, if there was one. `is_final`: this very mail
        will never be taken; by default what the code says of it."""
        super().__init__(detail)
        self.step = step
        self.detail = detail
        self.code = code
        of_the_mail = code is not None and step in _OF_THE_MAIL
        never = code is not None and code >= 500
        self.is_final = (of_the_mail and never) if is_final is None else is_final
        self.is_of_the_mail = of_the_mail or self.is_final
        """Whether it says nothing against the next mail."""


class Timing:
    """How long a conversation may take."""

    __slots__ = ("accept_s", "in_all_s", "step_s")

    def __init__(self, step_s: float, accept_s: float) -> None:
        """For each answer, and for the one to the mail itself if that is longer."""
        self.step_s = step_s
        self.accept_s = max(accept_s, step_s)
        self.in_all_s = 4 * step_s + self.accept_s


class Dial:
    """How a server is reached: whose name lookup it is, and what it may be."""

    __slots__ = ("allow_any", "allow_private", "lookups", "owner", "tls")

    def __init__(
        self,
        lookups: Lookups,
        tls: ssl.SSLContext,
        *,
        owner: str = "",
        allow_any: bool = False,
        allow_private: bool = False,
    ) -> None:
        """`allow_any`: the operator's own server may have any address."""
        self.lookups = lookups
        self.tls = tls
        self.owner = owner
        self.allow_any = allow_any
        self.allow_private = allow_private


def send_mail(
    server: MailServer,
    dial: Dial,
    timing: Timing,
    *,
    sender: MailAddress,
    to: MailAddress,
    message: bytes,
    needs_utf8: bool = False,
) -> int:
    """The code with which the server took it. Raises `SmtpFailed`."""
    with _conversation(server, dial, timing, hidden=str(to)) as talk:
        options = []
        if needs_utf8:
            if not talk.has_extn("smtputf8"):
                detail = "the server does not take addresses that are not ASCII"
                detail += " (SMTPUTF8)"
                raise SmtpFailed(SmtpStep.RECIPIENT, detail, is_final=True)
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        talk.expect(SmtpStep.SENDER, (250,), lambda: talk.mail(str(sender), options))
        talk.expect(SmtpStep.RECIPIENT, (250, 251), lambda: talk.rcpt(str(to)))
        talk.expect(SmtpStep.MESSAGE, (354,), lambda: talk.docmd("DATA"))
        return talk.expect(SmtpStep.ACCEPTED, (250,), lambda: talk.body(message))


def check_server(server: MailServer, dial: Dial, timing: Timing) -> None:
    """Greets, encrypts and logs in, and sends nothing. Raises `SmtpFailed`."""
    with _conversation(server, dial, timing):
        pass


@contextmanager
def _conversation(
    server: MailServer, dial: Dial, timing: Timing, hidden: str = ""
) -> Iterator["_Talk"]:
    """With a server that has greeted us, encrypted, and knows who we are."""
    addresses = _addresses(server, dial)
    talk = _Talk(server, timing, hidden)
    try:
        with gevent.Timeout(timing.in_all_s, DeadlinePassed):
            talk.sock = _connected(server, addresses)
            if server.security is Security.TLS:
                talk.sock = _encrypted(server, dial.tls, talk.sock, timing.step_s)
            talk.greet(dial.tls)
            yield talk
        talk.goodbye()
    except DeadlinePassed:
        detail = f"no answer from {server.origin} in time ({talk.step})"
        raise SmtpFailed(talk.step, detail) from None
    finally:
        talk.close()


def _addresses(server: MailServer, dial: Dial) -> list[Address]:
    """Judged, each of them: one that is refused refuses the server."""
    try:
        texts: tuple[str, ...] = (str(ip_address(server.host)),)
    except ValueError:
        try:
            texts = dial.lookups.find(server.host, dial.owner).texts
        except DeliveryError as error:
            raise SmtpFailed(SmtpStep.CONNECT, error.detail) from None
    for text in texts:
        why = None if dial.allow_any else refusal(text, dial.allow_private)
        if why is not None:
            detail = f"{server.host} is at {text[:64]}, which is refused: {why}"
            raise SmtpFailed(SmtpStep.CONNECT, detail)
    return [ip_address(text) for text in texts[:MAX_ADDRESSES]]


def _connected(server: MailServer, addresses: list[Address]) -> socket.socket:
    failures = []
    for address in addresses:
        is_private = server.security is not Security.PLAIN or address.is_loopback
        if not (is_private or server.insecure):
            failures.append(f"{address} is not this machine, and smtp:// is plain")
            continue
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_S)
            sock.connect((str(address), server.port))  # numbers: nothing to resolve
        except OSError as error:
            sock.close()
            failures.append(f"{address}: {reason_of(error)}")
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    detail = f"cannot connect to {server.origin} ({'; '.join(failures)})"
    raise SmtpFailed(SmtpStep.CONNECT, detail)


def _encrypted(
    server: MailServer, tls: ssl.SSLContext, sock: socket.socket, step_s: float
) -> socket.socket:
    try:
        sock.settimeout(step_s)
        return tls.wrap_socket(sock, server_hostname=server.host)
    except (OSError, ValueError) as error:  # a name that no certificate can have
        sock.close()
        raise _no_tls(server, error) from error


def _no_tls(server: MailServer, error: Exception) -> SmtpFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        detail = f"certificate of {server.origin} is not accepted: {why}"
        return SmtpFailed(SmtpStep.TLS, detail)
    why = reason_of(error) if isinstance(error, OSError) else type(error).__name__
    return SmtpFailed(SmtpStep.TLS, f"no TLS with {server.origin}: {why}")


class _Talk(smtplib.SMTP):
    """The library's commands over a socket of ours, with bounds."""

    sock: socket.socket | None

    def __init__(self, server: MailServer, timing: Timing, hidden: str) -> None:
        # A name of our own would be looked up, and its address tells where the node
        # is; Thunderbird says the same.
        super().__init__(local_hostname="[127.0.0.1]")
        self.sock = None
        self.step = SmtpStep.CONNECT
        self._host = server.host  # the certificate's, in starttls
        self._server = server
        self._timing = timing
        self._left = MAX_REPLIES
        self._hidden = _in_confidence(server, hidden)

    def greet(self, tls: ssl.SSLContext) -> None:
        """Up to the point where a mail can be sent."""
        server = self._server
        self.expect(SmtpStep.GREETING, (220,), self.getreply)
        self.expect(SmtpStep.GREETING, (250,), self.ehlo)
        if server.security is Security.STARTTLS:
            self.step = SmtpStep.TLS
            if not self.has_extn("starttls"):
                detail = f"{server.origin} offers no TLS (STARTTLS): nothing is sent"
                raise SmtpFailed(SmtpStep.TLS, detail)
            self.expect(SmtpStep.TLS, (220,), lambda: self.starttls(context=tls))
            self.expect(SmtpStep.GREETING, (250,), self.ehlo)
        if server.user:
            encrypted = isinstance(self.sock, ssl.SSLSocket)
            assert encrypted, "a password in the clear"
            self.expect(
                SmtpStep.LOGIN,
                (235, 503),
                lambda: self.login(server.user, server.password),
            )

    def expect(self, step: SmtpStep, codes: tuple[int, ...], ask: Any) -> int:
        """The answer's code, if it is one of these. Raises `SmtpFailed`."""
        self.step = step
        try:
            assert self.sock is not None
            is_last = step is SmtpStep.ACCEPTED
            most_s = self._timing.accept_s if is_last else self._timing.step_s
            self.sock.settimeout(most_s)
            with gevent.Timeout(most_s, DeadlinePassed):
                code, words = ask()
        except smtplib.SMTPResponseException as error:
            code, words = error.smtp_code, error.smtp_error
        except smtplib.SMTPNotSupportedError:
            raise SmtpFailed(step, f"{self._server.origin} takes no login") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            if isinstance(error, ssl.SSLError) or step is SmtpStep.TLS:
                raise _no_tls(self._server, error) from None
            raise SmtpFailed(step, self._lost(error)) from None
        if code in codes:
            return int(code)
        said = self._shown(words)
        detail = f"{self._server.origin} answered {code} ({step}){said and ': ' + said}"
        raise SmtpFailed(step, detail, code)

    def body(self, message: bytes) -> tuple[int, bytes]:
        """After DATA: the mail, its dots doubled, and the answer to it."""
        dotted = re.sub(rb"(?m)^\.", b"..", message)
        self.send(dotted + (b".\r\n" if dotted.endswith(b"\r\n") else b"\r\n.\r\n"))
        return self.getreply()

    def getreply(self) -> tuple[int, bytes]:
        """The next reply. In place of the library's, which reads on without an end."""
        if self.file is None:
            assert self.sock is not None
            self.file = self.sock.makefile("rb")
        words: list[bytes] = []
        while True:
            line = self.file.readline(min(MAX_LINE, self._left) + 1)
            self._left -= len(line)
            if not line:
                raise smtplib.SMTPServerDisconnected("it closed the connection")
            if len(line) > MAX_LINE or self._left < 0:
                raise smtplib.SMTPException("its reply is too long")
            found = _REPLY.fullmatch(line)
            if found is None:
                raise smtplib.SMTPException("what it says is not SMTP")
            words.append(found[3] or b"")
            if found[2] != b"-":
                return int(found[1]), b"\n".join(words)

    def goodbye(self) -> None:
        """The mail has its answer: what becomes of the connection is nobody's worry."""
        with suppress(Exception), gevent.Timeout(GOODBYE_S, DeadlinePassed):
            self.docmd("QUIT")

    def _lost(self, error: Exception) -> str:
        if isinstance(error, OSError) and error.errno is not None:
            why = reason_of(error)
        elif isinstance(error, TimeoutError):
            raise DeadlinePassed from None
        else:
            why = str(error)
        return f"{self._server.origin} ({self.step}): {one_line(why, MAX_WORDS)}"

    def _shown(self, words: bytes | str) -> str:
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        for secret in self._hidden:
            text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
        return one_line(text, MAX_WORDS)


def _in_confidence(server: MailServer, hidden: str) -> tuple[str, ...]:
    """What a server could repeat, in each form in which it was told."""
    user, password = server.user, server.password
    plain = f"\0{user}\0{password}"
    told = [base64.b64encode(t.encode()).decode() for t in (user, password, plain) if t]
    name = hidden.rpartition("@")[0]
    parts = (plain, password, user, *told, hidden, name if len(name) > 2 else "")
    return tuple(part for part in parts if len(part) > 2)
