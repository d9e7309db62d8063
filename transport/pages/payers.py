"""What the pages of one payment share: who may ask, which payment it is, in which
language, and what is shown when there is none. `pages.py`, `reorder_page.py` and
`receipt_page.py` are made of it.

They limit strangers themselves: a payer is told so on a page. Runs in the request's
greenlet.
"""

import re
from typing import Final, Protocol

import bottle
from bottle import HTTPResponse, SimpleTemplate
from msgspec.structs import replace

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import DEFAULT
from engine.merchants.web_places import origins_of
from engine.payment.model import WAITED_FOR, EventType, Flag, Payment
from transport.http.bottle_app import environ
from transport.http.problems import Problem, rate_limited
from transport.http.strangers import LIMIT, TOO_MANY, Strangers
from transport.pages.answers import as_response, page, prefers_html
from transport.pages.assets import FOLDER, Assets
from transport.pages.checkout import Checkout, look
from transport.pages.language import Words, words_asked
from transport.pages.stages import Stage

__all__ = [
    "PayerPages",
    "Reorders",
    "Rests",
    "lang_query",
    "template",
    "words_of_request",
]

_PAYMENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_HISTORY: Final = 200  # events read to learn whether a payment was reversed once


def words_of_request() -> Words:
    """Of the language that the request under way asks for."""
    request = bottle.request
    return words_asked(request.query, request.get_header("Accept-Language"))


def lang_query(words: Words) -> str:
    """For the links of a page whose address names its language: it stays."""
    return f"?lang={words.tag}" if "lang" in bottle.request.query else ""


def template(name: str) -> SimpleTemplate:
    """Of a file of transport/web/, read now."""
    return SimpleTemplate((FOLDER / f"{name}.html").read_text(encoding="utf-8"))


class Reorders(Protocol):
    """How a payer gets a new payment in the place of one that expired unpaid:
    `transport/control/reorder.py`, as far as pages know of it."""

    def successor(self, payment: Payment) -> Payment | None:
        """The one that was made, if any was."""

    def is_offered(self, payment: Payment) -> bool:
        """Whether one can be made now."""

    def make(self, payment: Payment, client: str) -> Payment:
        """The one that there is, else a new one. Raises `Problem`, `EngineError`."""


class Rests(Protocol):
    """How a payer gets an invoice for what is missing of a payment:
    `transport/control/rests.py`, as far as pages know of it."""

    def is_offered(self, payment: Payment) -> bool:
        """Whether one can be asked for now."""

    def make(self, payment: Payment, client: str) -> Payment:
        """The payment with the one that there is, else with a new one. Raises
        `Problem`, `EngineError`."""


class PayerPages:
    """See the module docstring."""

    def __init__(
        self,
        gateway: Gateway,
        assets: Assets,
        frame_ancestors: str,
        strangers: Strangers,
        reorders: Reorders | None = None,
        rests: Rests | None = None,
    ) -> None:
        self.gateway = gateway
        self.reorders = reorders
        self.rests = rests
        self.asset = assets.from_below
        self._strangers = strangers
        self._frame_ancestors = frame_ancestors
        self._message = template("message")

    def payment(self, payment_id: str) -> Payment | None:
        """None if there is none. Raises `Problem` for a client that asks too often."""
        wait_s = self._strangers.wait_s(environ())
        if wait_s > 0:
            raise rate_limited(TOO_MANY, wait_s, LIMIT)
        if not _PAYMENT_ID.fullmatch(payment_id):
            return None
        return self.gateway.payment(payment_id)

    def look(self, payment: Payment, words: Words) -> Checkout:
        was_confirmed = False
        flagged = {Flag.REORGED, Flag.REPLACED} & set(payment.flags)
        if flagged and payment.status in WAITED_FOR:
            after = max(payment.seq - _HISTORY, 0)
            history = self.gateway.history(payment.id, after, _HISTORY)
            reversals = (e.event.type is EventType.REVERSED for e in history)
            was_confirmed = any(reversals)
        shop = self.gateway.merchant(payment.terms.merchant)
        now = self.gateway.now()
        seen = look(
            payment,
            words,
            shop,
            was_confirmed=was_confirmed,
            now=now,
            may_ask_rest=self.rests is not None and self.rests.is_offered(payment),
        )
        if self.reorders is None or seen.stage is not Stage.EXPIRED:
            return seen
        follower = self.reorders.successor(payment)
        if follower is None and not self.reorders.is_offered(payment):
            return seen
        return replace(
            seen,
            sentence=words.say("expired_renewable"),
            successor_id="" if follower is None else follower.id,
            may_reorder=follower is None,
        )

    def frames(self, payment: Payment) -> tuple[str, ...]:
        """Origins of its shop, which may show its pages in a frame: all of them, as one
        leads to the next."""
        shop = self.gateway.merchant(payment.terms.merchant)
        return origins_of(shop.return_urls)

    def page(
        self,
        html: str,
        words: Words,
        status: int = 200,
        logo_url: str = "",
        frames: tuple[str, ...] = (),
        style: str = "",
    ) -> HTTPResponse:
        """`frames`: origins that may show it in a frame beside the node's own; the rest
        as of `answers.page`."""
        own = self._frame_ancestors
        ancestors = own if own == "'none'" else " ".join((own, *frames))
        answer = page(
            html, status, frame_ancestors=ancestors, logo_url=logo_url, style=style
        )
        answer.set_header("Content-Language", words.tag)
        return answer

    def message(
        self,
        status: int,
        key: str,
        words: Words,
        back: tuple[str, str] = ("", ""),
        frames: tuple[str, ...] = (),
    ) -> HTTPResponse:
        """`back`: a link to go on by, and what it says. `frames`: as of `page`."""
        message = self._message.render(
            back=back,
            headline=words.say(key),
            sentence=words.say(f"{key}_why"),
            lang=words.tag,
            asset=self.asset,
        )
        return self.page(message, words, status, frames=frames)

    def unknown(self, words: Words) -> HTTPResponse:
        if not prefers_html(bottle.request.get_header("Accept", "")):
            return as_response(
                Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
            )
        return self.message(404, "unknown", words, self._home(words))

    def _home(self, words: Words) -> tuple[str, str]:
        """The way to the shop whose link led to no payment: known where there is no
        other merchant than the node's own."""
        shop = self.gateway.merchant(DEFAULT)
        homes = origins_of(shop.return_urls)
        if not homes or shop.version == 0 or self.gateway.merchants() != 1:
            return "", ""
        name = shop.display_name
        label = words.say("back_to", shop=name) if name else words.say("back_to_shop")
        return homes[0], label

    def sorry(
        self, problem: Problem, words: Words, frames: tuple[str, ...] = ()
    ) -> HTTPResponse:
        if not prefers_html(bottle.request.get_header("Accept", "")):
            return as_response(problem)
        answer = self.message(problem.status, "unavailable", words, frames=frames)
        for name, value in problem.headers.items():
            answer.set_header(name, value)
        return answer
