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
from bottle import HTTPResponse

from engine.errors import EngineError
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.lightning.upstream import UpstreamState
from engine.merchants.payment_methods import LIGHTNING, ONCHAIN
from engine.money.amount import sat_to_btc
from engine.payment.events import iso
from engine.payment.uri import invoice_uri
from transport.http.problems import Problem, problem_of
from transport.http.strangers import StrangerLimits, Strangers
from transport.pages import (
    documents,
    receipt_page,
    reorder_page,
    rest_page,
    web_files,
)
from transport.pages.answers import as_response, guarded
from transport.pages.assets import Assets
from transport.pages.brand import brand_css
from transport.pages.checkout import Checkout, grouped
from transport.pages.inline_style import inline_style
from transport.pages.language import Words
from transport.pages.payers import (
    PayerPages,
    Reorders,
    Rests,
    lang_query,
    template,
    words_of_request,
)
from transport.pages.qr import MEDIA_TYPES, inline_svg, picture
from transport.pages.receipt_mail import ReceiptMail
from transport.pages.squeezed import squeeze
from transport.pages.ways import UNIFIED, Way, qr_segments

__all__ = ["embedded_json", "routes"]

_TWO_DAYS_S: Final = 172_800  # from here on the countdown counts days


def routes(
    app: bottle.Bottle,
    gateway: Gateway,
    *,
    frame_ancestors: str = "'self'",
    limits: StrangerLimits | None = None,
    reorders: Reorders | None = None,
    mail: ReceiptMail | None = None,
    rests: Rests | None = None,
) -> None:
    """Add the pages. Needs no key. `reorders`: how a payer gets a new payment in the
    place of one that expired, `mail`: a receipt by mail, `rests`: an invoice for what
    is missing; None: not at all.

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
    strangers = Strangers(limits)
    kit = PayerPages(gateway, assets, frame_ancestors, strangers, reorders, rests)
    pages = _Pages(kit, assets.by_name["pay.css"].body)
    # First the longer: an id has no point in it.
    # They limit themselves: a payer is told so on a page.
    for path, answer in (
        ("/pay/<payment_id:re:[^/]+>.json", pages.state),
        ("/pay/<payment_id>", pages.checkout),
        ("/v1/payments/<payment_id>/qr.<kind:re:svg|png>", pages.qr),
    ):
        app.get(path, callback=answer, limited_by_itself=True)
    reorder_page.routes(app, kit)
    rest_page.routes(app, kit)
    receipt_page.routes(app, kit, mail)
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

    def __init__(self, kit: PayerPages, sheet: bytes) -> None:
        """`sheet`: all that a page which waits for its payment needs at first."""
        self._kit = kit
        self._sheet = sheet
        self._gateway = kit.gateway
        self._page = template("pay")
        self._part_templates = {
            "summary": template("summary"),
            "pay": template("pay_panel"),
            "steps": template("steps"),
        }

    # -- handlers ------------------------------------------------------------------

    def checkout(self, payment_id: str) -> HTTPResponse:
        """The page."""
        words = words_of_request()
        try:
            payment = self._kit.payment(payment_id)
            if payment is None:
                return self._kit.unknown(words)
            view = self._kit.look(payment, words)
            state = self._state_of(view, words)
        except (EngineError, Problem) as error:
            return self._kit.sorry(problem_of(error), words)
        colour = brand_css(view.brand_url.removeprefix("web/")) or b""
        style = inline_style(self._sheet, colour)
        embedded = {k: v for k, v in state.items() if k != "parts"}
        html = self._page.render(
            view=view,
            words=words,
            say=words.say,
            parts=state["parts"],
            state=embedded_json(
                {**embedded, "words": words.script, "frames": view.frames}
            ),
            style=style.text,
            as_of=words.date_time(state["now"]),
            asset=self._kit.asset,
        )
        return self._kit.page(
            html,
            words,
            logo_url=view.logo_url,
            frames=view.frames,
            style=style.source,
        )

    def state(self, payment_id: str) -> HTTPResponse:
        """What the page's script asks for: state, and the page's parts in HTML."""
        try:
            payment = self._kit.payment(payment_id)
        except (EngineError, Problem) as error:
            return as_response(problem_of(error))
        if payment is None:
            return as_response(
                Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
            )
        words = words_of_request()
        state = self._state_of(self._kit.look(payment, words), words)
        body = json.dumps(state, ensure_ascii=False)
        headers = guarded("application/json", "no-store")
        return squeeze(HTTPResponse(body.encode(), 200, headers))

    def qr(self, payment_id: str, kind: str) -> HTTPResponse:
        """The payment's QR code alone, as long as there is something to pay."""
        try:
            payment = self._kit.payment(payment_id)
        except (EngineError, Problem) as error:
            return as_response(problem_of(error))
        if payment is None:
            return as_response(
                Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
            )
        ways = self._kit.look(payment, words_of_request()).ways
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
            "ways": " ".join(way.name for way in view.ways),
            "offers_rest": view.may_ask_rest,
            "address": view.address,
            "followed_by": view.followed_by,
            "created_at": iso(view.created_at),  # tells it from others there
            "title": view.title,
            "announcement": " ".join((f"{view.headline}.", view.sentence, *view.notes)),
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
            "lang": lang_query(words),
            "pay_by": _pay_by(view, words, now),
            "exact": sat_to_btc,
            "iso": iso,
        }
        return {
            name: part.render(**shown).strip()
            for name, part in self._part_templates.items()
        }


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


def _pay_by(view: Checkout, words: Words, now: int) -> str:
    """In place of the countdown where no script runs."""
    if view.expires_at is None:
        return ""
    if now >= view.expires_at:
        return view.over_text
    return words.say("pay_by", time=words.date_time(view.expires_at))


def _left(view: Checkout, words: Words, now: int) -> str:
    """The countdown as the page's script writes it: nothing moves when it begins."""
    if view.expires_at is None or now >= view.expires_at:
        return view.over_text
    seconds = -((now - view.expires_at) // 1000)
    if seconds >= _TWO_DAYS_S:
        return _pay_by(view, words, now)
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    time = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return words.script["left"].format(time=time)
