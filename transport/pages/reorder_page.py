"""`POST /pay/<id>/reorder`: a payer gets a new payment in the place of an expired one.

A form of the checkout page sends it; it works without a script. The answer leads on to
the new payment's page. What is allowed says `transport/control/reorder.py`. Runs in the
request's greenlet, and may wait for a Lightning node there.
"""

import bottle
from bottle import HTTPResponse

from engine.errors import EngineError
from transport.http.bottle_app import environ
from transport.http.problems import Problem, problem_of
from transport.pages.payers import PayerPages, lang_query, words_of_request
from transport.server.client_address import address_key

__all__ = ["routes"]


def routes(app: bottle.Bottle, kit: PayerPages) -> None:
    """Add it, if there is anybody who makes new payments. Needs no key."""
    if kit.reorders is not None:
        page = _ReorderPage(kit)
        path = "/pay/<payment_id>/reorder"
        app.post(path, callback=page.take, limited_by_itself=True)


class _ReorderPage:
    def __init__(self, kit: PayerPages) -> None:
        assert kit.reorders is not None
        self._kit = kit
        self._reorders = kit.reorders

    def take(self, payment_id: str) -> HTTPResponse:
        """303 to the new payment, or a page that says why not."""
        words = words_of_request()
        client = address_key(environ().get("REMOTE_ADDR", ""))
        frames: tuple[str, ...] = ()
        try:
            payment = self._kit.payment(payment_id)
            if payment is None:
                return self._kit.unknown(words)
            frames = self._kit.frames(payment)
            made = self._reorders.make(payment, client)
        except (EngineError, Problem) as error:
            problem = problem_of(error)
            if problem.status in {409, 422}:
                return self._kit.message(409, "not_renewed", words, frames=frames)
            return self._kit.sorry(problem, words, frames)
        # Relative: the way holds below any path of a proxy.
        headers = {
            "Location": f"../{made.id}{lang_query(words)}",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        return HTTPResponse(b"", 303, headers)
