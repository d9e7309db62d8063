"""What a Redis says, as a person may be shown it: the word that an error begins with,
and what that means. Nothing here is sent or read.
"""

from collections.abc import Mapping
from typing import Final

from transport.outbound.exchange import DeliveryError

__all__ = ["Command", "TooLarge", "code_of", "said"]

Command = tuple[str | bytes | int, ...]

_CODES: Final[Mapping[str, str]] = {
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "NoPermissionError": "NOPERM",
    "AuthenticationWrongNumberOfArgsError": "NOAUTH",
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ExecAbortError": "EXECABORT",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "AskError": "MOVED",
    "ClusterDownError": "CLUSTERDOWN",
}
"""redis-py takes the word away where it has a class for it. By its name: redis-py is
loaded only where there is a Redis."""

_MEANINGS = {
    "OOM": "its memory is full (maxmemory) and it takes nothing more",
    "READONLY": "it is a replica that takes no writes",
    "NOPERM": "the user may not do this (ACL)",
    "NOAUTH": "it wants another user or password",
    "LOADING": "it is loading its data",
    "EXECABORT": "it refused a command",
    "MASTERDOWN": "it is a replica without its master",
    "MOVED": "it is a cluster, which is not supported",
    "CLUSTERDOWN": "it is a cluster, which is not supported",
    "WRONGTYPE": "the key is there and is no stream",
    "MISCONF": "it cannot write to its disk and takes no writes",
    "NOREPLICAS": "it has too few replicas and takes no writes",
    "BUSY": "it is busy with a script",
    "NOGROUP": "the consumer group is gone",
}


class TooLarge(DeliveryError):
    """The answer had more than a link takes."""


def code_of(error: Exception) -> str:
    """The word that an error of Redis begins with, ERR if that is none."""
    for kind in type(error).__mro__:
        if code := _CODES.get(kind.__name__):
            return code
    word = str(error).partition(" ")[0]
    return word if word in _MEANINGS else "ERR"


def said(error: Exception) -> str:
    """One line for people."""
    code = code_of(error)
    return f"{code}: {_MEANINGS.get(code, 'it refused a command')}"
