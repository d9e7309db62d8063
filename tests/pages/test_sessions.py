"""Logging in over a real socket, as a browser and as those who would like to be one."""

import contextlib
import logging
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import pytest
import requests

from engine.merchants.roles import Role, scopes_of_role
from engine.merchants.scopes import Scope
from tests.tools.node import RunningNode, running_node
from tests.tools.sseclient import Ended, SseClient
from tests.tools.wait import wait_until
from tests.tools.wsclient import Closed, WsClient, connect


class Person:
    """Somebody logged in: a cookie and a token, and no key."""

    def __init__(self, node: RunningNode, key: str) -> None:
        self.node = node
        made = log_in(node, key)
        assert made.status_code == 201, made.text
        self.answer = made
        self.seen: dict[str, Any] = made.json()
        self.cookie = made.headers["Set-Cookie"].partition(";")[0]

    def ask(self, method: str, path: str, **headers: Any) -> requests.Response:
        own = {
            "Authorization": None,
            "Cookie": self.cookie,
            "Origin": self.node.url,
            "X-CSRF-Token": self.seen["csrf"],
        }
        body = headers.pop("body", None)
        return self.node.call(method, path, json=body, headers={**own, **headers})


def log_in(node: RunningNode, key: str, **headers: str) -> requests.Response:
    # Each test says itself which cookie it sends.
    node.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    own = {"Authorization": None, **headers}
    return node.call("POST", "/session", json={"key": key}, headers=own)


def key_of(node: RunningNode, role: str, merchant: str | None) -> str:
    return node._add_key(merchant, f"the {role}", scopes_of_role(role, merchant))


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


@pytest.fixture(scope="module")
def ann(node: RunningNode) -> Person:
    return Person(node, key_of(node, "operator", "ann"))


@pytest.fixture(scope="module")
def bob(node: RunningNode) -> Person:
    return Person(node, key_of(node, "operator", "bob"))


def test_a_key_is_said_once_and_a_cookie_stands_for_it(ann: Person) -> None:
    seen = ann.seen
    assert (seen["name"], seen["merchant"]) == ("the operator", "ann")
    assert seen["role"] == "operator"
    assert seen["scopes"] == ["read", "create", "confirm", "refund", "settings"]
    assert "HttpOnly" in ann.answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in ann.answer.headers["Set-Cookie"]
    assert ann.answer.headers["Cache-Control"] == "no-store"
    again = ann.ask("GET", "/session")
    assert again.json() == seen
    assert "Set-Cookie" not in again.headers
    assert again.headers["Cache-Control"] == "no-store"


def test_the_key_of_the_environment_logs_in_as_admin(node: RunningNode) -> None:
    boss = Person(node, node.api_key)
    assert (boss.seen["merchant"], boss.seen["role"]) == (None, "admin")
    assert "refund" not in boss.seen["scopes"], "that right is in no key by default"
    assert boss.ask("GET", "/v1/keys").status_code == 200


def test_nobody_logged_in_is_no_error(node: RunningNode) -> None:
    for cookie in (None, "paybell_session=old", "paybell_session="):
        who = node.call(
            "GET", "/session", headers={"Authorization": None, "Cookie": cookie}
        )
        assert (who.status_code, who.content) == (204, b"")


@pytest.mark.parametrize("role", [*Role])
def test_each_role_may_what_it_may(node: RunningNode, role: Role) -> None:
    who = Person(node, key_of(node, role, None if role is Role.ADMIN else "ann"))
    rights = scopes_of_role(role, None)
    wanted = {
        Scope.READ: ("GET", "/v1/payments"),
        Scope.CREATE: ("POST", "/v1/payments"),
        Scope.CONFIRM: ("POST", "/v1/payments/none/confirm"),
        Scope.REFUND: ("POST", "/v1/payments/none/refund"),
        Scope.SETTINGS: ("POST", "/v1/channels"),
        Scope.OPERATOR: ("GET", "/v1/keys"),
    }
    assert who.seen["role"] == role
    for scope, (method, path) in wanted.items():
        asked = who.ask(method, path, body={} if method == "POST" else None)
        is_refused = asked.status_code == 403
        assert is_refused == (scope not in rights), (role, scope, asked.text)


def test_merchants_keep_to_themselves(ann: Person, bob: Person) -> None:
    made = ann.ask("POST", "/v1/payments", body={"amount_sat": 1_000})
    assert (made.status_code, made.json()["merchant"]) == (201, "ann")
    path = f"/v1/payments/{made.json()['id']}"
    assert ann.ask("GET", path).status_code == 200
    assert bob.ask("GET", path).status_code == 404
    assert bob.ask("GET", "/v1/payments").json()["data"] == []


