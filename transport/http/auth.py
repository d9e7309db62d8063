"""Who is calling: keys, sessions, and how often a key or an unknown client may come.

A key is 32 random bytes, so a plain SHA-256 of it may be stored: there is nothing to
guess, and nothing slow to wait for. Keys are kept in memory for a few seconds; one
that is revoked ends then, one that is new is looked for at once. Where there is no key,
the cookie of a session stands for the one that opened it (`sessions.py`).

Called by HTTP handlers and by the gate of WebSockets, in the connection's greenlet.
It knows no payment: what a principal may see, the handlers decide.
"""

import contextlib
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import gevent
import msgspec
from gevent.lock import BoundedSemaphore
from msgspec.structs import replace

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import EVERYBODY
from engine.merchants.scopes import Scope, default_scopes
from engine.policy.fair_share import FairShare
from transport.http.problems import Problem, rate_limited
from transport.http.sessions import Session, Sessions
from transport.server.client_address import address_key
from transport.server.limits import RateLimiter

__all__ = ["SCOPE", "Auth", "KeyLimits", "Principal", "hash_key", "new_key"]

WRITE_COST = 3.0
"""Calls that only read, for one that commits something: a node answers some 9,400 of
those in a second and 3,000 of these (bench/RESULTS.md)."""

SCOPE = "paybell.scope"
"""In the environ: the right that the route wants (`Operation.scope`)."""

CACHE_S = 5.0
"""A revoked key works for so long at most."""

RENEW_S = 2.5
"""After so long the keys are read again beside the calls, so that none has to wait."""

MISSES_PER_S, MISSES_BURST = 5.0, 20
"""An unknown key makes us read the keys again, but no oftener than this."""

_BOOTSTRAP = "bootstrap"
"""The id of PAYBELL_API_KEY, which is there as long as the node runs."""

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([\x21-\x7e]{1,512}) *")
_MARK_BYTES = 8  # of a key's hash, in the sessions that it opened
_OF_SESSION = "session "  # how the leases of sessions begin: no key's id does

_REALM = 'Bearer realm="paybell"'
_CHALLENGE = {"WWW-Authenticate": _REALM}


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is given out to those with keys, and how patient we are with others."""

    #: Calls that read, which the node takes of all together (`calls_per_s`): some more
    #: than it can answer, so that one merchant alone is held up by nothing but that.
    rate_per_s: float = 12_000.0
    #: At once, of each merchant and of what is lent.
    burst: int = 1_000
    #: Which part is given out while more than one merchant calls.
    shared: float = 0.5
    #: Wrong keys, by client address. Nobody guesses 256 bits; this bounds the noise.
    failure_rate_per_s: float = 0.5
    failure_burst: int = 20


class Principal(msgspec.Struct, frozen=True):
    """Who a key stands for. `merchant` None: the whole node."""

    key_id: str
    name: str
    merchant: str | None
    scopes: tuple[str, ...] = ()
    #: How it came in: a session's cookie; None: the key itself.
    session: Session | None = None

    @property
    def lease(self) -> str:
        """What has to last for what is opened and stays open (`Auth.is_active`)."""
        if self.session is None:
            return self.key_id
        session = self.session
        return f"{_OF_SESSION}{session.id} {session.begun_at} {self.key_id}"

    def may(self, scope: Scope) -> bool:
        """Whether the key has this right."""
        return scope in self.scopes

    def may_see(self, merchant: str) -> bool:
        """Whether something of that merchant is this caller's business."""
        return self.merchant is None or self.merchant == merchant


def new_key() -> str:
    """A fresh API key. Shown once; keep only `hash_key` of it."""
    return "pbk_" + secrets.token_urlsafe(32)


