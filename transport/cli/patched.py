"""gevent in place of what blocks; called before anything else of ours is imported."""

from typing import Any

import gevent.events
from gevent import monkey

__all__ = ["patch"]

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
