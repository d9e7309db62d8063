"""LNURL-pay (LUD-06, 09, 11, 12, 16, 21): what wallets ask of a Lightning Address.

    GET /.well-known/lnurlp/<name>           what may be paid to it
    GET /lnurl/pay/<name>/<version>?amount=  an invoice: each is a payment of its own
    GET /lnurl/verify/<payment hash>         whether that was paid
    GET /v1/merchants/<name>/lightning_address   the same for the shop, with a key

Whatever is wrong is `{"status":"ERROR","reason":…}` with HTTP 200, as wallets expect
it (429 for who asks too often: the status means nothing to them), and pages of any site
may read it (LUD-01). A payment that comes by this way has the
address in its metadata (`lnurl`), and the payer's `comment`. Parameters that we do not
know are passed over: wallets have some of their own. Runs in the request's greenlet.
"""

import logging
import math
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from engine.errors import EngineError, InvalidMerchant
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.lightning.lnurl import (
    LnurlRefusal,
    LocalPart,
    MessageAction,
    PayAnswer,
    UrlAction,
    VerifyAnswer,
    read_amount_sat,
    read_comment,
    read_local_part,
)
from engine.merchants.name import merchant_name
from engine.merchants.scopes import Scope
from engine.payment.model import Payment, lightning_key
from transport.control.new_payment import terms_of
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, HttpAnswer, answer, environ
from transport.http.inputs import PaymentRequest
from transport.http.openapi import Operation, Text
from transport.http.problems import Problem, problem_of
from transport.http.strangers import Strangers
from transport.lnurl.admission import Admission, LnurlLimits, TooMany
from transport.lnurl.offers import (
    CALLBACK,
    VERIFY,
    WELL_KNOWN,
    LnurlPlaces,
    Offer,
    offer_of,
)
from transport.server.client_address import address_key

__all__ = ["ADDRESS", "COMMENT", "LightningAddressView", "routes"]

log = logging.getLogger("paybell.lnurl")

ADDRESS: Final = "lnurl"
COMMENT: Final = "comment"
"""Names in the metadata of such a payment."""

EXPIRES_IN_S: Final = 600
"""A wallet pays at once: nobody has to keep an invoice."""

