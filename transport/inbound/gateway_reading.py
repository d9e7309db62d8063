"""From a gateway's body to what it says, in our words. Pure.

What a notification is about is an invoice; what it is known by is the gateway's own id
of the event together with what it says, so that a gateway which numbers transactions,
and not events, loses no word. The number of a card is taken from nobody.
"""

import hashlib
import re
from typing import Final

import msgspec

from engine.errors import InvalidAmount
from engine.merchants.gateway_mapping import GatewayMapping, Places, places_of
from engine.money.currency import CURRENCY, decimals_of, minor_of
from engine.payment.model import SavedToken
from engine.payment.observations import GatewayMeaning, GatewayWord
from transport.bodies.problem_body import FieldError
from transport.http.input_values import MAX_EXTERNAL_ID
from transport.http.problems import invalid
from transport.inbound.gateway_body import Body

__all__ = ["GatewayNotification", "looks_like_a_card", "read_notification"]

MAX_WORD: Final = 100
MAX_NAME: Final = 200
"""Of an event's or a token's id, a reference, a customer."""

MAX_DISPLAY: Final = 40

_CURRENCY = re.compile(CURRENCY.removeprefix("^").removesuffix("$"), re.ASCII)
_CARD = re.compile(r"[0-9](?:[ -]?[0-9]){12,18}", re.ASCII)


class GatewayNotification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification, read. `word` None: the gateway's own is in no list of its
    mapping."""

    gateway: str
    invoice: str
    said: str  # the gateway's own word
    word: GatewayMeaning | None
    event_id: str | None = None
    amount_minor: int | None = None
    currency: str = ""
    decimals: int = 2
    reference: str | None = None
    token: SavedToken | None = None
    customer: str | None = None
    salon: str | None = None
    refused_token: bool = False  # it looked like the number of a card

    def observed(self) -> GatewayWord:
        """For the payment's watcher."""
        assert self.word is not None, "a word that means nothing"
        return GatewayWord(
            gateway=self.gateway,
            word=self.word,
            amount_minor=self.amount_minor,
            currency=self.currency,
            decimals=self.decimals,
            reference=self.reference,
            token=self.token,
        )

    def key(self, merchant: str, payment_id: str | None, own: str = "") -> str:
        """Two notifications with one key say the same thing about the same payment.

        The payment is part of it: what came before there was one must not make a
        duplicate of what comes afterwards. `own`: a transport's key in the place of
        the gateway's.
        """
        content = msgspec.json.encode((merchant, payment_id, own, self))
        return hashlib.sha256(content).hexdigest()


def read_notification(
    name: str, mapping: GatewayMapping, body: Body
) -> GatewayNotification:
    """What the mapping finds. Raises `Problem` 422, which names each place."""
    return _Reader(name, mapping, body).read()


def looks_like_a_card(text: str) -> bool:
    """13 to 19 digits whose check digit fits (ISO/IEC 7812-1, Luhn)."""
    return any(_fits(found) for found in _CARD.findall(text))


class _Reader:
    def __init__(self, name: str, mapping: GatewayMapping, body: Body) -> None:
        self._name = name
        self._mapping = mapping
        self._body = body
        self._errors: list[FieldError] = []

    def read(self) -> GatewayNotification:
        fields = self._mapping.fields
        invoice = self._must("invoice", fields.invoice, MAX_EXTERNAL_ID)
        said = self._must("status", fields.status, MAX_WORD)
        word = _meaning(self._mapping, said)
        currency = self._currency()
        decimals = self._mapping.decimals.get(currency, decimals_of(currency))
        amount = self._amount(word, decimals)
        token, is_refused = self._token()
        if word is not None and word.value in {"SUCCESS", "REVERSED"} and not currency:
            self._wrong("currency", fields.currency, "is not there")
        if self._errors:
            raise invalid(*self._errors)
        return GatewayNotification(
            gateway=self._name,
            invoice=invoice,
            said=said,
            word=word,
            event_id=self._may("event_id", fields.event_id),
            amount_minor=amount,
            currency=currency,
            decimals=decimals,
            reference=self._safe(self._may("reference", fields.reference)),
            token=token,
            customer=self._safe(self._may("customer", fields.customer)),
            salon=self._safe(self._may("salon", fields.salon)),
            refused_token=is_refused,
        )

    def _must(self, name: str, places: Places, most: int) -> str:
        text = self._body.text(places_of(places))
        if text is None:
            self._wrong(name, places, "is not there")
        elif not _is_plain(text, most):
            why = f"must have at most {most} characters and no control characters"
            self._wrong(name, places, why)
        else:
            return text
        return ""

    def _may(self, _name: str, places: Places | None) -> str | None:
        text = self._body.text(places_of(places))
        return text if text is not None and _is_plain(text, MAX_NAME) else None

    def _safe(self, text: str | None) -> str | None:
        return None if text is None or looks_like_a_card(text) else text

    def _currency(self) -> str:
        if self._mapping.currency is not None:
            return self._mapping.currency
        places = self._mapping.fields.currency
        text = (self._body.text(places_of(places)) or "").upper()
        if text and not _CURRENCY.fullmatch(text):
            self._wrong("currency", places, "must be three letters, as ISO 4217 has it")
            return ""
        return text

    def _amount(self, word: GatewayMeaning | None, decimals: int) -> int | None:
        places = self._mapping.fields.amount
        found = self._body.find(places_of(places))
        if places is None:
            return None
        if found is None:
            if word is GatewayMeaning.SUCCESS:
                self._wrong("amount", places, "is not there")
            return None
        is_minor = self._mapping.amount_unit == "minor"
        try:
            return minor_of(found, decimals, is_minor=is_minor)
        except InvalidAmount as error:
            if word in {GatewayMeaning.SUCCESS, GatewayMeaning.REVERSED}:
                self._wrong("amount", places, str(error))
            return None

    def _token(self) -> tuple[SavedToken | None, bool]:
        """The saved card, and whether it was refused for what it looked like."""
        fields = self._mapping.fields
        token_id = self._may("token", fields.token)
        if token_id is None:
            return None, False
        shown = {
            "brand": self._may("brand", fields.brand),
            "last4": self._may("last4", fields.last4),
            "expires": self._may("expires", fields.expires),
        }
        display = {
            name: text[-4:] if name == "last4" else text
            for name, text in shown.items()
            if text is not None and len(text) <= MAX_DISPLAY
        }
        if any(looks_like_a_card(text) for text in (token_id, *display.values())):
            return None, True
        return SavedToken(token_id, display), False

    def _wrong(self, name: str, places: Places | None, why: str) -> None:
        where = " or ".join(places_of(places))
        self._errors.append(FieldError(_pointer(where), f"{why} (fields.{name})"))


def _pointer(place: str) -> str:
    return place if place.startswith("/") else "/" + place.replace(".", "/")


def _meaning(mapping: GatewayMapping, said: str) -> GatewayMeaning | None:
    for word in GatewayMeaning:
        if said in getattr(mapping.words, word.value):
            return word
    return None


def _is_plain(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.isprintable()


def _fits(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed([int(d) for d in digits if d.isdecimal()])):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
