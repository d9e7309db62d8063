"""Variables of the environment that are ours by their name, and are not.

Kubernetes tells each container of the services in its namespace by variables. Of a
service that is called `paybell` these are `PAYBELL_SERVICE_HOST`,
`PAYBELL_SERVICE_PORT`, `PAYBELL_PORT=tcp://10.0.0.1:8080`, `PAYBELL_PORT_8080_TCP`,
`PAYBELL_PORT_8080_TCP_PROTO`, `_PORT` and `_ADDR`; of one called `paybell-db` the same
with `PAYBELL_DB_` (Kubernetes, "Service", discovering services: environment variables).
Pure.
"""

import re
from collections.abc import Mapping

__all__ = ["without_kubernetes"]

_NAMES = re.compile(
    r"PAYBELL_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?"
    r"|PORT_\d{1,5}_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_PORTS = re.compile(r"PAYBELL_(\w+_)?PORT")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+")


def without_kubernetes(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment without what Kubernetes wrote, and the names of that."""
    theirs = sorted(name for name, value in environ.items() if _is_theirs(name, value))
    return {n: v for n, v in environ.items() if n not in theirs}, theirs


def _is_theirs(name: str, value: str) -> bool:
    if _NAMES.fullmatch(name):
        return True
    return bool(_PORTS.fullmatch(name) and _ADDRESS.fullmatch(value))
