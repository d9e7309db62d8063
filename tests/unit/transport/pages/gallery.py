"""A payment for each thing that a checkout page can say: each key of the catalogue of
words (`transport/web/words/en.toml`) is said by one of them at least.

A new key wants a payment here that needs it: `test_no_english.py` says which is not
said by any.
"""

from typing import Any, Final

from msgspec.structs import replace

from engine.payment.model import (
    EXTERNAL,
    LIGHTNING,
    EventType,
    External,
    Flag,
    Invoice,
    Payment,
    Receipt,
    Settled,
    Status,
    external_key,
    lightning_key,
)
from engine.payment.money_terms import Price, Worth
from tests.tools.invoices import make_invoice
from tests.unit.transport.pages.page_server import HOUR, NOW, payment, receipt
from tests.unit.transport.pages.test_pages_states import CLAIM, STAGES

__all__ = ["BACK", "GALLERY"]

BACK: Final = "https://shop.example/thanks"

_HASH = "ab" * 32
_INVOICE = Invoice(
    node="till",
    payment_hash=_HASH,
    bolt11=make_invoice(_HASH, amount_msat=50_000_000, at_s=NOW // 1000),
    amount_msat=50_000_000,
    expires_at=NOW + HOUR,
)
_UNIFIED = Invoice(
    node="till",
    payment_hash=_HASH,
    bolt11=_INVOICE.bolt11,
    amount_msat=50_000_000,
    expires_at=NOW + HOUR,
    is_unified=True,
)
_SETTLED = Receipt(_HASH, 0, 50_000, settled=Settled(fee_sat=0))
_WORTH = Worth(currency="EUR", minor=2_500, decimals=2, rate="50000", rate_at=NOW)
_PRICE = Price(currency="EUR", minor=123_450, decimals=2, rate="50000", rate_at=NOW)


def _lightning(**changes: Any) -> Payment:
    fields = {
        "method": LIGHTNING,
        "address": lightning_key(_HASH),
        "confirmations_required": 0,
        "lightning": _INVOICE,
    }
    return payment(**{**fields, **changes})


def _external(**changes: Any) -> Payment:
    fields = {
        "method": EXTERNAL,
        "asset": "EUR",
        "decimals": 2,
        "amount_minor": 1_250,
        "amount_sat": None,
        "gateway": "paymos",
        "address": external_key("hidden-merchant", "paymos", "inv_1"),
    }
    return payment(**{**fields, **changes})


_PAYMENTS: Final[tuple[Payment, ...]] = (
    *(known for known, _, _ in STAGES),
    payment(price=_PRICE, external_id=None, network="mainnet"),
    payment(price=_PRICE, status=Status.EXPIRED),
    payment(external_id=None, status=Status.EXPIRED),
    payment(expires_at=NOW - 1),  # the deadline has just passed
    payment(
        status=Status.CONFIRMED,
        confirmed_at=NOW,
        receipts=(receipt(50_000, 3),),
        metadata={"tip": "5000", "tip_currency": "SAT"},
    ),
    payment(
        status=Status.CONFIRMING,
        receipts=(receipt(50_000),),
        flags=(Flag.REPLACED,),
        confirmations_required=1,
        claims=(CLAIM,),
    ),
    payment(
        status=Status.CONFIRMED,
        confirmed_at=NOW,
        receipts=(receipt(50_000, 3),),
        price=_PRICE,
        return_url=BACK,
        metadata={"tip": "100.00", "tip_currency": "EUR"},
    ),
    payment(
        status=Status.CONFIRMED,
        receipts=(receipt(50_000, 3),),
        external_id=None,
        return_url=BACK,
    ),
    payment(
        status=Status.CONFIRMED,
        confirmed_at=NOW,
        flags=(Flag.LATE,),
        receipts=(
            Receipt("cc" * 32, 0, 30_000, "bb" * 32, 800_000, 3, seen_at=NOW),
            replace(_SETTLED, amount_sat=19_990, seen_at=NOW),
        ),
        worth=_WORTH,
        refunds=("ref_0", "ref_1"),
        refunded_sat=20_000,
    ),
    payment(
        status=Status.CONFIRMED,
        receipts=tuple(receipt(500, 3, f"{n:03x}0" * 16) for n in range(110)),
        refunds=("ref_0", "ref_1"),
        refunded_sat=55_000,
    ),
    payment(
        status=Status.CONFIRMING,
        receipts=tuple(receipt(2_500, 1, f"{n:02x}" * 32) for n in range(25)),
    ),
    payment(lightning=_INVOICE),
    payment(lightning=_UNIFIED),
    *(
        payment(
            lightning=_INVOICE,
            status=Status.CONFIRMING,
            flags=(Flag.UNDERPAID,),
            receipts=(receipt(50_000 - missing),),
            rests=rests,
        )
        for missing in (300, 20_000)
        for rests in ((), (replace(_INVOICE, amount_msat=missing * 1000),))
    ),
    _lightning(),
    _lightning(amount_sat=None),
    _lightning(expires_at=NOW - 1),
    _lightning(status=Status.EXPIRED),
    _lightning(status=Status.CONFIRMED, receipts=(_SETTLED,), confirmed_at=NOW),
    _lightning(
        status=Status.CONFIRMING,
        flags=(Flag.UNDERPAID,),
        receipts=(Receipt(_HASH, 0, 20_000, settled=Settled(fee_sat=0)),),
    ),
    _external(),
    _external(status=Status.CONFIRMING),
    _external(status=Status.CONFIRMING, flags=(Flag.UNDERPAID,)),
    _external(status=Status.EXPIRED),
    _external(status=Status.CANCELLED),
    _external(status=Status.FAILED),
    _external(status=Status.FAILED, external=External(is_paid=True)),
    _external(status=Status.CONFIRMED),
    _external(
        status=Status.CONFIRMED,
        flags=(Flag.OVERPAID, Flag.LATE),
        external=External(is_paid=True, received_minor=2_000, returned_minor=200),
    ),
    _external(status=Status.CONFIRMED, flags=(Flag.LATE,)),  # by hand
    payment(status=Status.CONFIRMING, receipts=(receipt(49_999),)),
    _external(
        status=Status.CONFIRMED,
        flags=(Flag.UNDERPAID,),
        external=External(is_paid=True, received_minor=1_200),
    ),
)

#: Their story tells of a confirmation that was withdrawn.
_WITHDRAWN: Final[tuple[Payment, ...]] = (
    payment(flags=(Flag.REPLACED, Flag.REORGED)),
    payment(
        status=Status.CONFIRMING,
        receipts=(receipt(50_000),),
        flags=(Flag.REORGED,),
    ),
)

GALLERY: Final[tuple[tuple[Payment, list[EventType]], ...]] = (
    *((known, []) for known in _PAYMENTS),
    *((known, [EventType.CONFIRMED, EventType.REVERSED]) for known in _WITHDRAWN),
)
