"""An endpoint that pours, drips, answers too soon or never reads: all is bounded."""

import gevent
import pytest
from gevent.lock import Semaphore
from gevent.server import StreamServer

from engine.delivery.channel import payload
from tests.tools.receiver import (
    Receiver,
    drip,
    pour,
)
from transport.outbound import exchange
from transport.outbound.pinned import DeliveryError, FailureKind, post

BODY = payload(b'{"seq":1}', "payment.detected", "2026-01-02T03:04:05Z")
OK = b"HTTP/1.1 200 OK\r\n"


def test_a_gigabyte_of_body_is_cut_after_the_first_bytes() -> None:
    chunk = b"x" * 65536
    for framing in (b"\r\n", b"Content-Length: 1073741824\r\n\r\n"):
        with Receiver([pour(OK + framing, chunk, 16384)]) as shop:
            answer = post(shop.url(), {}, BODY, allow_private=True)
            assert answer.status == 200
            assert answer.body_head == b"x" * exchange.BODY_HEAD_BYTES
            assert shop.sent_bytes < 64 * 1024 * 1024  # socket buffers, no more


def test_an_endless_trickle_of_chunks_and_trailers_is_cut() -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    with Receiver([pour(head, b"a: b\r\n" * 1000, 1_000_000)]) as shop:
        assert post(shop.url(), {}, BODY, allow_private=True).status == 200
        assert shop.sent_bytes < 6_000 * 1_000_000, "it was poured out to the end"


def test_a_dripping_body_is_cut_and_what_came_is_kept() -> None:
    head = OK + b"Content-Length: 1000\r\nContent-Type: text/plain\r\n\r\n"
    slow = drip(b"abcdefgh" * 99, every_s=0.02)

    def answer(sock, received, receiver):  # type: ignore[no-untyped-def]
        sock.sendall(head + b"abcdefgh")
        slow(sock, received, receiver)

    with Receiver([answer]) as shop:
        got = post(shop.url(), {}, BODY, timeout_s=60, allow_private=True)
    assert got.status == 200
    assert got.body_head.startswith(b"abcdefgh")
    assert len(got.body_head) < 800, "it was heard to the end"
    assert got.headers == {"content-type": "text/plain"}


def test_an_answer_that_comes_before_the_body_was_read_is_heard() -> None:
    def early(sock: gevent.socket.socket, _address: object) -> None:
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        sock.shutdown(gevent.socket.SHUT_WR)
        while sock.recv(65536):
            pass

    server = StreamServer(("127.0.0.1", 0), early)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.address[1]}/"
        assert post(url, {}, b"x" * 5_000_000, allow_private=True).status == 413
    finally:
        server.stop(timeout=0)


def test_a_receiver_that_never_reads_is_cut_at_the_deadline() -> None:
    server = StreamServer(("127.0.0.1", 0), lambda *_: Semaphore(0).acquire())
    server.start()
    try:
        url = f"http://127.0.0.1:{server.address[1]}/"
        with pytest.raises(DeliveryError) as failed:
            post(url, {}, b"x" * 20_000_000, timeout_s=0.3, allow_private=True)
        assert failed.value.kind is FailureKind.TIMEOUT
    finally:
        server.stop(timeout=0)
