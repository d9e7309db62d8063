"""Answers that take long: streams and long polls.

The server counts whose they are, so that one client behind a proxy cannot take all
connections, and ends the request when its client has gone. Runs in the request's
greenlet.
"""

from typing import Any

from transport.http.problems import Problem

__all__ = ["hold"]


def hold(environ: dict[str, Any]) -> None:
    """Say so before waiting. Raises `Problem` 429 for a client with too many of them.

    From here on the greenlet is killed when the client hangs up: what has to be tidied
    up stands in a `finally`.
    """
    ask = environ.get("paybell.hold")  # absent under another server
    refusal = ask() if ask is not None else None
    if refusal is not None:
        raise Problem(
            refusal.code,
            refusal.detail,
            headers=dict(refusal.headers),
            limit=refusal.limit,
        )
