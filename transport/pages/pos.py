"""The page of a till, `/pos`: a keypad, an invoice's code, two lights, today's sales.

It holds nothing: whoever opens it signs in with a key (`POST /session`;
`transport/http/till.py` has which keys are taken), and the page asks the API for all
that it shows. It only knows whether somebody is signed in, so that it does not ask in
vain. No key of a Lightning node ever comes to a browser. Other sites can neither frame
the page nor have it load anything of theirs.

`/pos/receipt/<id>.svg` is the code of a link to a payment's receipt: the till shows it,
the guest scans it. Whether there is such a payment, the link itself tells.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import bottle
from bottle import HTTPResponse, SimpleTemplate

from engine.errors import EngineError
from engine.errors.codes import Code
from transport.http.bottle_app import environ
from transport.http.problems import Problem
from transport.pages.answers import guarded
from transport.pages.asset_folder import AssetFolder
from transport.pages.assets import FOLDER, Assets
from transport.pages.qr import MEDIA_TYPES, picture

__all__ = ["routes"]

_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; script-src 'self';"
    " style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}", re.ASCII)


def routes(
    app: bottle.Bottle,
    is_logged_in: Callable[[dict[str, Any]], bool],
    public_url: str = "",
) -> None:
    """Add the page and what it loads. Needs no key.

    `is_logged_in` is asked with a request's environ, and may raise `EngineError`: then
    nobody knows. `public_url`: where guests reach the node; without it, where the till
    does.
    """
    till = AssetFolder(FOLDER / "till")
    till.routes(app)
    template = SimpleTemplate((FOLDER / "pos.html").read_text(encoding="utf-8"))
    modules = [name for name in till.names(".mjs") if name != "till.mjs"]
    words = {"asset": Assets().from_top, "till": till.from_top, "modules": modules}
    pages = {
        is_in: template.render(is_in=is_in, **words).encode() for is_in in (False, True)
    }

    def page() -> HTTPResponse:
        try:
            is_in = is_logged_in(environ())
        except EngineError:
            is_in = True  # the page asks again
        return HTTPResponse(pages[is_in], 200, _HEADERS)

    app.get("/pos", callback=page)
    app.get(
        "/pos/receipt/<payment_id>.svg",
        callback=lambda payment_id: _receipt(payment_id, public_url),
    )


def _receipt(payment_id: str, public_url: str) -> HTTPResponse:
    """Raises `Problem` 404 for what no payment is called."""
    base = public_url or _asked_at()
    if not _ID.fullmatch(payment_id) or base is None:
        raise Problem(Code.NOT_FOUND, "There is no such payment.")
    code = picture("svg", (f"{base}/pay/{payment_id}/receipt",))
    return HTTPResponse(code, 200, guarded(MEDIA_TYPES["svg"], "no-store"))


def _asked_at() -> str | None:
    """The node as this request names it: only who made it sees the answer."""
    env = environ()
    host = env.get("HTTP_HOST", "")
    return f"{env['wsgi.url_scheme']}://{host}" if _HOST.fullmatch(host) else None