def hash_key(text: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(text.encode()).digest()


class Auth:
    """See the module docstring. `repr` shows nothing."""

    def __init__(
        self,
        gateway: Gateway,
        bootstrap_key: str | None,
        *,
        limits: KeyLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sessions: Sessions | None = None,
    ) -> None:
        """`bootstrap_key` (PAYBELL_API_KEY) is a key for the whole node. Without
        `sessions`, no cookie opens anything."""
        limits = limits or KeyLimits()
        self._sessions = sessions
        self._gateway = gateway
        self._bootstrap = hash_key(bootstrap_key) if bootstrap_key else None
        self._clock = clock
        self._calls = FairShare(limits.rate_per_s, limits.burst, limits.shared)
        self._failures = RateLimiter(limits.failure_rate_per_s, limits.failure_burst)
        self._misses = RateLimiter(MISSES_PER_S, MISSES_BURST, max_keys=1)
        self._known: dict[bytes, Principal] = {}
        self._by_id: dict[str, tuple[bytes, Principal]] = {}  # the same
        self._read_at: float | None = None  # when the read began that they are from
        self._renewed: float | None = None  # which keys others are read in place of
        self._reading = BoundedSemaphore(1)
        self._begun = self._ended = 0  # reads, counted
        self._changes = 0

    def __repr__(self) -> str:
        return "<Auth>"

    hash_key = staticmethod(hash_key)

    def require(self, environ: dict[str, Any]) -> Principal:
        """The caller. Raises `Problem` 401 (no or wrong key), 403 (the key has not the
        right that the route wants, or a session's request is not of its page) or 429.

        A Bearer header counts before the cookie; another scheme is between the browser
        and a proxy in front of us, and is no key.
        """
        header = environ.get("HTTP_AUTHORIZATION", "")
        match = _BEARER.fullmatch(header)
        principal = self.principal(match[1]) if match is not None else None
        if match is None and not header[:7].lower().startswith("bearer"):
            principal = self.by_session(environ)
        if principal is None:
            raise self.refused(
                environ,
                "The API key is unknown or revoked; `paybell keys` lists and creates"
                " keys."
                if header
                else "An API key is required: send Authorization: Bearer pbk_…, or log"
                " in at POST /session.",
            )
        if principal.session is not None and self._sessions is not None:
            self._sessions.require_own_page(environ, principal.session)
        scope = environ.get(SCOPE)
        self._count(principal, 1 if scope in {None, Scope.READ} else WRITE_COST)
        if scope is not None and not principal.may(scope):
            raise _lacks(principal, scope)
        return principal

    def charge(self, principal: Principal, calls: float) -> None:
        """What was asked for is as much work as so many more calls: later ones wait."""
        self._calls.charge(_owner(principal), calls)

    def _count(self, principal: Principal, cost: float) -> None:
        """Raises `Problem` 429. Whatever is counted is the merchant's, not the key's:
        nobody gets more of the node by having more keys."""
        own = None
        if principal.merchant is not None:
            own = self._gateway.merchant(principal.merchant).limits.calls_per_s
        wait = self._calls.take(_owner(principal), self._clock(), cost, own)
        if wait is None:
            return
        detail = (
            "This merchant's own limit of calls a second is reached"
            " (merchant_calls_per_s, or limits.calls_per_s of the merchant)."
            if wait.is_ceiling
            else "This merchant's share of the node's calls is used up, and so is what"
            " others leave of theirs (calls_per_s)."
        )
        raise rate_limited(
            detail,
            wait.seconds,
            "merchant_calls_per_s" if wait.is_ceiling else "calls_per_s",
        )

    def principal(self, key: str) -> Principal | None:
        """Whom a key stands for, without counting the call."""
        digest = hash_key(key)
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            return _bootstrap()
        now = self._clock()
        read_at = self._read_at
        if read_at is None or now - read_at >= CACHE_S:
            self._read_anew()
        elif now - read_at >= RENEW_S and self._renewed != read_at:
            self._renewed = read_at
            gevent.spawn(self._renew)
        found = self._find(digest)
        if found is None and self._misses.allow("", now) == 0:
            self._read_anew()
            found = self._find(digest)
        return found

    def by_session(self, environ: dict[str, Any]) -> Principal | None:
        """Whom the request's cookie stands for, without counting the call nor asking
        whether a page of ours sends it. May read the store, as a call with a key may.
        """
        session = None if self._sessions is None else self._sessions.read(environ)
        if session is None:
            return None
        found = self._of_id(session.key_id)
        if found is None or not hmac.compare_digest(
            found[0][:_MARK_BYTES], session.key_mark
        ):
            return None
        return replace(found[1], session=session)

    def of_own_page(self, environ: dict[str, Any]) -> Principal | None:
        """`by_session`, for what works without a session, too: None on other pages."""
        principal = self.by_session(environ)
        if principal is None or self._sessions is None:
            return None
        return principal if self._sessions.is_of_own_page(environ) else None

    def begin(self, key: str) -> Session | None:
        """A session of this key; None if nobody has it."""
        principal = self.principal(key)
        if principal is None or self._sessions is None:
            return None
        return self._sessions.begin(principal.key_id, hash_key(key)[:_MARK_BYTES])

    def is_active(self, what: str) -> bool:
        """Whether a key or a session that was used before may still be: for what it
        opened and is still open (`Principal.lease`). May read the store, as a call with
        a key may."""
        if what.startswith(_OF_SESSION):
            _, name, begun_at, key_id = what.split(" ", 3)
            session = Session(name, key_id, b"", int(begun_at))
            if self._sessions is None or not self._sessions.is_alive(session):
                return False
            what = key_id
        return self._of_id(what) is not None

    def _of_id(self, key_id: str) -> tuple[bytes, Principal] | None:
        """The key with this id, with its hash, as it was a few seconds ago at most. By
        a look-up: of thousands of streams each is asked after, one after the other."""
        if self._bootstrap is not None and key_id == _BOOTSTRAP:
            return self._bootstrap, _bootstrap()
        read_at = self._read_at
        if read_at is None or self._clock() - read_at >= CACHE_S:
            self._read_anew()
        return self._by_id.get(key_id)

    def forget(self) -> None:
        """Keys have changed: read them again for the next call."""
        self._changes += 1
        self._read_at = None

    def refused(self, environ: dict[str, Any], detail: str) -> Problem:
        """401, or 429 for an address from which too many wrong keys come."""
        client = address_key(environ.get("REMOTE_ADDR", ""))
        wait_s = self._failures.allow(client, self._clock())
        if wait_s > 0:
            return rate_limited(
                "Too many requests without a valid API key from this address"
                " (wrong_keys_per_minute).",
                wait_s,
                "wrong_keys_per_minute",
            )
        return Problem(Code.UNAUTHORIZED, detail, headers=_CHALLENGE)

    def _find(self, digest: bytes) -> Principal | None:
        """Every hash is compared, so that the time tells nothing about any of them."""
        found = None
        for known, principal in self._known.items():
            if hmac.compare_digest(known, digest):
                found = principal
        return found

    def _renew(self) -> None:
        # Tried once: if it fails, the call that has to know will read, and be told.
        with contextlib.suppress(Exception):
            self._read_anew()

    def _read_anew(self) -> None:
        """Have the keys as they are now or later. One reads for all who wait: many
        callers meet at the end of a cache.
        """
        wanted = self._begun + 1
        with self._reading:
            while self._ended < wanted:
                self._begun += 1
                number, began, changes = self._begun, self._clock(), self._changes
                records = self._gateway.keys()
                self._known = {
                    record.hash: Principal(
                        record.id, record.name, record.merchant, record.scopes
                    )
                    for record in records
                    if record.revoked_at is None and record.merchant != EVERYBODY
                }
                self._by_id = {one.key_id: (h, one) for h, one in self._known.items()}
                if changes == self._changes:  # else they changed while we read
                    self._ended, self._read_at = number, began


def _bootstrap() -> Principal:
    return Principal(_BOOTSTRAP, _BOOTSTRAP, None, default_scopes(None))


def _owner(principal: Principal) -> str:
    """Whose calls they are: a merchant's, or the operator's."""
    return principal.merchant or ""


def _lacks(principal: Principal, scope: str) -> Problem:
    """403, in the words of RFC 6750 too."""
    detail = (
        f"This needs the scope {scope}; this key has"
        f" {', '.join(principal.scopes) or 'none'}. `paybell keys create NAME --scope"
        f" {scope}` makes one that has it."
    )
    if scope == Scope.OPERATOR and principal.merchant is not None:
        detail = f"This needs the scope {scope}, of a key of the whole node."
    challenge = f'{_REALM}, error="insufficient_scope", scope="{scope}"'
    return Problem(Code.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})
