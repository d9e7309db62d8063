"""The HTTP side over real sockets: deadlines, sizes, counts, fairness.

Limits are small so that nothing takes long; what is waited for has a deadline.
"""

import itertools
import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from tests.tools.calls import calls
from tests.tools.endpoints import echo
from tests.tools.serving import (
    ask,
    dial,
    echo_body,
    hello,
    is_problem,
    post,
    serving,
    until,
)
from tests.tools.wsclient import WsClient, connect, read_response

# Requests and answers


def test_requests_on_one_connection_are_answered_in_order() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        for word in (b"one", b"two"):
            assert ask(client, post(word, "Content-Length: 3")) == 200
            assert client.body == word


def test_pipelined_requests_are_all_answered_in_order() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        client.send_raw(
            b"".join(post(b"%03d" % i, "Content-Length: 3") for i in range(200))
        )
        for number in range(200):
            read_response(client, 30)
            assert client.body == b"%03d" % number


def test_head_and_body_of_a_small_answer_are_one_segment() -> None:
    with serving() as server:
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.sock.recv(65536).endswith(b"hello")


def test_keep_alive_answers_are_not_delayed() -> None:
    with serving() as server:
        assert ask(dial(server)) == 200
        (handler,) = server._listener.handlers
        # Nagle and delayed acknowledgements would cost 40 ms each.
        assert handler.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_answer_to_head_has_no_body_even_if_it_is_streamed() -> None:
    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield b"two"

    with serving(stream) as server:
        client = dial(server)
        client.send_raw(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        read_response(client, 30, head_only=True)
        read_response(client, 30, head_only=True)
        assert client.status == 200
        assert not client.buffer


def test_chunked_bodies_are_read() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        data = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        assert ask(client, post(data, "Transfer-Encoding: chunked")) == 200
        assert client.body == b"abcde"
        assert ask(client, post(b"x", "Content-Length: 1")) == 200


def test_the_100_comes_only_when_the_body_is_wanted() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        assert (
            ask(client, post(b"", "Content-Length: 3", "Expect: 100-continue")) == 100
        )
        assert ask(client, b"abc") == 200
        client = dial(server)
        too_long = post(b"", "Content-Length: 3000", "Expect: 100-continue")
        assert ask(client, too_long) == 413


# Deadlines


def test_a_head_that_trickles_is_refused_when_its_time_is_over() -> None:
    with serving(head_timeout_s=0.3) as server:
        client = dial(server)

        def trickle() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000:
                client.sock.sendall(bytes((byte,)))
                gevent.sleep(0.02)

        trickling = gevent.spawn(trickle)
        read_response(client, 30)
        assert is_problem(client, 408)
        assert not trickling.ready()  # it would have gone on for 20 s
        trickling.kill()
        client.sock.close()
        until(lambda: server.connections == 0)


def test_a_connection_that_says_nothing_is_closed() -> None:
    with serving(head_timeout_s=0.2) as server:
        client = dial(server)
        assert client.expect_end(30) == b""


def test_an_idle_connection_is_closed_after_the_idle_timeout() -> None:
    with serving(idle_timeout_s=0.2, head_timeout_s=600) as server:
        client = dial(server)
        start = time.monotonic()
        assert ask(client) == 200
        client.expect_end(30)
        assert time.monotonic() - start >= 0.2


def test_a_later_head_has_the_time_of_a_head_and_not_that_of_silence() -> None:
    with serving(idle_timeout_s=600, head_timeout_s=3.0) as server:
        client = dial(server)
        assert ask(client) == 200
        assert ask(client, "GET / HTTP/1.1\r\nHost:") == 408


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_trickles_is_refused_when_its_time_is_over(chunked: bool) -> None:
    with serving(echo_body, body_timeout_s=0.3) as server:
        client = dial(server)
        if chunked:
            client.send_raw(post(b"64\r\nabc", "Transfer-Encoding: chunked"))
        else:
            client.send_raw(post(b"abc", "Content-Length: 100"))
        read_response(client, 30)
        assert is_problem(client, 408)
        client.expect_end(30)


def test_a_reader_of_nothing_does_not_hold_a_large_answer_for_ever() -> None:
    ended = Event()

    def large(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            for _ in range(200):
                yield b"x" * 100_000
        finally:
            ended.set()

    limits = {"write_timeout_s": 0.3, "write_bytes_per_s": 10_000_000}
    with serving(large, **limits) as server:
        client = dial(server, receive_buffer=4096)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert ended.wait(30)
        until(lambda: server.connections == 0, 30)
        client.sock.close()


# Sizes


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET /" + "x" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 40_000 + "\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: 1\r\n" * 200 + "\r\n", 431),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("rubbish\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
            "Transfer-Encoding: chunked\r\n\r\n",
            400,
        ),
    ],
)
def test_a_head_that_cannot_be_taken_is_a_problem_and_the_end(
    request_text: str, status: int
) -> None:
    with serving() as server:
        client = dial(server)
        assert ask(client, request_text.encode("latin-1")) == status
        assert is_problem(client, status)
        assert client.headers["connection"] == "close"
        client.expect_end(30)


