"""Where `/socket.io/` is on: made of its parts when somebody may use it.

python-socketio is large (0.2 s to import, 10 MB). A node none of whose merchants takes
tokens of its site does not load it; one that begins to while the node runs finds it
loaded with the first client. Knows its parts by name only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import bottle

from engine.errors.codes import Code
from transport.http.bottle_app import Api, HttpAnswer
from transport.http.problems import Problem, rate_limited
from transport.http.strangers import LIMIT, TOO_MANY, Strangers
from transport.live.socketio.limits import PATH
from transport.server.refusal import Refusal
from transport.server.upgrade import Endpoint

if TYPE_CHECKING:
    from transport.live.socketio.engine import Engine

__all__ = ["Mount"]

_METHODS: Final = ("GET", "POST", "OPTIONS")
_OFF: Final = (
    "Socket.IO is off here: no merchant takes tokens of its site (jwt in its record),"
    " and no seed named salon is set."
)


class Mount:
    """One per node."""

    def __init__(
        self,
        is_on: Callable[[], bool],
        make: Callable[[], Engine],
        strangers: Strangers | None = None,
    ) -> None:
        """`strangers` limits who asks while it is off; then nothing else does."""
        self._is_on = is_on
        self._make = make
        self._strangers = strangers
        self._engine: Engine | None = None
        if is_on():
            self._engine = make()

    def add_to(self, app: Api) -> None:
        for method in _METHODS:
            # A session's own requests are counted by it.
            by_itself = method != "OPTIONS"
            app.route(
                PATH, method, self._answer, limited_by_itself=by_itself, streams=False
            )

    def route(self, environ: dict[str, Any]) -> Endpoint | Refusal | None:
        """`transport.server.upgrade.Routes`, of this path."""
        if environ["PATH_INFO"] != PATH or not self._is_on():
            return None
        return self._made().route(environ)

    def _answer(self) -> HttpAnswer:
        if not self._is_on():
            self._count()
            raise Problem(Code.NOT_FOUND, _OFF)
        return self._made().answer()

    def _count(self) -> None:
        environ = bottle.request.environ
        wait_s = 0.0 if self._strangers is None else self._strangers.wait_s(environ)
        if wait_s > 0:
            raise rate_limited(TOO_MANY, wait_s, LIMIT)

    def _made(self) -> Engine:
        if self._engine is None:
            self._engine = self._make()
        return self._engine
