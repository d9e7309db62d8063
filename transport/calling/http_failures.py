"""What failed when a source could not be asked, in our own words.

Those of requests and urllib3 hold host names and whole URLs, and with them tokens.
"""

import socket
import ssl
from collections.abc import Iterator

import urllib3.exceptions

__all__ = ["is_broken_pipe", "reason"]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of; requests and urllib3 wrap several times."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, one.__cause__, one.__context__]
            waiting.append(getattr(one, "reason", None))


def is_broken_pipe(error: BaseException) -> bool:
    return any(
        isinstance(
            cause, ConnectionResetError | ConnectionAbortedError | BrokenPipeError
        )
        for cause in _causes(error)
    )


def reason(error: BaseException) -> str:
    """What failed, in our words: the library's hold host names and URLs."""
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "refuses connections"
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return "broke the connection off"
        if isinstance(cause, socket.gaierror):
            return "has a host name that cannot be found"
        if isinstance(cause, ssl.SSLError):
            return "has no valid TLS certificate"
        if isinstance(cause, urllib3.exceptions.IncompleteRead):
            return "ended its answer too early"
    return "did not answer in HTTP or could not be reached"
