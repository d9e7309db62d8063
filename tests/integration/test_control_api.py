"""The control API over a real port: payments looked up, listed, and acted upon."""

import base64
from collections.abc import Iterator

import pytest

from tests.integration.problems import errors
from tests.tools.node import RunningNode, running_node
from transport.control.app import ApiSettings, control_app
from transport.http.auth import Auth
from transport.http.openapi import template


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


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
        ("flag=blue", 422),
        ("order=best", 422),
        ("search=", 422),
        ("search=" + "x" * 201, 422),
        ("created_after=yesterday", 422),
        ("created_before=2026-01-02T03:04:05", 422),  # of which zone?
        ("confirmed_after=1767323045", 422),
        ("updated_after=2026-02-30T03:04:05Z", 422),
        ("order=oldest&cursor=" + base64.urlsafe_b64encode(b"5").decode(), 422),
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
    rest = node.get(f"{path}?cursor={first['next_cursor']}").json()
    assert rest == node.get(f"{path}?after={first['next_after']}").json()
    assert [e["type"] for e in rest["data"]] == ["payment.cancelled"]
    assert node.get(f"{path}?after=99").json() == {
        "data": [],
        "next_cursor": None,
        "next_after": None,
        "kept_from": 1,
    }
    assert node.get(f"{path}?after=-1").status_code == 422


@pytest.mark.parametrize("name", ["pay_unknown", "x" * 3_000, "%01", "%ff", "a%2fb"])
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
    made = node.post("/v1/payments", {"amount_sat": 1_000}, **key)
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


OPEN = {"/v1/refunds/{refund_id}/claim"}
"""A payer's, with the token of the link: test_peers_access tries a wrong one."""


def test_every_operation_wants_a_key_but_health_readiness_and_the_document(
    node: RunningNode,
) -> None:
    document = node.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            if path in OPEN:
                continue
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
    document = node.get("/openapi.json").json()
    answers = document["paths"][path]["get"]["responses"]
    long = node.get(f"{path}?x={'y' * 9_000}")
    assert long.status_code == 414
    crowded = node.get(path, **{f"X-{n}": "y" for n in range(200)})
    assert crowded.status_code == 431
    for answer in (long, crowded):
        name = answers[str(answer.status_code)]["$ref"].rpartition("/")[2]
        described = document["components"]["responses"][name]
        assert answer.headers["Content-Type"] in described["content"]
