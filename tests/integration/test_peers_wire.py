"""Known holes of the libraries below, each as a request that would use it.

gevent CVE-2023-41419, requests CVE-2023-32681 and CVE-2024-47081, and what injects
headers or lines of a log. docs/peers.md lists them.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SourceError
from tests.tools import fake_upstream as fake
from tests.tools.certificates import self_signed
from tests.tools.fake_upstream import Upstream
from tests.tools.node import RunningNode, running_node
from tests.tools.receiver import Receiver
from tests.tools.serving import ask, dial, is_problem, serving
from tests.tools.wsclient import WsClient, read_response
from transport.chain.bitcoind import Bitcoind
from transport.chain.esplora import Esplora
from transport.cli.client import CallFailed, NodeClient
from transport.server.request_body import read_body

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nX-Admin: yes\r\n\r\n"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


# -- request smuggling -----------------------------------------------------------------


class Requests:
    """An application that keeps what it was asked, and may leave bodies unread."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.paths: list[str] = []
        self.headers: set[str] = set()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.paths.append(environ["PATH_INFO"])
        if self._reads:
            read_body(environ, 10_000)
        self.headers |= {name for name in environ if name.startswith("HTTP_X_")}
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"noted"]


def chunked(*pieces: bytes) -> bytes:
    head = b"POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(pieces)


HELLO = b"5\r\nhello\r\n"