def test_a_role_is_given_in_the_place_of_scopes(node: RunningNode) -> None:
    asked = {"name": "x", "merchant": "ann", "role": "cashier"}
    assert node.post("/v1/keys", asked).json()["scopes"] == ["read", "create"]
    for wrong in ({"scopes": ["read"]}, {"role": "admin"}, {"role": "boss"}):
        refused = node.post("/v1/keys", {**asked, **wrong})
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["path"] == "/role"


# -- attackers -------------------------------------------------------------------------


def test_a_change_wants_the_token_and_an_origin(ann: Person, bob: Person) -> None:
    asked = {"amount_sat": 1_000}
    cases: list[dict[str, Any]] = [
        {"X-CSRF-Token": None},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": bob.seen["csrf"]},
        {"Origin": None},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
    ]
    for wrong in cases:
        refused = ann.ask("POST", "/v1/payments", body=asked, **wrong)
        assert refused.status_code == 403, wrong
        assert refused.json()["code"] == "csrf_refused"
        assert ann.seen["csrf"] not in refused.text


def test_a_page_of_a_sibling_reads_nothing(node: RunningNode, ann: Person) -> None:
    port = node.server.port
    for wrong in (
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        {"Origin": f"http://shop.localhost:{port}"},
        {"Origin": None, "Sec-Fetch-Site": "cross-site"},
    ):
        assert ann.ask("GET", "/v1/payments", **wrong).status_code == 403, wrong
        assert ann.ask("GET", "/session", **wrong).status_code == 204, wrong


def test_a_page_elsewhere_logs_nobody_in(node: RunningNode) -> None:
    key = key_of(node, "viewer", "eve")
    for wrong in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        refused = log_in(node, key, **wrong)
        assert refused.status_code == 403, wrong
        assert "Set-Cookie" not in refused.headers
    form = node.call(
        "POST",
        "/session",
        data=f'{{"key":"{key}","x":"="}}',
        headers={"Authorization": None, "Content-Type": "text/plain"},
    )
    assert form.status_code == 415, "what a form can send is never read"


def test_a_session_is_never_the_one_that_was_brought(node: RunningNode) -> None:
    key = key_of(node, "viewer", "eve")
    fixed = Person(node, key)
    after = log_in(node, key, Cookie=fixed.cookie)
    assert after.headers["Set-Cookie"].partition(";")[0] != fixed.cookie
    assert fixed.ask("GET", "/v1/payments").status_code == 401, "the first one is over"


def test_logging_out_ends_it_everywhere(node: RunningNode) -> None:
    who = Person(node, key_of(node, "viewer", "ann"))
    assert who.ask("DELETE", "/session", **{"X-CSRF-Token": None}).status_code == 403
    out = who.ask("DELETE", "/session")
    assert out.status_code == 204
    assert out.headers["Set-Cookie"].startswith("paybell_session=; Path=/; Max-Age=0")
    assert who.ask("GET", "/v1/payments").status_code == 401
    assert who.ask("GET", "/session").status_code == 204
    assert who.ask("DELETE", "/session").status_code == 204


def test_a_revoked_key_ends_its_sessions_at_once(node: RunningNode) -> None:
    made = node.post("/v1/keys", {"name": "short", "merchant": "ann", "role": "viewer"})
    who = Person(node, made.json()["key"])
    assert who.ask("GET", "/v1/payments").status_code == 200
    node.call("DELETE", f"/v1/keys/{made.json()['id']}")
    assert who.ask("GET", "/v1/payments").status_code == 401
    assert who.ask("GET", "/session").status_code == 204


def test_wrong_keys_are_limited_and_a_right_one_still_comes_in(
    node: RunningNode,
) -> None:
    with running_node() as other:
        statuses = {log_in(other, f"pbk_{n}").status_code for n in range(60)}
        assert statuses == {401, 429}
        assert log_in(other, other.api_key).status_code == 201
    for wrong in ("", "x" * 513, "with space", "ü", 7, None):
        assert log_in(node, wrong).status_code == 422, wrong  # type: ignore[arg-type]


