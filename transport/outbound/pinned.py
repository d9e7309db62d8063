"""One HTTP POST to an address that was checked, and to no other.

A client that checks a name and then lets a library connect looks the name up twice,
and the second answer can be 127.0.0.1 (DNS rebinding). Here the name is looked up
once, every address it has is judged by `guard`, and the socket is opened to one of
those very addresses. The name is still what the certificate is checked against, what
SNI says and what `Host` carries. An answer that is kept for some seconds
(`lookups.py`) is judged anew at each use. No proxy, no netrc, no redirect, no cookie,
no decompression. One deadline covers all from lookup to answer, and what is read is
counted in bytes.

The HTTP over that socket is in `exchange`, which says why it is not `requests`.

Blocks the calling greenlet, for `timeout_s` at most; the webhook sender calls it from
the greenlet of one delivery. Needs gevent's patched sockets. Thread-safe: no.
"""

import socket
import ssl
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import gevent

from engine.errors import AddressRefused, UrlRefused
from transport.calling.trust import tls_context
from transport.outbound.exchange import (
    BODY_GRACE_S,
    DeadlinePassed,
    DeliveryError,
    FailureKind,
    body_head,
    exchange,
    kept_headers,
    reason_of,
)
from transport.outbound.guard import Address, Parsed, check_url, refusal
from transport.outbound.lookups import Lookups, Resolver, system_resolver

__all__ = [
    "EndpointReply",
    "DeliveryError",
    "FailureKind",
    "post",
]

CONNECT_S = 5.0
"""For one address, so that there is time left for the next one."""

MAX_ADDRESSES = 32
"""A name with more than this is not an endpoint."""

MAX_TRIES = 4
"""Addresses of one name that we try to connect to."""


@dataclass(frozen=True, slots=True)
class EndpointReply:
    """What the endpoint said. The status counts, even if the body broke off."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; of `retry-after`, `content-type`, `location` and `date` those
    that were sent, cut at 256 characters."""

    body_head: bytes = field(repr=False)
    """The first 4 KiB of the body, or what of it came within a second."""

    latency_ms: float
    """From the call to the end of the answer's headers."""


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    timeout_s: float = 15.0,
    allow_private: bool = False,
    resolver: Resolver | Lookups = system_resolver,
    tls: ssl.SSLContext | None = None,
    allow_ports: Container[int] = (),
    owner: str = "",
) -> EndpointReply:
    """POST `body` and return the answer, whatever its status. `DeliveryError` if none.

    `headers` go out as they are, beside Host, Content-Length, Accept-Encoding and
    `Connection: close`. `owner`: in whose share of the lookups the name is looked up;
    `timeout_s` begins when that has its turn.
    """
    try:
        target = check_url(url, allow_private, allow_ports)
    except UrlRefused as e:
        address = isinstance(e, AddressRefused)
        kind = FailureKind.REFUSED_ADDRESS if address else FailureKind.URL
        raise DeliveryError(kind, str(e)) from None
    lookups = resolver if isinstance(resolver, Lookups) else Lookups(resolver, 0)
    started = time.perf_counter()
    found: Sequence[str] | None = None
    if target.literal is None:  # else it was judged by check_url
        answer = lookups.find(target.host, owner, timeout_s)
        started = time.perf_counter() - answer.took_s
        found = answer.texts
    sock: socket.socket | None = None
    try:
        left_s = timeout_s - (time.perf_counter() - started)
        with gevent.Timeout(max(left_s, 0.001), DeadlinePassed):
            sock = _connect(_checked(target, found, allow_private), target)
            if target.is_tls:
                sock = _handshake(sock, target, tls or tls_context())
            response = exchange(sock, target, headers, body)
        latency_ms = (time.perf_counter() - started) * 1000
        left_s = timeout_s - latency_ms / 1000
        return EndpointReply(
            status=response.status,
            headers=kept_headers(response),
            body_head=body_head(response, min(BODY_GRACE_S, max(0.001, left_s))),
            latency_ms=latency_ms,
        )
    except DeliveryError as e:
        if e.kind is FailureKind.CONNECT:
            lookups.forget(target.host)  # it may have moved
        raise
    except DeadlinePassed:
        lookups.forget(target.host)
        detail = f"no answer from {target.origin} within {timeout_s:g} s"
        raise DeliveryError(FailureKind.TIMEOUT, detail) from None
    finally:
        if sock is not None:
            sock.close()


def _checked(
    target: Parsed, texts: Sequence[str] | None, allow_private: bool
) -> list[Address]:
    """The addresses of the host, each judged: one that is refused refuses the name."""
    if texts is None:
        assert target.literal is not None, "a name that was not looked up"
        return [target.literal]
    if len(texts) > MAX_ADDRESSES:
        detail = f"{target.host} has {len(texts)} addresses; at most {MAX_ADDRESSES}"
        raise DeliveryError(FailureKind.DNS, detail)
    for text in texts:
        why = refusal(text, allow_private)
        if why is not None:
            detail = f"{target.host} resolves to {text[:64]}, which is refused: {why}"
            raise DeliveryError(FailureKind.REFUSED_ADDRESS, detail)
    return [ip_address(text) for text in texts]


def _connect(addresses: Sequence[Address], target: Parsed) -> socket.socket:
    """The first connection that succeeds, to an address as it was judged."""
    failures = []
    for address in addresses[:MAX_TRIES]:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_S)
            sock.connect((str(address), target.port))  # numbers: nothing to resolve
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(None)  # from here on the deadline alone rules
        except OSError as e:
            sock.close()
            failures.append(f"{address}: {reason_of(e)}")
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    detail = f"cannot connect to {target.origin} ({'; '.join(failures)})"
    raise DeliveryError(FailureKind.CONNECT, detail)


def _handshake(
    sock: socket.socket, target: Parsed, context: ssl.SSLContext
) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(sock, server_hostname=target.host)
    except ssl.SSLCertVerificationError as e:
        detail = f"certificate of {target.origin} is not accepted: {e.verify_message}"
        raise DeliveryError(FailureKind.TLS, detail) from e
    except (OSError, ValueError) as e:
        detail = f"no TLS with {target.origin}: {reason_of(e)}"
        raise DeliveryError(FailureKind.TLS, detail) from e
    finally:
        # On success the descriptor has moved to the TLS socket; this one is empty.
        sock.close()
