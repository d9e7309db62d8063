"""Who may open a WebSocket: decided from the request head, before the 101 is sent.

gevent-websocket would answer 101 to any Origin and only then call the application,
which can no longer say 401. So `judge_request` is asked here first. Pure
functions over the WSGI environ; nothing is sent from here.
"""

import base64
import binascii
import logging
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from engine.errors.codes import Code
from transport.server.allowed_hosts import OPEN_PATHS, AllowedHosts
from transport.server.limits import RateLimiter
from transport.server.refusal import Refusal, problem
from transport.server.request_id import ENVIRON
from transport.server.websocket.connection import WebSocket

__all__ = [
    "LOCAL_PAGES",
    "Endpoint",
    "Routes",
    "is_allowed_origin",
    "judge_host",
    "judge_request",
    "origin_of",
]

_log = logging.getLogger("paybell.http")
_refused_origins = RateLimiter(rate_per_s=1 / 60, burst=3, max_keys=100)
_refused_hosts = RateLimiter(rate_per_s=1 / 60, burst=3, max_keys=100)

LOCAL_PAGES = (
    "http://localhost:*",
    "http://127.0.0.1:*",
    "http://[::1]:*",
    "null",
    "file://",
)
"""Origins of pages that are being written: served on the same machine, or opened as a
file (whose origin most browsers call "null"). Allowed where no money is real."""

#: Called in the connection's greenlet, once the WebSocket is open. It says who listens
#: (`WebSocket.listen`) and returns; where nobody listens then, the WebSocket closes.
Endpoint = Callable[[WebSocket], None]


#: Asked for every GET: None if the path is none of its own (the request goes to the
#: WSGI application), else who serves this client, or why nobody does. It must not
#: have effects: a GET without Upgrade is asked about too.
Routes = Callable[[dict[str, Any]], Endpoint | Refusal | None]


def judge_host(environ: dict[str, Any], hosts: AllowedHosts) -> Refusal | None:
    """421 for a host that we do not answer for."""
    host = environ.get("HTTP_HOST", "")
    if hosts.allows(host) or environ["PATH_INFO"] in OPEN_PATHS:
        return None
    if _refused_hosts.allow(host[:200], time.monotonic()) == 0:
        _log.warning(
            "http.host_refused host=%r client=%s request=%s hint=--allowed-hosts",
            host[:200],
            environ.get("REMOTE_ADDR", ""),
            environ.get(ENVIRON, ""),
        )
    return problem(
        Code.HOST_NOT_ALLOWED,
        "This node does not answer for the host of this request. Its operator names"
        " hosts with --public-url or --allowed-hosts.",
    )


def judge_request(
    environ: dict[str, Any], routes: Routes, origins: Collection[str]
) -> Endpoint | Refusal | None:
    """What to do with a request: None leaves it to the WSGI application."""
    if environ["REQUEST_METHOD"] != "GET":
        return None
    answer = routes(environ)
    if answer is None:
        return None
    if not _wants_upgrade(environ):
        detail = "This address speaks WebSocket: open it with a WebSocket client."
        return problem(Code.UPGRADE_REQUIRED, detail, (("Upgrade", "websocket"),))
    fault = _handshake_fault(environ)
    if fault is not None:
        return fault
    if not is_allowed_origin(environ, origins):
        _log_refused_origin(environ)
        return problem(
            Code.ORIGIN_NOT_ALLOWED,
            "Pages of this origin may not connect. The node's operator names the origin"
            " in the setting allowed_origins (--allowed-origins).",
            limit="allowed_origins",
        )
    return answer


def _log_refused_origin(environ: dict[str, Any]) -> None:
    """So that who forgot to allow an origin finds out; a page of somebody else that
    tries again and again does not fill the log."""
    origin = environ.get("HTTP_ORIGIN", "")[:200]
    if _refused_origins.allow(origin, time.monotonic()) == 0:
        _log.warning(
            "http.origin_refused origin=%r client=%s request=%s hint=--allowed-origins",
            origin,
            environ.get("REMOTE_ADDR", ""),
            environ.get(ENVIRON, ""),
        )


def _wants_upgrade(environ: dict[str, Any]) -> bool:
    options = environ.get("HTTP_CONNECTION", "").lower().replace(" ", "").split(",")
    upgrades = environ.get("HTTP_UPGRADE", "").lower().replace(" ", "").split(",")
    return "upgrade" in options and "websocket" in upgrades


def _handshake_fault(environ: dict[str, Any]) -> Refusal | None:
    """RFC 6455 4.2.1 and 4.4: what gevent-websocket answers with a str, and dies."""
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return problem(Code.BAD_REQUEST, "A WebSocket handshake wants HTTP/1.1.")
    # A proxy takes it for the body, we would take it for frames.
    if environ.get("CONTENT_LENGTH", "0").strip("0") or (
        "HTTP_TRANSFER_ENCODING" in environ
    ):
        return problem(Code.BAD_REQUEST, "A WebSocket handshake has no body.")
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
        return problem(Code.BAD_REQUEST, "Upgrade must be websocket and nothing else.")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        return problem(
            Code.UPGRADE_REQUIRED,
            "Only version 13 of the WebSocket protocol is spoken here.",
            (("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")),
        )
    try:
        key = base64.b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        return problem(
            Code.BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64."
        )
    return None


def is_allowed_origin(environ: dict[str, Any], origins: Collection[str]) -> bool:
    """Whether a page of this Origin may connect; no Origin means no browser.

    Pages from the host that they connect to may; others have to be in `origins`: like
    "https://shop.example", an app's "capacitor://localhost", or "null", which is what a
    page in a file or in a sandbox has. "*" stands for all, and for any port.
    """
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or "*" in origins:
        return True
    asked = _origin_parts(origin)
    if asked is None:
        return origin.lower() in {allowed.lower() for allowed in origins}
    if any(_is_meant(asked, allowed.removesuffix("/")) for allowed in origins):
        return True
    # With the scheme of the origin: a proxy that ends TLS need not tell us.
    return asked == _origin_parts(f"{asked[0]}://{environ.get('HTTP_HOST', '')}")


def _is_meant(asked: tuple[str, str, int], allowed: str) -> bool:
    any_port = allowed.removesuffix(":*")
    parts = _origin_parts(any_port)
    if parts is not None and any_port != allowed:
        return asked[:2] == parts[:2]
    return asked == parts


def origin_of(url: str) -> tuple[str, ...]:
    """The one origin of a web address; none if there is no address."""
    parts = urlsplit(url)
    return (f"{parts.scheme}://{parts.netloc}",) if parts.netloc else ()


def _origin_parts(origin: str) -> tuple[str, str, int] | None:
    """(scheme, host, port) in lower case, or None if it is no web origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return None
    return (
        parts.scheme,
        parts.hostname,
        port or (443 if parts.scheme == "https" else 80),
    )
