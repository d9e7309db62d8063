"""Sessions of people: an API key said once, then a cookie that no script can read.

    POST /session {"key": "pbk_…"}    →  Set-Cookie: paybell_session=…

The cookie is sealed with the node's key and says which key opened it and when, so that
it outlives a restart. It opens what that key opens, for twelve hours at most, and not a
moment longer than the key itself: a key that is revoked, or a node's key that is
replaced, ends it. Only that somebody has logged out is written down: a copy of the
cookie opens nothing from then on, after a restart either.

A browser sends a cookie with whatever a page has it ask for, so the cookie alone proves
nothing about who asks. What reads is answered to pages of our own origin only (a page
of another port or of a sibling host is "same-site", and SameSite does not stop it);
what changes something also needs the header X-CSRF-Token, which only a page that could
read our answers knows. Behind https the cookie's name begins with `__Host-`: a browser
takes such a one from this very host only, so no sibling host can put its own session
there (RFC 6265bis, 4.1.3.2).

Runs in the request's greenlet. Neither cookie nor token is ever logged.
"""

import base64
import os
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol

import msgspec

from engine.errors import WrongKey
from engine.errors.codes import Code
from engine.gateway import REPLAYED_FOR_MS
from transport.http.problems import Problem
from transport.server.upgrade import is_allowed_origin, origin_of

__all__ = ["COOKIE", "HEADER", "HOURS", "SECURE_COOKIE", "Session", "Sessions"]

HOURS: Final = 12
LIFE_MS: Final = HOURS * 3_600_000
#: A clock that was set back by no more than this is not mistaken for a forged cookie.
BACK_MS: Final = 5 * 60_000

COOKIE: Final = "paybell_session"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"
HEADER: Final = "HTTP_X_CSRF_TOKEN"
#: A sealed session has 230 characters.
MAX_COOKIE: Final = 1_024
#: Sessions that were logged out of since the start: what they opened and is still open
#: is asked after here, without a query. When there are more, the oldest go of the key
#: that has the most.
MOST_ENDED: Final = 10_000

_OWNER: Final = "session cookie"  # no other secret is sealed for a name with a space
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))

_NOT_OURS: Final = (
    "A session is for pages of this node's own origin. A program sends an API key:"
    " Authorization: Bearer pbk_…"
)
_WITHOUT_PROOF: Final = (
    "The header X-CSRF-Token must be the csrf of this session, which GET /session"
    " tells. Load the page anew."
)


class Seal(Protocol):
    """What is needed of the vault."""

    def seal(self, secret: bytes, owner: str) -> str: ...
    def open(self, sealed: str, owner: str) -> bytes: ...
    def csrf_token(self, session_id: str) -> str: ...
    def is_csrf_token(self, session_id: str, token: str) -> bool: ...


