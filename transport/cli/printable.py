"""Text of others, for a terminal or a log: it is shown, never obeyed.

Names, order numbers and error texts come from whoever made the payment. A terminal
obeys escape sequences in them (it moves the cursor, sets its title, hides text), and
characters that turn the direction of writing can make one address look like another.
Pure; the one place for this.
"""

__all__ = ["printable"]


def printable(text: str) -> str:
    """`text` with all that is not seen as itself spelled out: `\\x1b`, `\\u202e`.

    These are, by Unicode's categories (`str.isprintable`): controls, characters of
    direction and other format, line and paragraph separators, spaces other than the
    ordinary one, halves of surrogate pairs, and what is not assigned. A line stays one
    line. Letters of every script stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )
