"""What a mail says: in words, to whom, and never more than they may know."""

from typing import Any

import msgspec
import pytest

from engine.delivery.channel import payload
from engine.payment.events import Change, Event, encode, with_offset
from engine.payment.model import EventType, Flag, Receipt, Status, Terms, external_key
from engine.payment.money_terms import Price
from transport.outbound.email_fields import (
    NAMES,
    EventEnvelope,
    read,
    values_for_customer,
    values_for_shop,
)
from transport.outbound.email_templates import PARTS, read_folder
from transport.outbound.email_words import CUSTOMER_WORDS, SHOP_WORDS

SECRETS = {
    "external_id": "order-secret",
    "merchant": "merchant-secret",
    "payment_id": "pay_secret",
    "gateway": "gateway-secret",
}


def told(type_: str = "payment.confirmed", **event: Any) -> EventEnvelope:
    fields = {
        "status": "confirmed", "flags": ["late"], "address": "bcrt1qaddress",
        "amount_sat": 150_000, "received_sat": 149_000, "confirmations": 3,
        "confirmations_required": 3, "txid": "ab" * 32,
        "data": {"source": "source-secret", "reason": "reason-secret",
                 "short_sat": 1_000, "by": "hand-secret"},
        **SECRETS, **event,
    }  # fmt: skip
    body = payload(msgspec.json.encode(fields), type_, "2026-11-28T01:02:03.004Z", (2,))
    return read(body)


def rendered(audience: str, values: dict[str, str]) -> str:
    texts = read_folder(None)
    return "\n".join(
        texts[audience, part].render(values, is_html=part == "html") for part in PARTS
    )


@pytest.mark.parametrize("type_", EventType)
def test_every_event_has_words_for_both(type_: EventType) -> None:
    assert type_ in SHOP_WORDS
    for values in (
        values_for_shop(told(type_), "Café", "evt_1", 60),
        values_for_customer(told(type_), "Café"),
    ):
        assert values["headline"]
        assert values["headline"] != type_ or type_ not in CUSTOMER_WORDS
        assert "{" not in values["sentence"]


@pytest.mark.parametrize(
    ("type_", "event"),
    [
        ("payment.forwarded",
         {"data": {"forward": {"amount_sat": 30_000, "fee_sat": 200}}}),
        ("payment.failed",
         {"data": {"forward": {"amount_sat": 30_000, "fee_sat": 200}}}),
        ("payment.refunded", {"txid": None, "data": {
            "refund": {"id": "ref_1", "amount_sat": 700, "txid": "ab" * 32}}}),
    ],
)  # fmt: skip
def test_where_money_went_is_told_to_the_shop_only(
    type_: str, event: dict[str, Any]
) -> None:
    moved = told(type_, **event)
    shops = values_for_shop(moved, "Café", "evt_1", 60)
    customers = values_for_customer(moved, "Café")
    assert shops["txid"] == "ab" * 32
    assert "abab" not in rendered("customer", customers)
    assert "failed" not in customers["headline"], "they paid"
    sums = "0.000298 BTC" if "forward" in event["data"] else "0.000007 BTC"
    assert sums in rendered("shop", shops) or type_ == "payment.failed"


def test_the_customer_is_told_nothing_that_strangers_must_not_see() -> None:
    values = values_for_customer(told(), "Café")
    text = rendered("customer", values)
    assert "secret" not in text
    assert not any("secret" in value for value in values.values())
    for shown in ("bcrt1qaddress", "0.0015 BTC", "0.00149 BTC", "ab" * 32, "Café"):
        assert shown in text
    assert set(values) <= NAMES["customer"]


def test_the_shop_is_told_what_its_mails_are_for() -> None:
    values = values_for_shop(told(), "Café", "evt_1", 60)
    text = rendered("shop", values)
    for shown in ("order-secret", "pay_secret", "late", "reason-secret", "2"):
        assert shown in text
    assert set(values) <= NAMES["shop"]


@pytest.mark.parametrize(("interval", "is_fast"), [(5, True), (15, True), (60, False)])
def test_s1_7_fast_is_visible(interval: int, is_fast: bool) -> None:
    values = values_for_shop(told(), "Café", "evt_1", interval)
    assert ("fast" in rendered("shop", values)) is is_fast
    texts = read_folder(None)
    assert ("fast" in texts["shop", "subject"].render(values)) is is_fast


def test_what_a_provider_says_is_called_an_announcement() -> None:
    claim = told("payment.detected", data={"verified": False})
    for values in (
        values_for_shop(claim, "Café", "evt_1", None),
        values_for_customer(claim, "Café"),
    ):
        assert "announced" in values["headline"]
    seen = values_for_shop(told("payment.detected"), "Café", "evt_1", None)
    assert "announced" not in seen["headline"]


def test_a_type_of_a_later_version_is_told_by_its_name() -> None:
    values = values_for_shop(told("payment.teleported"), "Café", "evt_1", None)
    assert values["headline"] == "payment.teleported"
    assert "order-secret" in rendered("shop", values)


def test_a_value_is_one_line_and_bounded() -> None:
    values = values_for_shop(told(external_id="a\r\n" * 1_000), "C\u202eafé", "e", 60)
    assert all(v.isprintable() and len(v) <= 300 for v in values.values())


