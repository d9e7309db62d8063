"""The control API over a real port: payments made, looked up, listed, acted upon."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.tools.node import RunningNode, running_node
from transport.control.app import ApiSettings, control_app
from transport.http.auth import Auth
from transport.http.openapi import template

MAX_SAT = 2_100_000_000_000_000


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def errors(response: Any) -> dict[str, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["detail"]
    return {error["path"]: error["message"] for error in body["errors"]}


# -- create ----------------------------------------------------------------------------


def test_a_payment_is_created_as_the_contract_says(node: RunningNode) -> None:
    address = node.chain.new_address("p2tr")
    response = node.post(
        "/v1/payments",
        {
            "method": "onchain",
            "address": address.upper(),
            "amount_sat": 50_000,
            "tolerance_sat": 10,
            "confirmations": 2,
            "expires_in_s": 600,
            "poll_interval_s": 30,
            "external_id": "order-1",
            "merchant": "shop-1",
            "metadata": {"cart": "a", "n": 3, "gift": True, "note": None},
            "account": None,
        },
    )
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["Location"] == f"/v1/payments/{made['id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert made["id"].startswith("pay_")
    assert len(made["id"]) == len("pay_") + 22
    secret = made.pop("client_secret")
    assert node.vault.is_client_secret(made["id"], secret)
    assert made == node.payment(made["id"]), "and later without the secret"
    assert made["address"] == address
    assert made["uri"] == f"bitcoin:{address}?amount=0.0005"
    assert (made["status"], made["flags"], made["seq"]) == ("pending", [], 1)
    assert made["confirmations_required"] == 2
    assert made["metadata"] == {"cart": "a", "n": 3, "gift": True, "note": None}
    stored = node.gateway.payment(made["id"])
    assert stored is not None
    assert stored.terms.expires_at - stored.terms.created_at == 600_000
    assert stored.terms.monitor_until - stored.terms.expires_at == 7 * 86_400_000
    assert stored.terms.poll_interval_s == 30


def test_with_no_fields_at_all_the_wallet_and_the_defaults_answer(
    node: RunningNode,
) -> None:
    made = node.create()
    assert made["address"].startswith("bcrt1")
    assert made["amount_sat"] is None
    assert made["uri"] == f"bitcoin:{made['address']}"
    assert (made["merchant"], made["confirmations_required"]) == ("default", 3)


def test_a_created_payment_is_watched_paid_and_confirmed(node: RunningNode) -> None:
    made = node.create(amount_sat=1_000, confirmations=1)
    txid = node.chain.pay(made["address"], 1_000)
    seen = node.wait_for_status(made["id"], "confirming")
    assert seen["receipts"][0]["txid"] == txid
    node.chain.mine(1)
    done = node.wait_for_status(made["id"], "confirmed")
    assert (done["received_sat"], done["confirmed_sat"]) == (1_000, 1_000)
    assert done["receipts"][0]["block_height"] is not None
    events = node.get(f"/v1/payments/{made['id']}/events").json()
    assert [e["seq"] for e in events["data"]] == list(range(1, done["seq"] + 1))
    assert events["data"][-1]["type"] == "payment.confirmed"
    assert events["next_after"] is None


def test_an_address_that_is_watched_is_a_conflict(node: RunningNode) -> None:
    made = node.create(amount_sat=1_000)
    again = node.post("/v1/payments", {"address": made["address"]})
    assert again.status_code == 409
    assert made["id"] in errors(again)["/address"]


def test_whose_payment_holds_an_address_another_merchant_does_not_learn(
    node: RunningNode,
) -> None:
    made = node.create(merchant="shop-a")
    for headers in ({}, {"Authorization": f"Bearer {node.add_key('shop-b')}"}):
        body = {"address": made["address"], "merchant": "shop-b"}
        again = node.post("/v1/payments", body, **headers)
        assert again.status_code == 409
        assert made["id"] not in again.text


def test_outputs_that_an_earlier_payment_counted_do_not_pay_the_next_one(
    node: RunningNode,
) -> None:
    address = node.chain.new_address()
    first = node.create(address=address, amount_sat=1_000, confirmations=0)
    node.chain.pay(address, 1_000)
    node.wait_for_status(first["id"], "confirmed")
    assert node.gateway.counted_outpoints([address])


def test_without_a_wallet_an_address_is_needed() -> None:
    with running_node(api={"address_source": None}) as lonely:
        response = lonely.post("/v1/payments", {"amount_sat": 1_000})
        assert response.status_code == 422
        assert "this node has no wallet" in errors(response)["/address"]


def test_the_nodes_tolerance_is_taken_where_the_request_names_none() -> None:
    with running_node(api={"tolerance_sat": 50}) as lenient:
        assert lenient.create(amount_sat=1_000)["tolerance_sat"] == 50
        assert lenient.create(amount_sat=1_000, tolerance_sat=0)["tolerance_sat"] == 0
        assert lenient.create(amount_sat=10)["tolerance_sat"] == 9
        assert lenient.create()["tolerance_sat"] == 0


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"address": "not an address"}, "/address"),
        ({"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, "/address"),
        ({"address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"}, "/address"),
        ({"address": "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"}, "/address"),
        ({"address": "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfo"}, "/address"),
        ({"amount_sat": 50_000.0}, "/amount_sat"),
        ({"amount_sat": 0.5}, "/amount_sat"),
        ({"amount_sat": -1}, "/amount_sat"),
        ({"amount_sat": 0}, "/amount_sat"),
        ({"amount_sat": MAX_SAT + 1}, "/amount_sat"),
        ({"amount_sat": "1000"}, "/amount_sat"),
        ({"nonsense": 1}, "/nonsense"),
        ({"method": "lightning"}, "/method"),
        ({"forward_to": "bcrt1q"}, "/forward_to"),
        ({"package": "small"}, "/package"),
        ({"account": "user-1"}, "/account"),
        ({"amount_sat": 10, "tolerance_sat": 10}, "/tolerance_sat"),
        ({"tolerance_sat": 10}, "/tolerance_sat"),
        ([], ""),
        ("text", ""),
    ],
)
def test_a_wrong_payment_is_a_422_with_the_place_and_what_is_allowed(
    node: RunningNode, body: Any, path: str
) -> None:
    before = node.gateway.health().last_offset
    response = node.post("/v1/payments", body)
    assert response.status_code == 422
    assert list(errors(response)) == [path]
    assert node.gateway.health().last_offset == before, "nothing was created"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"amount_sat":1,"amount_sat":2}', "application/json", 400),
        (b'{"external_id":"\xff"}', "application/json", 400),
        (b'{"external_id":"\\ud800"}', "application/json", 400),
        (b'{"amount_sat":NaN}', "application/json", 400),
        (b'{"metadata":' * 5_000, "application/json", 400),
        (b"[" * 65_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"amount_sat=1", "application/x-www-form-urlencoded", 415),
        (b'{"a":"' + b"x" * 65_536 + b'"}', "application/json", 413),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_own_status(
    node: RunningNode, body: bytes, kind: str, status: int
) -> None:
    response = node.call(
        "POST", "/v1/payments", data=body, headers={"Content-Type": kind}
    )
    assert response.status_code == status
    errors(response)


def test_no_depth_of_nesting_is_a_crash(node: RunningNode) -> None:
    headers = {"Content-Type": "application/json"}
    for depth in range(850, 1_050, 7):
        for body in (
            b'{"metadata":' * depth + b"1" + b"}" * depth,
            b"[" * depth + b'"\\u0041"' + b"]" * depth,
        ):
            response = node.call("POST", "/v1/payments", data=body, headers=headers)
            assert response.status_code in {400, 422}, depth


def test_a_body_of_just_64_kib_is_read(node: RunningNode) -> None:
    body = b'{"amount_sat":1' + b" " * (65_536 - 16) + b"}"
    assert len(body) == 65_536
    headers = {"Content-Type": "application/json"}
    assert node.call("POST", "/v1/payments", data=body, headers=headers).ok


# -- look ------------------------------------------------------------------------------


def test_payments_are_listed_newest_first_in_pages(node: RunningNode) -> None:
    made = [node.create(merchant="pages")["id"] for _ in range(5)]
    seen: list[str] = []
    path = "/v1/payments?merchant=pages&limit=2"
    page = node.get(path).json()
    for _ in range(3):
        seen += [payment["id"] for payment in page["data"]]
        assert all("client_secret" not in payment for payment in page["data"])
        if page["next_cursor"] is None:
            break
        page = node.get(f"{path}&cursor={page['next_cursor']}").json()
    assert seen == made[::-1]


def test_payments_are_found_by_status_order_and_address(node: RunningNode) -> None:
    made = node.create(external_id="find me", merchant="finder")
    node.create(merchant="finder")
    for filters in (
        "external_id=find%20me",
        f"address={made['address'].upper()}",
        "merchant=finder&external_id=find+me&status=pending",
    ):
        found = node.get(f"/v1/payments?{filters}").json()["data"]
        assert [payment["id"] for payment in found] == [made["id"]], filters
    assert node.get("/v1/payments?merchant=finder&status=expired").json()["data"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=201", 422),
        ("status=paid", 422),
        ("address=nonsense", 422),
        ("cursor=nonsense!", 422),
        ("cursor=" + base64.urlsafe_b64encode(b"-5").decode().rstrip("="), 422),
        ("colour=blue", 422),
        ("limit=1&limit=2", 422),
        ("limit", 400),
        ("external_id=%ff", 400),
    ],
)
def test_a_wrong_query_is_refused(node: RunningNode, query: str, status: int) -> None:
    response = node.get(f"/v1/payments?{query}")
    assert response.status_code == status
    errors(response)


def test_events_are_read_in_pages_by_their_seq(node: RunningNode) -> None:
    made = node.create()
    node.post(f"/v1/payments/{made['id']}/cancel")
    path = f"/v1/payments/{made['id']}/events"
    first = node.get(f"{path}?limit=1").json()
    assert [e["type"] for e in first["data"]] == ["payment.created"]
    rest = node.get(f"{path}?after={first['next_after']}").json()
    assert [e["type"] for e in rest["data"]] == ["payment.cancelled"]
    assert node.get(f"{path}?after=99").json() == {"data": [], "next_after": None}
    assert node.get(f"{path}?after=-1").status_code == 422


@pytest.mark.parametrize("name", ["pay_unknown", "x" * 3_000, "%00", "%ff", "a%2fb"])
def test_a_payment_that_is_not_there_is_a_404(node: RunningNode, name: str) -> None:
    response = node.get(f"/v1/payments/{name}")
    assert response.status_code == 404
    errors(response)


# -- by hand ---------------------------------------------------------------------------


def test_cancelling_twice_is_cancelling_once(node: RunningNode) -> None:
    made = node.create()
    first = node.post(f"/v1/payments/{made['id']}/cancel")
    again = node.post(f"/v1/payments/{made['id']}/cancel", {})
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert (first.json()["status"], first.json()["seq"]) == ("cancelled", 2)


def test_a_paid_payment_cannot_be_cancelled(node: RunningNode) -> None:
    made = node.create(amount_sat=1_000)
    node.chain.pay(made["address"], 1_000)
    node.wait_for_status(made["id"], "confirming")
    response = node.post(f"/v1/payments/{made['id']}/cancel")
    assert response.status_code == 409
    assert "cannot be cancelled" in response.json()["detail"]


def test_confirming_by_hand_says_whose_hand_it_was(node: RunningNode) -> None:
    made = node.create(amount_sat=1_000)
    for _ in range(2):
        response = node.post(f"/v1/payments/{made['id']}/confirm")
        assert (response.status_code, response.json()["status"]) == (200, "confirmed")
    events = node.get(f"/v1/payments/{made['id']}/events").json()["data"]
    confirmed = [e for e in events if e["type"] == "payment.confirmed"]
    assert [e["data"]["by"] for e in confirmed] == ["api"]


@pytest.mark.parametrize("action", ["cancel", "confirm", "redeliver"])
def test_actions_take_no_unknown_fields_and_no_unknown_payments(
    node: RunningNode, action: str
) -> None:
    made = node.create()
    wrong = node.post(f"/v1/payments/{made['id']}/{action}", {"why": "because"})
    assert wrong.status_code == 422
    assert list(errors(wrong)) == ["/why"]
    assert node.post(f"/v1/payments/pay_none/{action}").status_code == 404


# -- whose -----------------------------------------------------------------------------


def test_a_merchants_key_makes_and_sees_its_own_things_only(node: RunningNode) -> None:
    other = node.create(merchant="theirs")
    key = {"Authorization": f"Bearer {node.add_key('mine')}"}
    made = node.post("/v1/payments", {}, **key)
    assert made.json()["merchant"] == "mine"
    assert node.get(f"/v1/payments/{made.json()['id']}", **key).status_code == 200
    forbidden = node.post("/v1/payments", {"merchant": "theirs"}, **key)
    assert forbidden.status_code == 403
    for path in ("", "/events"):
        path = f"/v1/payments/{other['id']}{path}"
        assert node.get(path, **key).status_code == 404
    for action in ("cancel", "confirm", "redeliver"):
        path = f"/v1/payments/{other['id']}/{action}"
        assert node.post(path, **key).status_code == 404
    listed = node.get("/v1/payments", **key).json()["data"]
    assert {payment["merchant"] for payment in listed} == {"mine"}
    assert node.get("/v1/payments?merchant=theirs", **key).status_code == 403
    assert node.get(f"/v1/watchers/{other['address']}", **key).status_code == 404
    assert node.post(f"/v1/watchers/{other['address']}/poll", **key).status_code == 404
    assert node.get("/v1/watchers", **key).status_code == 403
    assert node.get("/metrics", **key).status_code == 403
    assert node.payment(other["id"])["status"] == "pending"


def test_every_operation_wants_a_key_but_health_readiness_and_the_document(
    node: RunningNode,
) -> None:
    document = node.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            if path.startswith("/v1") or path == "/metrics":
                for key in (None, "Bearer pbk_wrong", "Basic eDp5"):
                    response = node.call(
                        method.upper(), path, headers={"Authorization": key}
                    )
                    assert response.status_code in {401, 429}, (method, path)
                    if response.status_code == 401:
                        challenge = response.headers["WWW-Authenticate"]
                        assert challenge.startswith("Bearer")
    for path in ("/health", "/ready", "/openapi.json"):
        assert node.call("GET", path, headers={"Authorization": None}).ok


# -- the rest of HTTP ------------------------------------------------------------------


def test_errors_of_routing_are_problems_too(node: RunningNode) -> None:
    assert node.get("/v1/nothing").status_code == 404
    errors(node.get("/v1/nothing"))
    wrong = node.call("PUT", "/v1/payments")
    assert wrong.status_code == 405
    assert wrong.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    errors(wrong)


def test_head_and_options_are_answered(node: RunningNode) -> None:
    head = node.call("HEAD", "/v1/payments")
    assert (head.status_code, head.content) == (200, b"")
    options = node.call("OPTIONS", "/v1/payments")
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_every_route_of_the_api_is_in_the_document_and_nothing_else(
    node: RunningNode,
) -> None:
    settings = ApiSettings(network="regtest", version="1", sender=node.sender)
    auth = Auth(node.gateway, None)
    app = control_app(node.gateway, auth, node.vault, settings)
    described = {(op.method, op.path) for op in app.operations}
    assert {(route.method, route.rule) for route in app.routes} == described
    assert len(described) == len(app.operations)
    names = [operation.name for operation in app.operations]
    assert len(set(names)) == len(names)


def test_the_document_describes_what_it_describes_completely(node: RunningNode) -> None:
    document = node.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    named = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            named.add(operation["operationId"])
            assert operation["summary"]
            assert operation["responses"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for link in answer.get("links", {}).values():
                    assert link["operationId"] in named
    assert template("/v1/payments/<payment_id>/events") in document["paths"]


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/channels", "/health"])
def test_what_the_server_refuses_before_anybody_reads_it_is_documented_too(
    node: RunningNode, path: str
) -> None:
    answers = node.get("/openapi.json").json()["paths"][path]["get"]["responses"]
    long = node.get(f"{path}?x={'y' * 9_000}")
    assert long.status_code == 414
    crowded = node.get(path, **{f"X-{n}": "y" for n in range(200)})
    assert crowded.status_code == 431
    for answer in (long, crowded):
        assert (
            answer.headers["Content-Type"]
            in answers[str(answer.status_code)]["content"]
        )
