"""A payment's checkout at `/pay/<id>`, its JSON twin, and its QR code at
`/v1/payments/<id>/qr.svg` and `qr.png`. The routes of the files and of the documents
(`web_files.py`, `documents.py`) are added with them.

The server writes the whole page, so it is right at once, without a request and without
JavaScript; the script only asks for `/pay/<id>.json` when the payment has moved and
puts the new parts in place. Whoever has a payment's link sees its page: the id is the
key, as unguessable as a random number of 128 bits, and nothing of the shop's is shown
but its own order number, its name and logo, and when it is paid the way back to it.

What is said in which case is `transport/pages/checkout.py`. Called by run.py through
`routes`; each request runs in its connection's greenlet.
"""

import json
import re
from typing import Any, Final

import bottle
from bottle import HTTPResponse, SimpleTemplate

from engine.codes import Code
from engine.errors import EngineError
from engine.gateway import Gateway
from engine.lightning.upstream import UpstreamState
from engine.merchants.payment_methods import LIGHTNING, ONCHAIN
from engine.money.amount import sat_to_btc
from engine.payment.events import iso
from engine.payment.model import WAITED_FOR, EventType, Flag, Payment
from engine.payment.uri import invoice_uri
from transport.http.bottle_app import environ
from transport.http.problems import Problem, problem_of, retry_later
from transport.http.strangers import LIMIT, TOO_MANY, StrangerLimits, Strangers
from transport.pages import documents, web_files
from transport.pages.answers import as_response, guarded, page, prefers_html
from transport.pages.assets import FOLDER, Assets
from transport.pages.checkout import Checkout, grouped, look
from transport.pages.language import Words, words_asked
from transport.pages.qr import MEDIA_TYPES, inline_svg, picture
from transport.pages.ways import UNIFIED, Way, qr_segments

__all__ = ["embedded_json", "routes"]

_PARTS: Final = ("summary", "pay", "steps")
_PAYMENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_HISTORY: Final = 200  # events read to learn whether a payment was reversed once


def routes(
    app: bottle.Bottle,
    gateway: Gateway,
    *,
    frame_ancestors: str = "'self'",
    limits: StrangerLimits | None = None,
) -> None:
    """Add the pages. Needs no key.

    `frame_ancestors`: who may show the checkout in a frame, as in a Content Security
    Policy: `'none'`, `'self'`, or origins like `https://shop.example`. Raises
    ValueError for text that could not be one.
    """
    if not re.fullmatch(r"[A-Za-z0-9:/.*'\-\[\] ]+", frame_ancestors):
        raise ValueError(
            "frame_ancestors is 'none', 'self' or a list of origins,"
            f" not {frame_ancestors!r}"
        )
    assets = Assets()
    pages = _Pages(gateway, assets, frame_ancestors, Strangers(limits))
    # First the longer: an id has no point in it.
    # They limit themselves: a payer is told so on a page.
    for path, answer in (
        ("/pay/<payment_id:re:[^/]+>.json", pages.state),
        ("/pay/<payment_id>", pages.checkout),
        ("/v1/payments/<payment_id>/qr.<kind:re:svg|png>", pages.qr),
    ):
        app.get(path, callback=answer, limited_by_itself=True)
    web_files.routes(app, assets)
    documents.routes(app, assets)


