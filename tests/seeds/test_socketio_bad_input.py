"""What no client of Socket.IO does, and what an attacker does: bounded, each of it.

Some of it ended servers of others: the CVEs of socket.io-parser and engine.io stand
beside what they are about.
"""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import gevent
import pytest

from tests.seeds.socketio_node import let_in, pay, salon_node
from tests.seeds.test_s4_1_socketio import SUBSCRIBE, UNSUBSCRIBE
from tests.tools.engineio import PATH, Client, Ended, polling, websocket
from tests.tools.livenode import LiveNode
from tests.tools.wait import PATIENCE, wait_until
from tests.tools.wsclient import Closed, WsClient, connect
from transport.live.limits import LiveLimits

SALON = "/payments/salon/s1"
P = TypeVar("P", bound=Client)

WRONG_PACKETS = {
    "an attachment": '451-["a",{"_placeholder":true,"num":0}]',  # CVE-2022-2421
    "attachments without end": '459999999999-["a"]',  # CVE-2026-33151
    "attachments of an event": '429-["a",{"_placeholder":true,"num":0}]',
    "an answer with attachments": '461-0["a"]',
    "a name that is an object": '42[{"toString":"x"}]',  # CVE-2023-32695
    "no name": "42[]",
    "no list": '42{"a":1}',
    "no data": "42",
    "a name of the library": '42["connect",{}]',
    "another name of the library": '42["disconnect"]',
    "an answer to nothing": '431["a"]',
    "a refusal": '44{"message":"x"}',
    "no kind": "4",
    "an unknown kind": "49",
    "a digit of another script": "4²",
    "an id of 200 digits": "42" + "1" * 200 + '["a"]',
    "a namespace of 300 characters": "40/" + "n" * 300 + ",",
    "half JSON": '42["a"',
    "a thousand brackets": "42" + "[" * 5_000,
    "not a number": '42["a",NaN]',
    "a packet that only we send": '0{"sid":"x"}',
    "a letter": "x",
    "nothing": "",
    "base64": "bAAEC",
    "a probe out of place": "2probe",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """With the patience of any node: who tries it has one of its own."""
    with salon_node(
        tmp_path_factory.mktemp("node"), node={"origins": ("https://shop.example",)}
    ) as node:
        yield node
        assert_nothing_stays(node)


def assert_nothing_stays(node: LiveNode) -> None:
    wait_until(lambda: not len(node.socketio), 10, "the sessions to be gone")
    assert node.live.open == 0
    assert len(node.live.creation_listeners) == 0
    wait_until(lambda: not node.sessions(), 10, "their engine's to be gone")


def joined(node: LiveNode, open_page: Callable[[int], P]) -> P:
    """A page that joined before the node lost its patience."""

    def in_time() -> P | None:
        try:
            page = open_page(node.server.port)
            page.join(SALON, let_in())
        except (Ended, OSError):  # a busy machine
            return None
        return page

    page = wait_until(in_time, 10, "a page that joins in time")
    assert page is not None
    return page


def ends(page: Client) -> bool:
    try:
        while True:
            page.packet()
    except Ended:
        return True


@pytest.mark.parametrize("open_page", [polling, websocket])
def test_a_packet_that_no_client_sends_ends_the_session(
    node: LiveNode, open_page: Callable[[int], Client]
) -> None:
    for name, packet in WRONG_PACKETS.items():
        page = open_page(node.server.port)
        page.join(SALON, let_in())
        try:
            page.send(packet)
        except Ended as refused:
            assert "400" in str(refused), name
        assert ends(page), name
        page.close()


def test_a_binary_frame_ends_the_session(node: LiveNode) -> None:
    page = websocket(node.server.port)
    page.join(SALON, let_in())
    page.client.send_binary(b"\x00" * 100)
    assert page.client.expect_close() == 1008


def test_what_is_longer_than_a_client_may_send_is_refused_on_both_transports(
    node: LiveNode,
) -> None:
    """CVE-2020-36048, CVE-2020-36049: memory for what is long, or many."""
    page = polling(node.server.port)
    page.ask("POST", f"polling&sid={page.sid}", "4" + "x" * 16_384)
    assert page.status == 413
    assert ends(page)
    many = polling(node.server.port)
    many.ask("POST", f"polling&sid={many.sid}", "\x1e".join(["3"] * 257))
    assert many.status == 400
    assert ends(many)
    long = websocket(node.server.port)
    long.send("4" + "x" * 16_384)
    assert long.client.expect_close() == 1009


@pytest.mark.parametrize(
    "query",
    [
        "polling&EIO=3", "polling&j=0", "polling&sid=nobody", "polling&sid=__proto__",
        "constructor", "__proto__", "", "flashsocket", "websocket",
    ],
)  # fmt: skip
def test_a_request_that_is_no_engine_io_is_refused(node: LiveNode, query: str) -> None:
    """CVE-2023-31125, CVE-2022-41940: one such request ended the process."""
    page = polling(node.server.port)
    page.ask("GET", query)
    assert page.status in (400, 426)
    assert json.loads(page.answer)["status"] == page.status
    page.ask("DELETE", f"polling&sid={page.sid}")
    assert page.status == 405
    page.send("1")


def test_a_websocket_that_is_reset_in_its_handshake_ends_nothing_else(
    node: LiveNode,
) -> None:
    """CVE-2022-41940, CVE-2022-21676."""
    page = polling(node.server.port)
    for head in (f"{PATH}websocket", f"{PATH}websocket&sid={page.sid}"):
        client = connect("127.0.0.1", node.server.port, head)
        client.send_frame(1, b"2probe", rsv=7)
        linger = struct.pack("ii", 1, 0)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.sock.close()
    assert page.join(SALON, let_in()).startswith("0")
    page.send("1")


def test_pongs_without_end_end_the_session_and_start_nothing(node: LiveNode) -> None:
    """CVE-2026-48802: a thread for each of them."""
    page = websocket(node.server.port)
    page.join(SALON, let_in())
    for _ in range(500):
        page.send("3")
    assert page.client.expect_close() == 1008


def test_an_event_for_a_namespace_that_was_not_joined_is_for_nobody(
    node: LiveNode,
) -> None:
    page = websocket(node.server.port)
    page.emit(SALON, SUBSCRIBE, "x", ack=1)
    assert page.join("/", let_in()).startswith("0")
    assert page.join("/", let_in()).startswith("4")  # once is enough
    for number in range(7):
        assert page.join(f"/payments/default?{number}", let_in())[:1] in "04"
    page.send("41")
    page.emit("/", SUBSCRIBE, "x", ack=2)
    assert page.join("/", let_in()).startswith("0")
    page.close()


def test_a_page_of_a_foreign_origin_may_not_connect_by_either_transport(
    node: LiveNode,
) -> None:
    page = polling(node.server.port, Origin="https://evil.example")
    assert page.status == 403
    assert "access-control-allow-origin" not in page.head
    ws = connect(
        "127.0.0.1",
        node.server.port,
        f"{PATH}websocket",
        origin="https://evil.example",
    )
    assert ws.status == 403
    ours = polling(node.server.port, Origin="https://shop.example")
    assert ours.head["access-control-allow-origin"] == "https://shop.example"
    ours.send("1")


def test_who_joins_nothing_is_sent_away(tmp_path: Path) -> None:
    with salon_node(tmp_path, connect_timeout_s=1.5) as node:
        page, socket_ = polling(node.server.port), websocket(node.server.port)
        assert ends(page)
        assert socket_.client.expect_close() == 1000
        assert_nothing_stays(node)


def test_so_many_sessions_that_poll_has_one_address(tmp_path: Path) -> None:
    with salon_node(tmp_path, polling_per_address=6) as node:
        pages = [polling(node.server.port) for _ in range(6)]
        for page in pages:
            page.join(SALON, let_in())
        assert polling(node.server.port).status == 429
        for page in pages:
            page.send("1")
        assert polling(node.server.port).status == 200


def test_who_polls_no_more_is_forgotten(tmp_path: Path) -> None:
    with salon_node(tmp_path, connect_timeout_s=1.5, poll_gap_s=1.5) as node:
        joined(node, polling)
        assert_nothing_stays(node)


def test_a_poll_that_is_given_up_ends_the_session_at_once(node: LiveNode) -> None:
    page = polling(node.server.port)
    page.join(SALON, let_in())
    waiting = gevent.spawn(page.poll)
    session = node.socketio._sessions[page.sid]
    wait_until(lambda: session._poller is not None, 10, "the poll to wait")
    waiting.kill()
    page.close()
    wait_until(lambda: session.closed, 10, "the session to end")


def test_a_ping_that_is_not_answered_ends_the_session(tmp_path: Path) -> None:
    hasty = {"ping_interval_s": 1.5, "ping_timeout_s": 1.5, "connect_timeout_s": 1.5}
    with salon_node(tmp_path, **hasty) as node:
        page = joined(node, websocket)
        assert page.next(10) == "2"
        assert page.client.expect_close() == 1000
        assert_nothing_stays(node)


def test_a_probe_that_never_upgrades_is_closed_and_polling_goes_on(
    tmp_path: Path,
) -> None:
    with salon_node(tmp_path, upgrade_timeout_s=0.3) as node:
        port = node.server.port
        page = polling(port)
        page.join(SALON, let_in())
        path = f"{PATH}websocket&sid={page.sid}"
        silent, second = (connect("127.0.0.1", port, path) for _ in range(2))
        assert second.expect_close() == 1008
        assert silent.expect_close() == 1008

        def probed_in_time() -> WsClient | None:
            client = connect("127.0.0.1", port, path)
            try:
                client.send_text("2probe")
                assert client.recv() == "3probe"
            except (Closed, OSError):  # a busy machine
                return None
            return client

        probed = wait_until(probed_in_time, 10, "an answer to the probe")
        assert probed is not None
        assert probed.expect_close() == 1008
        rude = connect("127.0.0.1", port, path)
        rude.send_text("5")
        assert rude.expect_close() == 1008
        page.emit(SALON, SUBSCRIBE, "still-there", ack=1)
        assert page.packet().endswith('[{"invoiceId":"still-there","state":null}]')
        page.send("1")
        assert_nothing_stays(node)


def test_while_it_upgrades_polls_bring_nothing_and_after_it_they_are_refused(
    node: LiveNode,
) -> None:
    page = polling(node.server.port)
    page.join(SALON, let_in())
    path = f"{PATH}websocket&sid={page.sid}"
    probed = connect("127.0.0.1", node.server.port, path)
    probed.send_text("2probe")
    assert probed.recv() == "3probe"
    page.emit(SALON, SUBSCRIBE, "meanwhile", ack=1)
    assert page.next(10) == "6"
    probed.send_text("5")
    assert probed.recv() == f'43{SALON},1[{{"invoiceId":"meanwhile","state":null}}]'
    page.ask("GET", f"polling&sid={page.sid}")
    assert page.status == 400
    probed.close()


def test_two_polls_at_once_end_the_session(node: LiveNode) -> None:
    page, other = polling(node.server.port), polling(node.server.port)
    page.join(SALON, let_in())
    waiting = gevent.spawn(page.poll)
    session = node.socketio._sessions[page.sid]
    wait_until(lambda: session._poller is not None, 10, "the poll to wait")
    other.ask("GET", f"polling&sid={page.sid}")
    assert other.status == 400
    waiting.get(timeout=10 * PATIENCE)
    assert page.next(1) == "1"
    other.send("1")


def test_who_is_told_much_and_does_not_poll_is_ended_at_the_bound(
    tmp_path: Path,
) -> None:
    """And by nothing else: it may stay away for an hour."""
    with salon_node(
        tmp_path, queue_messages=8, poll_gap_s=3_600, ping_interval_s=3_600
    ) as node:
        page = polling(node.server.port)
        page.join(SALON, let_in())
        payments = [node.create(external_id=f"much-{n}") for n in range(5)]
        for number in range(5):
            page.emit(SALON, SUBSCRIBE, {"invoiceId": f"much-{number}", "steps": True})
        assert len(node.socketio) == 1
        for payment in payments:
            pay(node, payment)
        assert_nothing_stays(node)


def test_who_has_no_token_cannot_go_through_all_invoices(tmp_path: Path) -> None:
    """Numbers can be guessed: an address may ask after some hundreds at once."""
    limits = LiveLimits(identifies_per_s=1, identifies_at_once=150)
    with salon_node(tmp_path, salon="open", node={"live": {"limits": limits}}) as node:
        page = websocket(node.server.port)
        assert page.join(SALON).startswith("0")
        for number in range(1_000):  # slow as this may be, it is quicker than one a s
            page.emit(SALON, SUBSCRIBE, str(number), ack=number)
            answer = page.packet()
            if "too many invoices were asked after" in answer:
                break
            page.emit(SALON, UNSUBSCRIBE, str(number))
            if number % 100 == 99:  # so much may one say, but there are others
                page.close()
                page = websocket(node.server.port)
                page.join(SALON)
        else:
            raise AssertionError("nobody stopped it")
        page.close()
