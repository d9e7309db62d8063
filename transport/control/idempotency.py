"""Idempotency-Key: the first answer is kept with what it created, and given again.

The answer is committed in the same transaction as the payments, so a retry after any
crash finds both or neither. Of two requests with one key at the same time the second
waits for the first. Only what created something is kept; a refused request may be
corrected and sent again under its key.

A key is the merchant's for whom something is created, whatever API key the request
came with: one that is sent again with a rotated API key makes no second payment.

Runs in the request's greenlet. The kept answer holds no secret: whoever replays it
puts the derived ones in again.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from gevent.lock import BoundedSemaphore

from engine.errors import Duplicate
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import DEFAULT, EVERYBODY
from engine.store.records import IdempotentAnswer
from engine.store.writes import KeptAnswer
from transport.http.auth import Principal
from transport.http.openapi import Header
from transport.http.problems import Problem, retry_later

__all__ = ["IDEMPOTENCY_KEY", "Idempotency", "KeyReservation", "key_in"]

WAIT_S = 20.0
"""For another request with the same key: longer than the engine, or a Lightning node,
takes to say no."""

IDEMPOTENCY_KEY = Header(
    name="Idempotency-Key",
    description="1 to 255 visible ASCII characters. For 24 hours, repeating a request"
    " with the same key and the same body returns the first response again"
    " (Idempotent-Replayed: true); the same key with another body is an error (422)."
    " It belongs to the merchant, not to the API key.",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_in(environ: dict[str, Any]) -> str | None:
    """The request's Idempotency-Key. Raises `Problem` 400 for what is none."""
    key: str | None = environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not _KEY.fullmatch(key):
        raise Problem(
            Code.INVALID_IDEMPOTENCY_KEY,
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
        )
    return key


class KeyReservation(msgspec.Struct, frozen=True):
    """The right to answer first to a key. `former`: the scope of an answer from before
    keys were the merchant's."""

    scope: str
    former: str
    key: str
    request_hash: bytes

    def answer(self, status: int, body: bytes, now: int) -> KeptAnswer:
        """What to keep with the things created."""
        return KeptAnswer(self.scope, self.key, self.request_hash, status, body, now)


class Idempotency:
    """All keys in flight in this process."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._in_flight: dict[tuple[str, str], tuple[BoundedSemaphore, list[None]]] = {}

    def run(
        self,
        environ: dict[str, Any],
        principal: Principal,
        merchants: Iterable[object],
        body: bytes,
        act: Callable[[KeyReservation | None], Any],
        replay: Callable[[IdempotentAnswer], Any],
    ) -> Any:
        """The answer of `act`, or that of `replay` if it was given before.

        `merchants`: for whom something is asked for, as the request says it. `body` is
        the canonical form of what was asked. `act` commits the answer of its
        reservation with what it does. Raises `Problem` 400, 409 or 422.
        """
        key = key_in(environ)
        if key is None:
            return act(None)
        path = environ["PATH_INFO"]
        reservation = KeyReservation(
            scope=f"{_owner(principal, merchants)} {path}",
            former=f"{principal.key_id} {path}",
            key=key,
            request_hash=hashlib.sha256(body).digest(),
        )
        with self._exclusive(reservation):
            known = self._known(reservation)
            if known is not None:
                return replay(known)
            try:
                return act(reservation)
            except Duplicate:
                known = self._known(reservation)
                if known is None:
                    raise
                return replay(known)

    def _known(self, reservation: KeyReservation) -> IdempotentAnswer | None:
        known = self._gateway.idempotent_answer(
            reservation.scope, reservation.key, reservation.former
        )
        if known is not None and known.request_hash != reservation.request_hash:
            raise Problem(
                Code.IDEMPOTENCY_KEY_REUSED,
                "This Idempotency-Key was used with another body within the last 24"
                " hours."
                " Use a new key for a new request.",
            )
        return known

    @contextmanager
    def _exclusive(self, reservation: KeyReservation) -> Iterator[None]:
        place = (reservation.scope, reservation.key)
        lock, waiting = self._in_flight.setdefault(place, (BoundedSemaphore(1), []))
        waiting.append(None)
        try:
            if not lock.acquire(timeout=WAIT_S):
                raise retry_later(
                    Code.REQUEST_IN_PROGRESS,
                    "Another request with this Idempotency-Key is still in progress.",
                    5,
                )
            try:
                yield
            finally:
                lock.release()
        finally:
            waiting.pop()
            if not waiting:
                self._in_flight.pop(place, None)


def _owner(principal: Principal, merchants: Iterable[object]) -> str:
    """Whose key it is: of the one merchant that is meant, or of all (a mixed batch).

    Only of one that the caller may see: nobody is to be given another's answer.
    """
    own = principal.merchant
    texts = {name for name in merchants if isinstance(name, str | None)}
    meant = {own or DEFAULT if name is None else name for name in texts}
    (name,) = meant if len(meant) == 1 else (None,)
    if name is not None and principal.may_see(name):
        return name
    return own or EVERYBODY
