"""`/web/<name>`: the files of the pages, `paybell.js` for shops' own pages, and the
sheets of merchants' colours."""

from functools import partial
from typing import Final

import bottle
from bottle import HTTPResponse

from engine.errors.codes import Code
from transport.http.problems import Problem
from transport.pages.answers import as_response, guarded
from transport.pages.assets import Assets
from transport.pages.brand import brand_css
from transport.pages.squeezed import file_answer

__all__ = ["routes"]

_ONE_YEAR: Final = "public, max-age=31536000, immutable"
_FIVE_MINUTES: Final = "public, max-age=300"


def routes(app: bottle.Bottle, assets: Assets) -> None:
    """Add the files. Needs no key."""
    app.get("/web/<path>", callback=partial(_file, assets))


def _file(assets: Assets, path: str) -> HTTPResponse:
    """A style sheet, a script, the icon."""
    if (sheet := brand_css(path)) is not None:
        headers = guarded("text/css; charset=utf-8", _ONE_YEAR)
        return HTTPResponse(sheet, 200, headers)
    found = assets.find(path)
    if found is None:
        return as_response(Problem(Code.NOT_FOUND, "There is no such file."))
    asset, never_changes = found
    headers = guarded(asset.type, _ONE_YEAR if never_changes else _FIVE_MINUTES)
    headers["ETag"] = f'"{asset.tag}"'
    # Shops load paybell.js from their own pages, as a script and as a module.
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    headers["Access-Control-Allow-Origin"] = "*"
    return file_answer(asset.body, headers)