_READABLE: Final = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT: Final = {
    **_READABLE,
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
_PAYMENT_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NO_ADDRESS: Final = "There is no such address here."
_NOT_NOW: Final = "This address takes no payments at the moment."
_LATER: Final = "No invoice could be made. Please try again in a minute."

Handler = Callable[..., Any]


class LightningAddressView(msgspec.Struct, frozen=True, kw_only=True):
    """`uri`: what a QR code holds. `reason`: why it is not offered, if it is not."""

    offered: bool
    reason: str | None
    address: str | None
    lnurl: str | None
    uri: str | None
    url: str | None


def _operation(name: str, path: str, summary: str) -> Operation:
    return Operation(
        name=name,
        method="GET",
        path=path,
        tag="lnurl",
        summary=f"{summary} An error is a 200, too: an object with status ERROR and a"
        " reason.",
        answers={200: Text("application/json", "object")},
        needs_key=False,
        limited_by_itself=True,
    )


_OFFER: Final = _operation(
    "lnurlPayRequest",
    f"{WELL_KNOWN}<name>",
    "LNURL-pay (LUD-06, LUD-16): what a wallet may pay to the Lightning Address"
    " <name>@<this host>.",
)
_PAY: Final = _operation(
    "lnurlPayCallback",
    f"{CALLBACK}<name>/<version>",
    "The callback that the pay request names: an invoice over amount (millisatoshi, in"
    " the query), with a comment if there is one. Each call creates a payment.",
)
_VERIFY: Final = _operation(
    "lnurlVerify",
    f"{VERIFY}<payment_hash>",
    "LUD-21: whether the invoice of a callback is settled.",
)


def routes(
    app: Api,
    gateway: Gateway,
    auth: Auth,
    settings: ApiSettings,
    *,
    limits: LnurlLimits | None = None,
    strangers: Strangers | None = None,
) -> None:
    """Add all four."""
    made = _Lnurl(
        gateway, auth, settings, limits or LnurlLimits(), strangers or Strangers()
    )
    for operation, handler in (
        (_OFFER, made.offer),
        (_PAY, made.pay),
        (_VERIFY, made.verify),
    ):
        app.add(operation, made.in_words_of_wallets(handler))
        app.route(operation.path, "OPTIONS", lambda **_: answer(b"", 204, _PREFLIGHT))
    app.add_all(made)


class _Lnurl:
    """The handlers."""

    def __init__(
        self,
        gateway: Gateway,
        auth: Auth,
        settings: ApiSettings,
        limits: LnurlLimits,
        strangers: Strangers,
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._settings = settings
        self._strangers = strangers
        self._places = LnurlPlaces(settings.public_url)
        self._told: dict[str, str] = {}  # why nothing is offered, by merchant
        self._admission = Admission(limits, self._is_open, gateway.now)

    def in_words_of_wallets(self, handler: Handler) -> Handler:
        """Whatever the handler returns or raises, as an answer."""

        @wraps(handler)
        def answered(**of_path: str) -> HttpAnswer:
            headers, status = dict(_READABLE), 200
            try:
                wait_s = self._strangers.wait_s(environ())
                if wait_s > 0:
                    raise TooMany("Too many requests from your network.", wait_s)
                value = handler(**of_path)
            except ValueError as error:
                value = LnurlRefusal(reason=str(error))
            except TooMany as error:
                value = LnurlRefusal(reason=f"{error} Please try again later.")
                headers["Retry-After"] = str(max(1, math.ceil(error.wait_s)))
                status = 429
            except (EngineError, Problem) as error:
                problem = problem_of(error)
                log.warning(
                    "lnurl.refused path=%r code=%s detail=%r",
                    environ()["PATH_INFO"][:200],
                    problem.code,
                    problem.detail,
                )
                value = LnurlRefusal(
                    reason=_NOT_NOW if problem.status < 500 else _LATER
                )
            return answer(value, status, headers)

        return answered

    # -- what wallets ask --------------------------------------------------------------

    def offer(self, name: str) -> Any:
        return self._places.pay_request(self._offer(name))

    def pay(self, name: str, version: str) -> Any:
        env = environ()
        if env["REQUEST_METHOD"] != "GET":  # HEAD would make an invoice for nobody
            raise ValueError("Only GET makes an invoice.")
        offer = self._offer(name)
        asked = _parameters(env)
        amount_sat = read_amount_sat(
            _one(asked, "amount"), offer.terms.min_sat, offer.max_sat
        )
        comment = read_comment(_one(asked, "comment") or "", offer.terms.comment_length)
        if version != offer.version:
            raise ValueError("What this address offers has changed: scan it again.")
        client = address_key(env.get("REMOTE_ADDR", ""))
        with self._admission.place(offer.merchant, client) as made:
            payment = self._create(offer, amount_sat, comment)
            made(payment.id, payment.terms.expires_at)
        return self._pay_answer(offer, payment)

    def verify(self, payment_hash: str) -> Any:
        known = None
        if self._places.public_url and _PAYMENT_HASH.fullmatch(payment_hash):
            known = self._gateway.payment_at(lightning_key(payment_hash))
        # Others' invoices are nobody's business but of who has a key.
        if known is None or ADDRESS not in known.terms.metadata:
            raise ValueError("Not found")
        invoice = known.terms.lightning
        assert invoice is not None, "a payment of Lightning without an invoice"
        # The preimage stays at the node, which is not asked for it.
        is_settled = bool(known.receipts)
        return VerifyAnswer(settled=is_settled, preimage=None, pr=invoice.bolt11)

    # -- what the shop asks ------------------------------------------------------------

    @Operation(
        name="get_lightning_address",
        method="GET",
        path="/v1/merchants/<merchant>/lightning_address",
        scope=Scope.READ,
        tag="merchants",
        summary="The merchant's Lightning Address as wallets have it, and what a QR"
        " code of it holds; or why it is not offered.",
        answers={200: LightningAddressView},
        problems=(404,),
    )
    def get_lightning_address(self, merchant: str) -> Any:
        principal = self._auth.require(environ())
        record = self._gateway.merchant(_seen(merchant, principal))
        found = offer_of(record, self._gateway, self._places)
        reason = found if isinstance(found, str) else None
        terms, places = record.lightning_address, self._places
        if terms is None or not places.public_url:
            nothing = dict.fromkeys(("address", "lnurl", "uri", "url"))
            return answer(LightningAddressView(offered=False, reason=reason, **nothing))
        local = LocalPart(terms.name, "")
        lnurl = places.lnurl(local)
        return answer(
            LightningAddressView(
                offered=reason is None,
                reason=reason,
                address=places.identifier(local),
                lnurl=lnurl,
                uri=f"lightning:{lnurl}",
                url=places.address(local),
            )
        )

    # -- parts of them -----------------------------------------------------------------

    def _offer(self, name: str) -> Offer:
        """Raises ValueError for the wallet."""
        local = read_local_part(name)
        merchant = None
        if local is not None:
            merchant = self._gateway.at_lightning_address(local.name)
        if local is None or merchant is None:
            raise ValueError(_NO_ADDRESS)
        found = offer_of(merchant, self._gateway, self._places, local.tag)
        if isinstance(found, str):
            if self._told.get(merchant.name) != found:  # not for each who asks
                self._told[merchant.name] = found
                told = "lnurl.not_offered merchant=%s reason=%s"
                log.warning(told, merchant.name, found)
            raise ValueError(_NOT_NOW)
        self._told.pop(merchant.name, None)
        return found

    def _create(self, offer: Offer, amount_sat: int, comment: str) -> Payment:
        """Raises `Problem`, `EngineBusy`."""
        said: dict[str, str | int | bool | None] = {ADDRESS: offer.identifier}
        if comment:
            said[COMMENT] = comment
        request = PaymentRequest(
            method="lightning",
            amount_sat=amount_sat,
            description_hash=offer.hash,
            expires_in_s=EXPIRES_IN_S,
            merchant=offer.merchant,
            metadata=said,
        )
        principal = Principal("", "lnurl", offer.merchant)
        terms = terms_of(request, principal, self._gateway, self._settings)
        (created,) = self._gateway.create([terms])
        if not isinstance(created, Payment):
            raise Problem(Code.ADDRESS_TAKEN, f"The {created.detail}.")
        return created

    def _pay_answer(self, offer: Offer, payment: Payment) -> PayAnswer:
        invoice = payment.terms.lightning
        assert invoice is not None, "a payment of Lightning without an invoice"
        message = offer.terms.success_message
        action: MessageAction | UrlAction | None = None
        if offer.terms.success_page:
            url = self._places.checkout(payment.id)
            action = UrlAction(description=message or "Your payment", url=url)
        elif message:
            action = MessageAction(message=message)
        return PayAnswer(
            pr=invoice.bolt11,
            routes=[],
            disposable=False,
            verify=self._places.verify(invoice.payment_hash),
            successAction=action,
        )

    def _is_open(self, payment_id: str) -> bool:
        payment = self._gateway.payment(payment_id)
        return payment is not None and not payment.receipts


def _seen(name: str, principal: Principal) -> str:
    """Raises `Problem` 404."""
    try:
        if principal.may_see(merchant_name(name)):
            return name
    except InvalidMerchant:
        pass
    raise Problem(Code.MERCHANT_NOT_FOUND, "There is no such merchant here.")


def _parameters(env: dict[str, Any]) -> dict[str, list[str]]:
    """Of the query. Raises ValueError for the wallet."""
    try:
        return parse_qs(
            env.get("QUERY_STRING", ""),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=16,
        )
    except ValueError:
        raise ValueError("The query cannot be read.") from None


def _one(parameters: dict[str, list[str]], name: str) -> str | None:
    """Of two nobody knows which counts. Raises ValueError for the wallet."""
    found = parameters.get(name, [])
    if len(found) > 1:
        raise ValueError(f"{name} must be there once.")
    return found[0] if found else None
