"""What is said on `/ws`, and that what a client left behind is ended with it."""

import json
from typing import Any

import pytest

from engine.secrets.vault import Vault
from engine.store.epochs import Position
from tests.unit.transport.live.stage import FakeGateway, SocketWire, terms_of
from transport.live.conversation import MAX_TOPICS, Conversation
from transport.live.creation_listeners import CreationListeners
from transport.live.encoding import Frames
from transport.live.limits import LiveLimits
from transport.live.routes import LiveRoutes

VAULT = Vault(bytes(32))
SECRET = VAULT.client_secret("pay_1")


class Talk:
    """A client on `/ws`: what it says, and what it is answered."""

    def __init__(self) -> None:
        self.gateway = FakeGateway(terms_of("pay_1", "order-1"))
        self.wire = SocketWire()
        self.listeners = CreationListeners(self.gateway)  # type: ignore[arg-type]
        self.conversation = Conversation(
            self.wire,  # type: ignore[arg-type]
            self.gateway,  # type: ignore[arg-type]
            VAULT,
            self.listeners,
            Frames("simulate"),
        )

    def say(self, **message: Any) -> None:
        self.conversation.on_message(json.dumps(message))

    def answers(self) -> list[dict[str, Any]]:
        sent, self.wire.sent = self.wire.sent, []
        return [json.loads(frame[4 if frame[1] == 126 else 2 :]) for frame in sent]

    def open_sessions(self) -> list[str]:
        return [one.name for one in self.gateway.sessions if not one.closed]


@pytest.mark.parametrize("token", [None, "wrong", VAULT.client_secret("pay_2")])
def test_a_subscription_wants_the_secret_of_its_payment(token: str | None) -> None:
    talk = Talk()
    talk.say(type="subscribe", payment_id="pay_1", token=token)
    (answer,) = talk.answers()
    assert (answer["code"], answer["payment_id"]) == ("not_allowed", "pay_1")
    assert talk.open_sessions() == []


def test_subscribing_again_goes_on_from_where_it_says_and_ends_the_first() -> None:
    talk = Talk()
    for since in (None, "simulate-5"):
        talk.say(type="subscribe", payment_id="pay_1", token=SECRET, since=since)
    first, second = talk.gateway.sessions
    assert first.closed
    assert second.followed == [("pay_1", Position("simulate", 5))]
    assert talk.open_sessions() == ["subscription"]


def test_unsubscribing_ends_it_and_is_answered_also_where_nothing_was() -> None:
    talk = Talk()
    talk.say(type="subscribe", payment_id="pay_1", token=SECRET)
    for _ in range(2):
        talk.say(type="unsubscribe", payment_id="pay_1")
        assert talk.open_sessions() == []
        assert talk.answers() == [{"type": "unsubscribed", "payment_id": "pay_1"}]


@pytest.mark.parametrize("external_id", ["order-1", "order-of-nobody"])
@pytest.mark.parametrize("token", [None, "wrong", VAULT.client_secret("pay_2")])
def test_identifying_wants_the_secret_and_tells_nothing_of_whether_there_is_one(
    token: str | None, external_id: str
) -> None:
    talk = Talk()
    talk.gateway.open = set()
    talk.say(type="identify", externalId=external_id, token=token)
    (answer,) = talk.answers()
    assert (answer["type"], answer["code"]) == ("error", "not_allowed")
    assert external_id not in json.dumps(answer)
    assert talk.open_sessions() == []
    assert len(talk.listeners) == 0


def test_with_the_secret_that_payment_is_told_of_and_no_other() -> None:
    talk = Talk()
    talk.gateway.open = set()
    newer = FakeGateway(terms_of("pay_2", "order-1")).payments
    talk.gateway.payments = newer + talk.gateway.payments
    talk.say(type="identify", externalId="order-1", token=SECRET)
    (answer,) = talk.answers()
    assert (answer["type"], answer["externalId"]) == ("identified", "order-1")
    (session,) = talk.gateway.sessions
    assert session.followed == [("pay_1", None)]
    assert len(talk.listeners) == 0
    talk.say(type="identify", externalId="order-1", token=SECRET, merchant="theirs")
    assert [one["code"] for one in talk.answers()] == ["not_allowed"]
    talk.conversation.close()
    assert talk.open_sessions() == []


def test_a_merchant_may_have_it_without_a_secret_as_in_the_document() -> None:
    """Then "identified" is the answer whether there is such a payment or not."""
    talk = Talk()
    talk.gateway.open = {"theirs"}
    for external_id in ("order-1", "order-of-nobody"):
        for more in ({}, {"merchant": "theirs"}, {"token": "wrong"}):
            talk.say(type="identify", externalId=external_id, **more)
            assert [one["type"] for one in talk.answers()] == ["identified"]
    assert all(one.followed == [] for one in talk.gateway.sessions)  # pay_1: default's
    talk.say(type="identify", externalId="order-1", merchant="default")
    assert [one["code"] for one in talk.answers()] == ["not_allowed"]


def test_identifying_again_begins_anew_and_ends_the_first() -> None:
    talk = Talk()
    talk.say(type="identify", externalId="order-1")
    first = talk.gateway.sessions[0]
    talk.say(type="identify", externalId="order-1")
    assert first.closed
    assert talk.open_sessions().count("identity") == 1
    assert len(talk.listeners) == 1
    assert [one["type"] for one in talk.answers()] == ["identified", "identified"]


