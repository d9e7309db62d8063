"""How an endpoint's answer begins, as people who look for its reason are shown it.

Some endpoints say back what they were sent. So what a channel's own headers hold (they
may be credentials) is taken out before anything is kept. Pure.
"""

from collections.abc import Sequence
from typing import Final

from transport.outbound.exchange import BODY_HEAD_BYTES

__all__ = ["BAD_CHARS", "GOOD_CHARS", "answer_head"]

BAD_CHARS: Final = 2_048
GOOD_CHARS: Final = 200
"""Who took the event says "ok"; nobody looks for a reason in it."""

HIDDEN: Final = "***"
#: Shorter parts of a header are words (`Basic`), and taken out they tell themselves.
SECRET_CHARS: Final = 6


def answer_head(
    body: bytes, headers: Sequence[tuple[str, str]], *, is_good: bool
) -> str | None:
    """None: it is empty."""
    text = body.decode("utf-8", "replace").replace("\0", "\ufffd")
    values = {part for _, value in headers for part in (value, *value.split())}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SECRET_CHARS:
            text = text.replace(value, HIDDEN)
    if len(body) >= BODY_HEAD_BYTES:  # it may end within such a one
        text = text[: -max((len(value) for value in values), default=0) or None]
    return text[: GOOD_CHARS if is_good else BAD_CHARS] or None
