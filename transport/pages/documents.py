"""`/docs`: the documentation, the API's page at `/docs/api`, and what the codes of
problem answers mean at `/docs/errors`, where their `type` points.

The same for everybody, and open to all. A page is made in a native thread when it is
first asked for (up to 30 ms each), and kept.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import bottle
import gevent
from bottle import HTTPResponse

from engine.errors.codes import Code
from transport.http.bottle_app import environ
from transport.http.kept import is_known
from transport.http.problems import Problem
from transport.pages.answers import as_response, guarded, page, prefers_html
from transport.pages.assets import Assets
from transport.pages.handbook import HOME, Handbook

__all__ = ["routes"]

_FIVE_MINUTES: Final = "public, max-age=300"
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"

Found = TypeVar("Found")


def routes(app: bottle.Bottle, assets: Assets) -> None:
    """Add the pages. Needs no key."""
    site = _Site(Handbook(assets))
    app.get("/docs", callback=lambda: site.page(HOME))
    app.get("/docs/search.json", callback=site.search)
    app.get("/docs/screenshots/<name>", callback=site.picture)
    app.get("/docs/files/<name>", callback=site.file)
    app.get("/docs/<name>", callback=site.page)


class _Site:
    def __init__(self, handbook: Handbook) -> None:
        self._handbook = handbook

    def page(self, name: str) -> HTTPResponse:
        found = self._handbook.kept(name) or _apart(lambda: self._handbook.page(name))
        if found is not None:
            return page(found)
        problem = Problem(Code.NOT_FOUND, "There is no such page.")
        if not prefers_html(bottle.request.get_header("Accept", "")):
            return as_response(problem)
        return page(_apart(lambda: self._handbook.missing), 404)

    def search(self) -> HTTPResponse:
        body, tag = _apart(lambda: self._handbook.search)
        headers = guarded(_JSON, _FIVE_MINUTES) | {"ETag": f'"{tag}"'}
        if is_known(environ(), headers["ETag"]):
            return HTTPResponse(b"", 304, headers)
        return HTTPResponse(body, 200, headers)

    def picture(self, name: str) -> HTTPResponse:
        return _file(self._handbook.picture(name), "image/png")

    def file(self, name: str) -> HTTPResponse:
        return _file(self._handbook.file(name), _TEXT)


def _file(body: bytes | None, media_type: str) -> HTTPResponse:
    if body is None:
        return as_response(Problem(Code.NOT_FOUND, "There is no such file."))
    return HTTPResponse(body, 200, guarded(media_type, _FIVE_MINUTES))


def _apart(make: Callable[[], Found]) -> Found:
    """Others go on meanwhile."""
    found: Found = gevent.get_hub().threadpool.apply(make)
    return found