def test_a_body_over_the_limit_is_413_and_the_client_can_read_it() -> None:
    with serving(echo_body, discard_bytes=100) as server:
        client = dial(server)
        sending = gevent.spawn(
            client.sock.sendall, post(b"x" * 500_000, "Content-Length: 500000")
        )
        read_response(client, 30)
        assert is_problem(client, 413)
        sending.kill()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("discard_bytes", [65_536, 10])
def test_a_body_that_nobody_reads_does_not_become_the_next_request(
    chunked: bool, discard_bytes: int
) -> None:
    asked: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    with serving(app, discard_bytes=discard_bytes) as server:
        client = dial(server)
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        if chunked:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
            request = post(body, "Transfer-Encoding: chunked")
        else:
            request = post(smuggled, f"Content-Length: {len(smuggled)}")
        client.send_raw(request + b"GET /last HTTP/1.0\r\nHost: a\r\n\r\n")
        answers = client.expect_end(30).count(b"HTTP/1.1 200 OK")
    # Read away, or the end of the connection.
    assert asked == (["/", "/last"] if discard_bytes > 1000 else ["/"])
    assert answers == len(asked)


def test_malformed_chunks_are_400() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        assert ask(client, post(b"zz\r\n", "Transfer-Encoding: chunked")) == 400
        assert is_problem(client, 400)


# Counts


def test_connections_over_the_limit_are_turned_away_with_503() -> None:
    with serving(connections=3, head_timeout_s=600) as server:
        held = [dial(server) for _ in range(3)]
        until(lambda: server.connections == 3)
        late = dial(server)
        read_response(late, 30)
        assert is_problem(late, 503)
        assert late.headers["retry-after"] == "5"
        late.expect_end(30)
        held.pop().sock.close()
        until(lambda: server.connections == 2)
        assert ask(dial(server)) == 200


def test_one_address_cannot_take_the_connections_of_another() -> None:
    with serving(connections_per_address=2, head_timeout_s=600) as server:
        held = [dial(server) for _ in range(2)]
        until(lambda: server.connections == 2)
        late = dial(server)
        read_response(late, 30)
        assert is_problem(late, 503)
        assert ask(dial(server, "127.0.0.2")) == 200
        held.pop().sock.close()
        until(lambda: server.connections < 3)
        assert ask(dial(server)) == 200


def test_behind_a_trusted_proxy_the_clients_websockets_are_counted() -> None:
    options: dict[str, Any] = {
        "connections_per_address": 2,
        "trusted_proxies": ["127.0.0.1"],
    }
    with serving(routes=lambda _: echo, **options) as server:

        def open_for(address: str) -> WsClient:
            return connect(
                "127.0.0.1", server.port, headers={"X-Forwarded-For": address}
            )

        first = [open_for("5.5.5.5") for _ in range(3)]
        assert [c.status for c in first] == [101, 101, 429]
        other = open_for("6.6.6.6")
        assert other.accepted
        first[0].close()
        until(lambda: server.websockets == 2)
        again = open_for("5.5.5.5")
        assert again.accepted
        for client in (first[1], other, again):
            client.close()


# Fairness


def test_who_has_the_next_request_ready_lets_others_have_their_turn() -> None:
    order: list[str] = []
    waiting, go = [], Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["QUERY_STRING"] == "first":
            waiting.append(environ["PATH_INFO"])
            go.wait(60)
        order.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    with serving(app) as server:
        clients = [dial(server) for _ in "ab"]
        for client, name in zip(clients, "ab", strict=True):
            head = f"GET /{name}?%s HTTP/1.1\r\nHost: a\r\n\r\n"
            client.send_raw((head % "first" + (head % "") * 50).encode())
        until(lambda: len(waiting) == 2)
        go.set()
        until(lambda: len(order) == 102)
        changes = sum(one != other for one, other in itertools.pairwise(order))
        assert changes > 50  # of one hundred, were they to take turns each time
        for client in clients:
            client.sock.close()


def test_saturated_connections_do_not_starve_the_others() -> None:
    with serving() as server:
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        stop = Event()

        def saturate() -> None:
            client = dial(server)
            while not stop.is_set():
                client.send_raw(request * 50)
                for _ in range(50):
                    read_response(client, 30)

        busy = [gevent.spawn(saturate) for _ in range(8)]
        client = dial(server)
        waits = []
        with calls() as work:
            for _ in range(40):
                start = work.count
                assert ask(client) == 200
                waits.append(work.count - start)
        stop.set()
        gevent.joinall(busy, timeout=60, raise_error=True)
        assert max(waits) < 20_000, "some requests of each, of those that never end"


def test_250_connections_of_one_address_do_not_delay_a_shops_order() -> None:
    """Counted in requests that begin before the shop's, which came when all had one."""
    crowd, size = "127.0.0.2", 250
    begun = before = 0

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        nonlocal begun, before
        if environ["REMOTE_ADDR"] == crowd:
            begun += 1
        else:
            before = begun
        return hello(environ, start_response)

    with serving(app, connections_per_address=size) as server:
        shop = dial(server)
        assert ask(shop) == 200
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        clients = [dial(server, crowd) for _ in range(size)]
        until(lambda: server.connections == size + 1)
        for client in clients:
            client.send_raw(request * 40)
        until(lambda: begun >= size)
        asked_at = begun
        assert ask(shop) == 200
        assert asked_at < size * 30, "the crowd was not done"
        assert before - asked_at < size / 2
        for client in clients:
            client.sock.close()
