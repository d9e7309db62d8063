"""A real nginx in front of a real node, with the file that we tell operators to use:
TLS, a path before all of ours, WebSocket, SSE, long poll, Host, whose client it is."""

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import pytest
import requests

from tests.tools.certificates import self_signed
from tests.tools.nginx import nginx
from tests.tools.paybell import API_KEY, ROOT, Paybell, serving
from tests.tools.ports import free_ports
from tests.tools.sseclient import SseClient
from tests.tools.wait import PATIENCE, wait_until
from tests.tools.wsclient import WsClient, connect, read_response

EXAMPLE = ROOT / "examples" / "operating" / "nginx.conf"
PUBLIC = "https://shop.example/pay"
SHOP = {"Host": "shop.example"}
KEY = {"Authorization": f"Bearer {API_KEY}"}


class Front(NamedTuple):
    """The node, and nginx before it: without TLS on `port`, with it on `tls`."""

    node: Paybell
    port: int
    tls: int
    certificate: Path
    log: Path

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = SHOP | KEY | options.pop("headers", {})
        session = requests.Session()
        session.trust_env = False
        with session:
            url = f"http://127.0.0.1:{self.port}{path}"
            return session.request(method, url, headers=headers, timeout=60, **options)

    def created(self) -> dict[str, Any]:
        response = self.call("POST", "/pay/v1/payments", json={"amount_sat": 1_000})
        assert response.status_code == 201, response.text
        payment: dict[str, Any] = response.json()
        return payment

    def pay(self, payment: dict[str, Any]) -> None:
        body = {"address": payment["address"], "amount_sat": 1_000}
        assert self.call("POST", "/pay/dev/pay", json=body).status_code == 200


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    port, tls = free_ports(2)
    _, certificate = self_signed(folder, "shop.example")
    settings = ("--public-url", PUBLIC, "--trusted-proxies", "127.0.0.1",
                "--connections-per-address", "3")  # fmt: skip
    with serving(folder, *settings) as node:
        text = EXAMPLE.read_text()
        for mark, ours in (
            (
                "listen 443 ssl;",
                f"listen 127.0.0.1:{port}; listen 127.0.0.1:{tls} ssl;",
            ),
            ("listen [::]:443 ssl;", ""),
            ("/etc/ssl/certs/shop.example.pem", str(certificate)),
            ("/etc/ssl/private/shop.example.key", str(certificate.with_suffix(".key"))),
            ("/var/log/nginx/paybell.log", str(folder / "paybell.log")),
            ("server 127.0.0.1:8080;", f"server 127.0.0.1:{node.port};"),
        ):
            assert text.count(mark) == 1, mark
            text = text.replace(mark, ours)
        with nginx(folder, text, port):
            yield Front(node, port, tls, certificate, folder / "paybell.log")


def test_an_order_by_way_of_nginx_has_links_that_lead_through_nginx(
    front: Front,
) -> None:
    made = front.call("POST", "/pay/v1/payments", json={"amount_sat": 1_000})
    payment = made.json()
    assert made.status_code == 201
    assert made.headers["Location"] == f"/pay/v1/payments/{payment['id']}"
    assert front.call("GET", made.headers["Location"]).json()["id"] == payment["id"]
    assert payment["checkout_url"] == f"{PUBLIC}/pay/{payment['id']}"
    missing = front.call("GET", "/pay/v1/payments/pay_nobody").json()
    assert missing["type"] == "/pay/docs/errors#payment_not_found"
    assert front.call("GET", missing["type"]).status_code == 200
    document = front.call("GET", "/pay/openapi.json").json()
    assert document["servers"] == [{"url": f"{PUBLIC}/"}]


