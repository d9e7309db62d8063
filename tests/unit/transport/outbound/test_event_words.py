"""Events in words: what happened, how much, of which order, and whether it is fast."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.payment.model import EventType, Payment
from engine.payment.money_terms import Price
from tests.tools.markdown_v2 import read_markdown_v2
from tests.unit.payment_cases import terms
from transport.outbound.event_words import _HEADLINES, EventWords, told_of
from transport.outbound.telegram import message

EVENT: dict[str, Any] = {
    "payment_id": "pay_1", "seq": 2, "address": "bcrt1q", "external_id": "order-1",
    "merchant": "default", "amount_sat": 50_000, "received_sat": 50_000,
    "confirmations": 1, "confirmations_required": 3, "txid": "ab" * 32, "data": {},
}  # fmt: skip


CARD: dict[str, Any] = {
    "method": "external", "gateway": "stripe", "address": None, "txid": None,
    "amount_sat": None, "received_sat": 0, "confirmations": 0, "currency": "EUR",
    "decimals": 2, "amount_minor": 1_250,
}  # fmt: skip


def told(kind: str, payment: Payment | None = None, **changes: Any) -> EventWords:
    return told_of(kind, {**EVENT, **changes}, payment)


def shown(told: EventWords) -> list[str]:
    return read_markdown_v2(message(told))[0].split("\n")


def test_a_message_says_what_happened_how_much_and_of_what() -> None:
    assert shown(told("payment.confirmed")) == [
        "Payment confirmed",
        "Order: order-1",
        "Amount: 0.0005 BTC (50,000 sat)",
        "Confirmations: 1 of 3",
        f"Transaction: {'ab' * 32}",
        "Payment: pay_1",
    ]


@pytest.mark.parametrize(
    ("kind", "data", "headline"),
    [
        ("payment.detected", {"receipt": {}}, "Payment detected"),
        ("payment.detected", {"claim": {}, "verified": False},
         "Payment announced, not on the chain yet"),
        ("payment.confirmed", {"by": "key_1"}, "Payment confirmed by hand"),
        ("payment.underpaid", {"short_sat": 10_000},
         "Underpaid by 0.0001 BTC (10,000 sat)"),
        ("payment.overpaid", {"excess_sat": 1}, "Overpaid by 0.00000001 BTC (1 sat)"),
        ("payment.late", {}, "Paid late, after the deadline"),
        ("payment.reversed", {},
         "Reversed: a payment that was confirmed is not any more"),
        ("payment.credited", {"credits": 1_200}, "Credited 1,200"),
        ("payment.failed", {}, "Payment failed"),
        ("payment.failed", {"forward": {"amount_sat": 5, "fee_sat": 1}},
         "Forwarding failed; the payment stays paid, its money is where it was"),
        ("payment.refunded", {"refund": {"id": "ref_1", "amount_sat": 700}},
         "Refunded 0.000007 BTC (700 sat)"),
        ("payment.updated", {"changed": {"metadata": {}}},
         "Payment changed by the shop"),
        ("payment.updated", {"changed": {"lightning_rest": {"old": None, "new": {}}}},
         "An invoice for what is missing was asked for"),
        ("payment.updated", {"refund": {"id": "ref_1", "amount_sat": -30}},
         "A refund is in another transaction than was told"),
        ("payment.never_heard_of", {}, "Payment never heard of"),
    ],
)  # fmt: skip
def test_a_headline_says_what_happened(
    kind: str, data: dict[str, Any], headline: str
) -> None:
    assert told(kind, data=data).headline == headline


def test_money_that_goes_on_or_back_is_told_with_its_sum_and_transaction() -> None:
    part = {"forward": {"amount_sat": 30_000, "fee_sat": 200}}
    assert "Sent on: 0.000298 BTC (29,800 sat), 200 sat of fee" in shown(
        told("payment.forwarded", data=part)
    )
    back = {"refund": {"id": "ref_1", "amount_sat": 700, "txid": "cd" * 32}}
    lines = shown(told("payment.refunded", txid=None, data=back))
    assert f"Transaction: {'cd' * 32}" in lines


@pytest.mark.parametrize("kind", EventType)
def test_every_type_has_words_of_its_own(kind: EventType) -> None:
    assert kind in _HEADLINES
    assert told(kind).headline


@pytest.mark.parametrize(("every_s", "is_fast"), [(5, True), (15, True), (16, False)])
def test_s1_7_fast_is_visible(every_s: int, is_fast: bool) -> None:
    payment = Payment(terms(poll_interval_s=every_s))
    by_payment = shown(told("payment.detected", payment))
    created = told("payment.created", data={"terms": {"poll_interval_s": every_s}})
    for lines in (by_payment, shown(created)):
        assert ("(fast)" in lines[0]) is is_fast
        assert (f"Fast: looked at every {every_s} s" in lines) is is_fast


def test_what_was_left_out_is_said() -> None:
    lines = shown(told_of("payment.confirmed", EVENT, None, (3, 4)))
    assert "Not told before: events 3, 4 of this payment" in lines


def test_a_payment_without_a_chain_has_neither_depth_nor_satoshi() -> None:
    external = told(
        "payment.confirmed", Payment(terms(method="external", poll_interval_s=5)),
        **CARD, data={"settled_minor": 1_250, "reference": "ch_9"},
    )  # fmt: skip
    assert shown(external) == [
        "Payment confirmed", "Order: order-1", "Amount: 12.50 EUR", "Gateway: stripe",
        "Reference: ch_9", "Payment: pay_1",
    ]  # fmt: skip
    more = told("payment.confirmed", **CARD, data={"settled_minor": 1_300})
    assert "Received: 13.00 EUR" in shown(more)


@pytest.mark.parametrize(
    ("kind", "data", "headline"),
    [
        ("payment.underpaid", {"short_minor": 250}, "Underpaid by 2.50 EUR"),
        ("payment.overpaid", {"excess_minor": 5}, "Overpaid by 0.05 EUR"),
        ("payment.underpaid", {}, "Underpaid"),
    ],
)
def test_sums_of_a_payment_without_a_chain_are_in_its_currency(
    kind: str, data: dict[str, Any], headline: str
) -> None:
    assert told(kind, **CARD, data=data).headline == headline


def test_an_alert_is_told_and_that_it_is_over() -> None:
    data = {"kind": "source.behind", "subject": "esplora", "detail": "3 blocks"}
    assert shown(told_of("alert.raised", data, None)) == [
        "Alert: source.behind", "Subject: esplora", "Detail: 3 blocks",
    ]  # fmt: skip
    assert told_of("alert.resolved", data, None).headline == "Over: source.behind"
    others = [{"subject": f"node {n}", "detail": "late"} for n in range(5)]
    crowd = shown(told_of("alert.raised", {**data, "more": others, "total": 9}, None))
    assert crowd[3:] == [
        "Also: node 0: late", "Also: node 1: late", "Also: node 2: late",
        "And: 5 more of this kind",
    ]  # fmt: skip


def test_what_a_stranger_wrote_is_neither_markup_nor_link_nor_line() -> None:
    name = "*x*](http://evil.example/)\n@everyone `"
    source = message(told("payment.detected", external_id=name, data={"reason": name}))
    text, entities = read_markdown_v2(source)
    inside = [e.text for e in entities if e.kind == "code"]
    assert inside.count("*x*](http://evil.example/) @everyone `") == 2
    outside = text
    for part in inside:
        outside = outside.replace(part, "")
    assert "evil" not in outside


def test_the_longest_values_make_a_message_that_telegram_takes() -> None:
    long = "😀" * 5_000
    data = {"reason": long}
    source = message(told("payment.late", external_id=long, merchant=long, data=data))
    text, _ = read_markdown_v2(source)
    assert len(text.encode("utf-16-le")) // 2 <= 4_096
    assert "Payment: pay_1" in text


def test_a_price_is_told_with_its_rate() -> None:
    price = Price(currency="EUR", minor=2_500, decimals=2, rate="50000", rate_at=1)
    priced = Payment(terms(price=price))
    lines = shown(told("payment.confirmed", priced))
    assert "Price: 25.00 EUR (at 50000)" in lines
    alone = replace(priced, terms=terms(price=replace(price, is_lone=True)))
    assert "Price: 25.00 EUR (at 50000, which one provider alone says)" in shown(
        told("payment.confirmed", alone)
    )


def test_a_payment_by_lightning_has_a_payment_hash_and_no_depth() -> None:
    settled: Any = {
        "receipt": {"settled": {"fee_sat": 1}},
        "terms": {"poll_interval_s": 5},
    }
    fields: Any = {"payment_hash": "ab" * 32, "confirmations_required": 0}
    methods: Any = ({"method": "lightning", "address": None}, {})
    for method in methods:
        message_told = told("payment.detected", data=settled, **fields, **method)
        assert message_told.headline == "Payment received by Lightning"
        names = [fact.name for fact in message_told.facts]
        assert "Payment hash" in names
        assert not {"Transaction", "Confirmations"} & {*names}
    alone = told("payment.created", data=settled, method="lightning", address=None)
    assert not alone.is_fast, "nobody looks at an address for it"
