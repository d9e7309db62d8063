"""What the salon's pages are told of each event: names, fields, and nothing twice."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from engine.payment.events import Change, CommittedEvent, encode, opening, with_offset
from engine.payment.model import EventType, Payment, Receipt, SavedToken, Status
from engine.payment.outcome import completes, settles
from tests.unit.transport.live.test_allow_list import CANARY, CHANGE, TERMS
from transport.live.encoding import Frames
from transport.live.payment_messages import (
    KEPT,
    PaymentMessages,
    card_message,
    invoice_of,
    messages,
    messages_of_state,
    state_body,
)

INVOICE = replace(TERMS, external_id='inv "1" é')
AT = 1_700_000_000_123


def committed(
    kind: EventType, status: Status, offset: int = 7, data: Change = CHANGE
) -> CommittedEvent:
    opened, _ = opening(INVOICE)
    fact = replace(
        opened, type=kind, status=status, at=AT, seq=3, received_sat=600, data=data
    )
    wire = with_offset(offset, encode(fact, INVOICE), "simulate")
    return CommittedEvent(offset, fact, INVOICE.merchant, wire)


def told(kind: EventType, status: Status) -> list[dict[str, Any]]:
    return [
        json.loads(one.flat) for one in messages(committed(kind, status), "simulate")
    ]


def test_a_completion_is_an_update_and_then_completed() -> None:
    update, completed = told(EventType.CONFIRMED, Status.CONFIRMED)
    assert [*update] == ["type", "invoiceId", "status", "timestamp", "data"]
    assert update["type"] == "payment:status-update"
    # Who heard the update and no more comes back with its place, and is told the rest.
    assert update["data"].pop("since") == "simulate-2"
    assert completed["data"].pop("since") == "simulate-3"
    assert completed == {**update, "type": "payment:completed"}
    assert (update["invoiceId"], update["status"]) == ('inv "1" é', "SUCCESS")
    assert update["timestamp"] == AT
    assert update["data"]["seq"] == 3
    assert update["data"]["paymentId"] == INVOICE.id
    assert update["data"]["type"] == "payment.confirmed"
    assert update["data"]["received_sat"] == 600


def test_socketio_gets_the_same_object_beside_its_name() -> None:
    event = committed(EventType.CONFIRMED, Status.CONFIRMED)
    for one in messages(event, "simulate"):
        flat = json.loads(one.flat)
        assert flat.pop("type") == one.name
        assert json.loads(one.body) == flat


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("kind", [k for k in EventType if k != "payment.token_saved"])
def test_each_event_is_at_most_one_update_and_one_completion(
    kind: EventType, status: Status
) -> None:
    event = committed(kind, status)
    found = messages(event, "simulate")
    names = [one.name for one in found]
    assert names.count("payment:status-update") == len(names) - completes(event.event)
    assert len(names) <= 2
    for one in found:
        shown = json.loads(one.flat)
        assert shown["status"] == "PENDING" or settles(event.event)
        assert one.is_step is not settles(event.event)
        assert set(shown["data"]["data"]) <= {
            *("receipt", "receipts", "verified", "short_sat", "excess_sat"),
            "settled_sat",
        }
        del shown["invoiceId"], shown["data"]["paymentId"]
        assert CANARY not in json.dumps(shown)


def test_steps_on_the_way_are_marked_as_such() -> None:
    for kind in (EventType.DETECTED, EventType.CONFIRMING, EventType.REPLACED):
        (step,) = messages(committed(kind, Status.CONFIRMING), "simulate")
        assert step.is_step
        assert json.loads(step.body)["status"] == "PENDING"
    assert messages(committed(EventType.CREATED, Status.PENDING), "simulate") == ()


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        (EventType.EXPIRED, Status.EXPIRED, "FAILED"),
        (EventType.CANCELLED, Status.CANCELLED, "FAILED"),
        (EventType.REVERSED, Status.CONFIRMING, "PENDING"),
    ],
)
def test_news_that_is_none_of_money_is_an_update_alone(
    kind: EventType, status: Status, outcome: str
) -> None:
    (update,) = told(kind, status)
    assert (update["type"], update["status"]) == ("payment:status-update", outcome)
    assert update["data"]["since"] == "simulate-3"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (EventType.FORWARDED, Status.FORWARDED),
        (EventType.FAILED, Status.FAILED),
        (EventType.CREDITED, Status.CONFIRMED),
        (EventType.OVERPAID, Status.CONFIRMED),
        (EventType.DETECTED, Status.EXPIRED),
    ],
)
def test_what_changes_no_outcome_is_not_told(kind: EventType, status: Status) -> None:
    assert told(kind, status) == []


def test_a_payment_without_an_order_number_is_called_by_its_id() -> None:
    terms = replace(INVOICE, external_id=None)
    opened, payment = opening(terms)
    fact = replace(opened, type=EventType.EXPIRED, status=Status.EXPIRED)
    event = CommittedEvent(1, fact, "m", with_offset(1, encode(fact, terms), "e"))
    (update,) = messages(event, "simulate")
    assert json.loads(update.body)["invoiceId"] == terms.id == invoice_of(payment)


def paid(status: Status) -> Payment:
    receipt = Receipt("ab" * 32, 1, 600, "cd" * 32, 7, 2, f"source {CANARY}", 9, True)
    return Payment(INVOICE, status=status, receipts=(receipt,), seq=5)


def test_a_state_is_told_as_an_update_only_if_it_is_paid() -> None:
    frames = Frames("simulate")
    update, completed = messages_of_state(paid(Status.CONFIRMED), frames, AT)
    assert update.name == "payment:status-update"
    assert completed.name == "payment:completed"
    assert update.body == completed.body
    shown = json.loads(update.body)
    assert (shown["status"], shown["timestamp"]) == ("SUCCESS", AT)
    assert (shown["data"]["since"], shown["data"]["seq"]) == ("simulate-5", 5)
    for status in (Status.PENDING, Status.CONFIRMING, Status.EXPIRED):
        assert messages_of_state(paid(status), frames, AT) == ()


def test_how_it_stands_holds_what_a_stranger_may_read() -> None:
    shown = json.loads(state_body(paid(Status.CONFIRMING), Frames("simulate"), AT))
    assert (shown.pop("invoiceId"), shown["status"]) == ('inv "1" é', "PENDING")
    assert shown["data"]["receipts"][0]["amount_sat"] == 600
    assert shown["data"].pop("paymentId") == INVOICE.id
    assert CANARY not in json.dumps(shown)


def test_messages_are_made_once_for_all_and_only_the_last_ones_are_kept() -> None:
    made = PaymentMessages("simulate")
    first = committed(EventType.CONFIRMED, Status.CONFIRMED, 1)
    found = made.of(first)
    assert made.of(first) is found
    for offset in range(2, KEPT + 2):
        made.of(committed(EventType.CREATED, Status.PENDING, offset))
    again = made.of(first)
    assert again is not found
    assert again == found


def test_a_saved_card_is_told_by_its_name_and_by_what_a_page_shows_of_it() -> None:
    event = committed(EventType.TOKEN_SAVED, Status.PENDING)
    token = SavedToken("tok_1", {"brand": "VISA", "last4": "4242"})
    fact = replace(event.event, data=Change(source="stripe", token=token))
    (told,) = messages(replace(event, event=fact), "simulate")
    assert told.name == "payment:token-saved"
    assert not told.is_step
    body = json.loads(told.body)
    assert body["tokenId"] == "tok_1"
    assert body["timestamp"] == fact.at
    assert body["data"] == {
        "brand": "VISA",
        "last4": "4242",
        "invoiceId": INVOICE.external_id,
        "paymentId": fact.payment_id,
        "since": f"simulate-{fact.seq}",
    }
    beside = json.loads(card_message(replace(event, event=fact)).body)
    assert body["data"].pop("since"), "a place, for who follows the invoice"
    assert beside == body
