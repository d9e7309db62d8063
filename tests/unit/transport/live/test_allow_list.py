"""What a stranger reads of an address: what is on the list, whatever happens.

A field that is new somewhere is on no list until somebody has thought about it: each
field of each type that is told has to be in one of the two sets here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields, replace

from engine.payment.events import Change, CommittedEvent, encode, opening, with_offset
from engine.payment.model import Claim, EventType, Flag, Payment, Receipt, Status, Terms
from engine.ports import Freshness
from transport.http.views import EventView, PaymentView, ReceiptView
from transport.live.allow_list import event_for_strangers, event_for_visitors
from transport.live.encoding import Frames

RECEIPT_SHOWN = {
    *("receipts[].txid", "receipts[].vout", "receipts[].amount_sat"),
    *("receipts[].block_hash", "receipts[].block_height", "receipts[].confirmations"),
    "receipts[].is_coinbase",
}
COMMON = {
    *("seq", "status", "flags[]", "address", "amount_sat", "received_sat"),
    *("confirmations", "confirmations_required"),
}
STATE_SHOWN = COMMON | {
    *("confirmed_sat", "receipts[]", "created_at", "expires_at"),
    *("freshness", "freshness.live", "freshness.since_when"),
    "decimals",
    *RECEIPT_SHOWN,
}
STATE_HIDDEN = {
    "description",
    *("id", "external_id", "merchant", "metadata", "checkout_url", "client_secret"),
    *("method", "network", "asset", "uri", "tolerance_sat", "quorum_above_sat"),
    *("tx_hash", "forwarding_tx_hash", "confirmed_at", "completed_at", "return_url"),
    *("price", "derived", "refunded_sat", "account", "package", "order"),
}
EVENT_SHOWN = COMMON | {
    *("type", "at", "txid", "data", "data.receipt", "data.receipts[]"),
    *("data.verified", "data.short_sat", "data.excess_sat", "data.settled_sat"),
    *(f"data.{name}" for name in RECEIPT_SHOWN),
    *(f"data.{name.replace('receipts[]', 'receipt')}" for name in RECEIPT_SHOWN),
}
EVENT_HIDDEN = {"id", "offset", "payment_id", "external_id", "merchant"}
DATA_HIDDEN = {"changed", "terms", "claim", "source", "reason", "by"}
# Of payments without a chain, which nobody finds by an address: sums are told to who
# follows them by the site's token.
WITHOUT_CHAIN_SHOWN = {"currency", "decimals", "amount_minor", "received_minor"}
WITHOUT_CHAIN_SHOWN |= {"settled_minor", "short_minor", "excess_minor"}
WITHOUT_CHAIN_HIDDEN = {"method", "gateway", "returned_minor"}
WITHOUT_CHAIN_HIDDEN |= {"reference", "external", "token"}
# What the ledger books is the shop's affair; whose account, nobody else's.
DATA_HIDDEN |= {"booked_sat", "booked_minor", "held_sat", "credits"}
DATA_HIDDEN |= {"worth", "held_worth", "credits_worth", "quoted"}
DATA_HIDDEN |= {"booked_lightning_sat", "held_lightning_sat", "lightning_fee_sat"}
# Where the money went on to, or back to, is not for who knows an address only.
DATA_HIDDEN |= {"forward", "forwarding_tx_hash", "completed_at", "refund"}
DATA_HIDDEN |= {"swept_sat", "swept_fee_sat"}
# Other payments of the order are named by their ids.
DATA_HIDDEN |= {"order"}
RECEIPT_HIDDEN = {"source", "seen_at"}
# An invoice is no part of the chain; what its node kept of it is the shop's affair.
# That a receipt is of Lightning is told (tests/unit/transport/http/test_views.py).
STATE_HIDDEN |= {"lightning", "warnings"}
WITHOUT_CHAIN_SHOWN |= {"methods"}
RECEIPT_HIDDEN |= {"settled", "net_sat", "fee_sat", "credit_sat", "msat"}
EVENT_HIDDEN |= {"payment_hash"}

CANARY = "canary"
TERMS = Terms(
    id=f"pay_{CANARY}",
    method=f"method {CANARY}",
    network=f"network {CANARY}",
    asset=f"asset {CANARY}",
    address="bcrt1qexample",
    amount_sat=50_000,
    tolerance_sat=5,
    created_at=1_700_000_000_000,
    expires_at=1_700_003_600_000,
    monitor_until=1_700_090_000_000,
    external_id=f"order {CANARY}",
    merchant=f"merchant {CANARY}",
    metadata={f"key {CANARY}": f"value {CANARY}"},
    ignore=((CANARY, 1),),
    tip_hash=CANARY,
    quorum_above_sat=1,
)
RECEIPT = Receipt("ab" * 32, 1, 600, "cd" * 32, 7, 2, f"source {CANARY}", 9, True)
CHANGE = Change(
    terms=TERMS,
    receipt=RECEIPT,
    receipts=(RECEIPT, RECEIPT),
    claim=Claim(f"provider {CANARY}", f"{CANARY}", 1, 2, 3, True, 4),
    source=f"source {CANARY}",
    verified=False,
    short_sat=1,
    excess_sat=2,
    settled_sat=3,
    reason=f"reason {CANARY}",
    by=f"hand {CANARY}",
)
"""As no event is: all that any may have at once."""

STORED = Path(__file__).parents[2] / "engine" / "payment" / "events_0_1_0.jsonl"


def names(value: Any, path: str = "") -> Iterator[str]:
    """The path of each key, and of each list that has something in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            inside = f"{path}.{key}" if path else key
            if not isinstance(inner, list):
                yield inside
            yield from names(inner, inside)
    elif isinstance(value, list):
        for one in value:
            yield f"{path}[]"
            yield from names(one, f"{path}[]")


