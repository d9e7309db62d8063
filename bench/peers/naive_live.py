"""What one writes in an afternoon: a webhook in, a message out to who watches.

Stock pywsgi and gevent-websocket, the signature checked, nothing stored: a payment
that nobody heard of is lost. Started by the benches as a process of its own.
"""

from gevent import monkey

monkey.patch_all()

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIServer
from geventwebsocket.exceptions import WebSocketError
from geventwebsocket.handler import WebSocketHandler

from bench.clients import SECRET

watching: dict[str, set[Any]] = defaultdict(set)


def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path.startswith("/ws/balance/"):
        return _watch(environ["wsgi.websocket"], path.removeprefix("/ws/balance/"))
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(environ.get("HTTP_X_SIGNATURE", ""), expected):
        start("401 Unauthorized", [("Content-Length", "0")])
        return []
    claim = json.loads(body)
    message = json.dumps({"type": "payment.detected", **claim})
    for socket in tuple(watching[claim["address"]]):
        try:
            socket.send(message)
        except WebSocketError:
            watching[claim["address"]].discard(socket)
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return [b"{}"]


def _watch(socket: Any, address: str) -> list[bytes]:
    watching[address].add(socket)
    socket.send('{"type":"state"}')
    while socket.receive() is not None:
        pass
    watching[address].discard(socket)
    return []


def main() -> None:
    server = WSGIServer(
        ("127.0.0.1", 0), app, handler_class=WebSocketHandler, log=None, backlog=1_024
    )
    server.start()
    print(f"ready on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
