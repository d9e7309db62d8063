"""Row S4.3: a token in `auth.token`, refused on both transports, opens its own."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.seeds.socketio_clients import NodeClients, node_clients
from tests.seeds.socketio_node import (
    good_token,
    let_in,
    pay,
    salon_node,
    take_tokens,
    url_of,
)
from tests.seeds.test_s4_1_socketio import SUBSCRIBE, TRANSPORTS
from tests.tools.engineio import Client, polling, websocket
from tests.tools.livenode import LiveNode
from tests.tools.site_token import claims, compact, pem, rsa_key, token

OTHERS_SECRET = "another-shop's-backend/0123456789abcdef"
SALON = "/payments/salon/s1"

HS, RS = {"alg": "HS256", "typ": "JWT"}, {"alg": "RS256", "typ": "JWT"}


def bad_tokens() -> dict[str, Any]:
    """Made now: of some, their hour is what is wrong with them."""
    return {
        "none at all": None,
        "an empty one": "",
        "a number": 7,
        "no JWT": "let me in",
        "alg none": compact({"alg": "none"}, claims(), None),
        "alg None": compact({"alg": "None"}, claims(), None),
        "alg empty": compact({"alg": ""}, claims(), "x" * 32),
        "another secret": token(claims(), OTHERS_SECRET),
        "RS256 where HS256 is pinned": compact(RS, claims(), rsa_key()),
        "HS256 with a public key": token(claims(), pem(rsa_key())),
        "kid of a file": token(claims(), "", {"kid": "../../../../dev/null"}),
        "kid of SQL": token(claims(), "x" * 32, {"kid": "' UNION SELECT 'x"}),
        "jku": token(claims(), "x" * 32, {"jku": "http://127.0.0.1/keys"}),
        "its own key": token(claims(), "k" * 32, {"jwk": {"kty": "oct", "k": "a2tr"}}),
        "expired": token(claims(exp=int(time.time()) - 600)),
        "no end": token({"userId": "u1"}),
        "not yet": token(claims(nbf=int(time.time()) + 600)),
        "an audience": token(claims(aud="elsewhere")),
        "nobody": token({"exp": int(time.time()) + 600}),
        "huge": token(claims(more="x" * 8_000)),
        "of salon s2": token(claims(salonId="s2")),
    }


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with salon_node(tmp_path_factory.mktemp("node")) as node:
        take_tokens(node, "others", OTHERS_SECRET)
        take_tokens(node, "heard", audience="paybell")
        yield node


@pytest.fixture(scope="module")
def clients() -> Iterator[NodeClients]:
    with node_clients() as clients:
        yield clients


def opened(node: LiveNode, transport: str) -> Client:
    return (polling if transport == "polling" else websocket)(node.server.port)


@TRANSPORTS
def test_s4_3_the_page_learns_why_its_token_is_refused(
    node: LiveNode, clients: NodeClients, transports: list[str]
) -> None:
    bad = token(claims(exp=int(time.time()) - 600))
    page = clients.open(url_of(node), auth={"token": bad}, transports=transports)
    error = page.next("connect_error")
    assert error["message"] == "the token has expired"
    assert error["data"] == {"code": "not_allowed"}
    page.close()
    absent = clients.open(url_of(node), transports=transports)
    assert "auth.token" in absent.next("connect_error")["message"]
    absent.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_s4_3_no_bad_token_opens_a_namespace(node: LiveNode, transport: str) -> None:
    page = opened(node, transport)
    for name, bad in bad_tokens().items():
        answer = page.join(SALON, {"token": bad})
        assert answer.startswith(f"4{SALON},"), name
        assert str(bad or "connect")[:12] not in answer, name
    assert page.join(SALON, {"token": good_token()}).startswith(f"0{SALON},")
    page.close()


@pytest.mark.parametrize("auth", [None, [], "x", 3, {"token": {}}, {"Token": "x"}])
def test_s4_3_what_is_no_auth_opens_nothing(node: LiveNode, auth: Any) -> None:
    page = opened(node, "websocket")
    assert page.join(SALON, auth).startswith(f"4{SALON},")
    page.close()


def test_s4_3_a_token_must_be_for_the_audience_that_its_merchant_expects(
    node: LiveNode,
) -> None:
    page = opened(node, "websocket")
    path = "/payments/heard"
    assert page.join(path, let_in()).startswith("4")
    assert page.join(path, let_in(aud="elsewhere")).startswith("4")
    assert page.join(path, let_in(aud=["x", "paybell"])).startswith("0")
    page.close()


@pytest.mark.parametrize(
    "namespace",
    [
        "/payments/others",
        "/payments/nobody",
        "/payments/%2e%2e",
        "/admin",
        "/payments/*",
    ],
)
def test_s4_3_a_token_opens_no_other_merchants_namespace(
    node: LiveNode, namespace: str
) -> None:
    page = opened(node, "websocket")
    assert page.join(namespace, let_in()).startswith(f"4{namespace},")
    page.close()


def test_s4_3_another_merchants_invoice_is_as_if_there_were_none(
    node: LiveNode, clients: NodeClients
) -> None:
    theirs = node.create(external_id="the-same", merchant="others")
    unnumbered = node.create(merchant="others")
    page = clients.open(url_of(node), auth=let_in(), transports=["websocket"])
    for invoice in ("the-same", theirs.id, unnumbered.id):
        assert page.ask(SUBSCRIBE, {"invoiceId": invoice, "since": 0}) == {
            "invoiceId": invoice,
            "state": None,
        }
    pay(node, theirs)
    pay(node, unnumbered)
    pay(node, node.create(external_id="the-same"))
    assert page.event("payment:completed")["invoiceId"] == "the-same"
    assert len(page.events("payment:completed")) == 1
    page.close()


def test_s4_3_a_token_of_a_salon_does_not_open_another_salons_payments(
    node: LiveNode,
) -> None:
    node.create(external_id="of-s2", metadata={"salonId": "s2"})
    page = opened(node, "websocket")
    page.join("/", let_in())
    page.emit("/", SUBSCRIBE, {"invoiceId": "of-s2"}, ack=1)
    assert page.packet() == '31[{"invoiceId":"of-s2","state":null}]'
    later = node.create(external_id="of-s2", metadata={"salonId": "s2"})
    pay(node, later)
    pay(node, node.create(external_id="of-s2", metadata={"salonId": "s1"}))
    _name, value = page.message()
    assert value["data"]["address"] != later.address
    page.close()


@TRANSPORTS
def test_s4_3_what_a_token_opened_ends_with_it(
    node: LiveNode,
    clients: NodeClients,
    transports: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock is put on when it has connected, not before: however long that takes,
    within the half minute of leeway."""
    monkeypatch.setattr("transport.live.socketio.seat._LOOK_S", 0.2)
    auth = let_in(exp=time.time() - 1)
    page = clients.open(url_of(node), auth=auth, transports=transports)
    page.next("connect")
    now = node.clock.now
    monkeypatch.setattr(node.clock, "now", lambda: now() + 30_000)
    assert page.next("disconnect")["reason"] == "io server disconnect"
    page.close()
