"""Ports on loopback that nobody listens on, for programs that cannot bind port 0.

Not a reservation: between asking and binding somebody else may take the port, so
callers start their program soon and report its output when it fails to listen.
"""

import socket

__all__ = ["free_ports"]


def free_ports(count: int) -> list[int]:
    """That many different free TCP ports of 127.0.0.1, chosen by the system."""
    held = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for listener in held:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in held]
    finally:
        for listener in held:
            listener.close()
