"""What a process loads before it does anything: a restart waits for all of it."""

import json
import sys

import pytest
from redis import exceptions

from tests.tools import children
from transport.cli.patched import SWITCH_S
from transport.outbound.redis_words import _CODES, code_of

SCRIPT = """
import json, sys
import run
from gevent import events, monkey
of_a_command = list(sys.modules)
import installation
patched = all(map(monkey.is_module_patched, ("socket", "ssl", "threading", "time")))
asks = events.notify_and_call_entry_points is not events.notify
told = [of_a_command, list(sys.modules), patched, asks, sys.getswitchinterval()]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> list[list[str] | bool | float]:
    done = children.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: list[list[str] | bool | float] = json.loads(done.stdout)
    return found


def test_a_command_loads_no_node_and_nothing_that_calls_one(
    told: list[list[str]],
) -> None:
    unwanted = {"installation", "engine.store.sqlite.store", "requests", "asyncio"}
    assert not unwanted & set(told[0])


def test_a_node_loads_no_redis_no_zmq_and_no_jwt_before_it_has_one(
    told: list[list[str]],
) -> None:
    assert "transport.inbound.redis_gateways" in told[1]
    assert "transport.http.site_tokens" in told[1]
    assert not {"redis", "zmq", "jwt", "asyncio"} & set(told[1])


def test_gevent_is_in_place_and_asked_nobody_for_plug_ins(
    told: list[list[str] | bool | float],
) -> None:
    assert told[2:4] == [True, True], "patched, and what asks is back"
    assert isinstance(told[0], list)
    assert "importlib.metadata" not in told[0], "reads all that is installed, 25 times"


def test_the_hub_waits_a_tenth_as_long_for_a_thread_that_computes(
    told: list[list[str] | bool | float],
) -> None:
    assert told[4] == SWITCH_S == 0.0005, "Python's own is 0.005"


@pytest.mark.parametrize("name", _CODES)
def test_redis_py_has_each_class_whose_name_stands_for_a_word(name: str) -> None:
    kind = getattr(exceptions, name)
    assert code_of(kind("7000 127.0.0.1:7001")) == _CODES[name]
    assert code_of(type("Later", (kind,), {})("7000 127.0.0.1:7001")) == _CODES[name]