ATTEMPTS = {
    "as trailers": chunked(HELLO, b"0\r\n" + SMUGGLED),
    "behind a trailer": chunked(HELLO, b"0\r\nX-Sum: 1\r\n" + SMUGGLED),
    "trailers that are credentials": chunked(
        HELLO, b"0\r\nX-Admin: yes\r\nContent-Length: 400\r\n\r\n"
    ),
    "in a chunk": chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
    "in a chunk extension": chunked(b"5;x=\nGET /smuggled HTTP/1.1\r\nhello\r\n"),
    "behind a chunk that lies": chunked(b"2\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    "behind a bare line feed": chunked(HELLO, b"0\n\n" + SMUGGLED),
    "trailers without end": chunked(HELLO, b"0\r\n" + b"A: b\r\n" * 2_000 + SMUGGLED),
    "two lengths": b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
    b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "length and chunks": b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks by another name": b"POST /first HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED,
    "a length in disguise": b"POST /first HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 1_0\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_body_or_trailer_becomes_a_request(attempt: str, *, reads: bool) -> None:
    """gevent before 23.9 left the trailers for the next request to begin with."""
    app = Requests(reads=reads)
    with serving(app) as server:
        client = dial(server)
        client.send_raw(ATTEMPTS[attempt] + b"GET /next HTTP/1.0\r\nHost: a\r\n\r\n")
        _read_to_the_end(client)
    assert "/smuggled" not in app.paths
    assert app.paths in (["/first", "/next"], ["/first"], [])
    assert app.headers == set(), "a trailer is no header"


def _read_to_the_end(client: WsClient) -> None:
    with contextlib.suppress(ConnectionError):  # an end, too
        while client.sock.recv(65_536):
            pass


# -- slowness --------------------------------------------------------------------------


def test_not_even_the_second_head_of_a_connection_may_trickle() -> None:
    """pywsgi has no deadline at all: half a head holds a connection for ever."""
    with serving(head_timeout_s=3.0, idle_timeout_s=60) as server:
        client = dial(server)
        assert ask(client) == 200
        client.send_raw(b"GET / HTTP/1.1\r\nHost:")
        read_response(client, 30)
        assert is_problem(client, 408)
        client.expect_end(30)


# -- headers and lines of our own ------------------------------------------------------

BREAK = "%0d%0aX-Injected:%20yes%0d%0a%0d%0a"


@pytest.mark.parametrize(
    "target",
    [
        f"/{BREAK}",
        f"/pay/{BREAK}",
        f"/v1/payments/{BREAK}",
        f"/v1/watchers/{BREAK}",
        f"/events/balance/{BREAK}",
        f"/events/balance/x?since={BREAK}",
        f"/ws/balance/{BREAK}",
        f"/web/{BREAK}",
        f"/docs{BREAK}",
    ],
)
def test_nothing_in_a_target_becomes_a_header(node: RunningNode, target: str) -> None:
    client = dial(node.server)
    key = f"Authorization: Bearer {node.api_key}"
    client.send_raw(f"GET {target} HTTP/1.1\r\nHost: a\r\n{key}\r\n\r\n".encode())
    read_response(client, 30)
    assert 400 <= client.status < 500
    assert "x-injected" not in client.headers
    assert b"\r\nX-Injected" not in client.body


def test_nothing_that_a_shop_writes_becomes_a_header_or_an_event(
    node: RunningNode,
) -> None:
    """Its own words come back in answers, events and webhooks, in JSON only."""
    text = "a\r\nX-Injected: yes\r\n\r\ndata: forged\n\nevent: payment.confirmed\n"
    with Receiver() as shop:
        hook = node.post("/v1/channels", {"url": shop.url("/hook")}).json()
        made = node.post(
            "/v1/payments",
            {"amount_sat": 1, "external_id": "o", "metadata": {"n": text}},
        )
        assert made.status_code == 201, made.text
        assert "X-Injected" not in made.headers
        (told,) = shop.wait_for(1, 5)
        assert "x-injected" not in told.headers
        path = f"/events/balance/{made.json()['address']}?since=0"
        client = dial(node.server)
        client.send_raw(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        got = b""
        while b"payment.created" not in got:
            got += client.sock.recv(65_536)
        lines = got.replace(b"\r\n", b"\n").split(b"\n")
        assert not {b"X-Injected: yes", b"data: forged"} & set(lines)
        assert b"event: payment.confirmed" not in lines
        client.sock.close()
        assert node.call("DELETE", f"/v1/channels/{hook['id']}").status_code == 204


@pytest.mark.parametrize(
    "end", ["\r\nX-Injected: yes", "\nX: y", "\r", "\x00", "é", " "]
)
def test_no_url_puts_a_header_into_what_we_send(node: RunningNode, end: str) -> None:
    with Receiver() as shop:
        hook = node.post("/v1/channels", {"url": shop.url("/hook" + end)})
        if hook.status_code == 201:
            node.create()
            (told,) = shop.wait_for(1, 5)
            assert not [name for name in told.headers if name.startswith("x")]
            node.call("DELETE", f"/v1/channels/{hook.json()['id']}")
        else:
            assert hook.status_code == 422


# -- what the environment and strangers would have us send, and where ------------------


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A netrc for this machine, and a proxy for everything; nobody may use either."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password SECRET\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Receiver() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        yield proxy
        assert proxy.connections == 0


def test_sources_and_commands_send_no_credentials_of_the_environment(
    traps: Receiver,
) -> None:
    """requests: netrc (CVE-2024-47081) and proxies, unless it is told otherwise."""
    with Upstream() as upstream:
        upstream.answer = lambda _request: fake.of([])
        explorer = Esplora(upstream.url, "regtest")
        assert explorer.outputs("bcrt1qx", b"\x00\x14" + b"a" * 20) == ()
        upstream.answer = lambda request: fake.of(
            {"result": None, "error": {"code": -1, "message": "x"}, "id": 0}
        )
        bitcoind = Bitcoind(f"http://rpc:word@127.0.0.1:{upstream.port}")
        with pytest.raises(SourceError, match="bitcoind"):
            bitcoind.status()
        upstream.answer = lambda _request: fake.of({})
        NodeClient(upstream.url, "our-key").get("/health")
        explorer.close()
        bitcoind.close()
        sent = [request.headers.get("authorization") for request in upstream.requests]
    assert sent == [None, "Basic cnBjOndvcmQ=", "Bearer our-key"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_credential_follows_a_redirect(traps: Receiver, status: int) -> None:
    """requests, CVE-2023-32681: credentials went on to where a redirect led."""
    with Receiver() as elsewhere, Upstream() as upstream:
        upstream.answer = lambda _request: fake.text(
            "", status, Location=elsewhere.url("/steal")
        )
        bitcoind = Bitcoind(f"http://rpc:word@127.0.0.1:{upstream.port}")
        with pytest.raises(SourceError, match="redirects"):
            bitcoind.status()
        with pytest.raises(CallFailed, match="is not Paybell"):
            NodeClient(upstream.url, "our-key").get("/health")
        bitcoind.close()
        assert len(upstream.requests) == 2
        assert elsewhere.connections == 0


def test_a_source_or_node_that_nobody_vouches_for_is_told_nothing(
    tmp_path: Path,
) -> None:
    """requests, CVE-2024-35195: unverified once, a connection stayed unverified."""
    server, _ca_file = self_signed(tmp_path, "127.0.0.1")
    with Receiver(tls=server) as impostor:
        url = impostor.url("").rstrip("/")
        explorer = Esplora(url, "regtest")
        bitcoind = Bitcoind(url.replace("://", "://rpc:word@"))
        client = NodeClient(url, "our-key")
        for _ in range(2):
            for source in (explorer, bitcoind):
                with pytest.raises(SourceError, match="no valid TLS certificate"):
                    source.status()
            with pytest.raises(CallFailed):
                client.get("/health")
        explorer.close()
        bitcoind.close()
        assert impostor.connections > 0
        assert impostor.requests == []
