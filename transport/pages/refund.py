"""The page behind a claim link: a payer says where the refund goes. Plain HTML forms.

It works without a script and has none. Three steps: an address is asked for; it is
shown once more, in fours, as coins that went astray do not come back; then it is sent.
The token is in the link and goes on in the form; pages of others are not told of it
(Referrer-Policy), and the node has no log of requests.
"""

import re
from typing import Any, Final

import bottle
from bottle import HTTPResponse, SimpleTemplate

from engine.errors import EngineError, Refused
from engine.gateway import Gateway
from engine.payment.refund import Refund, RefundState
from transport.http.bottle_app import environ
from transport.http.claims import Claims
from transport.http.form_body import fields_of
from transport.http.problems import Problem, problem_of
from transport.pages.assets import FOLDER, Assets
from transport.pages.checkout import grouped
from transport.pages.wording import btc

__all__ = ["routes"]

_ID: Final = re.compile(r"ref_[A-Za-z0-9]{22}", re.ASCII)

_WORDS: Final[dict[RefundState, tuple[str, str]]] = {
    RefundState.OPEN: (
        "Your refund",
        "Where shall it go? Please enter a bitcoin address of your own wallet.",
    ),
    RefundState.PENDING: (
        "Your refund will be sent",
        "You need not do anything. It goes to the address below.",
    ),
    RefundState.PAYING: (
        "Your refund is on its way",
        "It was sent to the address below and is being confirmed.",
    ),
    RefundState.PAID: ("Your refund was sent", "It went to the address below."),
    RefundState.CANCELLED: (
        "This refund was withdrawn",
        "Please ask the shop if that surprises you.",
    ),
    RefundState.EXPIRED: (
        "The time for this refund is over",
        "Nothing was sent. Please ask the shop for a new link.",
    ),
}


def routes(
    app: bottle.Bottle,
    gateway: Gateway,
    claims: Claims,
) -> None:
    """Add the page. Needs no key; what strangers may ask is limited as everywhere."""
    page = _RefundPage(gateway, claims, Assets())
    app.get("/refund/<refund_id>", callback=page.show)
    app.post("/refund/<refund_id>", callback=page.take)


class _RefundPage:
    def __init__(self, gateway: Gateway, claims: Claims, assets: Assets) -> None:
        self._gateway = gateway
        self._claims = claims
        self._assets = assets
        self._template = SimpleTemplate(
            (FOLDER / "refund.html").read_text(encoding="utf-8")
        )

    def show(self, refund_id: str) -> HTTPResponse:
        return self._answer(refund_id, {"token": bottle.request.query.get("token", "")})

    def take(self, refund_id: str) -> HTTPResponse:
        try:
            fields, _ = fields_of(environ())
        except (EngineError, Problem) as error:
            return self._sorry(problem_of(error))
        return self._answer(refund_id, fields)

    def _answer(self, refund_id: str, fields: dict[str, Any]) -> HTTPResponse:
        said = {
            name: str(fields.get(name, ""))[:200]
            for name in ("token", "address", "step")
        }
        try:
            if not _ID.fullmatch(refund_id):
                return self._unknown()
            refund = self._claims.look(refund_id, said["token"])
        except Problem as error:
            return self._unknown() if error.status == 404 else self._sorry(error)
        except EngineError as error:
            return self._sorry(problem_of(error))
        return self._stage(refund, said)

    def _stage(self, refund: Refund, said: dict[str, str]) -> HTTPResponse:
        """What was said of an open one; of others, how they stand."""
        if not said["address"] or refund.state is not RefundState.OPEN:
            is_over = (
                refund.state is RefundState.OPEN
                and self._gateway.now() >= refund.expires_at
            )
            return self._page(
                refund, said, state=RefundState.EXPIRED if is_over else refund.state
            )
        try:
            if said["step"] == "send":
                done = self._claims.claim(refund.id, said["token"], said["address"])
                return self._page(done, said)
            address = self._claims.destination(refund, said["address"])
        except (Refused, Problem, EngineError) as error:
            problem = problem_of(error)
            wrong = problem.detail
            if problem.errors:
                wrong = f"This address {problem.errors[0].message}."
            return self._page(refund, said, wrong=wrong, problem=problem)
        return self._page(refund, said, review=address)

    def _page(
        self,
        refund: Refund,
        said: dict[str, str],
        *,
        state: RefundState | None = None,
        review: str = "",
        wrong: str = "",
        problem: Problem | None = None,
    ) -> HTTPResponse:
        state = state or refund.state
        headline, sentence = _WORDS[state]
        if review:
            headline = "Is this your address?"
            sentence = (
                "Please compare it with your wallet. What is sent to another address"
                " cannot be brought back."
            )
        merchant = self._gateway.merchant(refund.merchant)
        html = self._template.render(
            refund=refund,
            headline=headline,
            sentence=sentence,
            is_open=state is RefundState.OPEN,
            review=review,
            wrong=wrong,
            said=said,
            parts=grouped(review or refund.address),
            shop=merchant.display_name or "",
            amount=btc(refund.amount_sat),
            asset=self._assets.from_below,
        )
        answer = _html(html, 200 if problem is None else problem.status)
        for name, value in ({} if problem is None else problem.headers).items():
            answer.set_header(name, value)
        return answer

    def _unknown(self) -> HTTPResponse:
        return self._message(
            404,
            "There is no such refund",
            "Please check the link: it must be whole. Else ask the shop for a new one.",
        )

    def _sorry(self, problem: Problem) -> HTTPResponse:
        answer = self._message(
            problem.status,
            "Temporarily unavailable",
            "Your refund is safe. Please try again in a minute.",
        )
        for name, value in problem.headers.items():
            answer.set_header(name, value)
        return answer

    def _message(self, status: int, headline: str, sentence: str) -> HTTPResponse:
        html = self._template.render(
            refund=None,
            headline=headline,
            sentence=sentence,
            asset=self._assets.from_below,
        )
        return _html(html, status)


def _html(html: str, status: int) -> HTTPResponse:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "Content-Security-Policy": "default-src 'none'; style-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'",
    }
    return HTTPResponse(html.encode(), status, headers)
