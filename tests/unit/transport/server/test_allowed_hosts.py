"""Which hosts are ours, whatever name a page makes lead to this machine."""

from typing import Any

import pytest

from transport.server.allowed_hosts import AllowedHosts
from transport.server.upgrade import judge_host

OURS = AllowedHosts(["Node", "pay.internal"], "https://shop.example/pay")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "api.localhost",
        "localhost.",
        "127.0.0.1:8080",
        "127.1.2.3",
        "[::1]:8080",
        "10.0.0.5",  # a load balancer's health check, and whoever goes by address
        "[2001:db8::1]",
        "shop.example",
        "Shop.Example:443",
        "node",
        "pay.internal:8080",
    ],
)
def test_addresses_loopback_names_and_those_that_were_given_are_ours(host: str) -> None:
    assert OURS.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "shop.example.evil.example",
        "evilshop.example",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "0x7f.1",
        "2130706433",
        "u@localhost",
        "localhost:80:80",
        "[::1",
        "*",
    ],
)
def test_a_name_of_anybody_else_is_not(host: str) -> None:
    assert not OURS.allows(host)
    refusal = judge_host({"HTTP_HOST": host, "PATH_INFO": "/v1/payments"}, OURS)
    assert refusal is not None
    assert refusal.status == 421
    assert "--allowed-hosts" in refusal.detail


def test_a_star_allows_every_host() -> None:
    assert AllowedHosts(["*"]).allows("evil.example")
    assert AllowedHosts(["*"]).allows("")


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_checks_may_name_any_host_or_none(path: str) -> None:
    for environ in ({"HTTP_HOST": "evil.example"}, {}):
        asked: dict[str, Any] = {**environ, "PATH_INFO": path}
        assert judge_host(asked, OURS) is None
    assert judge_host({"PATH_INFO": "/health/x"}, OURS) is not None


def test_a_refused_host_is_logged_and_cannot_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    environ = {"HTTP_HOST": "not-told-of.example", "PATH_INFO": "/"}
    for _ in range(20):
        assert judge_host(environ, OURS) is not None
    lines = [line for line in caplog.messages if "not-told-of.example" in line]
    assert 1 <= len(lines) <= 4
