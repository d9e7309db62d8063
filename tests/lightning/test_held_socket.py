"""The held WebSocket, against peers that keep to RFC 6455 and peers that do not."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from engine.errors.lightning import (
    LightningError,
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from tests.tools.certificates import self_signed
from tests.tools.fake_upstream import Answer, Request, Upstream, drip, hang, text
from tests.tools.ws_peer import WsPeer, accept_head, upgrade
from tests.tools.wsclient import BINARY, CONTINUATION, PING, TEXT, frame
from transport.lightning.held_socket import HeldSocket, SocketClosed
from transport.lightning.http import NodeHttp, NodeRequest

SECRET = "very-secret"
SHORT_S = 0.4
"""For who waits until it is over."""
SILENCE_S = 5.0
"""No busy machine keeps it by itself; signs of life come three times in it."""
CONNECT_S = 60.0

Talk = Callable[[WsPeer], None]


def held(up: Upstream, **more: object) -> HeldSocket:
    options = {
        "silence_s": SILENCE_S,
        "max_bytes": 10_000,
        "connect_s": CONNECT_S,
    } | more
    url = up.url.replace("http", "ws", 1) + "/websocket"
    headers = {"Authorization": SECRET}
    return HeldSocket("till: /websocket", url, headers=headers, **options)  # type: ignore[arg-type]


@contextmanager
def holding(talk: Talk, **more: object) -> Iterator[HeldSocket]:
    with Upstream(lambda request: upgrade(request, talk)) as up, held(up, **more) as ws:
        yield ws


def silent(peer: WsPeer) -> None:
    peer.up.closing.wait()


def heard(talk: Talk, **more: object) -> list[str]:
    """The messages of this talk until the peer closes. Raises what else was raised."""
    texts: list[str] = []
    with holding(talk, **more) as ws, suppress(SocketClosed):
        texts.extend(sign for sign in ws.messages(bool) if sign is not None)
    return texts


def test_messages_come_whole_also_in_fragments_and_with_pings_amid_them() -> None:
    def talk(peer: WsPeer) -> None:
        peer.send_text("one")
        peer.send_frame(TEXT, b"t", fin=False)
        peer.send_frame(PING, b"are you there?")
        peer.send_frame(CONTINUATION, b"wo")
        assert peer._frame() is not None, "a pong"
        peer.send_text("é" * 4_000)

    assert heard(talk) == ["one", "two", "é" * 4_000]


def test_a_message_that_comes_byte_by_byte_is_one_message() -> None:
    def talk(peer: WsPeer) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(TEXT, b"slow", mask=False):
            peer.send_raw(bytes([byte]))

    assert heard(talk) == ["slow"]


@pytest.mark.parametrize(
    ("talk", "kind", "words"),
    [
        (lambda p: p.send_text("x" * 10_001), NodeGarbage, "more than 10,000 bytes"),
        (lambda p: p.send_raw(b"\x81\x7f" + b"\x7f" * 8), LightningError, ""),
        (lambda p: p.send_frame(BINARY, b"x"), NodeGarbage, "no text"),
        (lambda p: p.send_frame(TEXT, b"\xff\xfe"), NodeGarbage, "keep to"),
        (lambda p: p.send_frame(TEXT, b"x", rsv=4), NodeGarbage, "keep to"),
        (lambda p: p.send_frame(CONTINUATION, b"x"), NodeGarbage, "keep to"),
        (lambda p: p.send_raw(b"HTTP/1.1 400 Bad\r\n\r\n"), LightningError, ""),
    ],
)
def test_what_is_no_text_message_ends_it_and_is_not_quoted(
    talk: Talk, kind: type[LightningError], words: str
) -> None:
    def then_wait(peer: WsPeer) -> None:
        talk(peer)
        peer.until_gone()

    # Of some nothing is wrong but that no more comes.
    with pytest.raises(kind) as raised:
        heard(then_wait, silence_s=SILENCE_S if words else SHORT_S)
    assert words in str(raised.value)


def test_fragments_without_end_are_counted_together() -> None:
    def talk(peer: WsPeer) -> None:
        peer.send_frame(TEXT, b"x", fin=False)
        for _ in range(200):
            peer.send_frame(CONTINUATION, b"x" * 100, fin=False)
        peer.until_gone()

    with pytest.raises(NodeGarbage, match="more than 10,000 bytes"):
        heard(talk)


def test_pings_and_pongs_use_up_no_limit() -> None:
    def talk(peer: WsPeer) -> None:
        for _ in range(200):
            peer.send_frame(PING, b"x" * 100)
            assert peer.receive() is not None, "a pong"
        peer.send_text("still there")

    assert heard(talk) == ["still there"]


def test_the_close_code_is_told() -> None:
    for code in (1000, 4401):

        def talk(peer: WsPeer, code: int = code) -> None:
            peer.send_close(code)
            peer.until_gone()

        with holding(talk) as ws, pytest.raises(SocketClosed) as raised:
            list(ws.messages(bool))
        assert raised.value.close_code == code
    with holding(lambda _peer: None) as ws, pytest.raises(SocketClosed) as raised:
        list(ws.messages(bool))
    assert raised.value.close_code is None


def test_a_peer_that_is_gone_without_a_word_is_found_out() -> None:
    """No reset, no FIN, no pong: it only says nothing more."""
    with (
        holding(silent, silence_s=SHORT_S) as ws,
        pytest.raises(NodeUnavailable) as raised,
    ):
        list(ws.messages(bool))
    assert str(raised.value) == "till: /websocket said nothing for 0.4 s"


def test_so_is_one_that_sends_a_byte_now_and_then() -> None:
    def talk(peer: WsPeer) -> None:
        peer.send_raw(b"\x81\x7d")
        while not peer.up.closing.wait(0.05):
            peer.send_raw(b"x")

    with (
        holding(talk, silence_s=SHORT_S) as ws,
        pytest.raises(NodeUnavailable, match="said nothing for"),
    ):
        list(ws.messages(bool))


def test_one_that_answers_pings_is_alive_as_long_as_it_likes() -> None:
    peers: list[WsPeer] = []

    def talk(peer: WsPeer) -> None:
        peers.append(peer)
        peer.until_gone()

    with holding(talk) as ws:
        signs = list(islice(ws.messages(bool), 4))
    assert signs == [None] * 4, "more than a silence long"
    assert peers[0].pings >= 4


def test_a_protocol_with_pings_of_its_own_is_asked_by_these() -> None:
    def talk(peer: WsPeer) -> None:
        peer.auto_pong = False
        while peer.receive_json() == {"type": "ping"}:
            peer.send_json({"type": "pong"})

    def ping() -> str:
        return '{"type": "ping"}'

    offered = ("graphql-transport-ws",)
    with Upstream(lambda r: upgrade(r, talk, offered[0])) as up:
        with held(up, protocols=offered, ping=ping) as ws:
            texts = list(islice(ws.messages(bool), 2))
        assert up.requests[0].headers["sec-websocket-protocol"] == offered[0]
    assert texts == ['{"type": "pong"}'] * 2


def test_it_ends_soon_after_nobody_listens_any_more() -> None:
    over = Event()
    with holding(silent, silence_s=600.0) as ws:
        reading = gevent.spawn(list, ws.messages(over.is_set))
        over.set()
        assert reading.get(timeout=30.0) == []


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (text("", 401), NodeRefused, "refuses our key (401)"),
        (text("", 429, Retry_After="9"), NodeBusy, "slow down"),
        (text("", 503), NodeUnavailable, "failed (503)"),
        (text("", 302, Location="ws://127.0.0.1:1/"), NodeGarbage, "redirects"),
        (text("", 200), NodeGarbage, "answered with status 200"),
        (text(SECRET, 101, Upgrade="websocket"), NodeGarbage, "keep to"),
        (hang(), NodeUnavailable, "did not connect within 0.5 s"),
        (drip(), NodeUnavailable, "did not connect within 0.5 s"),
    ],
)
def test_a_handshake_that_is_none_is_an_error_without_a_secret(
    answer: Answer, kind: type[LightningError], words: str
) -> None:
    with Upstream(lambda _request: answer) as up, pytest.raises(kind) as raised:
        held(up, connect_s=0.5 if "0.5 s" in words else CONNECT_S).__enter__()
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_handshake_with_an_endless_head_is_cut_off() -> None:
    def endless(up: Upstream, sock: socket.socket) -> bool:
        sock.sendall(b"HTTP/1.1 101 Yes\r\n" + b"X: " + b"x" * 20_000)
        up.closing.wait()
        return False

    with Upstream(lambda _request: endless) as up, pytest.raises(NodeGarbage) as raised:
        held(up).__enter__()
    assert "more than 10,000 bytes" in str(raised.value)


def test_a_wrong_answer_to_our_key_is_no_handshake() -> None:
    def other(request: Request) -> Answer:
        request.headers["sec-websocket-key"] = "of somebody else"

        def write(_up: Upstream, sock: socket.socket) -> bool:
            sock.sendall(accept_head(request))
            return False

        return write

    with Upstream(other) as up, pytest.raises(NodeGarbage):
        held(up).__enter__()


def test_nobody_listening_and_repr() -> None:
    with Upstream() as up:
        ws = held(up)
    with pytest.raises(NodeUnavailable, match="refuses connections"):
        ws.__enter__()
    assert SECRET not in repr(ws)


def test_cookies_of_one_peer_reach_nobody() -> None:
    def answer(request: Request) -> Answer:
        def write(_up: Upstream, sock: socket.socket) -> bool:
            head = accept_head(request)[:-2]
            cookie = b"Set-Cookie: a=b; Domain=127.0.0.1\r\n\r\n"
            sock.sendall(head + cookie)
            return False

        return write

    with Upstream(answer) as up:
        for _ in range(2):
            with held(up):
                pass
        assert all("cookie" not in request.headers for request in up.requests)


# -- TLS -------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    return self_signed(tmp_path, "127.0.0.1")


def test_over_tls_its_certificate_is_checked(
    certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, trusted = certificate

    def talk(peer: WsPeer) -> None:
        peer.send_text("é" * 4_000)
        peer.until_gone()

    with Upstream(lambda request: upgrade(request, talk), tls=tls) as up:
        with pytest.raises(NodeUnavailable, match="no valid TLS certificate"):
            held(up).__enter__()
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with held(up) as ws:
            assert list(islice(ws.messages(bool), 2)) == ["é" * 4_000, None]
        http = NodeHttp("till", up.url)
        with pytest.raises(NodeGarbage, match="status 400"):
            http.ask(NodeRequest(path="/"))


def test_over_tls_silence_and_the_end_are_seen_as_well(
    certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    endings: list[tuple[Talk, float, type[LightningError]]] = [
        (silent, SHORT_S, NodeUnavailable),
        (lambda _peer: None, SILENCE_S, SocketClosed),
    ]
    for talk, silence_s, kind in endings:
        answer = partial(upgrade, talk=talk)
        with (
            Upstream(answer, tls=tls) as up,
            held(up, silence_s=silence_s) as ws,
            pytest.raises(kind),
        ):
            list(ws.messages(bool))


def test_a_plain_server_where_tls_is_wanted_is_unavailable() -> None:
    with Upstream() as up:
        url = up.url.replace("http", "wss", 1)
        with pytest.raises(NodeUnavailable):
            HeldSocket("till: /", url, silence_s=1.0, connect_s=CONNECT_S).__enter__()
