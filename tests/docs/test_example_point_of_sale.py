"""examples/point-of-sale: its README done by a reader, and a sale by way of Caddy."""

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.docs.readme_steps import Reader
from tests.docs.runs import Runs
from tests.pages.conftest import Visited
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until
from tests.unit.test_packaging import ROOT

EXAMPLE = ROOT / "examples" / "point-of-sale"
RUN = Runs()
README = RUN.steps(EXAMPLE / "README.md")
CADDY = os.environ.get("CADDY", "caddy")


class Cafe(NamedTuple):
    node: str
    till: str
    key: str
    codes: str  # what the README's two questions were answered


def has_certificate(port: int) -> bool:
    """It listens before it has one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="till.lan"),
        ):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def cafe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cafe]:
    """Twice the file's site: as it is on a port of its own, and without TLS for a
    browser that knows no name `till.lan`."""
    folder: Path = tmp_path_factory.mktemp("cafe")
    node, till, tls, plain = free_ports(4)
    text = (EXAMPLE / "Caddyfile").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{node}")
    options = f"\tadmin off\n\thttp_port {plain}\n\tskip_install_trust\n"
    assert text.count("\tskip_install_trust\n") == 1
    text = text.replace("\tskip_install_trust\n", options)
    head, name, block = text.partition("\ntill.lan {\n")
    assert name
    assert block.count("\ttls internal\n") == 1
    secured = f"\nhttps://till.lan:{tls} {{\n\tbind 127.0.0.1\n{block}"
    open_ = block.replace("\ttls internal\n", "\tbind 127.0.0.1\n")
    sites = f"{secured}\nhttp://127.0.0.1:{till} {{\n{open_}"
    (folder / "Caddyfile").write_text(head + sites, encoding="utf-8")
    replaced = {
        "serve --db": f"serve --port {node} --db",
        "--public-url https://till.lan": (
            f"--public-url http://127.0.0.1:{till} --allowed-hosts till.lan"
        ),
        "caddy run": f"exec {CADDY} run",
        "till.lan:443": f"till.lan:{tls}",
        "https://till.lan/": f"https://till.lan:{tls}/",
    }
    home = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    with Reader(README, folder, replaced=replaced, env=home) as reader:
        reader.follow(until="Caddy, with", port=node)
        reader.follow(until="On the tablet", port=till)
        wait_until(lambda: has_certificate(tls), 30, "Caddy to have made its own")
        reader.follow()
        yield Cafe(
            f"http://127.0.0.1:{node}",
            f"http://127.0.0.1:{till}",
            reader.exported("TILL_KEY"),
            reader.outputs[-1],
        )


def test_the_till_is_reached_and_the_rest_of_the_node_is_not(cafe: Cafe) -> None:
    assert cafe.codes.split() == ["200", "404"]
    ok = {"Authorization": f"Bearer {cafe.key}"}

    def status(method: str, path: str) -> int:
        return requests.request(
            method, cafe.till + path, headers=ok, timeout=60, allow_redirects=False
        ).status_code

    assert status("GET", "/") == 302
    assert status("GET", "/pos") == 200
    assert status("GET", "/v1/pos") == 200
    closed = [
        *("/v1/keys", "/v1/channels", "/v1/sources", "/v1/watchers", "/metrics"),
        *(
            "/v1/merchants/cafe",
            "/v1/accounts",
            "/docs",
            "/v1/payments/batch/../../keys",
        ),
    ]
    assert {path: status("GET", path) for path in closed} == dict.fromkeys(closed, 404)
    for path in ("/v1/payments/pay_1/confirm", "/v1/payments/pay_1/refund"):
        assert status("POST", path) == 404


def test_a_sale_is_made_paid_and_done(visited: Visited, cafe: Cafe) -> None:
    visited.begin(viewport={"width": 800, "height": 1200})
    visited.do("goto", f"{cafe.till}/pos")
    visited.do("fill", "#key", cafe.key)
    visited.do("click", "#open")
    visited.do("wait_for", "#create")
    for key in ("2", "1", "00", "0"):
        visited.do("click", f"[data-key='{key}']")
    visited.do("click", "#create")
    visited.do("wait_until", "document.getElementById('qr').naturalWidth > 0")
    ok = {"Authorization": f"Bearer {cafe.key}"}
    found = requests.get(f"{cafe.till}/v1/payments", headers=ok, timeout=60).json()
    (sale,) = found["data"]
    assert sale["amount_sat"] == 21_000
    paid = {"address": sale["address"], "amount_sat": sale["amount_sat"]}
    requests.post(f"{cafe.node}/dev/pay", json=paid, timeout=60).raise_for_status()
    requests.post(f"{cafe.node}/dev/mine", json={"blocks": 3}, timeout=60)
    visited.do("wait_for", "#done-title")
    visited.do("wait_until", "document.getElementById('receipt').naturalWidth > 0")
