"""S4.4: a Redis that is slow, full, read-only, locked, or no Redis at all.

Each is an attempt that failed with a reason, within its time: nothing was told, and no
password stands in what is said of it.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer

from engine.delivery.attempt import AttemptOutcome
from engine.delivery.endpoint import Endpoint
from engine.delivery.redis_settings import RedisSettings
from engine.delivery.stream_ids import EMPTY, EntryId, StreamPlan, StreamTold
from tests.tools.certificates import self_signed
from tests.tools.redis_server import RedisServer, entries
from tests.tools.wait import wait_until
from transport.outbound import redis_link
from transport.outbound.lookups import Lookups
from transport.outbound.redis_streams import RedisStreamSender

STREAM = "paybell:events"
SECRET = "geheim-1234"
WIRE = (
    b'{"id":"evt_aaaaaaaa_%d","offset":%d,"payment_id":"p1","seq":1,'
    b'"type":"payment.created","at":"2025-10-09T08:53:20.000Z","status":"pending",'
    b'"external_id":null,"merchant":"default","amount_sat":5,"received_sat":0,"data":{}}'
)


def endpoint(url: str, timeout_s: float = 60.0, **settings: Any) -> Endpoint:
    return Endpoint(
        kind="redis",
        channel="ch_1",
        settings=RedisSettings(url=url, stream=STREAM, **settings),
        timeout_s=timeout_s,
    )


def plan(*offsets: int, expected: EntryId = EMPTY) -> StreamPlan:
    told = [(EntryId(7, n), WIRE % (n, n)) for n in offsets]
    return StreamPlan(expected, tuple(told))


def tell(url: str, timeout_s: float = 60.0, **settings: Any) -> StreamTold:
    sender = RedisStreamSender(Lookups(), allow_private=True)
    try:
        return sender.tell(endpoint(url, timeout_s, **settings), plan(1, 2), (0, 7))
    finally:
        sender.forget("ch_1")


def failed(told: StreamTold) -> str:
    assert told.result.outcome is AttemptOutcome.RETRY
    assert not told.did
    error = told.result.error
    assert error is not None
    assert SECRET not in error
    assert "\n" not in error
    return error


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer("enable-debug-command yes") as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.call("FLUSHALL")
    return server


def test_s4_4_a_plan_is_carried_out_whole(redis: RedisServer) -> None:
    told = tell(redis.url)
    assert told.did
    assert told.seen is not None
    assert told.seen.last == EntryId(7, 2)
    assert [name for name, _ in entries(redis, STREAM)] == ["7-1", "7-2"]


def test_s4_4_a_stream_that_is_not_as_expected_is_told_nothing(
    redis: RedisServer,
) -> None:
    tell(redis.url)
    again = tell(redis.url)
    assert not again.did
    assert again.seen is not None
    assert again.seen.last == EntryId(7, 2)
    assert again.seen.last_event == "evt_aaaaaaaa_2"
    assert again.seen.writer == "ch_1"
    assert len(entries(redis, STREAM)) == 2


def test_s4_4_who_writes_between_look_and_telling_is_noticed(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses the EXEC: nothing of the plan is in the stream."""
    ask = redis_link.RedisLink.ask

    def slow(link: Any, commands: Any, timeout_s: float) -> Any:
        if commands[0] == ("MULTI",):
            redis.call("XADD", STREAM, "1-1", "other", "writer")
        return ask(link, commands, timeout_s)

    monkeypatch.setattr(redis_link.RedisLink, "ask", slow)
    told = tell(redis.url)
    assert (told.did, told.seen) == (False, None)
    assert [name for name, _ in entries(redis, STREAM)] == ["1-1"]


def pause(redis: RedisServer) -> None:
    redis.call("CLIENT", "PAUSE", 60_000, "ALL")


def sleep(redis: RedisServer) -> None:
    """For longer than it is asked here; nobody waits until it wakes."""
    gevent.spawn(redis.client().execute_command, "DEBUG", "SLEEP", "300")
    wait_until(lambda: not answers(redis), 20, "it to sleep")


def answers(redis: RedisServer) -> bool:
    """In the time that a Redis may take that only waits for its turn."""
    with socket.create_connection(("127.0.0.1", redis.port), timeout=3.0) as sock:
        sock.sendall(b"PING\r\n")
        try:
            return bool(sock.recv(1))
        except TimeoutError:
            return False


def test_s4_4_a_slow_redis_is_left_in_time() -> None:
    for hold in (pause, sleep, RedisServer.freeze):
        with RedisServer("enable-debug-command yes") as redis:
            hold(redis)
            # Or it would wait for ever.
            assert "no answer from" in failed(tell(redis.url, 0.5))
            if hold is RedisServer.freeze:
                redis.thaw()


def test_s4_4_a_full_redis_takes_all_or_nothing(redis: RedisServer) -> None:
    redis.call("CONFIG", "SET", "maxmemory", "1")
    try:
        assert "OOM: its memory is full" in failed(tell(redis.url))
        assert entries(redis, STREAM) == []
    finally:
        redis.call("CONFIG", "SET", "maxmemory", "0")
    assert tell(redis.url).did


def test_s4_4_a_replica_takes_no_writes(redis: RedisServer) -> None:
    with RedisServer(f"replicaof 127.0.0.1 {redis.port}") as replica:
        assert "READONLY: it is a replica" in failed(tell(replica.url))


