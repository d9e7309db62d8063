"""What we lean on in the private parts of gevent and gevent-websocket.

A red test here after an upgrade says which of our assumptions went; the code to
change is named in each test.
"""

import inspect
import socket
from typing import Any

import geventwebsocket.handler
import pytest
from gevent import baseserver, pywsgi
from gevent.socket import socket as cooperative_socket
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.server import WebSocketServer

from transport.server import connection as ours


def test_a_cooperative_socket_wraps_a_real_one_that_never_waits() -> None:
    """transport/server/websocket/outbox.py and websocket.py read and write on
    `_sock`."""
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
    """transport/server/connection.py puts ours there."""
    source = inspect.getsource(WebSocketHandler.upgrade_connection)
    assert "self.websocket = WebSocket(self.environ, Stream(self), self)" in source
    assert geventwebsocket.handler.WebSocket is ours._accepted


def test_the_hook_decides_between_wsgi_and_the_upgrade_before_the_101() -> None:
    source = inspect.getsource(WebSocketHandler.run_application)
    hook = source.index("if self.server.pre_start_hook(self):")
    assert hook < source.index("self.upgrade_websocket()")
    assert "pre_start_hook" in inspect.getsource(WebSocketServer.__init__)


def test_the_package_runs_a_websocket_in_a_method_that_we_replace() -> None:
    source = inspect.getsource(WebSocketHandler.run_application)
    assert source.index("self.write('')") < source.index("self.run_websocket()")
    assert "self.close_connection = True" in inspect.getsource(
        WebSocketHandler._prepare_response
    )


def test_no_extension_is_ever_negotiated() -> None:
    assert "Extensions" not in inspect.getsource(geventwebsocket.handler)


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


def test_pywsgi_closes_and_discards_through_what_we_give_it() -> None:
    """Our `RequestBody._discard` does nothing: the handler has done it."""
    source = inspect.getsource(pywsgi.WSGIHandler.handle_one_response)
    assert "self.wsgi_input._discard()" in source
    assert "self.handle_error(*sys.exc_info())" in source


def test_the_server_accepts_in_the_hub_and_handles_in_a_greenlet() -> None:
    """transport/server/server.py counts in do_handle and uncounts in handle."""
    accepting = inspect.getsource(baseserver)
    assert "self.do_handle(*args)" in accepting
    assert "self._spawn" in inspect.getsource(baseserver.BaseServer.do_handle)
    assert list(inspect.signature(WebSocketServer.handle).parameters) == [
        "self",
        "socket",
        "address",
    ]
