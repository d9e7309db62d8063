"""S3.7: a token of the shop's site (JWT) on `/ws`, as a page that has one would."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.seeds.salon_page import end_of_tokens, ends_soon
from tests.tools.node import RunningNode, running_node
from tests.tools.site_token import SECRET, claims, ed25519, pem, token
from tests.tools.site_token import compact as signed
from tests.tools.wait import wait_until
from tests.tools.wsclient import Closed, WsClient, connect

HS256 = {"jwt": {"algorithm": "HS256", "secret": SECRET}}


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as started:
        eddsa = {"jwt": {"algorithm": "EdDSA", "public_key": pem(ed25519())}}
        for name, record in (("default", HS256), ("rose", HS256), ("lily", eddsa)):
            put = started.call("PUT", f"/v1/merchants/{name}", json=record)
            assert put.status_code == 200, put.text
        yield started


def page(node: RunningNode, **query: str) -> WsClient:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    client = connect("127.0.0.1", node.server.port, f"/ws?{asked}".rstrip("?"))
    if client.accepted:
        assert client.recv_json()["type"] == "connected"
    return client


def say(client: WsClient, **message: Any) -> dict[str, Any]:
    client.send_json(message)
    answer: dict[str, Any] = client.recv_json()
    return answer


def pay(node: RunningNode, payment: dict[str, Any]) -> None:
    node.chain.pay(payment["address"], 1_000)
    node.chain.mine(3)
    node.wait_for_status(payment["id"], "confirmed")


def in_order(client: WsClient) -> None:
    """Nothing else was told."""
    assert say(client, type="ping")["type"] == "pong"


@pytest.mark.parametrize("made", ["before", "after"])
def test_s3_7_a_token_identifies_whatever_the_order_number(
    node: RunningNode, made: str
) -> None:
    order = {"amount_sat": 1_000, "external_id": f"jwt-{made}"}
    payment = node.create(**order) if made == "before" else None
    client = page(node)
    answer = say(client, type="identify", externalId=f"jwt-{made}", token=jwt())
    assert answer["type"] == "identified"
    pay(node, payment or node.create(**order))
    paid = client.recv_json()
    assert (paid["type"], paid["status"]) == ("payment", "paid")
    in_order(client)
    client.close()


def jwt(**more: object) -> str:
    return token(claims(**more))


def test_s3_7_a_token_in_the_url_is_for_the_whole_connection(node: RunningNode) -> None:
    payment = node.create(amount_sat=1_000, external_id="jwt-url")
    client = page(node, token=jwt())
    assert say(client, type="identify", externalId="jwt-url")["type"] == "identified"
    told = say(client, type="subscribe", payment_id=payment["id"])
    assert told["type"] == "subscribed"
    client.close()


def test_s3_7_a_subscription_tells_what_a_visitor_may_read(node: RunningNode) -> None:
    metadata = {"customer": "canary"}
    payment = node.create(amount_sat=1_000, external_id="jwt-sub", metadata=metadata)
    client = page(node)
    asked = {"type": "subscribe", "payment_id": payment["id"], "since": 0}
    heard = [say(client, **asked, token=jwt())]
    assert heard[0]["state"]["external_id"] == "jwt-sub"
    pay(node, payment)
    while heard[-1]["type"] != "payment.confirmed":
        heard.append(client.recv_json())
    assert heard[-1]["payment_id"] == payment["id"]
    assert "payment.created" in [one["type"] for one in heard]
    assert "canary" not in json.dumps(heard)
    # The payment's own secret tells all, on the same socket too.
    secret = payment["client_secret"]
    told = say(client, type="subscribe", payment_id=payment["id"], token=secret)
    assert told["state"]["metadata"] == metadata
    client.close()


def test_s3_7_a_token_opens_its_own_merchants_payments_only(node: RunningNode) -> None:
    theirs = node.create(amount_sat=1_000, external_id="jwt-lily", merchant="lily")
    ours = node.create(amount_sat=1_000, external_id="jwt-lily", merchant="rose")
    lily = signed({"alg": "EdDSA"}, claims(), ed25519())
    client = page(node, token=jwt(), merchant="rose")
    told = say(client, type="subscribe", payment_id=theirs["id"])
    assert (told["type"], told["code"]) == ("error", "not_allowed")
    told = say(client, type="identify", externalId="jwt-lily", merchant="lily")
    assert told["code"] == "not_allowed"
    assert say(client, type="identify", externalId="jwt-lily")["type"] == "identified"
    pay(node, theirs)
    in_order(client)
    pay(node, ours)
    assert client.recv_json()["status"] == "paid"
    in_order(client)
    told = say(client, type="subscribe", payment_id=theirs["id"], token=lily)
    assert told["type"] == "subscribed"
    client.close()


def test_s3_7_a_token_opens_its_own_salons_payments_only(node: RunningNode) -> None:
    theirs = node.create(
        amount_sat=1_000, external_id="jwt-salon", metadata={"salonId": "s2"}
    )
    client = page(node, token=jwt(salonId="s1"))
    told = say(client, type="subscribe", payment_id=theirs["id"])
    assert told["code"] == "not_allowed"
    say(client, type="identify", externalId="jwt-salon")
    pay(node, theirs)
    in_order(client)
    client.close()


BAD: dict[str, Callable[[], str]] = {
    "expired": lambda: token(claims(exp=1_000_000_000)),
    "wrong audience": lambda: token(claims(aud="somebody")),
    "another key": lambda: token(claims(), SECRET[::-1]),
    "alg none": lambda: signed({"alg": "none"}, claims(), SECRET),
    "kid of a file": lambda: token(claims(), "", {"kid": "/dev/null"}),
    "huge": lambda: token(claims(more="x" * 4_000)),
}
"""Made when they are used: else their hour would be what is wrong with them."""


@pytest.mark.parametrize("kind", BAD)
def test_s3_7_a_wrong_token_is_refused(node: RunningNode, kind: str) -> None:
    payment = node.create(amount_sat=1_000, external_id="jwt-bad")
    bad = BAD[kind]()
    refused = page(node, token=bad)
    assert (refused.status, refused.problem["code"]) == (401, "unauthorized")
    client = page(node)
    for asked in (
        {"type": "subscribe", "payment_id": payment["id"]},
        {"type": "identify", "externalId": "jwt-bad"},
    ):
        told = say(client, **asked, token=bad)
        assert (told["type"], told["code"]) == ("error", "not_allowed")
        assert not any(part in json.dumps(told) for part in bad.split(".")[1:2])
    client.close()


def test_s3_7_a_wrong_token_is_refused_where_none_is_needed(node: RunningNode) -> None:
    record = HS256 | {"identify_without_secret": True}
    put = node.call("PUT", "/v1/merchants/open", json=record)
    assert put.status_code == 200
    client = page(node)
    asked = {"type": "identify", "externalId": "jwt-open", "merchant": "open"}
    assert say(client, **asked)["type"] == "identified"
    assert say(client, **asked, token=BAD["expired"]())["code"] == "not_allowed"
    assert say(client, **asked, token=jwt())["type"] == "identified"
    client.close()


@pytest.mark.parametrize("where", ["url", "message"])
def test_s3_7_the_socket_ends_when_its_token_does(
    node: RunningNode, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = jwt(exp=ends_soon())
    client = page(node, token=soon) if where == "url" else page(node)
    if where == "message":
        say(client, type="identify", externalId="jwt-end", token=jwt())
        say(client, type="identify", externalId="jwt-end-2", token=soon)
    end_of_tokens(node, monkeypatch)
    with pytest.raises(Closed) as closed:
        client.recv()
    assert (closed.value.code, closed.value.reason) == (1_008, "the token has expired")
    wait_until(lambda: not node.live.salon.leases.held, 10, "nothing to be held")
