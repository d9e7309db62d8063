"""An echo server on our own WebSocket class, for conformance suites of others.

    python tests/tools/echo_server.py --port 9001 --max-message 33554432

Text comes back as text, binary as binary. It prints one line when it listens.
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from gevent.event import Event  # noqa: E402

# Run as a file, Python looks for modules beside it.
sys.path[0] = str(Path(__file__).parents[2])

from tests.tools.endpoints import echo  # noqa: E402
from transport.server.limits import ServerLimits  # noqa: E402
from transport.server.server import Server  # noqa: E402


def not_found(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"open a WebSocket\n"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--max-message", type=int, default=32 * 1024 * 1024)
    parser.add_argument("--connections", type=int, default=20_000)
    options = parser.parse_args()
    limits = ServerLimits(
        connections=options.connections,
        connections_per_address=options.connections,
        ws_message_bytes=options.max_message,
        ws_fragments=1_000_000,
        ws_frames_per_s=0,
        ws_queue_messages=1_000_000,
        ws_queue_bytes=4 * options.max_message,
    )
    server = Server(not_found, lambda _: echo, options.host, options.port, limits)
    server.start()
    # Whoever started us waits for this line.
    print(f"echo ready on ws://{options.host}:{server.port}", flush=True)  # noqa: T201
    try:
        Event().wait()
    except KeyboardInterrupt:
        server.stop(2)


if __name__ == "__main__":
    main()
