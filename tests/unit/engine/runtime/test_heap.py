"""When objects that live for days are put out of the collector's sight."""

import gc
import sys

import pytest

from engine.runtime.heap import NEW_PER_FREEZE, LongLived, give_back
from tests.tools import children


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the collector, in order."""
    calls: list[str] = []
    monkeypatch.setattr(gc, "collect", lambda n=2: calls.append(f"collect {n}"))
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    return calls


def test_new_ones_are_put_aside_when_there_are_enough(calls: list[str]) -> None:
    heap = LongLived()
    heap.grown(NEW_PER_FREEZE - 1)
    assert calls == []
    heap.grown(1)
    assert calls == ["collect 1", "freeze"], "garbage is collected first"
    heap.grown(NEW_PER_FREEZE - 1)
    assert calls == ["collect 1", "freeze"]
    heap.grown(5)
    assert calls == ["collect 1", "freeze"] * 2


def test_a_node_that_has_started_puts_all_aside_and_counts_anew(
    calls: list[str],
) -> None:
    heap = LongLived()
    heap.grown(NEW_PER_FREEZE - 1)
    heap.settle()
    assert calls == ["collect 2", "freeze"]
    heap.grown(NEW_PER_FREEZE - 1)
    assert calls == ["collect 2", "freeze"]


def test_a_million_watchers_cost_no_more_than_two_hundred_looks() -> None:
    assert NEW_PER_FREEZE >= 5_000


def test_memory_that_is_free_is_handed_back() -> None:
    give_back()
    give_back()


def test_a_start_leaves_little_to_the_turn_that_has_brought_all_back() -> None:
    """That turn took 100 ms, and 300 beside others, to look at all modules."""
    script = """
import run, installation, gc, tempfile, pathlib
from engine.config import load
from engine.runtime.heap import LongLived
seen = []
gc.disable()  # as `run.py serve` does before it loads all this
LongLived.settle = lambda _self: seen.append(len(gc.get_objects()))
with tempfile.TemporaryDirectory() as folder:
    config = load({"db": f"{folder}/node.db", "port": "0"}, {}, {})
    made = len(gc.get_objects())
    node = installation.Installation(config)
    try:
        node.start()
        from tests.tools.wait import wait_until
        wait_until(lambda: bool(seen), 30, "the watchers are up")
        assert gc.isenabled()
    finally:
        node.stop()
print(made, seen[0])
"""
    done = children.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made, looked_at = map(int, done.stdout.split())
    assert looked_at * 10 < made, (looked_at, made)
