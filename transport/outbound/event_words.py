"""An event in words for people: a headline, and facts with their names. Pure.

What is told as text (Telegram) is made of the body that a webhook would get, so that
all channels tell the same. `Fact.value` may hold what strangers or shops wrote: whoever
sets it into a markup escapes it. Words name no link.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.money.amount import sat_to_btc
from engine.money.currency import money_text
from engine.payment.model import LIGHTNING, Payment
from engine.payment.money_terms import Price

__all__ = ["FAST_S", "EventWords", "FactLine", "price_words", "told_of"]

FAST_S = 15
"""Payments that are looked at so often, or more often, are called fast."""

MAX_OTHERS = 3
"""Alerts of one kind that one message names beside the first."""

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FactLine:
    """One line below the headline."""

    name: str
    value: str
    is_code: bool = False
    """It is to be copied: an id, a transaction, the name of an order."""


@dataclass(frozen=True, slots=True)
class EventWords:
    """One message."""

    headline: str
    facts: tuple[FactLine, ...]
    is_fast: bool = False


def told_of(
    kind: str, data: Data, payment: Payment | None, skipped: Any = ()
) -> EventWords:
    """Of the body of a webhook: its `type`, its `data`, what was `skipped`."""
    if kind == "channel.test":
        return EventWords("This is a test of Paybell", ())
    if kind.startswith("alert."):
        return _alert(kind, data)
    make = _HEADLINES.get(kind)
    headline = make(data) if make else kind.replace(".", " ").replace("_", " ")
    every_s = _poll_interval_s(data, payment)
    is_fast = every_s is not None and every_s <= FAST_S
    facts = list(_facts(data, None if payment is None else payment.terms.price))
    if is_fast:
        facts.append(FactLine("Fast", f"looked at every {every_s} s"))
    if skipped:
        numbers = ", ".join(str(seq) for seq in skipped)
        facts.append(FactLine("Not told before", f"events {numbers} of this payment"))
    return EventWords(headline[:1].upper() + headline[1:], tuple(facts), is_fast)


def money(sat: int) -> str:
    """In both units: 0.0005 BTC (50,000 sat)."""
    return f"{sat_to_btc(sat)} BTC ({sat:,} sat)"


def _detected(data: Data) -> str:
    inner = _inner(data)
    if inner.get("claim") is not None and not inner.get("verified"):
        return "payment announced, not on the chain yet"
    receipt = inner.get("receipt")
    if isinstance(receipt, dict) and receipt.get("settled") is not None:
        return "payment received by Lightning"
    return "payment detected"


def _confirmed(data: Data) -> str:
    by_hand = _inner(data).get("by") is not None
    return "payment confirmed by hand" if by_hand else "payment confirmed"


def _missing(data: Data) -> str:
    short = _sum(data, _inner(data), "short")
    return f"underpaid by {short}" if short else "underpaid"


def _too_much(data: Data) -> str:
    excess = _sum(data, _inner(data), "excess")
    return f"overpaid by {excess}" if excess else "overpaid"


def _refund(data: Data) -> Data:
    refund = _inner(data).get("refund")
    return refund if isinstance(refund, dict) else {}


def _refunded(data: Data) -> str:
    sat = _refund(data).get("amount_sat")
    return f"refunded {money(sat)}" if isinstance(sat, int) else "payment refunded"


def _forward(data: Data) -> Data:
    part = _inner(data).get("forward")
    return part if isinstance(part, dict) else {}


def _credited(data: Data) -> str:
    count = _inner(data).get("credits")
    return f"credited {count:,}" if isinstance(count, int) else "payment credited"


def _failed(data: Data) -> str:
    """Where only the way on failed, nobody is to think that the payer did not pay."""
    if _forward(data):
        return "forwarding failed; the payment stays paid, its money is where it was"
    return "payment failed"


def _updated(data: Data) -> str:
    changed = _inner(data).get("changed")
    if isinstance(changed, dict) and "lightning_rest" in changed:
        return "an invoice for what is missing was asked for"
    if _refund(data):
        return "a refund is in another transaction than was told"
    return "payment changed by the shop"


def _sum(data: Data, holder: Data, name: str) -> str:
    """The sum of this name in what it was paid in: satoshi, or units of a currency."""
    sat, minor = holder.get(f"{name}_sat"), holder.get(f"{name}_minor")
    if isinstance(sat, int):
        return money(sat)
    currency, decimals = data.get("currency"), data.get("decimals")
    if isinstance(minor, int) and isinstance(decimals, int):
        return money_text(minor, str(currency), decimals)
    return ""


def _fixed(text: str) -> Callable[[Data], str]:
    return lambda _data: text


_HEADLINES: Mapping[str, Callable[[Data], str]] = {
    "payment.created": _fixed("new payment"),
    "payment.detected": _detected,
    "payment.confirming": _fixed("payment is being confirmed"),
    "payment.confirmed": _confirmed,
    "payment.credited": _credited,
    "payment.forwarding": _fixed("payment is being forwarded"),
    "payment.forwarded": _fixed("payment forwarded"),
    "payment.expired": _fixed("payment expired"),
    "payment.underpaid": _missing,
    "payment.overpaid": _too_much,
    "payment.late": _fixed("paid late, after the deadline"),
    "payment.replaced": _fixed("transaction replaced or withdrawn: it counts no more"),
    "payment.reorged": _fixed("a block was replaced: the payment is less deep"),
    "payment.reversed": _fixed(
        "reversed: a payment that was confirmed is not any more"
    ),
    "payment.failed": _failed,
    "payment.cancelled": _fixed("payment cancelled"),
    "payment.token_saved": _fixed("means of payment saved"),
    "payment.refunded": _refunded,
    "payment.updated": _updated,
}


def price_words(price: Price) -> str:
    """What it costs in the shop's currency, and at which rate: 19.90 EUR (at 50000)."""
    alone = ", which one provider alone says" if price.is_lone else ""
    cost = money_text(price.minor, price.currency, price.decimals)
    return f"{cost} (at {price.rate}{alone})"


