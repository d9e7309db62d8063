"""Descriptors 0 to 2 belong to standard input, output and error, whoever starts us.

Called before anything else is imported: gevent opens files as it is imported, and what
is printed or logged must never go into one of them.
"""

import os

__all__ = ["open_closed"]


def open_closed() -> None:
    """Those that are closed become /dev/null: the next file that is opened would have
    got their number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
