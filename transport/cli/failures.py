"""What goes wrong in a command is one line for a person, and an exit code.

1: it could not be done; 2: it was asked wrongly. Never a traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from transport.cli.client import CallFailed

__all__ = ["plain_errors"]


@contextmanager
def plain_errors() -> Iterator[None]:
    """A call of the node that failed becomes a line on stderr and exit code 1."""
    try:
        yield
    except CallFailed as error:
        raise click.ClickException(str(error)) from error