@pytest.mark.parametrize(
    ("minor", "decimals", "shown"),
    [(1_990, 2, "19.90 EUR"), (5, 2, "0.05 EUR"), (7, 0, "7 EUR"), (1, 3, "0.001 EUR")],
)
def test_sums_of_other_currencies(minor: int, decimals: int, shown: str) -> None:
    event = told(
        method="external",
        currency="EUR",
        decimals=decimals,
        amount_minor=minor,
        amount_sat=None,
    )
    values = values_for_customer(event, "Café")
    assert values["amount"] == shown
    assert values["confirmations"] == ""


def committed(terms: Terms, **changes: Any) -> EventEnvelope:
    """An event as the journal has it and channels are told it."""
    fields: dict[str, Any] = {
        "payment_id": terms.id, "seq": 2, "type": EventType.CONFIRMED,
        "at": 1_760_000_000_123, "status": Status.CONFIRMED, "flags": (Flag.LATE,),
        "received_sat": 0, "confirmations": 0, "txid": None, "data": Change(),
        **changes,
    }  # fmt: skip
    wire = with_offset(7, encode(Event(**fields), terms), "abcdefgh")
    return read(payload(wire, str(fields["type"]), "2026-11-28T01:02:03.004Z"))


def agreed(**changes: Any) -> Terms:
    fields: dict[str, Any] = {
        "id": "pay_1", "network": "regtest", "address": "bcrt1qaddress",
        "created_at": 0, "expires_at": 1, "monitor_until": 2, **changes,
    }  # fmt: skip
    return Terms(**fields)


def test_events_as_the_journal_writes_them_are_read() -> None:
    receipt = Receipt("ab" * 32, 0, 149_000, source="devchain")
    values = values_for_customer(
        committed(
            agreed(amount_sat=150_000, confirmations_required=2),
            received_sat=149_000,
            confirmations=1,
            txid=receipt.txid,
            data=Change(receipt=receipt, short_sat=1_000, verified=True),
        ),
        "Café",
    )
    assert values["amount"] == "0.0015 BTC"
    assert values["short"] == "0.00001 BTC"
    assert values["confirmations_required"] == "2"
    assert values["time"] == "2026-11-28 01:02:03 UTC"


def test_a_payment_by_card_as_the_journal_writes_it() -> None:
    terms = agreed(
        method="external",
        asset="EUR",
        address=external_key("ann", "acme", "order-1"),
        gateway="acme",
        amount_minor=1_990,
        decimals=2,
        external_id="order-1",
        merchant="ann",
    )
    event = committed(terms, data=Change(settled_minor=1_990, reference="tr_1"))
    values = values_for_shop(event, "Café", "evt_1", 60)
    assert (values["amount"], values["received"]) == ("19.90 EUR", "19.90 EUR")
    assert (values["gateway"], values["address"]) == ("acme", "")
    assert "external:" not in rendered("shop", values)
    assert "BTC" not in rendered("customer", values_for_customer(event, "Café"))


def test_a_price_stands_in_the_mails_of_both_where_there_is_one() -> None:
    price = Price(currency="EUR", minor=2_500, decimals=2, rate="50000", rate_at=1)
    for audience, values in (
        ("customer", values_for_customer(told(), "Café", price)),
        ("shop", values_for_shop(told(), "Café", "evt_1", 60, price)),
    ):
        assert "25.00 EUR (at 50000)" in rendered(audience, values)
    assert "EUR" not in rendered("customer", values_for_customer(told(), "Café"))


OF_LIGHTNING: dict[str, Any] = {
    "method": "lightning", "address": None, "txid": "cd" * 32,
    "payment_hash": "cd" * 32, "confirmations": 0, "confirmations_required": 0,
    "data": {"receipt": {"settled": {"fee_sat": 7_777}}},
}  # fmt: skip
OF_BOTH: dict[str, Any] = {
    **OF_LIGHTNING, "method": "onchain", "address": "bcrt1qaddress",
    "confirmations_required": 3,
}  # fmt: skip


@pytest.mark.parametrize("fields", [OF_LIGHTNING, OF_BOTH])
@pytest.mark.parametrize("type_", ["payment.detected", "payment.confirmed"])
def test_a_payment_by_lightning_is_told_without_words_of_the_chain(
    type_: str, fields: dict[str, Any]
) -> None:
    event = told(type_, **fields)
    of_shop = values_for_shop(event, "Café", "evt_1", None)
    of_customer = values_for_customer(event, "Café")
    for audience, values in (("shop", of_shop), ("customer", of_customer)):
        text = rendered(audience, values)
        assert "Payment hash" in text
        for word in ("Transaction", "Confirmations", "not confirmed", "7777", "7,777"):
            assert word not in text, word
    if type_ == "payment.detected":
        assert of_shop["sentence"] == "It came by Lightning: 0.00149 BTC."
        assert of_customer["headline"] == "Your payment was received"


def test_the_rest_of_a_lightning_payment_is_not_asked_for_at_an_address() -> None:
    data = {"short_sat": 1_000}
    alone = told("payment.underpaid", **{**OF_LIGHTNING, "data": data})
    assert "address" not in values_for_customer(alone, "Café")["sentence"]
    both = told("payment.underpaid", **{**OF_BOTH, "data": data})
    assert "same address" in values_for_customer(both, "Café")["sentence"]


def test_coins_of_a_payment_of_both_are_told_as_ever() -> None:
    event = told("payment.confirmed", payment_hash="cd" * 32)
    values = values_for_customer(event, "Café")
    assert values["txid"] == "ab" * 32
    assert (values["payment_hash"], values["confirmations"]) == ("", "3")
