"""Letting others run, sockets included.

`gevent.sleep(0)` does not do that. It runs what is ready, and what that makes ready,
fifty times over before the hub looks at a socket: one greenlet that works for 3 ms and
sleeps for 0 keeps every socket waiting for 150 ms. See tests/unit/test_breath.py.
"""

import gevent

__all__ = ["breathe"]


def breathe() -> None:
    """Come back after the hub has looked at all sockets and timers once; some 2 µs."""
    hub = gevent.get_hub()
    timer = hub.loop.timer(0.0)
    try:
        hub.wait(timer)
    finally:
        timer.close()
