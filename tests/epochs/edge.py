"""The edge of one life of the node, as a client reaches it, without a network."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import gevent

from tests.epochs.socket import Socket

__all__ = ["Node"]

KEY = {"HTTP_AUTHORIZATION": "Bearer pbk_of_the_shop"}

#: Turns of all others without an answer, after which none is to come.
IN_VAIN = 4


class _NoAlarms:
    """The server's alarms, in a world in which no time passes."""

    def set_alarm(self, *_: object) -> "_NoAlarms":
        return self

    def cancel(self) -> None:
        pass


class Node:
    """See the module docstring."""

    def __init__(self, app: Any, routes: Any, run: Callable[[], None]) -> None:
        self._app = app
        self._routes = routes
        self.run = run  # until nobody has anything to do
        self._calls = 0

    def get(self, path: str, query: str, **headers: str) -> tuple[int, Iterable[bytes]]:
        """The status, and the body in pieces."""
        return self._call({**self._environ(path, query), **headers})

    def ask(
        self, method: str, path: str, query: str, said: str = ""
    ) -> tuple[int, bytes] | None:
        """The same of a request that waits for others. None: nobody has anything to
        tell, and the client hangs up."""
        environ = self._environ(path, query)
        body = said.encode()
        environ["REQUEST_METHOD"] = method
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))

        def answered() -> tuple[int, bytes]:
            status, pieces = self._call(environ)
            return status, b"".join(pieces)

        call = gevent.spawn(answered)
        for _turn in range(IN_VAIN):
            gevent.sleep(0)  # its turn
            if call.ready():
                break
            self.run()
        else:
            call.kill()
            return None
        told: tuple[int, bytes] = call.get()
        return told

    def socket(self, path: str, query: str = "") -> Socket | None:
        """None: refused."""
        endpoint = self._routes(self._environ(path, query))
        if not callable(endpoint):
            return None
        socket = Socket()
        endpoint(socket)
        return socket

    def _environ(self, path: str, query: str) -> dict[str, Any]:
        self._calls += 1
        environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query, **KEY}
        setup_testing_defaults(environ)
        environ["REMOTE_ADDR"] = f"10.{self._calls >> 8}.{self._calls & 255}.1"
        environ["paybell.alarms"] = _NoAlarms()
        return environ

    def _call(self, environ: dict[str, Any]) -> tuple[int, Iterable[bytes]]:
        status: list[str] = []

        def start_response(line: str, *_headers: object) -> None:
            status.append(line)

        body = self._app(environ, start_response)
        return int(status[0][:3]), body