def _facts(data: Data, price: Price | None) -> Iterator[FactLine]:
    if data.get("external_id"):
        yield FactLine("Order", str(data["external_id"]), is_code=True)
    if data.get("merchant") not in {None, "default"}:
        yield FactLine("Shop", str(data["merchant"]), is_code=True)
    asked, received = data.get("amount_sat"), data.get("received_sat")
    if amount := _sum(data, data, "amount"):
        yield FactLine("Amount", amount)
    if price is not None:
        yield FactLine("Price", price_words(price))
    inner = _inner(data)
    if isinstance(received, int) and received and received != asked:
        yield FactLine("Received", money(received))
    settled = _sum(data, {"settled_minor": inner.get("settled_minor")}, "settled")
    if settled and settled != amount:
        yield FactLine("Received", settled)
    settled_at_once = data.get("txid") is not None and (
        data.get("txid") == data.get("payment_hash")
    )
    if (
        data.get("address")
        and isinstance(data.get("confirmations"), int)
        and not settled_at_once
    ):
        needed = data.get("confirmations_required")
        yield FactLine("Confirmations", f"{data['confirmations']} of {needed}")
    part = _forward(data)
    sent, fee = part.get("amount_sat"), part.get("fee_sat")
    if isinstance(sent, int) and isinstance(fee, int):
        yield FactLine("Sent on", f"{money(sent - fee)}, {fee:,} sat of fee")
    if txid := data.get("txid") or _refund(data).get("txid"):
        is_invoice = txid == data.get("payment_hash")
        name = "Payment hash" if is_invoice else "Transaction"
        yield FactLine(name, str(txid), is_code=True)
    if data.get("gateway"):
        yield FactLine("Gateway", str(data["gateway"]), is_code=True)
    if inner.get("reference"):
        yield FactLine("Reference", str(inner["reference"]), is_code=True)
    if inner.get("reason"):
        yield FactLine("Reason", str(inner["reason"]), is_code=True)
    if data.get("payment_id"):
        yield FactLine("Payment", str(data["payment_id"]), is_code=True)


def _alert(kind: str, data: Data) -> EventWords:
    what = str(data.get("kind", ""))
    start = "Over" if kind == "alert.resolved" else "Alert"
    facts = [
        FactLine(name.capitalize(), str(data[name]), is_code=True)
        for name in ("subject", "detail", "since", "merchant")
        if data.get(name)
    ]
    others = [other for other in data.get("more") or () if isinstance(other, dict)]
    named = 1 + len(others[:MAX_OTHERS])
    for other in others[:MAX_OTHERS]:
        text = f"{other.get('subject')}: {other.get('detail')}"
        facts.append(FactLine("Also", text, is_code=True))
    total = data.get("total")
    if isinstance(total, int) and total > named:
        facts.append(FactLine("And", f"{total - named} more of this kind"))
    return EventWords(f"{start}: {what}", tuple(facts))


def _inner(data: Data) -> Data:
    inner = data.get("data")
    return inner if isinstance(inner, dict) else {}


def _poll_interval_s(data: Data, payment: Payment | None) -> int | None:
    if payment is not None:
        return payment.terms.poll_interval_s if payment.terms.has_chain else None
    terms = _inner(data).get("terms")
    if not isinstance(terms, dict) or data.get("method") == LIGHTNING:
        return None
    every_s = terms.get("poll_interval_s")
    return every_s if isinstance(every_s, int) else None
