"""Words in colour, for people at a terminal. `NO_COLOR` (no-color.org) turns it off.

click itself drops colours when the output is no terminal, but knows no `NO_COLOR`.
"""

import os

import click

__all__ = ["style"]


def style(text: str, colour: str | None = None, *, bold: bool = False) -> str:
    """`text`, coloured unless the reader asked for none."""
    if os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=colour, bold=bold or None)
