"""What a command says to a person: the one way to a terminal, `say`.

Texts of others are shown and never obeyed (`printable`), whatever command prints them;
colours are our own words' only, and none for who reads a file or set `NO_COLOR`
(no-color.org). Whether anybody reads is not for ever: a full disk is an error of one
line, and a message on standard error that nobody takes is not waited for.
"""

import os
import select
import sys
from typing import Any, Final

import click
from gevent import monkey

from transport.cli.printable import printable

__all__ = ["Styled", "is_writable", "say", "style"]

_poll: Any = monkey.get_original("select", "poll")

_COLOURS: Final = {"red", "green", "yellow", "cyan", "magenta"}


class Styled:
    """A word of a line, in colour. Inside another text it is plain."""

    __slots__ = ("_bold", "_colour", "_text")

    def __init__(self, text: str, colour: str | None, *, bold: bool) -> None:
        assert colour is None or colour in _COLOURS, colour
        self._text, self._colour, self._bold = printable(text), colour, bold

    def __str__(self) -> str:
        return self._text

    def coloured(self) -> str:
        if os.environ.get("NO_COLOR"):
            return self._text
        return click.style(  # noqa: TID251 - the text is printable
            self._text, fg=self._colour, bold=self._bold or None
        )


def style(text: str, colour: str | None = None, *, bold: bool = False) -> Styled:
    """A part of what is said, coloured unless the reader asked for none."""
    return Styled(text, colour, bold=bold)


def say(*parts: str | Styled, err: bool = False) -> None:
    """One line of these parts, one after the other, on standard output or error.

    Raises `ClickException` if standard output takes nothing more.
    """
    line = "".join(
        part.coloured() if isinstance(part, Styled) else printable(part)
        for part in parts
    )
    if err and not is_writable(2):
        return
    try:
        click.echo(line, err=err)  # noqa: TID251 - here, and nowhere else
    except BrokenPipeError:
        raise  # `| head` has read enough; click ends quietly
    except OSError as error:
        if err:
            return
        _leave_standard_output()
        why = error.strerror or str(error)
        raise click.ClickException(f"cannot write to standard output: {why}") from error


def is_writable(descriptor: int) -> bool:
    """Whether a line can be written there now, without waiting for who reads."""
    ready = _poll()
    ready.register(descriptor, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in ready.poll(0))


def _leave_standard_output() -> None:
    """What is left in its buffer must not be tried again at the end of the process."""
    try:
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError, AttributeError):  # it is none of the system's
        return
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
