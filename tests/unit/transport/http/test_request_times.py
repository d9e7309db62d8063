"""Requests by route and how they ended; bounded by our routes, not by who asks."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from engine.merchants.scopes import Scope
from transport.http.bottle_app import Api, answer
from transport.http.openapi import Operation
from transport.http.request_times import RequestTimes


class _Page:
    def __init__(self, times: RequestTimes) -> None:
        self._times = times

    def collect(self) -> Any:
        return self._times.families()


def page(times: RequestTimes) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(times))
    return generate_latest(registry).decode()


def ask(app: Api, path: str, method: str = "GET") -> str:
    heard: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }
    b"".join(app(environ, lambda status, headers, *_: heard.append(status)))
    return heard[0]


@pytest.fixture
def app() -> Api:
    app = Api()

    def add(path: str, handler: Any, **how: Any) -> None:
        operation = Operation(
            name=path, method="GET", path=path, tag="t", summary="s", scope=Scope.READ,
            answers={200: None},
        )  # fmt: skip
        app.add(operation, handler, **how)

    add("/v1/things/<name>", lambda name: answer({"name": name}))
    add("/v1/crash", lambda: 1 / 0)
    add("/v1/stream", lambda: answer({}), streams=True)
    return app


def test_a_route_is_its_template_whatever_path_is_asked_for(app: Api) -> None:
    for name in ("a", "b", "c"):
        ask(app, f"/v1/things/{name}")
        ask(app, f"/nothing/{name}")
    text = page(app.times)
    route = 'method="GET",route="/v1/things/<name>"'
    assert f"paybell_http_request_seconds_count{{{route}}} 3.0" in text
    assert f'paybell_http_request_seconds_bucket{{le="+Inf",{route}}} 3.0' in text
    assert text.count('le="+Inf"') == 1
    assert 'paybell_http_requests_total{status="2xx"} 3.0' in text
    assert 'paybell_http_requests_total{status="4xx"} 3.0' in text
    assert 'paybell_http_requests_total{status="5xx"} 0.0' in text


def test_a_crash_is_an_error_and_a_stream_has_no_time(app: Api) -> None:
    assert ask(app, "/v1/crash").startswith("500")
    ask(app, "/v1/stream")
    text = page(app.times)
    assert 'paybell_http_requests_total{status="5xx"} 1.0' in text
    assert "/v1/stream" not in text


def test_buckets_hold_all_below_their_bound() -> None:
    times = RequestTimes()
    for seconds in (0.005, 0.0051, 3.0, 11.0):
        times.took(("GET", "/x"), seconds)
    text = page(times)
    for bound, count in (("0.005", 1), ("0.01", 2), ("2.5", 2), ("10.0", 3)):
        assert f'bucket{{le="{bound}",method="GET",route="/x"}} {count}.0' in text
    assert "request_seconds_sum" in text
