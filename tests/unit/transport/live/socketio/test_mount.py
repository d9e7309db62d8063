"""`/socket.io/` where it is off, and python-socketio where it is not loaded."""

import sys

import pytest

from tests.tools import children
from transport.http.problems import Problem
from transport.live.socketio.mount import Mount


def test_where_nobody_takes_tokens_there_is_nothing_at_this_path() -> None:
    def make() -> None:
        raise AssertionError("it is off")

    mount = Mount(lambda: False, make)  # type: ignore[arg-type]
    assert mount.route({"PATH_INFO": "/socket.io/"}) is None
    with pytest.raises(Problem) as refused:
        mount._answer()
    assert refused.value.status == 404


def test_a_node_that_does_not_need_it_does_not_load_it() -> None:
    code = "import transport.web_app, sys; sys.exit('socketio' in sys.modules)"
    assert children.run([sys.executable, "-c", code]).returncode == 0