def test_a_socket_follows_so_many_things_and_no_more() -> None:
    talk = Talk()
    talk.say(type="subscribe", payment_id="pay_1", token=SECRET)
    for number in range(MAX_TOPICS - 1):
        talk.say(type="identify", externalId=f"order-{number}")
    answered = talk.answers()
    assert [one["type"] for one in answered] == ["identified"] * (MAX_TOPICS - 1)
    talk.say(type="identify", externalId="one more")
    assert [one["code"] for one in talk.answers()] == ["too_many"]
    talk.say(type="identify", externalId="order-7")  # in place of itself
    assert [one["type"] for one in talk.answers()] == ["identified"]


def test_nothing_of_a_client_stays_when_it_has_gone() -> None:
    talk = Talk()
    talk.say(type="subscribe", payment_id="pay_1", token=SECRET)
    talk.say(type="identify", externalId="order-1")
    assert sorted(talk.open_sessions()) == ["creations", "identity", "subscription"]
    talk.conversation.close()
    assert talk.open_sessions() == []
    assert len(talk.listeners) == 0


# The sockets of a node


class FakeSocket(SocketWire):
    """As an endpoint sees it."""

    listener: Any = None
    queued_messages = queued_bytes = 0

    def listen(self, listener: Any) -> None:
        self.listener = listener

    send_encoded = SocketWire.send

    def refuse(self, code: int, _reason: str) -> None:
        self.close_code = code


def live_routes(**limits: int) -> tuple[LiveRoutes, FakeGateway]:
    gateway = FakeGateway()
    routes = LiveRoutes(gateway, VAULT, Frames("simulate"), **limits)  # type: ignore[arg-type]
    return routes, gateway


def open_one(routes: LiveRoutes) -> FakeSocket:
    endpoint: Any = routes({"PATH_INFO": "/ws"})
    socket = FakeSocket()
    endpoint(socket)
    return socket


def test_who_tries_order_numbers_is_slowed_down_by_his_address() -> None:
    """Whatever number of sockets he opens; somebody else is not."""
    routes, gateway = live_routes(messages_per_min=1_000)
    guesses, told = 0, ""
    for _ in range(8):
        socket = open_one(routes)
        for _ in range(60):
            guess = {"type": "identify", "externalId": f"order-{guesses}"}
            socket.listener.on_message(json.dumps(guess))
            guesses += 1
        told += b"".join(socket.sent).decode("latin-1")
    sessions = len([one for one in gateway.sessions if one.name == "identity"])
    assert LiveLimits().identifies_at_once <= sessions < guesses
    assert told.count('"too_many"') == guesses - sessions
    other: Any = routes({"PATH_INFO": "/ws", "REMOTE_ADDR": "203.0.113.9"})
    socket = FakeSocket()
    other(socket)
    socket.listener.on_message('{"type":"identify","externalId":"order-1"}')
    assert len([one for one in gateway.sessions if one.name == "identity"]) > sessions


def is_full(routes: LiveRoutes) -> bool:
    return getattr(routes({"PATH_INFO": "/ws"}), "status", None) == 503


def test_a_node_that_has_all_its_sockets_refuses_until_one_has_gone() -> None:
    routes, gateway = live_routes(max_sockets=2)
    sockets = [open_one(routes) for _ in range(2)]
    assert is_full(routes)
    sockets[0].listener.on_message('{"type":"identify","externalId":"order-1"}')
    sockets[0].listener.ended()
    assert not is_full(routes)
    assert all(session.closed for session in gateway.sessions)


def test_a_socket_about_one_payment_ends_its_session_when_it_has_gone() -> None:
    routes, gateway = live_routes()
    gateway.payments = Talk().gateway.payments
    environ = {"PATH_INFO": "/ws/balance/bcrt1qpay_1", "QUERY_STRING": "since=3"}
    endpoint: Any = routes(environ)
    socket = FakeSocket()
    endpoint(socket)
    (session,) = gateway.sessions
    assert session.followed == [("pay_1", Position("simulate", 3))]
    assert routes.open == 1
    socket.listener.ended()
    assert session.closed
    assert routes.open == 0


def test_some_of_all_connections_are_left_to_others() -> None:
    routes, _ = live_routes()
    routes.keep_below(8)
    for _ in range(7):
        open_one(routes)
    assert is_full(routes)


def test_a_client_that_talks_too_much_is_refused() -> None:
    routes, _ = live_routes(messages_per_min=3)
    socket = open_one(routes)
    socket.sent.clear()
    for _ in range(3):
        socket.listener.on_message('{"type":"ping"}')
    assert socket.close_code is None
    socket.listener.on_message('{"type":"ping"}')
    assert socket.close_code == 1008
    assert len(socket.sent) == 3


@pytest.mark.parametrize(
    "since",
    ["x", "-1", "1&since=2", "1" * 19, "%C2%B2", "short-1", "simulate-", "1%0A"],
)
def test_a_since_that_is_no_seq_is_refused(since: str) -> None:
    routes, _ = live_routes()
    path = "/ws/balance/bcrt1q"
    answer: Any = routes({"PATH_INFO": path, "QUERY_STRING": f"since={since}"})
    assert answer.status == 422
