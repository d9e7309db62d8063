"""A node at somebody else's: a path that is its token, a server of JSON-RPC 2 alone."""

import logging
import socket
from collections.abc import Callable, Iterator

import pytest

from engine.errors import SourceError
from tests.tools import fake_upstream as fake
from tests.tools.core_double import CoreDouble, payment_tx
from tests.tools.fake_upstream import Answer, Request, Upstream
from transport.chain.bitcoind import Bitcoind

ALICE = b"\x00\x14" + b"a" * 20
TOKEN = "3f8a9c-token-of-the-shop"


@pytest.fixture
def node() -> Iterator[CoreDouble]:
    with CoreDouble() as double:
        yield double


@pytest.fixture
def hosted(node: CoreDouble) -> Iterator[Bitcoind]:
    node.wire.path, node.wire.asks_for_user = f"/v1/{TOKEN}/", False
    source = Bitcoind(f"http://127.0.0.1:{node.port}/v1/{TOKEN}/?name=acme")
    yield source
    source.close()


def test_a_hosted_node_is_asked_at_the_path_that_is_its_token(
    node: CoreDouble, hosted: Bitcoind
) -> None:
    paid = node.add(payment_tx([(ALICE, 1)]))
    assert hosted.status().tip.height == 10
    assert hosted.transactions([paid]).keys() == {paid}
    assert hosted.block(node.tip.hash).header.height == 10


def test_the_port_of_https_is_443_and_of_http_that_of_core() -> None:
    assert (
        Bitcoind("https://node.example/t0ken")._url.base == "https://node.example:443"
    )
    assert Bitcoind("http://u:p@node.example")._url.base == "http://node.example:8332"


def _says(status: int, body: object) -> Callable[[Request], Answer]:
    return lambda request: fake.of(body, status)


def _broken_headers(_upstream: Upstream, sock: socket.socket) -> bool:
    """urllib3 warns of these, with the whole URL."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nno header\r\n\r\n{")
    return False


ECHO = {"code": -32000, "message": f"no plan for /v1/{TOKEN}"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda request: fake.text("", 401), "wrong token in its URL"),
        (lambda request: fake.text("", 403), "token in its URL"),
        (lambda request: fake.text("", 404), "path of its URL"),
        (lambda request: fake.text("", 302, Location=f"/{TOKEN}"), "redirects"),
        (lambda request: fake.html(404), "web page"),
        (_says(401, {"error": f"bad {TOKEN}"}), "wrong token"),
        (_says(200, {"jsonrpc": "2.0", "id": None, "error": ECHO}), "no plan for"),
        (_says(403, {"id": None, "error": ECHO}), "no plan for"),
        (lambda request: _broken_headers, "JSON"),
        (lambda request: fake.reset(), "broke the connection off"),
    ],
)
def test_the_token_is_in_no_error_and_no_log(
    answer: Callable[[Request], Answer],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with Upstream() as upstream:
        upstream.answer = answer
        source = Bitcoind(f"http://127.0.0.1:{upstream.port}/v1/{TOKEN}")
        for ask in (source.status, lambda: source.block_hash(1)):
            with pytest.raises(SourceError, match=said) as caught:
                ask()
            assert TOKEN not in repr(caught.value)
        assert upstream.paths[0] == f"/v1/{TOKEN}"
        assert TOKEN not in repr(source) + repr(vars(source))
    assert TOKEN not in caplog.text


def test_a_server_of_json_rpc_2_alone_is_understood(node: CoreDouble) -> None:
    """It leaves `error` out of a result and `result` out of an error."""

    def second(request: Request) -> Answer:
        asked = request.json()
        calls = asked if isinstance(asked, list) else [asked]
        replies = [node.wire._one({**call, "jsonrpc": "2.0"}) for call in calls]
        return fake.of(replies if isinstance(asked, list) else replies[0])

    with Upstream() as upstream:
        upstream.answer = second
        feed = Bitcoind(upstream.url)
        assert feed.status().tip.height == 10
        assert feed.block_hash(11) is None
        assert feed.header("ab" * 32) is None
        assert feed.transactions(["ab" * 32]) == {}
        feed.close()
