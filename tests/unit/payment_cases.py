"""What tests of the payment rules share: terms, outputs, views, and a driver.

`Told` plays the part of the address actor on a payment: it decides, folds what was
decided through the wire form and back, and decides again to see that nothing is said
twice; the sums in each event are those of the fold. Every test that uses it checks
these four for free.
"""

from msgspec.structs import replace

from engine.chain.feed import ChainView, Output, Tip
from engine.payment.events import Event, decode, encode, opening, with_offset
from engine.payment.lightning_terms import LIGHTNING, Invoice, lightning_key
from engine.payment.model import EventType, Payment, Receipt, Status, Terms
from engine.payment.observations import (
    InvoiceGone,
    InvoicePaid,
    Observation,
    ProviderClaim,
    Reviewed,
)
from engine.payment.rules import decide, evolve

__all__ = [
    "EXPIRY",
    "HOUR_MS",
    "INVOICE_HASH",
    "NODE",
    "T0",
    "Told",
    "block",
    "both_terms",
    "claim",
    "confirmed",
    "expired",
    "gone",
    "invoice",
    "lightning_terms",
    "mempool",
    "mined",
    "replayed",
    "settled",
    "terms",
    "view",
    "alone",
    "both",
]

T0 = 1_760_000_000_000
HOUR_MS = 3_600_000
EXPIRY = T0 + HOUR_MS
TIP = 1_000

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


def terms(**changes: object) -> Terms:
    """50,000 sat, 3 confirmations, an hour to pay, watched for a day."""
    base: dict[str, object] = {
        "id": "pay_1",
        "network": "regtest",
        "address": ADDRESS,
        "amount_sat": 50_000,
        "confirmations_required": 3,
        "created_at": T0,
        "expires_at": T0 + HOUR_MS,
        "monitor_until": T0 + 24 * HOUR_MS,
    }
    return Terms(**(base | changes))  # type: ignore[arg-type]


def block(height: int, branch: str = "a") -> str:
    return f"{branch}{height}".rjust(64, "0")


def mempool(txid: str, amount_sat: int = 50_000, vout: int = 0) -> Output:
    return Output(txid, vout, amount_sat)


def mined(
    txid: str,
    height: int,
    amount_sat: int = 50_000,
    *,
    vout: int = 0,
    branch: str = "a",
    time_s: int = T0 // 1000,
) -> Output:
    return Output(txid, vout, amount_sat, block(height, branch), height, time_s)


def view(
    *outputs: Output,
    tip: int = TIP,
    source: str = "node",
    off_chain: tuple[str, ...] = (),
    complete: bool = True,
    is_current: bool = True,
    conflicted: dict[str, str] | None = None,
    left: tuple[str, ...] = (),
) -> ChainView:
    shown = Tip(tip, block(tip))
    seen = ChainView(source, shown, outputs, off_chain, complete, is_current)
    pairs = frozenset((conflicted or {}).items())
    gone = frozenset(left) | {txid for txid, _ in pairs}
    return replace(seen, left=gone, conflicted=pairs)


class Told:
    """A payment and everything that was told of it."""

    def __init__(self, agreed: Terms | None = None) -> None:
        created, self.payment = opening(agreed or terms())
        self.now = T0
        self.events: list[Event] = [created]

    def __call__(self, observation: Observation, *, after_ms: int = 0) -> list[str]:
        """The types told, without `payment.`; `after_ms` passes before."""
        self.now += after_ms
        decided = decide(self.payment, observation, self.now)
        for event in decided:
            self.payment = evolve(self.payment, self._by_wire(event))
            sums = self.payment.received_sat, self.payment.confirmations
            assert (event.received_sat, event.confirmations) == sums
        self.events += decided
        assert decide(self.payment, observation, self.now) == []
        return [event.type.removeprefix("payment.") for event in decided]

    def review(self, at: int, node_at: int = 0) -> list[str]:
        """The deadlines up to `at` are judged by an answer asked for at `at`; a
        Lightning node was asked at `node_at` and had nothing."""
        self.now = max(self.now, at)
        return self(Reviewed(at, node_at))

    def status(self) -> Status:
        return self.payment.status

    @property
    def last(self) -> Event:
        return self.events[-1]

    def of(self, type_: EventType) -> list[Event]:
        return [event for event in self.events if event.type is type_]

    def receipt(self, txid: str) -> Receipt:
        return next(r for r in self.payment.receipts if r.txid == txid)

    def _by_wire(self, event: Event) -> Event:
        back = decode(with_offset(1, encode(event, self.payment.terms)))
        assert back == event
        return back


def confirmed(**changes: object) -> Told:
    """A payment in full that is three deep in block a998, tip 1000."""
    told = Told(terms(**changes))
    told(view(mined("t1", 998)))
    assert told.status() is Status.CONFIRMED
    return told


def expired() -> Told:
    """Nobody has paid it in time."""
    told = Told()
    assert told.review(EXPIRY) == ["expired"]
    return told


def claim(txid: str | None = "t1", amount: int | None = 50_000) -> ProviderClaim:
    return ProviderClaim("blockonomics", txid, amount)


def replayed(events: list[Event]) -> Payment:
    """The payment as a restart finds it: the fold of its stored events."""
    agreed = events[0].data.terms
    assert agreed is not None
    payment = opening(agreed)[1]
    for event in events[1:]:
        payment = evolve(payment, decode(encode(event, agreed)))
    return payment


# -- Lightning -------------------------------------------------------------------------

INVOICE_HASH = "5e" * 32
NODE = "shop"


def invoice(**changes: object) -> Invoice:
    """Of 50,000 sat, for as long as the payment of `terms`."""
    base: dict[str, object] = {
        "node": NODE,
        "payment_hash": INVOICE_HASH,
        "bolt11": "lnbcrt500u1example",
        "amount_msat": 50_000_000,
        "expires_at": EXPIRY,
    }
    return Invoice(**(base | changes))  # type: ignore[arg-type]


def lightning_terms(**changes: object) -> Terms:
    """Of a payment that Lightning alone can pay."""
    base: dict[str, object] = {
        "method": LIGHTNING,
        "address": lightning_key(INVOICE_HASH),
        "confirmations_required": 0,
        "lightning": invoice(),
    }
    return terms(**(base | changes))


def both_terms(**changes: object) -> Terms:
    """Of a payment that the chain and Lightning can pay."""
    return terms(**({"lightning": invoice()} | changes))


def settled(sat: int = 50_000, **changes: object) -> InvoicePaid:
    base: dict[str, object] = {
        "node": NODE,
        "payment_hash": INVOICE_HASH,
        "received_msat": sat * 1000,
    }
    return InvoicePaid(**(base | changes))  # type: ignore[arg-type]


def gone(asked_at: int = EXPIRY) -> InvoiceGone:
    return InvoiceGone(payment_hash=INVOICE_HASH, asked_at=asked_at)


def alone(**changes: object) -> Told:
    """A payment that Lightning alone can pay."""
    return Told(lightning_terms(**changes))


def both(**changes: object) -> Told:
    """One that the chain can pay, too."""
    return Told(both_terms(**changes))
