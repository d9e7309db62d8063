"""What the reader of a Redis stream is told of the node as a whole."""

from types import SimpleNamespace
from typing import Any

from actors.edge.node_watch import NodeWatch


def test_trouble_is_the_journals_or_that_the_node_is_not_up_yet() -> None:
    health = SimpleNamespace(journal=None, booted=False)
    node: Any = SimpleNamespace(health=health)
    watch = NodeWatch(node)
    assert "is starting" in str(watch.trouble())
    health.booted = True
    assert watch.trouble() is None
    health.journal = "the disk is full"
    assert watch.trouble() == "the disk is full"