@pytest.mark.parametrize("page", ["/pay/pay/{id}", "/pay/docs", "/pay/docs/errors"])
def test_the_files_of_each_page_come_through_nginx(front: Front, page: str) -> None:
    place = page.format(id=front.created()["id"])
    shown = front.call("GET", place, headers={"Accept": "text/html"})
    assert shown.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]*web/[^"]+)"', shown.text)
    assert links
    for link in links:
        assert front.call("GET", urljoin(place, link)).status_code == 200


def test_a_websocket_by_way_of_nginx_tells_what_happens(front: Front) -> None:
    payment = front.created()
    path = f"/pay/ws/balance/{payment['address']}?token={payment['client_secret']}"
    origin = "https://shop.example"  # the page of --public-url need not be named again
    client = connect("127.0.0.1", front.port, path, SHOP, origin=origin)
    assert client.accepted
    state = client.recv_json()
    assert state["checkout_url"] == payment["checkout_url"]
    front.pay(payment)
    wait_until(lambda: client.recv_json()["type"] == "payment.detected", 20, "an event")
    client.close()
    evil = connect("127.0.0.1", front.port, path, SHOP, origin="https://evil.example")
    assert evil.status == 403


def test_s3_7_a_payment_is_followed_over_wss_by_way_of_nginx(front: Front) -> None:
    payment = front.created()
    path = f"/pay/ws/balance/{payment['address']}?token={payment['client_secret']}"
    client = connect(
        "127.0.0.1",
        front.tls,
        path,
        SHOP,
        origin="https://shop.example",
        tls=ssl.create_default_context(cafile=front.certificate),
        server_name="shop.example",
    )
    assert client.recv_json()["type"] == "state"
    front.pay(payment)
    wait_until(lambda: client.recv_json()["type"] == "payment.detected", 20, "an event")
    client.close()


def test_nginx_logs_paths_and_no_tokens(front: Front) -> None:
    front.call("GET", "/pay/ws?token=canary.of.a-site&a=canary")
    front.call("GET", "/pay/health?token=canary")

    def logged() -> str:
        text = front.log.read_text()
        return text if "GET /pay/health HTTP" in text else ""

    text = wait_until(logged, 10, "the requests to be logged")
    assert "GET /pay/ws HTTP" in text
    assert "canary" not in text


def test_a_stream_by_way_of_nginx_comes_piece_by_piece(front: Front) -> None:
    payment = front.created()
    path = f"/pay/events/balance/{payment['address']}"
    stream = SseClient("127.0.0.1", front.port, path, SHOP)
    assert stream.next().kind == "state"  # nothing holds it until there is more
    front.pay(payment)
    wait_until(lambda: stream.next().kind == "payment.detected", 20, "an event")
    stream.close()


def test_a_long_poll_by_way_of_nginx_is_answered_when_something_happens(
    front: Front,
) -> None:
    before = front.call("GET", "/pay/v1/events?limit=1000").json()["next"]
    client = asked(front, f"/pay/v1/events?after={before}&wait_s=60", "127.0.0.9")
    wait_until(lambda: sessions(front) == 1, 20, "the poll to wait")
    payment = front.created()
    read_response(client, 60, head_only=True)
    assert client.status == 200
    while payment["id"].encode() not in client.buffer:
        assert client._fill(client._deadline(20)), "it ended before that"
    client.sock.close()


def test_a_long_poll_that_is_abandoned_before_nginx_ends_at_the_node(
    front: Front,
) -> None:
    before = front.call("GET", "/pay/v1/events?limit=1000").json()["next"]
    client = asked(front, f"/pay/v1/events?after={before}&wait_s=60", "127.0.0.9")
    wait_until(lambda: sessions(front) == 1, 20, "the poll to wait")
    client.sock.close()
    wait_until(lambda: sessions(front) == 0, 20, "the poll to end")


def test_each_client_before_nginx_is_counted_by_itself(front: Front) -> None:
    """Whatever it makes up about whom it speaks for."""
    address = front.created()["address"]
    path = f"/pay/events/balance/{address}"
    made_up = ("X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6")
    streams = [asked(front, path, "127.0.0.7", *made_up) for _ in range(4)]
    for stream in streams:
        read_response(stream, 60, head_only=True)
    assert sorted(stream.status for stream in streams) == [200, 200, 200, 429]
    other = asked(front, path, "127.0.0.8")
    read_response(other, 60, head_only=True)
    assert other.status == 200
    for stream in (*streams, other):
        stream.sock.close()
    wait_until(lambda: sessions(front) == 0, 20, "the streams to end")


def test_only_the_host_of_the_public_url_is_answered_and_health_for_any(
    front: Front,
) -> None:
    """A name that a page made lead here: nginx has no server of that name and passes
    it on."""
    evil = {"Host": "evil.example"}
    refused = front.call("GET", "/pay/v1/payments", headers=evil)
    assert refused.status_code == 421
    assert refused.json()["code"] == "host_not_allowed"
    assert "--allowed-hosts" in refused.json()["detail"]
    for path in ("/pay/dev", "/pay/openapi.json", "/pay/metrics", "/pay/nothing"):
        assert front.call("GET", path, headers=evil).status_code == 421
    upgrade = connect(
        "127.0.0.1", front.port, "/pay/ws", evil, origin="http://evil.example"
    )
    assert upgrade.status == 421
    for path in ("/pay/health", "/pay/ready"):
        assert front.call("GET", path, headers=evil).status_code == 200
    by_address = {"Host": f"10.0.0.5:{front.port}"}
    assert front.call("GET", "/pay/v1/payments", headers=by_address).status_code == 200
    assert front.node.get("/v1/payments").status_code == 200  # by 127.0.0.1, directly


def test_tls_ends_at_nginx(front: Front) -> None:
    context = ssl.create_default_context(cafile=front.certificate)
    with (
        socket.create_connection(("127.0.0.1", front.tls), 60) as plain,
        context.wrap_socket(plain, server_hostname="shop.example") as sock,
    ):
        sock.sendall(b"GET /pay/health HTTP/1.0\r\nHost: shop.example\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_connections_to_the_node_are_kept_and_used_again(front: Front) -> None:
    """And the node keeps them longer than nginx does."""
    for _ in range(20):
        assert front.call("GET", "/pay/health").status_code == 200
    link = re.search(r"keepalive_timeout (\d+)s;", EXAMPLE.read_text())
    assert link is not None
    assert int(link[1]) < 130


def asked(front: Front, path: str, source: str, *more_lines: str) -> WsClient:
    """A request from `source`, by way of nginx; its answer is not waited for."""
    sock = socket.create_connection(
        ("127.0.0.1", front.port), 30 * PATIENCE, (source, 0)
    )
    client = WsClient(sock, 30.0)
    lines = (f"GET {path} HTTP/1.1", "Host: shop.example", *more_lines)
    key = f"Authorization: Bearer {API_KEY}"
    client.send_raw("\r\n".join((*lines, key, "", "")).encode())
    return client


def sessions(front: Front) -> int:
    """Who is connected to the node's events now, as its metrics say."""
    found = re.search(
        r"^paybell_sessions (\d+)", front.node.get("/metrics").text, re.MULTILINE
    )
    return int(found[1]) if found else 0
