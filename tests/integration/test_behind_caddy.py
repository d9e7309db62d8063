"""A real Caddy in front of a real node, with the file that we tell operators to use:
TLS, WebSocket, SSE, Host, whose client it is."""

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.tools.certificates import self_signed
from tests.tools.paybell import API_KEY, ROOT, Paybell, serving
from tests.tools.ports import free_ports
from tests.tools.sseclient import SseClient
from tests.tools.wait import PATIENCE, Process, wait_until
from tests.tools.wsclient import WsClient, connect, read_response

EXAMPLE = ROOT / "examples" / "operating" / "Caddyfile"
CADDY = os.environ.get("CADDY", "caddy")
SHOP = {"Host": "pay.example"}
STEP_S = 20.0


class Front(NamedTuple):
    """The node, and Caddy before it: without TLS on `port`, with it on `tls`."""

    node: Paybell
    port: int
    tls: int
    certificate: Path

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {**SHOP, "Authorization": f"Bearer {API_KEY}"}
        with requests.Session() as session:
            session.trust_env = False
            url = f"http://127.0.0.1:{self.port}{path}"
            return session.request(method, url, headers=headers, timeout=60, **options)

    def created(self, **more: Any) -> dict[str, Any]:
        wanted = {"amount_sat": 1_000, **more}
        response = self.call("POST", "/v1/payments", json=wanted)
        assert response.status_code == 201, response.text
        payment: dict[str, Any] = response.json()
        return payment

    def pay(self, payment: dict[str, Any]) -> None:
        body = {"address": payment["address"], "amount_sat": 1_000}
        assert self.call("POST", "/dev/pay", json=body).status_code == 200


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    port, tls = free_ports(2)
    _, certificate = self_signed(folder, "pay.example")
    settings = ("--public-url", "https://pay.example", "--trusted-proxies", "127.0.0.1",
                "--connections-per-address", "3")  # fmt: skip
    with serving(folder, *settings) as node:
        text = EXAMPLE.read_text(encoding="utf-8")
        for mark in ("\npay.example {", "127.0.0.1:8080 {"):
            assert text.count(mark) == 1, mark
        text = text.replace("127.0.0.1:8080 {", f"127.0.0.1:{node.port} {{")
        block = text.partition("\npay.example {")[2].rstrip().removesuffix("}")
        key = certificate.with_suffix(".key")
        # The block of the file twice, with and without TLS, on ports of our own.
        (folder / "Caddyfile").write_text(
            f"{{\n\tadmin off\n\tauto_https off\n}}\n"
            f"http://pay.example:{port} {{\n\tbind 127.0.0.1{block}}}\n"
            f"https://pay.example:{tls} {{\n\tbind 127.0.0.1\n"
            f"\ttls {certificate} {key}{block}}}\n",
            encoding="utf-8",
        )
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"),
                "XDG_CONFIG_HOME": str(folder / "config")}  # fmt: skip
        command = [CADDY, "run", "--config", str(folder / "Caddyfile"),
                   "--adapter", "caddyfile"]  # fmt: skip
        with Process(command, env=home) as caddy:
            wait_until(
                lambda: (
                    caddy.returncode is not None or (_listens(port) and _listens(tls))
                ),
                30,
                lambda: f"Caddy to listen; its output:\n{caddy.output}",
            )
            assert caddy.returncode is None, caddy.output
            yield Front(node, port, tls, certificate)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_an_order_by_way_of_caddy_has_links_that_lead_through_caddy(
    front: Front,
) -> None:
    payment = front.created()
    assert payment["checkout_url"] == f"https://pay.example/pay/{payment['id']}"
    assert front.call("GET", f"/pay/{payment['id']}").status_code == 200


def test_tls_ends_at_caddy(front: Front) -> None:
    context = ssl.create_default_context(cafile=front.certificate)
    with (
        socket.create_connection(("127.0.0.1", front.tls), 60) as plain,
        context.wrap_socket(plain, server_hostname="pay.example") as sock,
    ):
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: pay.example\r\n"
                     b"Connection: close\r\n\r\n")  # fmt: skip
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_websocket_by_way_of_caddy_tells_what_happens(front: Front) -> None:
    payment = front.created()
    path = f"/ws/balance/{payment['address']}"
    origin = "https://pay.example"
    client = connect("127.0.0.1", front.port, path, SHOP, origin=origin)
    assert client.accepted
    assert client.recv_json()["type"] == "state"
    front.pay(payment)
    wait_until(lambda: client.recv_json()["type"] == "payment.detected", 20, "an event")
    client.close()
    evil = connect("127.0.0.1", front.port, path, SHOP, origin="https://evil.example")
    assert evil.status == 403


def test_s3_7_an_order_is_followed_over_wss_to_its_end(front: Front) -> None:
    """What S3 recommends for production: the page is at https, its socket is TLS, and
    Caddy's certificate is checked."""
    order = front.created(external_id="order-tls", confirmations=1)
    context = ssl.create_default_context(cafile=front.certificate)
    client = connect(
        "127.0.0.1",
        front.tls,
        "/ws",
        SHOP,
        origin="https://pay.example",
        tls=context,
        server_name="pay.example",
    )
    assert client.recv_json()["type"] == "connected"
    token = order["client_secret"]
    client.send_json({"type": "identify", "externalId": "order-tls", "token": token})
    assert client.recv_json()["type"] == "identified"
    front.pay(order)
    assert front.call("POST", "/dev/mine", json={"blocks": 1}).status_code == 200
    told = client.recv_json()
    assert (told["type"], told["status"]) == ("payment", "paid")
    assert told["externalId"] == "order-tls"
    client.close()
    strict = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect("127.0.0.1", front.tls, "/ws", tls=strict, server_name="pay.example")


def test_a_stream_by_way_of_caddy_comes_piece_by_piece(front: Front) -> None:
    payment = front.created()
    path = f"/events/balance/{payment['address']}"
    stream = SseClient("127.0.0.1", front.port, path, SHOP)
    assert stream.next().kind == "state"  # nothing holds it until there is more
    front.pay(payment)
    wait_until(lambda: stream.next().kind == "payment.detected", 20, "an event")
    stream.close()


def test_each_client_before_caddy_is_counted_by_itself(front: Front) -> None:
    """Whatever it makes up about whom it speaks for."""
    path = f"/events/balance/{front.created()['address']}"
    made_up = ("X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6")
    streams = [_asked(front, path, "127.0.0.7", *made_up) for _ in range(4)]
    other = _asked(front, path, "127.0.0.8")
    assert sorted(stream.status for stream in streams) == [200, 200, 200, 429]
    assert other.status == 200
    for stream in (*streams, other):
        stream.sock.close()


def _asked(front: Front, path: str, source: str, *more_lines: str) -> WsClient:
    """A request from `source`, by way of Caddy, and the head of its answer."""
    sock = socket.create_connection(
        ("127.0.0.1", front.port), 30 * PATIENCE, (source, 0)
    )
    client = WsClient(sock, 30.0)
    lines = (f"GET {path} HTTP/1.1", "Host: pay.example", *more_lines)
    client.send_raw("\r\n".join((*lines, "", "")).encode())
    read_response(client, 60, head_only=True)
    return client
