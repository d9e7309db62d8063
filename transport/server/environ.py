"""The WSGI environ of a request: what an application sees of it. Nothing waits here.

Used by `transport/server/connection.py`.
"""

from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from transport.server.client_address import (
    ForwardedHeader,
    Network,
    client_address,
    forwarded_elements,
    forwarded_hops,
    is_trusted,
)
from transport.server.request_head import RequestHead

__all__ = ["add_client", "add_request"]

#: Only a proxy that we trust may say these; others' are not even seen.
_FORWARDED: Final = ("x-forwarded-", "forwarded", "x-real-ip")


def add_request(environ: dict[str, Any], head: RequestHead, base: str = "") -> None:
    """What the request line says.

    `base`: what a proxy in front took off the path; WSGI's SCRIPT_NAME, which stands
    before all that we link to.
    """
    path, _, query = head.target.partition("?")
    environ["REQUEST_METHOD"] = head.method
    environ["SCRIPT_NAME"] = base
    if "%" in path:
        path = unquote_to_bytes(path).decode("latin-1")
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = query
    environ["SERVER_PROTOCOL"] = head.version


def add_client(
    environ: dict[str, Any],
    head: RequestHead,
    peer: str,
    proxies: tuple[Network, ...],
    header: ForwardedHeader = "x-forwarded-for",
) -> str:
    """The headers, and whose request it is; the client's address.

    `peer` is who is connected. Behind `proxies` the client is whom they speak for in
    the `header` that they write.
    """
    trusted = is_trusted(peer, proxies)
    for name, value in head.fields:
        if trusted or not name.startswith(_FORWARDED):
            _add_field(environ, name, value)
    client = peer
    if trusted:
        if header == "forwarded":
            elements = list(forwarded_elements(environ.get("HTTP_FORWARDED", "")))
            hops = iter([element.get("for", "") for element in elements])
            scheme = elements[0].get("proto", "") if elements else ""
        else:
            hops = forwarded_hops(environ.get("HTTP_X_FORWARDED_FOR", ""))
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "")
        client = client_address(peer, hops, proxies)
        if scheme.lower() in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme.lower()
    environ["REMOTE_ADDR"] = client
    return client


def _add_field(environ: dict[str, Any], name: str, value: str) -> None:
    key = _environ_key(name)
    if key is None:
        return
    if key in environ:
        value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
    environ[key] = value


@lru_cache(maxsize=512)
def _environ_key(name: str) -> str | None:
    """What CGI calls a header; None for X_Real_IP, which would look like X-Real-IP."""
    if "_" in name:
        return None
    key = name.replace("-", "_").upper()
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
