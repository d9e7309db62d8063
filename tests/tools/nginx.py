"""nginx, Debian's, in front of something of ours: for tests of what a proxy changes.

    with nginx(folder, "server { listen 127.0.0.1:%d; … }" % port) as process: ...

One process that writes into `folder` only and ends with the `with`. NGINX names another
program.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.wait import Process, wait_until

__all__ = ["PROGRAM", "nginx"]

PROGRAM = os.environ.get("NGINX", "/usr/sbin/nginx")

_AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    log_format told '$status "$request_method $request_uri" $upstream_status';
    access_log {folder}/access.log told;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


@contextmanager
def nginx(folder: Path, http: str, port: int) -> Iterator[Process]:
    """`http` is what stands in its http block; it listens on `port` of loopback."""
    config = folder / "nginx.conf"
    config.write_text(_AROUND.format(folder=folder, http=http))
    with Process([PROGRAM, "-p", folder, "-c", config]) as process:
        wait_until(
            lambda: process.returncode is not None or _listens(port),
            30,
            lambda: f"nginx to listen; its output:\n{process.output}",
        )
        assert process.returncode is None, process.output
        yield process


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
