"""Who watches over the node from outside: one POST to a URL, and a look at the disk.

Services for that (healthchecks.io, Uptime Kuma and Better Stack take a POST as well as
a GET) raise the alarm when calls stay away. The URL is the operator's own and may lead
anywhere, also into a private network; it is a secret, as whoever knows it can say that
a dead node lives.
"""

import os
import ssl
from pathlib import Path

from transport.calling.trust import tls_context
from transport.outbound import pinned
from transport.outbound.guard import origin_of
from transport.outbound.lookups import Lookups

__all__ = ["OutsideWatch"]

TIMEOUT_S = 10.0


class OutsideWatch:
    """Implements `engine.ports.Outside`."""

    def __init__(
        self,
        url: str | None,
        folder: Path,
        version: str,
        *,
        lookups: Lookups | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`url` None: only the disk is looked at. `folder`: of the database."""
        self._url = url
        self._folder = folder
        self._user_agent = f"Paybell/{version}"
        self._lookups = lookups or Lookups()
        self._tls = tls or tls_context()

    def beat(self) -> str | None:
        if self._url is None:
            return None
        try:
            reply = pinned.post(
                self._url,
                {"User-Agent": self._user_agent, "Content-Type": "text/plain"},
                b"",
                TIMEOUT_S,
                True,
                self._lookups,
                self._tls,
            )
        except pinned.DeliveryError as error:
            return f"{error.kind}: {error.detail}"
        if 200 <= reply.status <= 299:
            return None
        return f"{origin_of(self._url)} answered {reply.status}"

    def free_bytes(self) -> int | None:
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize
