"""Which certificate authorities are believed where we call others over TLS.

Those of the package certifi, which all requests of a Python program go by; or the file
that `SSL_CERT_FILE` names instead, as OpenSSL has it: an operator's own, for a network
whose proxy or services have certificates of their own. The environment is read here and
for this alone.
"""

import os
import ssl
from collections.abc import Sequence
from functools import lru_cache

import certifi

from engine.errors import ConfigError

__all__ = ["ca_file", "check_ca_file", "tls_context"]

VARIABLE = "SSL_CERT_FILE"


def ca_file() -> str:
    """A file of certificates in PEM."""
    return os.environ.get(VARIABLE) or certifi.where()


def check_ca_file() -> None:
    """Raises `ConfigError` if the file that the environment names holds no certificate
    that can be read. The package's own is not looked at: that costs 40 ms of CPU."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"{VARIABLE}: {path!r} is no file of certificates in PEM: {error.strerror}"
        ) from error


def tls_context(
    ca_pem: str | None = None, protocols: Sequence[str] = ("http/1.1",)
) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and name checked. `ca_pem`: only these
    certificates are believed, not the usual CAs. Raises `ValueError` if it holds none.
    `protocols`: what is spoken over it (ALPN); none: it goes without saying.

    The usual ones are read once for all who ask: that costs some 40 ms of CPU.
    """
    if ca_pem is None:
        return _usual_context(ca_file(), tuple(protocols))
    context = _bare_context(protocols)
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as e:
        raise ValueError("no certificates in PEM that can be read") from e
    return context


@lru_cache(maxsize=4)
def _usual_context(path: str, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Nobody changes one that others have, too."""
    context = _bare_context(protocols)
    context.load_verify_locations(path)
    return context


def _bare_context(protocols: Sequence[str]) -> ssl.SSLContext:
    """Not `create_default_context`, which would write session keys to a file if the
    environment says so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
