"""How an endpoint's answer begins, as people who look for its reason are shown it.

Some endpoints say back what they were sent, or what they know. So what may be a
credential is taken out before anything is kept: of the channel's own headers, of its
URL, and its secrets. Pure.
"""

import base64
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.delivery.endpoint import Endpoint
from transport.outbound.exchange import BODY_HEAD_BYTES

__all__ = ["BAD_CHARS", "GOOD_CHARS", "answer_head", "shown_url"]

BAD_CHARS: Final = 2_048
GOOD_CHARS: Final = 200
"""Who took the event says "ok"; nobody looks for a reason in it."""

HIDDEN: Final = "***"
#: Shorter parts of a header are words (`Basic`), and taken out they tell themselves.
SECRET_CHARS: Final = 6


#: Shorter steps of a path are names (`webhooks`), longer ones may be somebody's token.
TOKEN_CHARS: Final = 16


def answer_head(body: bytes, endpoint: Endpoint, *, is_good: bool) -> str | None:
    """None: it is empty."""
    text = body.decode("utf-8", "replace").replace("\0", "\ufffd")
    values = set(_credentials(endpoint))
    text = _without(values, text)
    if len(body) >= BODY_HEAD_BYTES:  # it may end within such a one
        text = text[: -max((len(value) for value in values), default=0) or None]
    return text[: GOOD_CHARS if is_good else BAD_CHARS] or None


def shown_url(url: str) -> str:
    """Without what may be a token in it: for those who see where something was sent,
    and need not be those who made the channel."""
    return _without(set(_credentials(Endpoint(url=url))), url)


def _without(values: set[str], text: str) -> str:
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SECRET_CHARS:
            text = text.replace(value, HIDDEN)
    return text


def _credentials(endpoint: Endpoint) -> Iterator[str]:
    """What may be one, as an endpoint could say it."""
    for _, value in endpoint.headers:
        yield from (value, *value.split())
    for secret in endpoint.secrets:
        yield base64.b64encode(secret).decode().rstrip("=")
        yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
        yield secret.hex()
        yield secret.decode("latin-1")
    url = urlsplit(endpoint.url)
    for step in url.path.split("/"):
        if len(step) >= TOKEN_CHARS:
            yield from (step, unquote(step))
    if url.query:
        yield from (url.query, *(value for _, value in parse_qsl(url.query)))
