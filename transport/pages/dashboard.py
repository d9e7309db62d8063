"""The node's front door, `/`, and the files of its dashboard.

Without a session it says what this is and where to go, and has a form for a key; with
one it is the dashboard, which asks the API for all that it shows: the page itself holds
nothing. Other sites can neither frame
the page nor have it load anything of theirs. An API client that asks for `/` gets the
problem that it always got: there is nothing for it here.

Needs no key; each request runs in its connection's greenlet.
"""

from collections.abc import Callable
from typing import Any, Final

import bottle
from bottle import HTTPResponse, SimpleTemplate

from engine.errors import EngineError
from engine.errors.codes import Code
from transport.http.bottle_app import environ
from transport.http.problems import Problem
from transport.pages.asset_folder import AssetFolder
from transport.pages.assets import FOLDER, Assets

__all__ = ["routes"]

_PAGE: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Accept, Cookie",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; script-src 'self';"
    " style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
}


def routes(app: bottle.Bottle, is_logged_in: Callable[[dict[str, Any]], bool]) -> None:
    """Add the page and its files. `is_logged_in` is asked with a request's environ, and
    may raise `EngineError`: then nobody knows."""
    desk = AssetFolder(FOLDER / "desk")
    desk.routes(app)
    app.get("/", callback=_Front(desk, Assets(), is_logged_in).page)


class _Front:
    """The handlers; both pages are made once."""

    def __init__(
        self,
        desk: AssetFolder,
        assets: Assets,
        is_logged_in: Callable[[dict[str, Any]], bool],
    ) -> None:
        self._is_logged_in = is_logged_in
        words = {
            "desk": desk.from_top,
            "asset": assets.from_top,
            "modules": [
                desk.from_top(name)
                for name in desk.names(".mjs")
                if name != "welcome.mjs"
            ],
            "styles": [desk.from_top(name) for name in desk.names(".css")],
        }
        self._welcome, self._shell = (
            SimpleTemplate((FOLDER / name).read_text(encoding="utf-8"))
            .render(**words)
            .encode()
            for name in ("welcome.html", "desk.html")
        )

    def page(self) -> HTTPResponse:
        """For people; whoever does not ask for HTML is no browser."""
        if "text/html" not in bottle.request.get_header("Accept", "").lower():
            raise Problem(
                Code.NOT_FOUND,
                "There is nothing at this path. /openapi.json lists all paths.",
                headers={"Vary": "Accept, Cookie"},
            )
        try:
            is_in = self._is_logged_in(environ())
        except EngineError:
            is_in = True  # the dashboard says what is wrong with the node
        return HTTPResponse(self._shell if is_in else self._welcome, 200, _PAGE)
