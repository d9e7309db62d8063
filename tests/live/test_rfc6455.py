"""RFC 6455, strictly, at the socket: a table of what is said and what must come back.

Each case runs against the echo server as a process, whole in one write and, if it is
short, octet by octet. Strict: exactly these frames come back, in this order, also
those for what was said before the mistake; then the close code; then the end of TCP.
"""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket as independent

from tests.live.rfc6455_cases import GROUPS, MAX_MESSAGE, Case
from tests.tools import children
from tests.tools.wait import PATIENCE, Process
from tests.tools.wsclient import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PONG,
    TEXT,
    Closed,
    WsClient,
    connect,
    frame,
)

KIB, MIB = 1_024, 1_048_576
CHOPPED = 300  # bytes that are also sent octet by octet
ECHO_SERVER = Path(__file__).parents[1] / "tools" / "echo_server.py"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = [sys.executable, str(ECHO_SERVER), "--port", "0"]
    command += ["--max-message", str(MAX_MESSAGE)]
    with Process(command, ready=r"echo ready on ws://\S+:(\d+)") as server:
        assert server.match is not None
        yield int(server.match[1])


# Whether it comes back


def run(case: Case, port: int, step: int = 0) -> None:
    client = connect("127.0.0.1", port)
    try:
        say(client, case.says, step)
        for heard in case.hears:
            got = client.recv_frame()
            assert (got.opcode, got.payload, got.fin) == (*heard, True)
        if case.code is None:
            client.send_close(1000)
        got = client.recv_frame()
        assert (got.opcode, got.fin) == (CLOSE, True)
        code = int.from_bytes(got.payload[:2], "big") if got.payload else 1005
        assert code == (case.code or 1000)
        with pytest.raises((Closed, ConnectionError)):
            client.recv_frame()  # TimeoutError: it is still open
    finally:
        client.sock.close()


def say(client: WsClient, data: bytes, step: int) -> None:
    """It may be closed on us before we have said it all."""
    try:
        for at in range(0, len(data), step or len(data) or 1):
            client.send_raw(data[at : at + (step or len(data))])
    except ConnectionError:
        pass


def test_there_are_as_many_cases_as_there_should_be() -> None:
    names = [case.name for cases in GROUPS.values() for case in cases]
    assert len(set(names)) == len(names)
    assert len(names) > 800


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("group", GROUPS)
def test_every_case_of_the_table(port: int, group: str, step: int) -> None:
    failed = []
    for case in GROUPS[group]:
        if step and len(case.says) > CHOPPED:
            continue
        try:
            run(case, port, step)
        except (AssertionError, OSError, Closed) as error:
            failed.append(f"{case.name}: {error!r}".splitlines()[0])
    assert not failed, f"{len(failed)} of {len(GROUPS[group])} {group}"


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize(
    ("size", "fragment"),
    [
        *((size, 0) for size in (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)),
        *((MIB, fragment) for fragment in (64, 128)),
        *((4 * MIB, fragment) for fragment in (256, KIB, 4 * KIB, 64 * KIB)),
        (16 * MIB, MIB),
    ],
)
def test_large_messages_come_back_whole(
    port: int, opcode: int, size: int, fragment: int
) -> None:
    if opcode == TEXT:
        payload = "Grüße 🎉 ".encode() * (size // 13 + 1)
        payload = payload[: len(payload) // 13 * 13][: size // 13 * 13]
    else:
        payload = os.urandom(size)
    client = connect("127.0.0.1", port, timeout_s=30)
    said = b"".join(in_fragments(opcode, payload, fragment or size))
    # In a thread of its own: both sides' buffers fill while it comes back.
    saying = threading.Thread(target=client.sock.sendall, args=(said,))
    saying.start()
    got = client.recv_frame(30)
    saying.join()
    assert (got.opcode, got.fin) == (opcode, True)
    assert got.payload == payload
    assert client.close() == 1000


def in_fragments(opcode: int, payload: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(payload), size):
        piece = payload[at : at + size]
        fin = at + size >= len(payload)
        yield frame(opcode if at == 0 else CONTINUATION, piece, fin=fin)


@pytest.mark.parametrize("chop", [1, 64, 1_000])
def test_a_message_in_chops_of_any_size_comes_back(port: int, chop: int) -> None:
    payload = os.urandom(min(chop * 5_000, MIB))
    client = connect("127.0.0.1", port, timeout_s=30)
    saying = threading.Thread(target=say, args=(client, frame(BINARY, payload), chop))
    saying.start()
    assert client.recv(30) == payload
    saying.join()
    assert client.close() == 1000


def test_an_independent_client_in_python_agrees(port: int) -> None:
    client = independent.create_connection(
        f"ws://127.0.0.1:{port}/", timeout=20 * PATIENCE
    )
    for text in ("", "Grüße 🎉", "x" * 65_536):
        client.send(text)
        assert client.recv() == text
    payload = os.urandom(4 * MIB)
    client.send_binary(payload)
    assert client.recv() == payload
    client.ping(b"are you there")
    opcode, answer = client.recv_data(control_frame=True)
    assert (opcode, answer) == (PONG, b"are you there")
    client.send_close(4321, b"enough")
    opcode, answer = client.recv_data(control_frame=True)
    assert opcode == CLOSE
    assert int.from_bytes(answer[:2], "big") == 4321
    client.shutdown()  # type: ignore[no-untyped-call]


NODE = """
// Node's own client from version 20 on; before, the one that everybody uses there.
const WebSocket = globalThis.WebSocket ?? require("ws");
const socket = new WebSocket(process.argv[1]);
socket.binaryType = "arraybuffer";
const wanted = ["", "Grüße 🎉", "x".repeat(70000), new Uint8Array(1 << 20).fill(7)];
let next = 0;
const say = () => next < wanted.length
  ? socket.send(wanted[next]) : socket.close(4321, "enough");
socket.onopen = say;
socket.onmessage = ({ data }) => {
  const was = wanted[next++];
  const same = typeof was === "string"
    ? data === was : Buffer.from(data).equals(Buffer.from(was));
  if (!same) { console.log("differs", next); process.exit(1); }
  say();
};
socket.onclose = (e) => console.log(next, e.code, e.wasClean, socket.extensions);
"""


def test_the_client_of_node_agrees(port: int) -> None:
    flag = "--experimental-websocket"
    knows = f"process.allowedNodeEnvironmentFlags.has('{flag}')"
    own = children.run(["node", "-p", knows], capture_output=True, text=True)
    flags = [flag] if own.stdout.strip() == "true" else []
    found = children.run(
        ["node", *flags, "-e", NODE, f"ws://127.0.0.1:{port}/"],
        cwd=Path(__file__).parents[1] / "node",
        capture_output=True,
        text=True,
        timeout=30 * PATIENCE,
        check=False,
    )
    assert found.stdout.split() == ["4", "4321", "true"], found.stderr
