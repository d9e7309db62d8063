"""The page of a till, `/pos`: a keypad, an invoice's code, and two lights.

It is the same for everybody and holds nothing: whoever opens it says a key, which stays
in that tab (`transport/http/till.py` has which keys are taken), and the page asks the
API with it. No node's key ever comes to a browser. Other sites can neither frame the
page nor have it load anything of theirs.
"""

from typing import Final

import bottle
from bottle import HTTPResponse, SimpleTemplate

from transport.pages.assets import FOLDER, Assets

__all__ = ["routes"]

_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; script-src 'self';"
    " style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
}


def routes(app: bottle.Bottle) -> None:
    """Add the page. Needs no key."""
    template = SimpleTemplate((FOLDER / "pos.html").read_text(encoding="utf-8"))
    page = template.render(asset=Assets().from_top).encode()
    app.get("/pos", callback=lambda: HTTPResponse(page, 200, _HEADERS))
