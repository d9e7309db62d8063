"""Who may open a WebSocket."""

import base64
import json
from typing import Any

import pytest

from engine.errors.codes import Code
from transport.server.refusal import Refusal, problem
from transport.server.upgrade import LOCAL_PAGES, is_allowed_origin, judge_request


def environ(**changes: str | None) -> dict[str, Any]:
    env: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/ws",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "pay.example:8080",
        "HTTP_UPGRADE": "WebSocket",
        "HTTP_CONNECTION": "keep-alive, Upgrade",
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
        "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for name, value in changes.items():
        if value is None:
            del env[name]
        else:
            env[name] = value
    return env


def endpoint(websocket: Any) -> None:
    return None


def routes(env: dict[str, Any]) -> Any:
    return endpoint if env["PATH_INFO"] == "/ws" else None


def refused(env: dict[str, Any], origins: tuple[str, ...] = ()) -> Refusal:
    answer = judge_request(env, routes, origins)
    assert isinstance(answer, Refusal)
    assert json.loads(answer.body())["status"] == answer.status
    return answer


def test_a_proper_handshake_goes_to_its_endpoint() -> None:
    assert judge_request(environ(), routes, ()) is endpoint


def test_what_is_no_websocket_path_goes_to_the_application() -> None:
    assert judge_request(environ(PATH_INFO="/other"), routes, ()) is None
    assert judge_request(environ(REQUEST_METHOD="POST"), routes, ()) is None


def test_what_the_routes_refuse_is_refused_with_their_words() -> None:
    mine = problem(Code.UNAUTHORIZED, "Who are you?", (("WWW-Authenticate", "Bearer"),))
    assert judge_request(environ(), lambda env: mine, ()) is mine


def test_a_plain_get_is_426() -> None:
    assert refused(environ(HTTP_UPGRADE=None)).status == 426
    assert refused(environ(HTTP_CONNECTION="keep-alive")).status == 426


@pytest.mark.parametrize("version", [None, "", "8", "7", "13, 8", "14"])
def test_another_version_is_426_and_says_which_one_is_spoken(
    version: str | None,
) -> None:
    answer = refused(environ(HTTP_SEC_WEBSOCKET_VERSION=version))
    assert answer.status == 426
    assert ("Sec-WebSocket-Version", "13") in answer.headers


@pytest.mark.parametrize(
    "key",
    [None, "", "abc", "dGhl", "\xe4" * 24, "=" * 24]
    + [base64.b64encode(b"k" * size).decode() for size in (15, 17, 32)],
)
def test_a_missing_or_wrong_key_is_400(key: str | None) -> None:
    assert refused(environ(HTTP_SEC_WEBSOCKET_KEY=key)).status == 400


def test_http_1_0_and_other_upgrades_are_400() -> None:
    assert refused(environ(SERVER_PROTOCOL="HTTP/1.0")).status == 400
    assert refused(environ(HTTP_UPGRADE="websocket, h2c")).status == 400


@pytest.mark.parametrize(
    "body", [{"CONTENT_LENGTH": "5"}, {"HTTP_TRANSFER_ENCODING": "chunked"}]
)
def test_a_handshake_with_a_body_is_400(body: dict[str, str]) -> None:
    """A proxy takes it for the body, we would take it for frames."""
    assert refused(environ(**body)).status == 400
    assert judge_request(environ(CONTENT_LENGTH="0"), routes, ()) is endpoint


@pytest.mark.parametrize(
    ("origin", "host", "origins", "allowed"),
    [
        (None, "pay.example", (), True),
        ("https://pay.example", "pay.example", (), True),
        ("http://pay.example:8080", "pay.example:8080", (), True),
        ("http://PAY.example", "pay.example:80", (), True),
        ("http://[::1]:8080", "[::1]:8080", (), True),
        ("http://pay.example:8081", "pay.example:8080", (), False),
        ("https://evil.example", "pay.example", (), False),
        ("https://pay.example.evil.example", "pay.example", (), False),
        ("https://evil.example", "pay.example", ("https://shop.example",), False),
        ("https://shop.example", "pay.example", ("https://shop.example",), True),
        ("https://shop.example:443", "pay.example", ("https://shop.example/",), True),
        ("http://shop.example", "pay.example", ("https://shop.example",), False),
        ("https://evil.example", "pay.example", ("*",), True),
        ("null", "pay.example", ("*",), True),
        ("null", "pay.example", (), False),
        ("", "pay.example", (), False),
        ("", "", (), False),
        ("https://pay.example/path", "pay.example", (), False),
        ("https://u@pay.example", "pay.example", (), False),
        ("https://pay.example:x", "pay.example", (), False),
        ("file://", "", (), False),
        ("null", "pay.example", ("null",), True),
        ("null", "pay.example", ("https://shop.example",), False),
        ("capacitor://localhost", "pay.example", ("capacitor://localhost",), True),
        ("Capacitor://LocalHost", "pay.example", ("capacitor://localhost",), True),
        ("capacitor://localhost", "localhost", (), False),
        ("capacitor://evil", "pay.example", ("capacitor://localhost",), False),
        ("http://localhost:3000", "pay.example", ("http://localhost:*",), True),
        ("http://localhost", "pay.example", ("http://localhost:*",), True),
        ("https://localhost:3000", "pay.example", ("http://localhost:*",), False),
        ("http://localhost.evil.example", "p", ("http://localhost:*",), False),
        ("http://localhost:3000", "pay.example", ("http://localhost",), False),
        ("http://localhost:5173", "127.0.0.1:8080", LOCAL_PAGES, True),
        ("http://[::1]:5173", "127.0.0.1:8080", LOCAL_PAGES, True),
        ("null", "127.0.0.1:8080", LOCAL_PAGES, True),
        ("file://", "127.0.0.1:8080", LOCAL_PAGES, True),
        ("https://evil.example", "127.0.0.1:8080", LOCAL_PAGES, False),
        ("ionic://localhost", "pay.example", ("capacitor://localhost", "null"), False),
    ],
)
def test_origins(
    origin: str | None, host: str, origins: tuple[str, ...], allowed: bool
) -> None:
    env = environ(HTTP_HOST=host)
    if origin is not None:
        env["HTTP_ORIGIN"] = origin
    assert is_allowed_origin(env, origins) is allowed
    if not allowed:
        refusal = refused(env, origins)
        assert refusal.status == 403
        assert "--allowed-origins" in refusal.detail


def test_a_refused_origin_is_logged_and_cannot_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin = "https://not-told-of.example"
    for _ in range(20):
        assert refused(environ(HTTP_ORIGIN=origin)).status == 403
    lines = [line for line in caplog.messages if origin in line]
    assert 1 <= len(lines) <= 4
