"""What anybody may ask for without a key: limited per address, and cheap."""

import io
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.tools.node import running_node
from transport.devchain.http_api import devchain_routes
from transport.http import openapi
from transport.http.auth import KeyLimits
from transport.http.bottle_app import Api
from transport.http.strangers import StrangerLimits
from transport.live.limits import LiveLimits
from transport.live.routes import LiveRoutes
from transport.server.limits import CallLimits

AT_ONCE = 3
ONE_CALL: dict[str, Any] = {"rate_per_s": 0.001, "burst": AT_ONCE}
WRONG: dict[str, Any] = {"failure_rate_per_s": 0.001, "failure_burst": AT_ONCE}


@pytest.fixture(scope="module")
def apps() -> Iterator[Any]:
    """The whole edge of a node, as `run.py` puts it together, with narrow limits."""
    made: list[Any] = []
    limits = {
        "stranger_limits": StrangerLimits(**ONE_CALL),
        "auth_limits": KeyLimits(**WRONG),
        "webhook_limits": CallLimits(**ONE_CALL),
    }

    def kept(app: Any) -> Any:
        made.append(app)
        return app

    with running_node(web=limits, wrap=kept) as node:
        app: Api = made[0]
        app.merge(devchain_routes(node.chain))
        yield app, node


def called(app: Any, method: str, path: str, address: str, **more: str) -> int:
    """The status of a call from `address`, without a key."""
    return answered(app, method, path, address, **more)[0]


def answered(
    app: Any, method: str, path: str, address: str, **more: str
) -> tuple[int, bytes]:
    """That, and the answer's body if it is refused."""
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": address,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **more,
    }
    body = app(environ, lambda status, *_rest: statuses.append(status))
    status = int(statuses[-1][:3])
    refused = b"".join(body) if status == 429 else b""
    getattr(body, "close", list)()
    return status, refused


def example(rule: str) -> str:
    return re.sub(r"<[^>]+>", "x1", rule)


def test_every_route_that_wants_no_key_is_limited_per_address(apps: Any) -> None:
    """All routes, from the app itself: whoever adds one is asked here."""
    app, _ = apps
    routes = sorted({(r.method, example(r.rule)) for r in app.routes})
    assert ("GET", "/openapi.json") in routes
    assert ("POST", "/dev/mine") in routes
    assert ("GET", "/pay/x1") in routes
    unlimited = []
    for number, (method, path) in enumerate(routes):
        address = f"10.1.{number // 256}.{number % 256}"
        asked = [called(app, method, path, address) for _ in range(AT_ONCE + 1)]
        if asked[-1] != 429:
            unlimited.append((method, path, asked))
    assert unlimited == []


def test_each_of_their_refusals_names_the_setting(apps: Any) -> None:
    app, _ = apps
    named: dict[str | None, set[str]] = {}
    for number, route in enumerate(app.routes):
        path, address = example(route.rule), f"10.7.{number // 256}.{number % 256}"
        asked = [answered(app, route.method, path, address) for _ in range(AT_ONCE + 1)]
        said = asked[-1][1]
        if said.startswith(b"{"):  # a page says it in words, and a HEAD nothing
            named.setdefault(json.loads(said).get("limit"), set()).add(path)
    # LNURL has a form of its own for errors, with a status and a reason (LUD-06).
    lnurl = named.pop(None)
    assert all(path.startswith(("/lnurl/", "/.well-known/lnurlp/")) for path in lnurl)
    assert named.keys() == {
        "anonymous_per_s",
        "webhooks_per_s",
        "wrong_keys_per_minute",
    }
    assert "/v1/payments" in named["wrong_keys_per_minute"]
    assert "/webhook/btc" in named["webhooks_per_s"]


def test_a_body_that_cannot_be_read_does_not_lift_the_limit(apps: Any) -> None:
    app, _ = apps
    paths = sorted({example(r.rule) for r in app.routes if r.method == "POST"})
    unlimited = []
    for number, path in enumerate(paths):
        asked = []
        for _ in range(AT_ONCE + 1):
            body: Any = io.BytesIO(b"a=1&a=2")
            sent = {"wsgi.input": body, "CONTENT_LENGTH": "7"}
            address = f"10.6.{number // 256}.{number % 256}"
            asked.append(called(app, "POST", path, address, **sent))
        if asked[-1] != 429:
            unlimited.append((path, asked))
    assert unlimited == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing/here"), ("DELETE", "/health"), ("OPTIONS", "/v1/payments")],
)
def test_what_is_not_there_is_limited_too(apps: Any, method: str, path: str) -> None:
    app, _ = apps
    address = f"10.2.0.{len(path)}"
    asked = [called(app, method, path, address) for _ in range(AT_ONCE + 1)]
    assert 429 not in asked[:-1]
    assert asked[-1] == 429


def test_an_authorization_that_is_made_up_does_not_lift_the_limit(apps: Any) -> None:
    app, _ = apps
    made_up = {"HTTP_AUTHORIZATION": "Bearer pbk_made-up"}
    asked = [
        called(app, "GET", "/openapi.json", "10.3.0.1", **made_up)
        for _ in range(AT_ONCE + 1)
    ]
    assert asked == [200] * AT_ONCE + [429]


def test_one_address_takes_nothing_from_another(apps: Any) -> None:
    app, _ = apps
    for _ in range(AT_ONCE + 5):
        called(app, "GET", "/health", "10.4.0.1")
    assert called(app, "GET", "/health", "10.4.0.1") == 429
    assert called(app, "GET", "/health", "10.4.0.2") == 200


def test_openings_of_websockets_are_limited_per_address(apps: Any) -> None:
    _, node = apps
    live = node.server._listener._routes
    assert isinstance(live, LiveRoutes)
    for path in ("/ws", "/ws/pos", "/ws/balance/nobody"):
        environ = {
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "REMOTE_ADDR": f"10.5.0.{len(path)}",
        }
        answers: list[Any] = [live(environ) for _ in range(AT_ONCE + 1)]
        assert answers[-1].limit == "anonymous_per_s"
        assert [getattr(a, "status", 101) == 429 for a in answers] == [
            *[False] * AT_ONCE,
            True,
        ]
        waits_s = int(dict(answers[-1].headers)["Retry-After"])
        assert 900 < waits_s <= 1_000


def test_order_numbers_that_are_asked_after_too_often_name_their_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No time passes meanwhile, after which one more would be allowed."""
    monkeypatch.setattr("transport.live.routes.time", SimpleNamespace(monotonic=int))
    limits = LiveLimits(identifies_at_once=2)
    with running_node(web={"live_limits": limits}) as node:
        asked = [node.get("/poll/order?external_id=1") for _ in range(3)]
    assert [one.status_code for one in asked] == [403, 403, 429]
    assert asked[-1].json()["limit"] == "identifies_per_s"


def test_the_openapi_document_is_made_once_and_asked_after_by_etag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    make = openapi.document

    def counted(*arguments: Any) -> Any:
        made.append(1)
        return make(*arguments)

    monkeypatch.setattr(openapi, "document", counted)
    with running_node() as node:
        first = node.get("/openapi.json")
        second = node.get("/openapi.json")
        known = node.get("/openapi.json", **{"If-None-Match": first.headers["ETag"]})
    assert first.content == second.content
    assert (known.status_code, known.content) == (304, b"")
    assert "Content-Length" not in known.headers
    assert len(made) == 1
