"""The API's page, `/docs`, and what the codes of problem answers mean, `/docs/errors`.

Rendered once, when the routes are made; the same for everybody, and open to all.
"""

import bottle
from bottle import SimpleTemplate

from transport.pages.answers import page
from transport.pages.assets import FOLDER, Assets
from transport.pages.markdown import to_html

__all__ = ["routes"]


def routes(app: bottle.Bottle, assets: Assets) -> None:
    """Add the pages. Needs no key."""
    docs = _template("docs").render(asset=assets.from_top)
    errors = _template("errors").render(
        text=to_html((FOLDER / "errors.md").read_text(encoding="utf-8")),
        asset=assets.from_below,
    )
    app.get("/docs", callback=lambda: page(docs))
    app.get("/docs/errors", callback=lambda: page(errors))


def _template(name: str) -> SimpleTemplate:
    return SimpleTemplate((FOLDER / f"{name}.html").read_text(encoding="utf-8"))