def embedded_json(value: object) -> str:
    """JSON that may stand in a script element, whatever strings are in it.

    "</script>" or "<!--" in a string would end or open markup, and U+2028/9 were line
    ends to older JavaScript: all of them are written as JSON escapes.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


class _Pages:
    """The handlers, and what they share."""

    def __init__(
        self,
        gateway: Gateway,
        assets: Assets,
        frame_ancestors: str,
        strangers: Strangers,
    ) -> None:
        self._gateway = gateway
        self._assets = assets
        self._strangers = strangers
        self._frame_ancestors = frame_ancestors
        names = {key: f"{key}.html" for key in ("pay", "message", "steps")}
        parts = {"summary": "summary.html", "panel": "pay_panel.html"}
        self._templates = {
            key: SimpleTemplate((FOLDER / name).read_text(encoding="utf-8"))
            for key, name in {**names, **parts}.items()
        }

    # -- handlers ------------------------------------------------------------------

    def checkout(self, payment_id: str) -> HTTPResponse:
        """The page."""
        words = _words()
        try:
            payment = self._payment(payment_id)
        except (EngineError, Problem) as error:
            return self._sorry(problem_of(error), words)
        if payment is None:
            return self._unknown(words)
        view = self._look(payment, words)
        state = self._state_of(view, words)
        embedded = {k: v for k, v in state.items() if k != "parts"}
        html = self._templates["pay"].render(
            view=view,
            words=words,
            say=words.say,
            parts=state["parts"],
            state=embedded_json({**embedded, "words": words.script}),
            as_of=words.date_time(state["now"]),
            asset=self._assets.from_below,
        )
        return self._page(html, words, logo_url=view.logo_url)

    def state(self, payment_id: str) -> HTTPResponse:
        """What the page's script asks for: state, and the page's parts in HTML."""
        try:
            payment = self._payment(payment_id)
        except (EngineError, Problem) as error:
            return as_response(problem_of(error))
        if payment is None:
            return as_response(
                Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
            )
        words = _words()
        state = self._state_of(self._look(payment, words), words)
        body = json.dumps(state, ensure_ascii=False)
        return HTTPResponse(body.encode(), 200, guarded("application/json", "no-store"))

    def qr(self, payment_id: str, kind: str) -> HTTPResponse:
        """The payment's QR code alone, as long as there is something to pay."""
        try:
            payment = self._payment(payment_id)
        except (EngineError, Problem) as error:
            return as_response(problem_of(error))
        if payment is None:
            return as_response(
                Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
            )
        ways = self._look(payment, _words()).ways
        if not ways:
            text = "Nothing is to be paid, so that there is no QR code."
            return as_response(Problem(Code.NOT_FOUND, text))
        try:
            uri = _uri_in(ways, bottle.request.query.get("method"))
        except Problem as problem:
            return as_response(problem)
        headers = guarded(MEDIA_TYPES[kind], "no-store")
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # on a shop's page
        return HTTPResponse(picture(kind, qr_segments(uri)), 200, headers)

    # -- parts of them -------------------------------------------------------------

    def _payment(self, payment_id: str) -> Payment | None:
        """None if there is none. Raises `Problem` for a client that asks too often."""
        wait_s = self._strangers.wait_s(environ())
        if wait_s > 0:
            raise retry_later(Code.RATE_LIMITED, TOO_MANY, wait_s, LIMIT)
        if not _PAYMENT_ID.fullmatch(payment_id):
            return None
        return self._gateway.payment(payment_id)

    def _look(self, payment: Payment, words: Words) -> Checkout:
        was_confirmed = False
        flagged = {Flag.REORGED, Flag.REPLACED} & set(payment.flags)
        if flagged and payment.status in WAITED_FOR:
            after = max(payment.seq - _HISTORY, 0)
            history = self._gateway.history(payment.id, after, _HISTORY)
            reversals = (e.event.type is EventType.REVERSED for e in history)
            was_confirmed = any(reversals)
        shop = self._gateway.merchant(payment.terms.merchant)
        return look(payment, words, shop, was_confirmed=was_confirmed)

    def _state_of(self, view: Checkout, words: Words) -> dict[str, Any]:
        own, now = self._gateway.unread(view.id), self._gateway.now()
        freshness = own or self._gateway.freshness()
        # How far our view of a chain is present concerns no payment without one.
        is_live = freshness.live or view.address is None
        is_deaf = self._is_deaf(view.account)
        return {
            "id": view.id,
            "seq": view.seq,
            "epoch": self._gateway.epochs().present,
            "stage": view.stage,
            "status": view.status,
            "address": view.address,
            "followed_by": view.followed_by,
            "created_at": iso(view.created_at),  # tells it from others there
            "title": view.title,
            "announcement": f"{view.headline}. {view.sentence}",
            "now": now,
            "source": {
                "live": is_live and not is_deaf,
                "since": freshness.since,
                "standing": freshness.standing,
                # Its address cannot be read whole, or its Lightning account is away.
                "own": own is not None or is_deaf,
            },
            "parts": self._parts(view, words, now),
        }

    def _is_deaf(self, account: str | None) -> bool:
        """Whether what is paid to this Lightning account may be seen late."""
        if account is None:
            return False
        return not any(
            report.name == account and report.state is UpstreamState.LIVE
            for report in self._gateway.upstreams()
        )

    def _parts(self, view: Checkout, words: Words, now: int) -> dict[str, str]:
        spans = (f"<span>{part}</span>" for part in grouped(view.address or ""))
        shown = {
            "view": view,
            "words": words,
            "say": words.say,
            "qr": lambda way: inline_svg(qr_segments(way.uri)),
            "address": "".join(spans),  # letters and digits only
            "left": _left(view, words, now),
            "exact": sat_to_btc,
            "iso": iso,
        }
        templates = dict(zip(_PARTS, ("summary", "panel", "steps"), strict=True))
        return {
            part: self._templates[name].render(**shown).strip()
            for part, name in templates.items()
        }

    def _page(
        self, html: str, words: Words, status: int = 200, logo_url: str = ""
    ) -> HTTPResponse:
        answer = page(
            html, status, frame_ancestors=self._frame_ancestors, logo_url=logo_url
        )
        answer.set_header("Content-Language", words.tag)
        return answer

    def _message(self, status: int, key: str, words: Words) -> HTTPResponse:
        message = self._templates["message"].render(
            headline=words.say(key),
            sentence=words.say(f"{key}_why"),
            lang=words.tag,
            asset=self._assets.from_below,
        )
        return self._page(message, words, status)

    def _unknown(self, words: Words) -> HTTPResponse:
        if not prefers_html(bottle.request.get_header("Accept", "")):
            return as_response(
                Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
            )
        return self._message(404, "unknown", words)

    def _sorry(self, problem: Problem, words: Words) -> HTTPResponse:
        if not prefers_html(bottle.request.get_header("Accept", "")):
            return as_response(problem)
        answer = self._message(problem.status, "unavailable", words)
        for name, value in problem.headers.items():
            answer.set_header(name, value)
        return answer


def _words() -> Words:
    """Of the language that the request under way asks for."""
    request = bottle.request
    return words_asked(request.query, request.get_header("Accept-Language"))


def _uri_in(ways: tuple[Way, ...], method: str | None) -> str:
    """Of that method; None: of the first way. Raises `Problem` 404."""
    if method is None:
        return ways[0].uri
    for way in ways:
        if way.name == method:
            return way.uri
        if way.name == UNIFIED and method == LIGHTNING and way.invoice is not None:
            return invoice_uri(way.invoice)
        if way.name == UNIFIED and method == ONCHAIN:
            return way.uri.partition("&lightning=")[0].partition("?lightning=")[0]
    text = "The payment cannot be paid by this method, or not any more."
    raise Problem(Code.NOT_FOUND, text)


def _left(view: Checkout, words: Words, now: int) -> str:
    """The countdown as it stands without a script."""
    if view.expires_at is None:
        return ""
    if now >= view.expires_at:
        return view.over_text
    return words.say("pay_by", time=words.date_time(view.expires_at))
