"""One HTTP POST to an address that was checked, and to no other.

A client that checks a name and then lets a library connect looks the name up twice,
and the second answer can be 127.0.0.1 (DNS rebinding). Here the name is looked up
once, every address it has is judged by `guard`, and the socket is opened to one of
those very addresses. The name is still what the certificate is checked against, what
SNI says and what `Host` carries. No proxy, no netrc, no environment, no redirect, no
cookie, no decompression. One deadline covers all from lookup to answer, and what is
read is counted in bytes.

The HTTP over that socket is in `exchange`, which says why it is not `requests`.

Blocks the calling greenlet, for `timeout_s` at most; the webhook sender calls it from
the greenlet of one delivery. Needs gevent's patched sockets. Thread-safe: no.
"""

import _socket
import functools
import socket
import ssl
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import certifi
import gevent
from gevent.threadpool import ThreadPool

from engine.errors import AddressRefused, UrlRefused
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

__all__ = [
    "EndpointReply",
    "DeliveryError",
    "FailureKind",
    "Resolver",
    "post",
    "system_resolver",
    "tls_context",
]

Resolver = Callable[[str], Sequence[str]]
"""A name to all its addresses, as text. OSError when there are none."""

DNS_S = 5.0
"""A lookup that takes longer is a failure; libc alone would try for half a minute."""

CONNECT_S = 5.0
"""For one address, so that there is time left for the next one."""

MAX_ADDRESSES = 32
"""A name with more than this is not an endpoint."""

MAX_TRIES = 4
"""Addresses of one name that we try to connect to."""

_DNS_THREADS = 8


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


def system_resolver(host: str) -> list[str]:
    """Ask the system, in native threads of our own.

    gevent's resolver shares ten threads with everybody; a few endpoints whose name
    servers are dead would stop lookups for the chain sources as well.
    """
    found = _dns_threads().apply(_lookup, (host,))
    if isinstance(found, OSError):
        raise found
    return found


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and name checked. `ca_file` adds to the usual CAs.

    Costs some 20 ms of CPU: make it once. Not `create_default_context`, which would
    write session keys to a file if the environment says so.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    timeout_s: float = 15.0,
    allow_private: bool = False,
    resolver: Resolver = system_resolver,
    tls: ssl.SSLContext | None = None,
    allow_ports: Container[int] = (),
) -> EndpointReply:
    """POST `body` and return the answer, whatever its status. `DeliveryError` if none.

    `headers` go out as they are, beside Host, Content-Length, Accept-Encoding and
    `Connection: close`.
    """
    started = time.perf_counter()
    try:
        target = check_url(url, allow_private, allow_ports)
    except UrlRefused as e:
        address = isinstance(e, AddressRefused)
        kind = FailureKind.REFUSED_ADDRESS if address else FailureKind.URL
        raise DeliveryError(kind, str(e)) from None
    sock: socket.socket | None = None
    try:
        with gevent.Timeout(timeout_s, DeadlinePassed):
            sock = _connect(_checked_addresses(target, resolver, allow_private), target)
            if target.is_tls:
                sock = _handshake(sock, target, tls or _default_tls())
            response = exchange(sock, target, headers, body)
        latency_ms = (time.perf_counter() - started) * 1000
        left_s = timeout_s - latency_ms / 1000
        return EndpointReply(
            status=response.status,
            headers=kept_headers(response),
            body_head=body_head(response, min(BODY_GRACE_S, max(0.001, left_s))),
            latency_ms=latency_ms,
        )
    except DeadlinePassed:
        detail = f"no answer from {target.origin} within {timeout_s:g} s"
        raise DeliveryError(FailureKind.TIMEOUT, detail) from None
    finally:
        if sock is not None:
            sock.close()


def _checked_addresses(
    target: Parsed, resolver: Resolver, allow_private: bool
) -> list[Address]:
    """All addresses of the host, each judged: one that is refused refuses the name."""
    if target.literal is not None:
        return [target.literal]  # judged by check_url
    texts = _resolve(target.host, resolver)
    if len(texts) > MAX_ADDRESSES:
        detail = f"{target.host} has {len(texts)} addresses; at most {MAX_ADDRESSES}"
        raise DeliveryError(FailureKind.DNS, detail)
    for text in texts:
        why = refusal(text, allow_private)
        if why is not None:
            detail = f"{target.host} resolves to {text[:64]}, which is refused: {why}"
            raise DeliveryError(FailureKind.REFUSED_ADDRESS, detail)
    return [ip_address(text) for text in texts]


def _resolve(host: str, resolver: Resolver) -> list[str]:
    late = DeadlinePassed()
    try:
        with gevent.Timeout(DNS_S, late):
            texts = list(dict.fromkeys(resolver(host)))
    except DeadlinePassed as e:
        if e is not late:
            raise  # the deadline of the whole call
        detail = f"{host} was not resolved within {DNS_S:g} s"
        raise DeliveryError(FailureKind.DNS, detail) from None
    except (OSError, UnicodeError) as e:
        detail = f"{host} cannot be resolved: {reason_of(e)}"
        raise DeliveryError(FailureKind.DNS, detail) from e
    if not texts:
        raise DeliveryError(FailureKind.DNS, f"{host} has no address")
    return texts


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


@functools.cache
def _dns_threads() -> ThreadPool:
    return ThreadPool(_DNS_THREADS)


@functools.cache
def _default_tls() -> ssl.SSLContext:
    return tls_context()


def _lookup(host: str) -> list[str] | OSError:
    """In a native thread. The error is a value, or gevent's hub would print it."""
    try:
        infos = _socket.getaddrinfo(host, 0, type=_socket.SOCK_STREAM)
    except OSError as e:
        return e
    return [str(sockaddr[0]) for *_, sockaddr in infos]
