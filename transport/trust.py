"""Which certificate authorities are believed where we call others over TLS.

Those of the package certifi, which all requests of a Python program go by; or the file
that `SSL_CERT_FILE` names instead, as OpenSSL has it: an operator's own, for a network
whose proxy or services have certificates of their own. The environment is read here and
for this alone.
"""

import os
import ssl

import certifi

from engine.errors import ConfigError

__all__ = ["ca_file", "check_ca_file"]

VARIABLE = "SSL_CERT_FILE"


def ca_file() -> str:
    """A file of certificates in PEM."""
    return os.environ.get(VARIABLE) or certifi.where()


def check_ca_file() -> None:
    """Raises `ConfigError` if the file holds no certificate that can be read."""
    path = ca_file()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"{VARIABLE}: {path!r} is no file of certificates in PEM: {error.strerror}"
        ) from error
