"""Nobody reads or moves what is another's (OWASP API1, broken object authorization).

Asked of every operation in the OpenAPI document, so that a new one is asked, too.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.tools.node import RunningNode, running_node
from tests.tools.sseclient import SseClient
from tests.tools.wsclient import connect

OPEN_TO_ALL = {
    "/session",
    "/health",
    "/ready",
    "/openapi.json",
    "/events/balance/{address}",
    "/poll/balance/{address}",
    "/.well-known/lnurlp/{name}",
    "/lnurl/pay/{name}/{version}",
    "/lnurl/verify/{payment_hash}",
}
"""Without a key by design: an address is public, and so is what happens to it; wallets
have none."""

BY_SECRET = {"/webhook/btc", "/poll/order"}


class Shop(NamedTuple):
    """A merchant of a node that several share, and what is its own."""

    name: str
    key: dict[str, str]
    payment: dict[str, Any]
    channel: dict[str, Any]

    def marks(self) -> list[str]:
        """Words that nobody else may read."""
        own = [f"order-of-{self.name}", f"/hook-of-{self.name}"]
        return [*own, self.payment["id"], self.payment["address"], self.channel["id"]]


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def opened(node: RunningNode, name: str) -> Shop:
    key = {"Authorization": f"Bearer {node.add_key(name)}"}
    order = {"amount_sat": 1_000, "external_id": f"order-of-{name}"}
    payment = node.post("/v1/payments", order, **key).json()
    hook = {"url": f"http://127.0.0.1:2/hook-of-{name}"}  # nobody is there
    channel = node.post("/v1/channels", hook, **key).json()
    return Shop(name, key, payment, channel)


@pytest.fixture(scope="module")
def ann(node: RunningNode) -> Shop:
    return opened(node, "ann")


@pytest.fixture(scope="module")
def bob(node: RunningNode) -> Shop:
    return opened(node, "bob")


def operations(node: RunningNode) -> list[tuple[str, str]]:
    """But for those that are WebSockets: who is let in there is tried below, and by the
    tests of each."""
    paths: dict[str, dict[str, Any]] = node.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method, described in methods.items()
        if "101" not in described["responses"]
    ]


def filled(path: str, values: dict[str, str]) -> str:
    """Fails for a parameter that this test does not know: add it here."""
    text = re.sub(r"{(\w+)}", lambda found: values[found[1]], path)
    # Everybody may have an account of this name: whose is asked for is said beside it.
    return f"{text}?merchant={values['merchant']}" if "{account}" in path else text


def ask(node: RunningNode, method: str, path: str, shop: Shop) -> Any:
    body: dict[str, Any] = {"json": {}} if method in {"POST", "PATCH"} else {}
    if path.endswith("/claim"):  # the token of a link stands for a key: a wrong one
        body["json"] = {"token": "0" * 43, "address": shop.payment["address"]}
    return node.call(method, path, headers=shop.key, **body)


def test_an_object_of_another_is_not_there(
    node: RunningNode, ann: Shop, bob: Shop
) -> None:
    """Not even to be told from one that never was; and it stays as it is."""
    keys = node.get("/v1/keys").json()["data"]
    his = {
        "payment_id": bob.payment["id"],
        "channel_id": bob.channel["id"],
        "address": bob.payment["address"],
        "key_id": next(key["id"] for key in keys if key["merchant"] == "bob"),
        "merchant": "bob",
        "account": "alice",
        "refund_id": "ref_of_bob",
        "forward_id": "lnf_of_bob",
        "name": "node-of-bob",
    }
    nobodys = {
        "payment_id": "pay_0000000000000000000000",
        "channel_id": "ch_0000000000000000000000",
        "address": node.chain.new_address(),
        "key_id": "key_000000000000",
        "merchant": "nobody",
        "account": "alice",
        "refund_id": "ref_of_nobody",
        "forward_id": "lnf_of_nobody",
        "name": "node-of-nobody",
    }
    asked = 0
    for method, path in operations(node):
        if "{" not in path or path in OPEN_TO_ALL:
            continue
        asked += 1
        theirs = ask(node, method, filled(path, his), ann)
        none = ask(node, method, filled(path, nobodys), ann)
        assert theirs.status_code in {403, 404}, (method, path, theirs.text)
        assert theirs.status_code == none.status_code, (method, path)
        assert theirs.json()["detail"] == none.json()["detail"], (method, path)
    assert asked >= 12
    assert node.payment(bob.payment["id"])["status"] == "pending"
    assert node.get(f"/v1/channels/{bob.channel['id']}").status_code == 200
    assert node.get("/v1/payments", **bob.key).status_code == 200, "his key works"


def test_no_list_holds_what_is_anothers(
    node: RunningNode, ann: Shop, bob: Shop
) -> None:
    for method, path in operations(node):
        if method != "GET" or "{" in path or path in OPEN_TO_ALL | BY_SECRET:
            continue
        mine = ask(node, method, path, ann)
        assert mine.status_code in {200, 403}, (path, mine.text)
        found = [mark for mark in bob.marks() if mark in mine.text]
        assert found == [], path
    for query in (f"external_id={bob.marks()[0]}", f"address={bob.payment['address']}"):
        listed = node.get(f"/v1/payments?{query}", **ann.key)
        assert listed.json()["data"] == []


def test_a_stream_of_everything_is_of_ones_own(
    node: RunningNode, ann: Shop, bob: Shop
) -> None:
    port = node.server.port
    headers = {**ann.key, "Accept": "text/event-stream", "Last-Event-ID": "0"}
    stream = SseClient("127.0.0.1", port, "/v1/events", headers)
    assert stream.status == 200
    mark = node.post(
        "/v1/payments", {"external_id": "the last", "amount_sat": 1}, **ann.key
    ).json()
    node.post("/v1/payments", {"external_id": "of bob", "amount_sat": 1}, **bob.key)
    told: list[Any] = []
    while not told or told[-1]["payment_id"] != mark["id"]:
        told.append(stream.next().data)
    stream.close()
    assert {event["payment_id"] for event in told} == {ann.payment["id"], mark["id"]}


def test_an_actions_body_reaches_nothing_of_anothers(
    node: RunningNode, ann: Shop, bob: Shop
) -> None:
    wide = {"since": "2020-01-01T00:00:00Z", "channel_id": bob.channel["id"]}
    again = node.post("/v1/redeliver", wide, **ann.key)
    assert (again.status_code, again.json()) == (200, {"requeued": 0})
    assert node.post("/v1/redeliver", wide, **bob.key).json()["requeued"] > 0
    for path, body in (
        ("/v1/payments", {"merchant": "bob"}),
        ("/v1/channels", {"url": "https://x.example/", "merchant": "bob"}),
    ):
        assert node.post(path, body, **ann.key).status_code == 403
    (entry,) = node.post(
        "/v1/payments/batch", {"payments": [{"merchant": "bob"}]}, **ann.key
    ).json()["data"]
    assert entry["problem"]["status"] == 403
    taken = node.post(
        "/v1/payments", {"address": bob.payment["address"], "amount_sat": 1}, **ann.key
    )
    assert taken.status_code == 409
    assert bob.payment["id"] not in taken.text


def test_a_client_secret_opens_its_own_story_only(
    node: RunningNode, ann: Shop, bob: Shop
) -> None:
    client = connect("127.0.0.1", node.server.port, "/ws")
    client.recv_json()
    wanted = {"type": "subscribe", "payment_id": bob.payment["id"]}
    for token in (
        ann.payment["client_secret"],
        ann.key["Authorization"].removeprefix("Bearer "),
        "",
        None,
    ):
        client.send_json({**wanted, "token": token})
        answer = client.recv_json()
        assert answer["type"] == "error", answer
        assert bob.marks()[0] not in json.dumps(answer)
    client.send_json({**wanted, "token": bob.payment["client_secret"]})
    assert client.recv_json()["type"] == "subscribed"
    client.close()


def test_an_address_tells_all_to_a_key_of_its_merchant_and_the_list_to_anothers(
    node: RunningNode, ann: Shop, bob: Shop
) -> None:
    address = bob.payment["address"]
    operator = {"Authorization": f"Bearer {node.api_key}"}
    for headers, tells_all in ((bob.key, 1), (operator, 1), (ann.key, 0), ({}, 0)):
        client = connect(
            "127.0.0.1", node.server.port, f"/ws/balance/{address}", headers
        )
        state = client.recv_json()
        assert state["address"] == address
        told = any(mark in json.dumps(state) for mark in bob.marks() if mark != address)
        assert told == bool(tells_all), headers
        client.close()


def test_an_idempotency_key_of_anothers_replays_nothing_of_his(
    node: RunningNode, ann: Shop, bob: Shop
) -> None:
    body = {"amount_sat": 5_000}
    his = node.post("/v1/payments", body, **bob.key, **{"Idempotency-Key": "same"})
    hers = node.post("/v1/payments", body, **ann.key, **{"Idempotency-Key": "same"})
    assert (his.status_code, hers.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in hers.headers
    assert hers.json()["id"] != his.json()["id"]