def test_s4_4_a_key_that_is_no_stream_is_named(redis: RedisServer) -> None:
    redis.call("SET", STREAM, "a string")
    assert "WRONGTYPE: the key is there and is no stream" in failed(tell(redis.url))
    assert redis.call("GET", STREAM) == b"a string"


def test_s4_4_a_password_is_wanted_and_never_shown() -> None:
    with RedisServer(password="right-password") as redis:
        place = f"127.0.0.1:{redis.port}"
        for user in ("", f":{SECRET}@", f"ann:{SECRET}@"):
            assert "NOAUTH: it wants another" in failed(tell(f"redis://{user}{place}"))
        assert tell(redis.url).did


def test_s4_4_a_user_who_may_not_write_is_told_so(redis: RedisServer) -> None:
    rights = ["+@read", "+watch", "+unwatch", "+multi", "+exec", "+client", "+xinfo"]
    redis.call("ACL", "SETUSER", "reader", "on", f">{SECRET}", "~*", *rights)
    url = f"redis://reader:{SECRET}@127.0.0.1:{redis.port}"
    assert "NOPERM: the user may not do this" in failed(tell(url))


@contextmanager
def stranger(answer: Callable[[Any], None]) -> Iterator[str]:
    """Something that listens and is no Redis."""

    def handle(sock: Any, _address: Any) -> None:
        with suppress(OSError, TimeoutError), gevent.Timeout(20, TimeoutError):
            answer(sock)

    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    try:
        yield f"redis://:{SECRET}@127.0.0.1:{server.server_port}"
    finally:
        server.stop(0.1)


def echo(sock: Any) -> None:
    """Sends the password back."""
    data = sock.recv(4_096)
    sock.sendall(b"-ERR unknown command " + data.replace(b"\r\n", b" ") + b"\r\n")


def http(sock: Any) -> None:
    sock.recv(4_096)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def garbage(sock: Any) -> None:
    sock.recv(4_096)
    sock.sendall(b"*-7\r\n$abc\r\n:x\r\n%%%\xff\xfe\r\n")


def deep(sock: Any) -> None:
    sock.recv(4_096)
    sock.sendall(b"*1\r\n" * 100_000)


def endless(sock: Any) -> None:
    sock.recv(4_096)
    while True:
        sock.sendall(b"x" * 65_536)


def huge(sock: Any) -> None:
    sock.recv(4_096)
    sock.sendall(b"$999999999999\r\n")
    while True:
        sock.sendall(b"x" * 65_536)


def closes(sock: Any) -> None:
    sock.recv(4_096)


def silent(sock: Any) -> None:
    sock.recv(4_096)
    gevent.sleep(15)


@pytest.mark.parametrize(
    "answer", [echo, http, garbage, deep, endless, huge, closes, silent]
)
def test_s4_4_what_is_no_redis_takes_neither_memory_nor_time(
    answer: Callable[[Any], None],
) -> None:
    with stranger(answer) as url:
        failed(tell(url, 1.0))


def test_s4_4_tls_is_checked(tmp_path: Path, redis: RedisServer) -> None:
    """A TLS proxy in front, as stunnel or a cloud's: its certificate counts."""
    context, trusted = self_signed(tmp_path, "127.0.0.1")
    other = tmp_path / "other"
    other.mkdir()
    _, stranger_file = self_signed(other, "127.0.0.1")

    def forward(sock: Any, _address: Any) -> None:
        with gevent.socket.create_connection(("127.0.0.1", redis.port)) as inner:
            pumps = [gevent.spawn(_pump, sock, inner), gevent.spawn(_pump, inner, sock)]
            gevent.joinall(pumps, timeout=20, count=1)

    proxy = StreamServer(("127.0.0.1", 0), forward, ssl_context=context)
    proxy.start()
    url = f"rediss://127.0.0.1:{proxy.server_port}"
    try:
        assert "no TLS" in failed(tell(url))
        assert "no TLS" in failed(tell(url, ca_pem=stranger_file.read_text()))
        assert tell(url, ca_pem=trusted.read_text()).did
    finally:
        proxy.stop(0.1)


def _pump(source: Any, target: Any) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except (OSError, ssl.SSLError):
        pass


def test_s4_4_a_private_address_is_refused_unless_the_operator_permits_it(
    redis: RedisServer,
) -> None:
    sender = RedisStreamSender(Lookups())
    for url in (redis.url, f"redis://localhost:{redis.port}", "unix:///r.sock"):
        told = sender.tell(endpoint(url), None, (0,))
        assert "refused" in failed(told)
    assert list(sender.faults(RedisSettings(url=redis.url)))
    assert not list(sender.faults(RedisSettings(url="redis://r.example")))
    assert list(sender.faults(RedisSettings(url=f"http://:{SECRET}@r.example")))
    assert list(sender.faults(RedisSettings()))


@pytest.mark.parametrize(
    "info", [5, None, [b"a", b"b"], [[], 1], [b"last-generated-id", b"x"]]
)
def test_s4_4_an_answer_of_another_shape_is_a_failure(
    info: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(_link: Any, commands: Any, _timeout_s: float) -> Any:
        return [b"OK", info][: len(commands)]

    monkeypatch.setattr(redis_link.RedisLink, "ask", ask)
    assert "protocol: " in failed(tell("redis://127.0.0.1:1"))
