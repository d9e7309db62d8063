"""The node's front door, `/`, and the files of its dashboard.

Without a session it says what this is and where to go, and has a form for a key; with
one it is the dashboard, which asks the API for all that it shows: the page itself holds
nothing. Whether the session still holds, the API says. Other sites can neither frame
the page nor have it load anything of theirs. An API client that asks for `/` gets the
problem that it always got: there is nothing for it here.

Needs no key; each request runs in its connection's greenlet.
"""

from typing import Final

import bottle
from bottle import HTTPResponse, SimpleTemplate

from engine.codes import Code
from transport.http.bottle_app import environ
from transport.http.kept import is_known
from transport.http.problems import Problem
from transport.pages.asset_folder import AssetFolder
from transport.pages.assets import FOLDER, Assets

__all__ = ["routes"]

COOKIES: Final = ("paybell_session", "__Host-paybell_session")

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
_FILE: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(app: bottle.Bottle) -> None:
    """Add the page and its files."""
    front = _Front(AssetFolder(FOLDER / "desk"), Assets())
    app.get("/", callback=front.page)
    app.get("/web/<folder>/<name>", callback=front.file)


class _Front:
    """The handlers; both pages are made once."""

    def __init__(self, desk: AssetFolder, assets: Assets) -> None:
        self._desk = desk
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
        has_session = any(bottle.request.get_cookie(name) for name in COOKIES)
        return HTTPResponse(self._shell if has_session else self._welcome, 200, _PAGE)

    def file(self, folder: str, name: str) -> HTTPResponse:
        """A module, a style sheet."""
        asset = self._desk.find(folder, name)
        if asset is None:
            raise Problem(Code.NOT_FOUND, "There is no such file.")
        headers = {**_FILE, "Content-Type": asset.type, "ETag": f'"{asset.tag}"'}
        if is_known(environ(), headers["ETag"]):
            return HTTPResponse(b"", 304, headers)
        return HTTPResponse(asset.body, 200, headers)
