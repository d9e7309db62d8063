"""Ports on loopback that nobody listens on, for programs that cannot bind port 0.

They are below those that the system gives out by itself, to whoever connects or binds
port 0; and those of one process are no other's of ours, for as long as it runs: a node
that is ended and started again finds its port, and where nobody is to listen, nobody
does. Callers still report their program's output when it fails to listen.
"""

import contextlib
import random
import socket
from pathlib import Path

__all__ = ["free_ports"]

FIRST, FEWEST = 10_000, 5_000
"""The lowest port, and how many there must be for it to be worth while."""

_held: list[socket.socket] = []  # by which other processes see what is ours


def free_ports(count: int) -> list[int]:
    """That many different free TCP ports of 127.0.0.1; each call gives others."""
    end = _first_of_the_system()
    is_wide = end - FIRST >= FEWEST
    dice = random.SystemRandom()
    found: list[int] = []
    while len(found) < count:
        port = dice.randrange(FIRST, end) if is_wide else 0
        with contextlib.suppress(OSError):  # another's
            found.append(_drawn(port))
    return found


def _drawn(port: int) -> int:
    """This port, or with 0 one that the system chooses. OSError: it is not free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", port))
        number = int(listener.getsockname()[1])
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            # A name without a file: it is gone when this process is.
            mark.bind(f"\0paybell-test-port-{number}")
        except OSError:
            mark.close()
            raise
        _held.append(mark)
        return number


def _first_of_the_system() -> int:
    """The lowest port that the system gives out by itself; 0: it does not say."""
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except OSError:
        return 0
    return int(text.split()[0])
