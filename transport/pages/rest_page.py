"""`POST /pay/<id>/rest`: a payer wants to pay what is missing by Lightning.

A form of the checkout page sends it; it works without a script. The answer leads back
to the page, which shows the invoice; a program is led to the page's state. What is
allowed says `transport/control/rests.py`. Runs in the request's greenlet, and waits for
a Lightning node there.
"""

import bottle
from bottle import HTTPResponse

from engine.errors import EngineError
from transport.http.bottle_app import environ
from transport.http.problems import Problem, problem_of
from transport.pages.answers import prefers_html
from transport.pages.payers import PayerPages, lang_query, words_of_request
from transport.server.client_address import address_key

__all__ = ["routes"]


def routes(app: bottle.Bottle, kit: PayerPages) -> None:
    """Add it, if there is anybody who has invoices made. Needs no key."""
    if kit.rests is not None:
        page = _RestPage(kit)
        path = "/pay/<payment_id>/rest"
        app.post(path, callback=page.take, limited_by_itself=True)


class _RestPage:
    def __init__(self, kit: PayerPages) -> None:
        assert kit.rests is not None
        self._kit = kit
        self._rests = kit.rests

    def take(self, payment_id: str) -> HTTPResponse:
        """303 to the payment, or a page that says why not."""
        words = words_of_request()
        client = address_key(environ().get("REMOTE_ADDR", ""))
        is_page = prefers_html(bottle.request.get_header("Accept", ""))
        frames: tuple[str, ...] = ()
        try:
            payment = self._kit.payment(payment_id)
            if payment is None:
                return self._kit.unknown(words)
            frames = self._kit.frames(payment)
            payment = self._rests.make(payment, client)
        except (EngineError, Problem) as error:
            problem = problem_of(error)
            if problem.status == 409 and is_page:
                back = f"../{payment_id}{lang_query(words)}", words.say("back_to_page")
                return self._kit.message(409, "no_rest", words, back, frames)
            return self._kit.sorry(problem, words, frames)
        # Relative: the way holds below any path of a proxy.
        place = f"../{payment.id}" if is_page else f"../{payment.id}.json"
        headers = {
            "Location": f"{place}{lang_query(words)}",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        return HTTPResponse(b"", 303, headers)
