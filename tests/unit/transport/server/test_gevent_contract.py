"""What we lean on in the private parts of gevent and gevent-websocket.

A red test here after an upgrade says which of our assumptions went; the code to
change is named in each test.
"""

import inspect
import logging
import socket
from types import SimpleNamespace
from typing import Any

import gevent
import geventwebsocket.handler
import pytest
from gevent import pywsgi
from gevent.socket import socket as cooperative_socket
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.server import WebSocketServer

from tests.tools.serving import serving
from tests.tools.wsclient import connect
from transport.server.handshake import accepted
from transport.server.websocket.connection import WebSocket


def test_a_cooperative_socket_wraps_a_real_one_that_never_waits() -> None:
    """transport/server/socket_reader.py and connection.py read and write on `_sock`."""
    pair: Any = socket.socketpair()
    left, right = pair
    assert isinstance(left, cooperative_socket)
    raw: Any = left._sock  # type: ignore[attr-defined]
    with pytest.raises(BlockingIOError):
        raw.recv(1)
    assert raw.send(b"x") == 1
    assert right.recv(1) == b"x"
    left.close()
    right.close()


def test_the_package_looks_up_its_websocket_class_by_a_module_name() -> None:
    """transport/server/handshake.py puts ours there: the endpoint gets ours."""
    assert geventwebsocket.handler.WebSocket is accepted
    given: list[object] = []
    with serving(routes=lambda _environ: given.append) as server:
        client = connect("127.0.0.1", server.port)
        assert client.accepted
        assert "transfer-encoding" not in client.headers
        assert client.expect_close() == 1000
    assert [type(one) for one in given] == [WebSocket]


class Probe(WebSocketHandler):  # type: ignore[misc]  # the package has no types
    """Writes down in which order it is called."""

    def __init__(self, *, hooked: bool) -> None:
        self.calls: list[str] = []
        self.server = SimpleNamespace(
            pre_start_hook=self.hook, logger=logging.getLogger("probe")
        )
        self.hooked = hooked
        self.headers_sent = False
        self.application = self._answer
        self.environ: dict[str, Any] = {}

    def _answer(self, *_: object) -> list[bytes]:
        self.calls.append("application")
        return []

    def hook(self, handler: object) -> bool:
        assert handler is self
        self.calls.append("hook")
        return self.hooked

    def upgrade_websocket(self) -> None:
        self.calls.append("upgrade")
        self.status = "101 Switching Protocols"
        self.websocket = object()

    def process_result(self) -> None:
        self.calls.append("answer")

    def write(self, data: object) -> None:
        self.calls.append("101 sent")

    def run_websocket(self) -> None:
        self.calls.append("websocket")


def test_the_hook_decides_between_wsgi_and_the_upgrade_before_the_101() -> None:
    probe = Probe(hooked=True)
    probe.run_application()
    assert probe.calls == ["hook", "application", "answer"]


def test_the_package_runs_a_websocket_in_a_method_that_we_replace() -> None:
    probe = Probe(hooked=False)
    probe.run_application()
    assert probe.calls == ["hook", "upgrade", "101 sent", "websocket"]


def test_pywsgi_takes_a_reader_of_ours() -> None:
    """transport/server/socket_reader.py stands where `makefile()` would."""
    assert "rfile" in inspect.signature(pywsgi.WSGIHandler.__init__).parameters


@pytest.mark.parametrize(
    "name",
    [
        "handle",
        "handle_one_request",
        "handle_one_response",
        "handle_error",
        "get_environ",
        "start_response",
        "_sendall",
        "log_request",
    ],
)
def test_pywsgi_has_the_methods_that_we_override_or_call(name: str) -> None:
    assert callable(getattr(pywsgi.WSGIHandler, name))


class FailingHandler(pywsgi.WSGIHandler):
    """One whose application fails."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        discard = SimpleNamespace(_discard=lambda: self.calls.append("discard"))
        self.wsgi_input = discard  # type: ignore[assignment]

    def run_application(self) -> None:
        raise LookupError

    def handle_error(self, kind: Any, _error: Any, _trace: Any) -> None:
        self.calls.append(kind)

    def log_request(self) -> None:
        """Nothing."""


def test_pywsgi_tells_of_errors_and_discards_through_what_we_give_it() -> None:
    """Our `RequestBody._discard` does nothing: the handler has done it."""
    handler = FailingHandler()
    handler.handle_one_response()
    assert handler.calls == ["discard", LookupError]


def test_the_server_accepts_in_the_hub_and_handles_in_a_greenlet() -> None:
    """transport/server/server.py counts in do_handle and uncounts in handle."""
    calls: list[tuple[str, bool]] = []

    class Accepting(WebSocketServer):  # type: ignore[misc]
        def do_handle(self, *args: Any) -> None:
            calls.append(("do_handle", gevent.getcurrent() is gevent.get_hub()))
            super().do_handle(*args)

        def handle(self, socket: Any, address: Any) -> None:
            calls.append(("handle", gevent.getcurrent() is gevent.get_hub()))

    server = Accepting(("127.0.0.1", 0), lambda *_: [])
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.server_port)) as client:
            assert client.recv(1) == b""  # it closes what was handled
    finally:
        server.stop()
    assert calls == [("do_handle", True), ("handle", False)]