class Ends(Protocol):
    """Where it is written who has logged out (`engine.gateway.Gateway`)."""

    def end_session(self, session_id: str) -> None: ...
    def is_session_ended(self, session_id: str) -> bool: ...


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a cookie holds, sealed."""

    id: Annotated[str, msgspec.Meta(min_length=22, max_length=22)]
    key_id: str
    #: A part of the key's hash: PAYBELL_API_KEY has always the same id.
    key_mark: bytes
    begun_at: int  # ms

    @property
    def ends_at(self) -> int:
        """ms."""
        return self.begun_at + LIFE_MS

    def __repr__(self) -> str:
        return f"Session(key_id={self.key_id!r})"


class Sessions:
    """One per node; `repr` shows nothing."""

    def __init__(
        self, vault: Seal, now: Callable[[], int], ends: Ends, public_url: str = ""
    ) -> None:
        """`now` in ms. `public_url`: where browsers reach the node, if it is known."""
        assert LIFE_MS < REPLAYED_FOR_MS, "a session would live again"
        self._ends = ends
        self._vault = vault
        self._now = now
        self._origins = origin_of(public_url)
        self._is_public_https = public_url.lower().startswith("https://")
        #: By id: until when they would have lived, and whose key's they were.
        self._ended: dict[str, tuple[int, str]] = {}
        self._unwritten: set[str] = set()  # of these

    def __repr__(self) -> str:
        return "<Sessions>"

    def begin(self, key_id: str, key_mark: bytes) -> Session:
        """A new one: its id is never one that a client brought."""
        name = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        return Session(name, key_id, key_mark, self._now())

    def end(self, session: Session) -> None:
        """Its cookie opens nothing any more, whoever has a copy of it. Raises what the
        store does: then that is so until the node starts again only."""
        self._note_end(session)
        self._ends.end_session(session.id)
        self._unwritten.discard(session.id)

    def _note_end(self, session: Session) -> None:
        now = self._now()
        if len(self._ended) >= MOST_ENDED:
            self._ended = {n: one for n, one in self._ended.items() if one[0] > now}
        while len(self._ended) >= MOST_ENDED:
            ((most, _),) = Counter(key for _, key in self._ended.values()).most_common(
                1
            )
            oldest = next(n for n, (_, key) in self._ended.items() if key == most)
            del self._ended[oldest]
        self._ended[session.id] = session.ends_at, session.key_id
        self._unwritten = (self._unwritten & self._ended.keys()) | {session.id}

    def read(self, environ: dict[str, Any]) -> Session | None:
        """That of the cookie; None: there is none that (still) counts. Reads the store,
        of a session that is not over by its time."""
        session = self._opened(environ)
        if session is None or not self.is_alive(session):
            return None
        return None if self._ends.is_session_ended(session.id) else session

    def to_end(self, environ: dict[str, Any]) -> Session | None:
        """That of the cookie if it can be logged out of: it counts, or it was not
        written yet that it does no more."""
        session = self._opened(environ)
        if session is not None and session.id in self._unwritten:
            return session
        return self.read(environ)

    def _opened(self, environ: dict[str, Any]) -> Session | None:
        sealed = _cookie(environ, self.cookie_name(environ))
        if sealed is None:
            return None
        try:
            raw = self._vault.open(sealed, _OWNER)
            return msgspec.msgpack.decode(raw, type=Session)
        except (WrongKey, msgspec.MsgspecError):
            return None  # of another node, or of this one before its key was replaced

    def is_alive(self, session: Session) -> bool:
        """Whether its time is not over, and nobody has logged out of it since the
        start; of its key that says nothing. Asks no store: for what it has opened."""
        is_due = session.begun_at - BACK_MS <= self._now() < session.ends_at
        return is_due and session.id not in self._ended

    def csrf(self, session: Session) -> str:
        return self._vault.csrf_token(session.id)

    def require_own_page(self, environ: dict[str, Any], session: Session) -> None:
        """Raises `Problem` 403 unless the request comes from a page of ours, and, if it
        may change something, from one that knows the session's token."""
        if environ["REQUEST_METHOD"] in _SAFE:
            if not self.is_of_own_page(environ):
                raise Problem(Code.CSRF_REFUSED, _NOT_OURS)
            return
        if not self.is_of_own_page(environ, is_proof_wanted=True):
            raise Problem(Code.CSRF_REFUSED, _NOT_OURS)
        if not self._vault.is_csrf_token(session.id, environ.get(HEADER, "")):
            raise Problem(Code.CSRF_REFUSED, _WITHOUT_PROOF)

    def is_of_own_page(
        self, environ: dict[str, Any], *, is_proof_wanted: bool = False
    ) -> bool:
        """Whether nothing says that a page of another origin asks; with
        `is_proof_wanted`, whether the browser says that it is ours.

        Every browser sends Origin with what is no GET and with a WebSocket's opening,
        and most of them Sec-Fetch-Site, always (W3C Fetch Metadata).
        """
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site not in (None, "same-origin") and (is_proof_wanted or site != "none"):
            return False
        if not is_allowed_origin(environ, self._origins):
            return False
        is_said = site is not None or "HTTP_ORIGIN" in environ
        return is_said or not is_proof_wanted

    # -- the cookie --------------------------------------------------------------------

    def cookie_name(self, environ: dict[str, Any]) -> str:
        """Only this one is looked at: behind https a plain one may be a sibling's."""
        return SECURE_COOKIE if self._is_secure(environ) else COOKIE

    def set_cookie(self, environ: dict[str, Any], session: Session) -> str:
        """The value of `Set-Cookie`."""
        sealed = self._vault.seal(msgspec.msgpack.encode(session), _OWNER)
        left_s = max(0, session.ends_at - self._now()) // 1_000
        return self._cookie(environ, sealed, left_s)

    def clear_cookie(self, environ: dict[str, Any]) -> str:
        """The value of `Set-Cookie` that takes it away."""
        return self._cookie(environ, "", 0)

    def _cookie(self, environ: dict[str, Any], value: str, max_age_s: int) -> str:
        parts = [
            f"{self.cookie_name(environ)}={value}",
            "Path=/",
            f"Max-Age={max_age_s}",
            "HttpOnly",
            "SameSite=Strict",
        ]
        if self._is_secure(environ):
            parts.append("Secure")
        return "; ".join(parts)

    def _is_secure(self, environ: dict[str, Any]) -> bool:
        return self._is_public_https or environ.get("wsgi.url_scheme") == "https"


def _cookie(environ: dict[str, Any], name: str) -> str | None:
    """The value of that name, if there is exactly one: of two (RFC 6265 lets paths and
    parent domains have their own), nobody knows which is the one that was logged in
    with."""
    prefix = f"{name}="
    header = environ.get("HTTP_COOKIE", "")
    found = [
        part[len(prefix) :]
        for part in map(str.strip, header.split(";"))
        if part.startswith(prefix)
    ]
    if len(found) != 1 or not 0 < len(found[0]) <= MAX_COOKIE:
        return None
    return found[0]
