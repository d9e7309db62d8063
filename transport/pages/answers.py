"""What answers of the pages share: headers that guard them, and problems as JSON."""

from typing import Final

from bottle import HTTPResponse

from engine.merchants.web_places import read_place
from transport.bodies.problem_body import MEDIA_TYPE
from transport.http.bottle_app import environ
from transport.http.problems import Problem
from transport.pages.squeezed import squeeze

__all__ = ["as_response", "guarded", "page", "prefers_html"]

_IMAGES: Final = "img-src 'self' data:"


def guarded(content_type: str, caching: str) -> dict[str, str]:
    """The headers of every answer here. `caching`: of Cache-Control."""
    return {
        "Content-Type": content_type,
        "Cache-Control": caching,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def as_response(problem: Problem) -> HTTPResponse:
    """For who asked for no page."""
    headers = {**guarded(MEDIA_TYPE, "no-store"), **problem.headers}
    return HTTPResponse(problem.body(environ()), problem.status, headers)


def page(
    html: str,
    status: int = 200,
    *,
    frame_ancestors: str = "'self'",
    logo_url: str = "",
    style: str = "",
) -> HTTPResponse:
    """A page that loads from this node alone, and is framed by whom it says.

    `logo_url`: pictures of its origin may be shown, too. `style`: the source of the
    sheet that the page has in itself (`inline_style.py`).
    """
    images = f"{_IMAGES} {read_place(logo_url).origin}" if logo_url else _IMAGES
    styles = f"'self' {style}" if style else "'self'"
    headers = guarded("text/html; charset=utf-8", "no-store")
    headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'"
        f"; style-src {styles};"
        f" {images}; connect-src 'self'; base-uri 'none';"
        f" form-action 'self'; frame-ancestors {frame_ancestors}"
    )
    headers["X-Robots-Tag"] = "noindex, nofollow"
    return squeeze(HTTPResponse(html.encode(), status, headers))


def prefers_html(accept: str) -> bool:
    """Browsers name text/html first; API clients say JSON, anything, or nothing."""
    names = [part.partition(";")[0].strip() for part in accept.lower().split(",")]
    if "text/html" not in names:
        return False
    jsons = [i for i, name in enumerate(names) if name.endswith("json")]
    return not jsons or names.index("text/html") < jsons[0]