def full_event(kind: EventType, data: Change = CHANGE) -> CommittedEvent:
    opened, _ = opening(TERMS)
    event = replace(
        opened, type=kind, txid="ab" * 32, flags=tuple(Flag), data=data, at=1
    )
    wire = with_offset(7, encode(event, TERMS), "simulate")
    return CommittedEvent(7, event, TERMS.merchant, wire)


def full_payment() -> Payment:
    return Payment(
        TERMS,
        status=Status.CONFIRMING,
        flags=tuple(Flag),
        receipts=(RECEIPT, replace(RECEIPT, block_hash=None, is_coinbase=False)),
        claims=(Claim(f"provider {CANARY}", f"{CANARY}", 1, 2, 3),),
        seq=5,
    )


@pytest.mark.parametrize("kind", EventType)
def test_a_stranger_is_told_of_each_type_what_is_on_the_list_and_all_of_it(
    kind: EventType,
) -> None:
    told = event_for_strangers(full_event(kind).wire)
    assert set(names(json.loads(told))) == EVENT_SHOWN
    assert CANARY.encode() not in told
    assert json.loads(told)["data"]["verified"] is False


def test_what_is_told_to_a_stranger_is_a_part_of_what_is_told_to_others() -> None:
    whole = json.loads(full_event(EventType.CONFIRMED).wire)
    told = json.loads(event_for_strangers(full_event(EventType.CONFIRMED).wire))
    part = told.pop("data")
    assert {**whole, **told} == whole
    (receipt, *_), data = part["receipts"], whole["data"]
    assert part["receipt"] == receipt
    assert {**data["receipt"], **receipt} == data["receipt"]


@pytest.mark.parametrize("kind", EventType)
def test_a_visitor_of_the_site_is_told_the_payments_ids_beside(kind: EventType) -> None:
    event = full_event(kind)
    visitor = json.loads(event_for_visitors(event.wire))
    stranger = json.loads(event_for_strangers(event.wire))
    ids = {"payment_id": TERMS.id, "external_id": TERMS.external_id}
    assert visitor == {**stranger, **ids}


def test_of_the_state_too() -> None:
    frames = Frames("simulate")
    visitor = json.loads(frames.for_visitors.state_object(full_payment()))
    stranger = json.loads(frames.for_strangers.state_object(full_payment()))
    assert visitor == {**stranger, "id": TERMS.id, "external_id": TERMS.external_id}
    assert json.loads(frames.for_visitors.text(full_event(EventType.LATE))) == (
        json.loads(event_for_visitors(full_event(EventType.LATE).wire))
    )


def test_what_an_event_does_not_say_is_absent_and_not_null() -> None:
    told = json.loads(event_for_strangers(full_event(EventType.LATE, Change()).wire))
    assert told["data"] == {}


def test_events_of_0_1_0_are_told_to_strangers_too() -> None:
    lines = STORED.read_bytes().splitlines()
    told = [json.loads(event_for_strangers(line)) for line in lines]
    assert {event["type"] for event in told} <= set(EventType)
    assert set().union(*map(names, told)) <= EVENT_SHOWN


def test_a_stranger_is_shown_of_the_state_what_is_on_the_list_and_all_of_it() -> None:
    unread = Freshness(CANARY, False, 1, 2, None, f"reason {CANARY}", 3)
    frames = Frames("simulate", unread=lambda _: unread, public_url=f"http://{CANARY}")
    told = frames.for_strangers.state(full_payment())
    assert set(names(json.loads(told))) == {"type", "epoch"} | STATE_SHOWN
    assert CANARY.encode() not in told
    whole = json.loads(frames.state(full_payment()))
    part = json.loads(told)
    assert whole["freshness"].items() >= part.pop("freshness").items()
    assert {**whole, **part} == whole


def test_the_state_of_an_address_that_can_be_read_has_no_freshness() -> None:
    frames = Frames("simulate")
    told = json.loads(frames.for_strangers.state_object(full_payment()))
    whole = json.loads(frames.state_object(full_payment()))
    assert "freshness" not in told
    assert told["receipts"] == whole["receipts"]


def test_each_field_that_there_is_was_thought_about() -> None:
    """A new one fails here: is it for those who know an address only?"""

    def missing(kind: Any, known: set[str], hidden: set[str]) -> set[str]:
        thought_of = known | hidden | WITHOUT_CHAIN_SHOWN | WITHOUT_CHAIN_HIDDEN
        return {one.encode_name for one in fields(kind)} - thought_of

    def below(shown: set[str], path: str) -> set[str]:
        inside = (name.removeprefix(path) for name in shown if name.startswith(path))
        return {name.removesuffix("[]") for name in inside if "." not in name}

    receipt = below(RECEIPT_SHOWN, "receipts[].")
    assert not missing(EventView, below(EVENT_SHOWN, ""), EVENT_HIDDEN)
    assert not missing(Change, below(EVENT_SHOWN, "data."), DATA_HIDDEN)
    assert not missing(Receipt, receipt, RECEIPT_HIDDEN)
    assert not missing(ReceiptView, receipt, RECEIPT_HIDDEN)
    assert not missing(PaymentView, below(STATE_SHOWN, ""), STATE_HIDDEN)
