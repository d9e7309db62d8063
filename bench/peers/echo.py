"""The floor: a process that sends back what it gets, on one TCP connection each."""

from gevent import monkey

monkey.patch_all()

import socket
from typing import Any

from gevent.server import StreamServer


def echo(sock: socket.socket, _address: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := sock.recv(65_536):
        sock.sendall(data)


def main() -> None:
    server = StreamServer(("127.0.0.1", 0), echo)
    server.start()
    print(f"ready on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
