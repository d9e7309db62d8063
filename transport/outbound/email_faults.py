"""What no type can say of an e-mail channel's settings: is it all there, is it allowed.

Called when a channel is made or changed. Nothing is connected to or looked up; what a
server's name resolves to is judged at each attempt.
"""

from collections.abc import Callable, Container, Iterator
from ipaddress import ip_address

from engine.delivery.email import EmailSettings
from engine.mail.address import parse_address
from engine.mail.server import MAIL_PORTS, Security, parse_server
from transport.bodies.problem_body import FieldError
from transport.calling.trust import tls_context
from transport.outbound.email_templates import PARTS, parsed
from transport.outbound.guard import refusal
from transport.outbound.refused_ports import REFUSED_PORTS

__all__ = ["faults_of"]


def faults_of(
    settings: EmailSettings,
    *,
    has_server: bool,
    allow_private: bool,
    allow_ports: Container[int],
) -> Iterator[FieldError]:
    """`has_server`: the node has one. The `allow_…` are its settings for webhooks."""
    if (settings.to is None) is not settings.customer:
        text = (
            "must be an address, or customer must be true: a channel has one recipient"
        )
        yield _fault("to", text)
    for name in ("to", "reply_to", "mail_from"):
        yield from _checked(name, getattr(settings, name), parse_address)
    if settings.smtp is not None:
        yield from _server(settings.smtp, allow_private, allow_ports)
        if settings.mail_from is None:
            yield _fault("mail_from", "is required beside smtp: whom mail is from")
        yield from _checked("ca_pem", settings.ca_pem, tls_context)
    else:
        if not has_server:
            text = "is required: this node has no mail server of its own (--smtp)"
            yield _fault("smtp", text)
        for name in ("mail_from", "ca_pem"):
            if getattr(settings, name) is not None:
                text = (
                    "must be absent: without smtp the mail is the node's (--mail-from)"
                )
                yield _fault(name, text)
    for part in PARTS:
        yield from _checked(
            part, getattr(settings, part), lambda text: parsed(settings.audience, text)
        )


def _server(
    url: str, allow_private: bool, allow_ports: Container[int]
) -> Iterator[FieldError]:
    try:
        server = parse_server(url)
    except ValueError as error:
        yield _fault("smtp", f"is not valid: {error}")
        return
    if server.security is Security.PLAIN and not allow_private:
        yield _fault("smtp", "is not allowed: it must be smtp+starttls:// or smtps://")
    what = None if server.port in MAIL_PORTS else REFUSED_PORTS.get(server.port)
    if what is not None and server.port not in allow_ports:
        text = f"is not allowed: port {server.port} ({what}) is no mail server's"
        yield _fault("smtp", text)
    try:
        why = refusal(ip_address(server.host), allow_private)
    except ValueError:
        return  # a name
    if why is not None:
        text = f"is not allowed: address {server.host} is refused: {why}"
        yield _fault("smtp", text)


def _checked(
    name: str, value: str | None, check: Callable[[str], object]
) -> Iterator[FieldError]:
    if value is None:
        return
    try:
        check(value)
    except ValueError as error:
        yield _fault(name, f"is not valid: {error}")


def _fault(name: str, text: str) -> FieldError:
    return FieldError(f"/settings/{name}", text)
