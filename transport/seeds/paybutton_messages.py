"""What a payer hears on `/ws/balance/<address>` of a payment that `/payment` made.

PayButton's `BalanceUpdate`: {address, status: waiting | confirmed | failed, balance (US
dollars), balanceBTC, timestamp (RFC 3339), email}. Its sites look at `status`. Ours are
these fields beside those that any stranger is told (`transport/live/allow_list.py`), so
that a client of ours goes on by `seq` as everywhere; only `status` has PayButton's
words. Whoever shows the payment's secret or a key hears our own words. `email` is
empty: it is told to nobody. `balance` counts at the rate that the site itself gave,
price for amount.

Only where `--seed paybutton` is on. One for each socket; called in the dispatcher's
greenlet, and it never waits.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from engine.money.amount import SAT_PER_BTC
from engine.payment.events import CommittedEvent, iso
from engine.payment.model import Payment, Status
from engine.payment.outcome import OUTCOMES, Outcome
from transport.live.encoding import Frames
from transport.seeds.paybutton import MAX_PRICE, PRICE, is_paybutton
from transport.server.websocket.frames import encode_text

__all__ = ["PaybuttonFrames", "for_payers"]


_WORDS = {
    Outcome.SUCCESS: "confirmed",
    Outcome.PENDING: "waiting",
    Outcome.FAILED: "failed",
}


def for_payers(
    frames: Frames, merchant: str, now: Callable[[], int]
) -> Callable[[Payment], Frames]:
    """Which frames a stranger gets, of `frames`, who are an insider's."""

    def chosen(payment: Payment) -> Frames:
        if payment.terms.merchant == merchant and is_paybutton(payment):
            return PaybuttonFrames(frames.for_strangers, payment, now)
        return frames.for_strangers

    return chosen


class PaybuttonFrames(Frames):
    """Of one payment. Keeps nothing: one or two pages follow a payment."""

    def __init__(
        self, strangers: Frames, payment: Payment, now: Callable[[], int]
    ) -> None:
        super().__init__(strangers.epoch, 1, 1, strangers.unread)
        self._strangers = strangers
        self._now = now
        self._price = _price(payment)  # dollars for a satoshi

    def state_object(self, payment: Payment) -> bytes:
        told = self._strangers.state_object(payment)
        return self._with(told, payment.status, payment.received_sat, self._now())

    def text(self, event: CommittedEvent) -> bytes:
        fact = event.event
        told = self._strangers.text(event)
        return self._with(told, fact.status, fact.received_sat, fact.at)

    def websocket(self, event: CommittedEvent) -> bytes:
        return encode_text(self.text(event))

    def _with(self, told: bytes, status: Status, received_sat: int, at: int) -> bytes:
        message = msgspec.json.decode(told, type=dict[str, msgspec.Raw])
        encode = msgspec.json.encode
        more = {
            "status": _WORDS[OUTCOMES[status, received_sat > 0]],
            "balance": float(round(received_sat * self._price, 2)),
            "balanceBTC": float(Decimal(received_sat) / SAT_PER_BTC),
            "timestamp": iso(at),
            "email": "",
        }
        return encode(message | {n: msgspec.Raw(encode(v)) for n, v in more.items()})


def _price(payment: Payment) -> Decimal:
    """What the site said that a satoshi is worth; nothing if it did not."""
    price, amount = payment.terms.metadata.get(PRICE), payment.terms.amount_sat
    if not isinstance(price, str) or not amount:
        return Decimal(0)
    try:
        dollars = Decimal(price)
    except ArithmeticError:
        return Decimal(0)
    is_price = dollars.is_finite() and 0 < dollars <= MAX_PRICE
    return dollars / amount if is_price else Decimal(0)