def test_cookies_as_large_as_headers_may_be_are_refused_or_passed_over(
    node: RunningNode, ann: Person
) -> None:
    bomb = "; ".join(f"bomb{n}={'x' * 1_000}" for n in range(6))
    assert ann.ask("GET", "/session", Cookie=f"{bomb}; {ann.cookie}").status_code == 200
    larger = "; ".join(f"bomb{n}={'x' * 1_000}" for n in range(100))
    assert ann.ask("GET", "/session", Cookie=larger).status_code == 431
    assert ann.ask("GET", "/session").status_code == 200


# -- live ------------------------------------------------------------------------------


def watch(node: RunningNode, address: str, **headers: str) -> WsClient:
    return connect(
        "127.0.0.1", node.server.port, f"/ws/balance/{address}", headers=headers
    )


def test_a_websocket_of_our_own_page_is_an_insider_and_others_are_not(
    node: RunningNode, ann: Person, bob: Person
) -> None:
    made = ann.ask(
        "POST", "/v1/payments", body={"amount_sat": 5, "external_id": "mine"}
    )
    address = made.json()["address"]
    cases = [
        ({"Cookie": ann.cookie, "Origin": node.url}, True),
        ({"Cookie": bob.cookie, "Origin": node.url}, False),
        ({"Cookie": "paybell_session=old", "Origin": node.url}, False),
        ({"Origin": node.url}, False),
    ]
    for headers, is_insider in cases:
        client = watch(node, address, **headers)
        with contextlib.closing(client):
            state = client.recv_json(5)
            assert ("external_id" in state) == is_insider, headers


def test_a_cookie_on_a_websocket_of_another_origin_opens_nothing(
    node: RunningNode, ann: Person
) -> None:
    """Also where pages of that origin may follow payments, as strangers."""
    body = {"amount_sat": 5, "external_id": "not for all"}
    address = ann.ask("POST", "/v1/payments", body=body).json()["address"]
    elsewhere = {"Cookie": ann.cookie, "Origin": "http://localhost:3000"}
    listener = node.server._listener
    strict, listener._origins = listener._origins, frozenset({"http://localhost:*"})
    try:
        with contextlib.closing(watch(node, address, **elsewhere)) as client:
            assert "external_id" not in client.recv_json(5)
        port = node.server.port
        with contextlib.closing(
            connect("127.0.0.1", port, "/ws/pos", headers=elsewhere)
        ) as till:
            till.send_json({"type": "open"})
            assert till.recv_json(5)["code"] == "not_allowed"
            with pytest.raises(Closed):
                till.recv_json(5)
    finally:
        listener._origins = strict
    refused = watch(node, address, **elsewhere)
    assert (refused.accepted, refused.status) == (False, 403)


def test_a_till_opens_with_the_session_of_its_browser(node: RunningNode) -> None:
    who = Person(node, key_of(node, "cashier", "ann"))
    headers = {"Cookie": who.cookie, "Origin": node.url}
    till = connect("127.0.0.1", node.server.port, "/ws/pos", headers=headers)
    with contextlib.closing(till):
        till.send_json({"type": "open"})
        assert till.recv_json(5)["type"] == "till"
        who.ask("DELETE", "/session")
        with pytest.raises(Closed):
            till.recv_json(15)


def test_a_stream_of_events_ends_with_its_session(node: RunningNode) -> None:
    who = Person(node, key_of(node, "operator", "ann"))
    made = who.ask("POST", "/v1/payments", body={"amount_sat": 5}).json()
    headers = {"Cookie": who.cookie, "Sec-Fetch-Site": "same-origin"}
    path = f"/events/payment/{made['id']}"
    stream = SseClient("127.0.0.1", node.server.port, path, headers)
    assert stream.status == 200
    assert stream.next().kind == "state"
    who.ask("DELETE", "/session")

    def has_ended() -> bool:
        try:
            stream.next(1)
        except Ended:
            return True
        except TimeoutError:
            return False
        return False

    wait_until(has_ended, 20, "the stream to end")
    after = SseClient("127.0.0.1", node.server.port, path, headers)
    assert after.status == 403


def test_the_log_names_the_key_and_never_shows_it(
    node: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = key_of(node, "operator", "ann")
    who = Person(node, key)
    who.ask(
        "POST", "/v1/payments", body={"amount_sat": 1}, **{"X-CSRF-Token": "csrf_x"}
    )
    who.ask("DELETE", "/session")
    log_in(node, "pbk_wrong-key")
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "session.opened key=key_" in text
    assert "session.closed key=key_" in text
    sealed = who.cookie.partition("=")[2]
    for secret in (key, sealed, who.seen["csrf"], "pbk_wrong-key"):
        assert secret not in text
