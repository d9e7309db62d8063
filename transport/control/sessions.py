"""`/session`: a person logs in with an API key, looks who is logged in, and logs out.

The key is said once, in a body that no form of another site can send; from then on the
browser has a cookie (`transport/http/sessions.py`). Who is logged in twice in one
browser, for two merchants, has the second session; the first one's page is told so by
its own csrf, which no longer fits. Runs in the request's greenlet.
"""

import logging
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from engine.errors import EngineError
from engine.errors.codes import Code
from engine.merchants.roles import Role, role_of
from engine.payment.events import iso
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, HttpAnswer, answer, environ
from transport.http.inputs import Request
from transport.http.openapi import Operation
from transport.http.problems import Problem
from transport.http.request_json import json_body, typed
from transport.http.sessions import Session, Sessions

__all__ = ["LoginRequest", "SessionView", "routes"]

log = logging.getLogger("paybell.http")

_ELSEWHERE: Final = "A page of another origin logs nobody in here."


class LoginRequest(Request):
    """An API key, once."""

    key: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=512,
            pattern=r"^[\x21-\x7e]+$",
            description="an API key: 1 to 512 visible ASCII characters",
        ),
    ]

    def __repr__(self) -> str:
        return "LoginRequest()"


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is logged in. `merchant` is null for the whole node; `role` is the highest
    whose rights there are (null: not even a viewer's), `scopes` are what counts.
    `csrf` goes into the header X-CSRF-Token of every request that changes something.
    """

    name: str
    merchant: str | None
    role: Role | None
    scopes: tuple[str, ...]
    csrf: str
    expires_at: str

    def __repr__(self) -> str:
        return f"SessionView(name={self.name!r})"


def routes(app: Api, auth: Auth, sessions: Sessions) -> None:
    app.add_all(_SessionRoutes(auth, sessions))


class _SessionRoutes:
    """One method for each operation."""

    def __init__(self, auth: Auth, sessions: Sessions) -> None:
        self._auth = auth
        self._sessions = sessions

    @Operation(
        name="log_in",
        method="POST",
        path="/session",
        tag="session",
        summary="Log in with an API key: a cookie that no script can read then stands"
        " for it, in this browser, for twelve hours or until the key is revoked.",
        request=LoginRequest,
        answers={201: SessionView},
        needs_key=False,
        problems=(401, 403),
        answer_headers={201: ("Set-Cookie",)},
    )
    def log_in(self) -> Any:
        env = environ()
        if not self._sessions.is_of_own_page(env):
            raise Problem(Code.CSRF_REFUSED, _ELSEWHERE)
        asked = typed(json_body(env), LoginRequest)
        principal = self._auth.principal(asked.key)
        session = self._auth.begin(asked.key)
        if principal is None or session is None:
            raise self._auth.refused(env, "The API key is unknown or revoked.")
        before = self._sessions.read(env)
        if before is not None:
            with suppress(EngineError):  # who cannot log out may still log in and look
                self._sessions.end(before)  # the browser forgets it: nobody needs it
        log.info(
            "session.opened key=%s merchant=%s client=%s",
            principal.key_id,
            principal.merchant or "",
            env.get("REMOTE_ADDR", ""),
        )
        cookie = self._sessions.set_cookie(env, session)
        return self._answer(principal, session, 201, cookie)

    @Operation(
        name="get_session",
        method="GET",
        path="/session",
        tag="session",
        summary="Who is logged in in this browser; 204 if nobody is.",
        answers={200: SessionView, 204: None},
        needs_key=False,
    )
    def get_session(self) -> Any:
        principal = self._auth.of_own_page(environ())
        if principal is None or principal.session is None:
            return answer(b"", 204)
        return self._answer(principal, principal.session, 200)

    @Operation(
        name="log_out",
        method="DELETE",
        path="/session",
        tag="session",
        summary="Log out: the cookie opens nothing any more, nor does a copy of it."
        " Without a session this has no effect.",
        answers={204: None},
        needs_key=False,
        problems=(403, 503),
    )
    def log_out(self) -> Any:
        env = environ()
        session = self._sessions.to_end(env)
        if session is not None:
            self._sessions.require_own_page(env, session)
            self._sessions.end(session)
            log.info("session.closed key=%s", session.key_id)
        return answer(b"", 204, {"Set-Cookie": self._sessions.clear_cookie(env)})

    def _answer(
        self,
        principal: Principal,
        session: Session,
        status: int,
        cookie: str | None = None,
    ) -> HttpAnswer:
        view = SessionView(
            name=principal.name,
            merchant=principal.merchant,
            role=role_of(principal.scopes),
            scopes=principal.scopes,
            csrf=self._sessions.csrf(session),
            expires_at=iso(session.ends_at),
        )
        return answer(view, status, {} if cookie is None else {"Set-Cookie": cookie})
