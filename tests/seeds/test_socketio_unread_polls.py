"""Who polls and leaves the answers unread: bounded, while others are served.

A poll is answered with what waits, so who asks and does not read holds an answer each
time, in a connection that is counted. How much waits, and for how long, is limited.
"""

import json
import socket
from pathlib import Path

from engine.payment.model import Terms
from tests.seeds.socketio_node import let_in, pay, salon_node
from tests.seeds.test_s4_1_socketio import SUBSCRIBE
from tests.tools.engineio import PATH, Ended, polling, websocket
from tests.tools.livenode import LiveNode
from tests.tools.wait import PATIENCE, wait_until
from transport.live.sinks import BACKLOG_SHARE, QUEUE_BYTES, QUEUE_MESSAGES

SALON = "/payments/salon/s1"
DEAF = 20
POLLS = 4  # of each of them
STORY = 700  # events: more than one answer takes
SMALL_BUFFER = 4_096
LONG_S = 3_600.0
MESSAGE_BYTES = 2_048  # one event's, at most


class UnreadPoll:
    """One poll of a session, of whose answer only the head is read."""

    def __init__(self, port: int, sid: str) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.sock.settimeout(60 * PATIENCE)
        self.sock.connect(("127.0.0.1", port))
        asked = f"GET {PATH}polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.sock.sendall(asked.encode())

    def answer_bytes(self) -> int:
        """What the head says of its body, which stays where it is."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            assert byte, head
            head += byte
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Ended(repr(head))
        (said,) = (
            line for line in head.lower().split(b"\r\n") if b"content-length" in line
        )
        return int(said.partition(b":")[2])


def with_story(node: LiveNode) -> Terms:
    """A payment with so many events, none of which ends it."""
    payment = node.create(amount_sat=10_000_000)
    for _ in range(STORY):
        node.chain.pay(payment.address, 600)
    node.wait_for_seq(payment.id, STORY)
    return payment


def deaf_page(node: LiveNode, payment: Terms) -> str:
    """It wants the whole story; its session."""
    page = polling(node.server.port)
    page.join(SALON, let_in())
    wanted = {"invoiceId": payment.id, "since": 0, "steps": True}
    page.emit(SALON, SUBSCRIBE, wanted)
    page.close()
    return page.sid


def test_unread_answers_are_bounded_and_others_are_told_at_once(tmp_path: Path) -> None:
    patient = {"poll_gap_s": LONG_S, "ping_interval_s": LONG_S}
    slow = {"send_buffer": SMALL_BUFFER, "limits": {"write_timeout_s": LONG_S}}
    with salon_node(tmp_path, node=slow, **patient) as node:
        payment = with_story(node)
        watched = [node.create(external_id=f"order-{n}") for n in range(2)]
        others = [websocket(node.server.port), polling(node.server.port)]
        for page in others:
            page.join(SALON, let_in())
            for number in range(2):
                page.emit(SALON, SUBSCRIBE, {"invoiceId": f"order-{number}"})
        unread = []
        for _ in range(DEAF):
            sid = deaf_page(node, payment)
            for _ in range(POLLS):
                poll = UnreadPoll(node.server.port, sid)
                size = poll.answer_bytes()
                assert size <= QUEUE_BYTES // BACKLOG_SHARE + MESSAGE_BYTES
                unread.append(poll)
            session = node.socketio._sessions[sid]
            queue = session._queue
            assert queue is not None
            assert queue._bytes <= QUEUE_BYTES // BACKLOG_SHARE + MESSAGE_BYTES
            assert len(queue._texts) <= QUEUE_MESSAGES // BACKLOG_SHARE
        assert node.server.connections >= len(unread), "each is held, and counted"
        for number, one in enumerate(watched):
            pay(node, one)
            for page in others:
                told = [page.message(), page.message()]
                assert [name for name, _ in told] == [
                    "payment:status-update",
                    "payment:completed",
                ]
                assert {value["invoiceId"] for _, value in told} == {f"order-{number}"}
        for poll in unread:
            poll.sock.close()
        wait_until(
            lambda: node.server.connections <= len(others), 30, "the places to be free"
        )


def test_who_leaves_answers_unread_loses_the_connection_and_then_the_session(
    tmp_path: Path,
) -> None:
    """Though it keeps its sockets open for ever."""
    hasty = {"poll_gap_s": 1.5, "connect_timeout_s": 1.5}
    limits = {"write_timeout_s": 0.2, "write_bytes_per_s": 1_000_000_000}
    idle = {"idle_timeout_s": LONG_S}  # it is not for this that they lose their places
    slow = {"send_buffer": SMALL_BUFFER, "limits": limits | idle}
    with salon_node(tmp_path, node=slow, **hasty) as node:
        payment = with_story(node)

        def unread_in_time() -> UnreadPoll | None:
            try:
                poll = UnreadPoll(node.server.port, deaf_page(node, payment))
                poll.answer_bytes()
            except (Ended, OSError):  # a busy machine
                return None
            return poll

        kept = [
            wait_until(unread_in_time, 10, "an answer in time") for _ in range(DEAF)
        ]
        wait_until(lambda: node.server.connections == 0, 30, "the places to be free")
        wait_until(lambda: not len(node.socketio), 30, "the sessions to be gone")
        wait_until(lambda: not node.sessions(), 30, "their engine's to be gone")
        assert node.live.open == 0
        assert all(poll is not None and poll.sock.fileno() >= 0 for poll in kept)
        page = websocket(node.server.port)
        page.join(SALON, let_in())
        page.emit(SALON, SUBSCRIBE, {"invoiceId": payment.id}, ack=1)
        assert json.loads(page.packet().partition(",1")[2])[0]["state"]
        page.close()
