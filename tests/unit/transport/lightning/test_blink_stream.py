"""The conversation of `graphql-transport-ws`, message by message."""

import json
from typing import Any

import pytest

from engine.errors.lightning import NodeGarbage, NodeRefused, NodeUnavailable
from engine.lightning.node import InvoiceSeen, SignOfLife
from transport.lightning.blink_stream import PATIENCE_S, MyUpdates

HASH = "ab" * 32
ACK = {"type": "connection_ack"}
TICK = {"id": "1", "type": "next", "payload": {"data": {"myUpdates": {"update": {}}}}}
NO_KEY = {
    "message": "Not Authenticated for subscription",
    "path": ["myUpdates"],
    "extensions": {"code": "NOT_AUTHENTICATED"},
}


class Stage:
    silence_s = 10.0

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.words: list[SignOfLife] = []
        self.invoices: list[InvoiceSeen] = []
        self.now_s = 0.0
        self.updates = MyUpdates("till: myUpdates", self, self, lambda: self.now_s)
        self.updates.begin("blink_key")

    def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    def word(self, heard: SignOfLife) -> None:
        self.words.append(heard)

    def paid(self, invoice: InvoiceSeen) -> None:
        self.invoices.append(invoice)

    def hear(self, *messages: Any) -> None:
        for message in messages:
            text = message if isinstance(message, str) else json.dumps(message)
            self.updates.on_message(text)

    def alive(self) -> None:
        self.updates.on_message(None)


def update(value: Any) -> dict[str, Any]:
    return {"id": "1", "type": "next", "payload": {"data": {"myUpdates": value}}}


def paid(**more: Any) -> dict[str, Any]:
    transaction = {
        "id": "6b", "createdAt": 1_790_000_000, "direction": "RECEIVE",
        "status": "SUCCESS", "settlementAmount": 21, "settlementFee": 0,
        "settlementCurrency": "BTC", "initiationVia": {"paymentHash": HASH},
        "settlementVia": {"preImage": None}, **more,
    }  # fmt: skip
    told = {"__typename": "LnUpdate", "status": "PAID", "transaction": transaction}
    return update({"errors": [], "update": told})


def test_it_is_open_when_the_subscription_is_known_to_stand_and_not_before() -> None:
    stage = Stage()
    assert stage.sent == [
        {"type": "connection_init", "payload": {"X-API-KEY": "blink_key"}}
    ]
    stage.hear(ACK)
    assert stage.sent[1]["type"] == "subscribe"
    stage.hear({"type": "pong"})  # works beside the subscription, and proves nothing
    assert stage.words == []
    stage.hear(TICK)
    assert stage.words[0] is SignOfLife.OPENED
    stage.alive()
    assert set(stage.words[1:]) == {SignOfLife.ALIVE}
    assert stage.words.count(SignOfLife.OPENED) == 1


@pytest.mark.parametrize(
    "told",
    [
        [{"id": "1", "type": "error", "payload": [NO_KEY]}],
        # What the server really sends of a subscription that cannot be made.
        [
            {"id": "1", "type": "next", "payload": {"errors": [NO_KEY]}},
            {"id": "1", "type": "complete"},
        ],
    ],
)
def test_an_acknowledged_key_may_be_refused_yet(told: list[Any]) -> None:
    stage = Stage()
    stage.hear(ACK)
    with pytest.raises(NodeRefused) as caught:
        stage.hear(*told)
    assert caught.value.why == "key"
    assert stage.words == []


def test_without_a_price_patience_has_to_do() -> None:
    stage = Stage()
    stage.now_s = PATIENCE_S - 1
    stage.hear(ACK)
    stage.now_s += PATIENCE_S
    stage.alive()
    assert stage.words == []
    stage.now_s += 1
    stage.hear({"type": "pong"})
    assert stage.words == [SignOfLife.OPENED]


def test_who_never_acknowledges_is_given_up() -> None:
    stage = Stage()
    stage.alive()
    stage.now_s = PATIENCE_S + 1
    with pytest.raises(NodeUnavailable, match="acknowledge"):
        stage.alive()


def test_a_paid_invoice_is_told_each_time_it_comes() -> None:
    stage = Stage()
    stage.hear(ACK, paid(), paid())
    assert stage.words[0] is SignOfLife.OPENED
    assert [x.received_msat for x in stage.invoices] == [21_000, 21_000]


@pytest.mark.parametrize(
    "other",
    [
        TICK,
        update({"update": None, "errors": [{"message": "Price is deprecated"}]}),
        update({"update": {"__typename": "RealtimePrice"}, "errors": []}),
        update(None),
        paid(settlementCurrency="USD"),
        paid(direction="SEND"),
        paid(status="PENDING"),
        paid(initiationVia={}),
        {"id": "2", "type": "next", "payload": {"errors": [NO_KEY]}},
        {"type": "ping"},
        {"type": "ping", "payload": {"x": 1}},
        {"type": "pong", "payload": None},
    ],
)
def test_what_else_comes_is_no_payment(other: Any) -> None:
    stage = Stage()
    stage.hear(ACK, TICK, other)
    assert stage.invoices == []


def test_a_ping_of_theirs_is_answered() -> None:
    stage = Stage()
    stage.hear({"type": "ping"}, ACK, {"type": "ping"})
    assert [x["type"] for x in stage.sent] == [
        "connection_init", "pong", "subscribe", "pong",
    ]  # fmt: skip


def test_a_subscription_that_ends_is_no_connection() -> None:
    stage = Stage()
    stage.hear(ACK, TICK)
    with pytest.raises(NodeUnavailable, match="ended"):
        stage.hear({"id": "1", "type": "complete"})


def test_an_update_that_failed_ends_the_connection_so_that_it_is_read() -> None:
    stage = Stage()
    stage.hear(ACK, TICK)
    broken = {"message": "secret words", "extensions": {"code": "DB_ERROR"}}
    with pytest.raises(NodeUnavailable, match="DB_ERROR") as caught:
        stage.hear({"id": "1", "type": "next", "payload": {"errors": [broken]}})
    assert "secret words" not in str(caught.value)


@pytest.mark.parametrize(
    "garbage",
    [
        "", "x", "[]", "{}", '{"type":"nonsense"}', '{"type":1}',
        '{"type":"next","id":1}',
        '{"id":"1","type":"next","payload":[]}', '{"id":"1","type":"error"}',
        '{"id":"1","type":"next","payload":{"data":{"myUpdates":{"update":[]}}}}',
    ],
)  # fmt: skip
def test_what_is_not_of_the_protocol_ends_it(garbage: str) -> None:
    stage = Stage()
    stage.hear(ACK)
    with pytest.raises(NodeGarbage):
        stage.hear(garbage)
    assert stage.words == []


def test_it_is_acknowledged_once() -> None:
    stage = Stage()
    stage.hear(ACK)
    with pytest.raises(NodeGarbage, match="twice"):
        stage.hear(ACK)
