"""What goes wrong in a command is one line for a person, and an exit code.

1: it could not be done; 2: it was asked wrongly. Never a traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from transport.cli.call_failed import CallFailed
from transport.cli.printable import printable

__all__ = ["Commands", "plain_errors"]


class Commands(click.Group):
    """Commands whose errors can be shown at a terminal: they may quote others."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError:
            raise  # it quotes what was typed here
        except click.ClickException as error:
            raise click.ClickException(printable(error.message)) from error


@contextmanager
def plain_errors() -> Iterator[None]:
    """A call of the node that failed, or whose answer is none of a node's, becomes a
    line on stderr and exit code 1."""
    try:
        yield
    except CallFailed as error:
        raise click.ClickException(str(error)) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise click.ClickException(
            f"the answer is not one of Paybell ({type(error).__name__}): name the node"
            " with --url"
        ) from error
