"""The page behind a claim link: a payer says where the refund goes. Plain HTML forms.

It works without a script and has none. Three steps: an address is asked for; it is
shown once more, in fours, as coins that went astray do not come back; then it is sent.
The token is in the link and goes on in the form; pages of others are not told of it
(Referrer-Policy), and the node has no log of requests.
"""

import re
from collections.abc import Mapping
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
from transport.pages.brand import brand_url
from transport.pages.checkout import grouped
from transport.pages.language import Words, words_asked

__all__ = ["routes"]

_ID: Final = re.compile(r"ref_[A-Za-z0-9]{22}", re.ASCII)


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
        query = bottle.request.query
        said = {name: query.get(name, "") for name in ("token", "lang")}
        return self._answer(refund_id, said)

    def take(self, refund_id: str) -> HTTPResponse:
        try:
            fields, _ = fields_of(environ())
        except (EngineError, Problem) as error:
            return self._sorry(problem_of(error), _words({}))
        return self._answer(refund_id, fields)

    def _answer(self, refund_id: str, fields: dict[str, Any]) -> HTTPResponse:
        said = {
            name: str(fields.get(name, ""))[:200]
            for name in ("token", "address", "step", "lang")
        }
        words = _words(said)
        try:
            if not _ID.fullmatch(refund_id):
                return self._message(404, "refund_unknown", words)
            refund = self._claims.look(refund_id, said["token"])
        except Problem as error:
            if error.status == 404:
                return self._message(404, "refund_unknown", words)
            return self._sorry(error, words)
        except EngineError as error:
            return self._sorry(problem_of(error), words)
        return self._stage(refund, said, words)

    def _stage(
        self, refund: Refund, said: dict[str, str], words: Words
    ) -> HTTPResponse:
        """What was said of an open one; of others, how they stand."""
        if not said["address"] or refund.state is not RefundState.OPEN:
            is_over = (
                refund.state is RefundState.OPEN
                and self._gateway.now() >= refund.expires_at
            )
            state = RefundState.EXPIRED if is_over else refund.state
            return self._page(refund, said, words, state=state)
        try:
            if said["step"] == "send":
                done = self._claims.claim(refund.id, said["token"], said["address"])
                return self._page(done, said, words)
            address = self._claims.destination(refund, said["address"])
        except (Refused, Problem, EngineError) as error:
            return self._page(refund, said, words, problem=problem_of(error))
        return self._page(refund, said, words, review=address)

    def _page(
        self,
        refund: Refund,
        said: dict[str, str],
        words: Words,
        *,
        state: RefundState | None = None,
        review: str = "",
        problem: Problem | None = None,
    ) -> HTTPResponse:
        state = state or refund.state
        key = "refund_review" if review else f"refund_{state}"
        merchant = self._gateway.merchant(refund.merchant)
        html = self._template.render(
            refund=refund,
            headline=words.say(key),
            sentence=words.say(f"{key}_why"),
            words=words,
            say=words.say,
            is_open=state is RefundState.OPEN,
            review=review,
            wrong="" if problem is None else words.say(_wrong_key(problem)),
            said=said,
            parts=grouped(review or refund.address),
            shop=merchant.display_name or "",
            brand_url=brand_url(merchant.brand_color),
            asset=self._assets.from_below,
        )
        answer = _html(html, words, 200 if problem is None else problem.status)
        for name, value in ({} if problem is None else problem.headers).items():
            answer.set_header(name, value)
        return answer

    def _sorry(self, problem: Problem, words: Words) -> HTTPResponse:
        answer = self._message(problem.status, "refund_unavailable", words)
        for name, value in problem.headers.items():
            answer.set_header(name, value)
        return answer

    def _message(self, status: int, key: str, words: Words) -> HTTPResponse:
        html = self._template.render(
            refund=None,
            brand_url="",
            headline=words.say(key),
            sentence=words.say(f"{key}_why"),
            words=words,
            say=words.say,
            asset=self._assets.from_below,
        )
        return _html(html, words, status)


def _words(said: Mapping[str, str]) -> Words:
    return words_asked(said, bottle.request.get_header("Accept-Language"))


def _wrong_key(problem: Problem) -> str:
    """What is said of a destination that was refused. The problem itself is worded for
    developers, in English."""
    if problem.errors:
        return "refund_wrong_address"
    return "refund_too_often" if problem.status == 429 else "refund_wrong"


def _html(html: str, words: Words, status: int) -> HTTPResponse:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Language": words.tag,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "Content-Security-Policy": "default-src 'none'; style-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'",
    }
    return HTTPResponse(html.encode(), status, headers)
