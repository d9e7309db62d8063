"""gevent in place of what blocks; called before anything else of ours is imported."""

import sys
from typing import Any

import gevent.events
from gevent import monkey

__all__ = ["SWITCH_S", "patch"]

SWITCH_S = 0.0005
"""How long a thread that computes keeps the interpreter when another wants it.

By default 5 ms: the hub waits so long whenever it comes back from a call to the system
while the journal's thread computes, some times for each answer that it sends, and the
journal's thread likewise, after each statement. Tried with a block that pays 10,000:
the longest answer took half the time, and no more CPU all in all.
"""

_events: Any = gevent.events  # its types do not tell of what is used here


def patch() -> None:
    """As `monkey.patch_all`, without its questions after plug-ins.

    At each of 25 steps it reads the list of every package that is installed, for one
    that wants to hear of the step: a fifth of what a command's start takes. None of
    what we install does, and nothing else has a say in this process.
    """
    ask = _events.notify_and_call_entry_points
    _events.notify_and_call_entry_points = _events.notify
    try:
        monkey.patch_all()
    finally:
        _events.notify_and_call_entry_points = ask
    sys.setswitchinterval(SWITCH_S)
