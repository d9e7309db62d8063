"""What can go wrong.

    PaybellError
      Problem       the node answered that it will not: `code`, `detail`, `errors`
        CursorGone  410: the place in the story is of another database; where to go on
      Unreachable   no answer: no connection, or none in time
      Answer        an answer that is not Paybell's (a proxy's page, a redirect)

A webhook that is not believed is a `WebhookRefused` (webhooks.py), which is none of
these: no call was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paybell_client.types import FieldError

__all__ = ["Answer", "CursorGone", "PaybellError", "Problem", "Unreachable"]


class PaybellError(Exception):
    """Any call that did not end well."""


class Problem(PaybellError):
    """An error answer (RFC 9457). The node's page /docs/errors explains each `code`."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.code: str = str(body.get("code", ""))
        """For programs: "invalid_request", "payment_not_found", ..."""
        self.detail: str = str(body.get("detail", ""))
        """For people."""
        self.errors: Sequence[FieldError] = tuple(body.get("errors") or ())
        """What is wrong with which field: `{"path": "/amount_sat", "message": ...}`."""
        self.request_id: str = str(body.get("request_id", ""))
        """The node's log names it."""
        self.limit: str = str(body.get("limit", ""))
        """The setting of the node that this ran into, if any."""
        super().__init__(self._text())

    def _text(self) -> str:
        fields = "; ".join(f"{it['path']} {it['message']}" for it in self.errors)
        said = f"{self.status} {self.code}: {self.detail}"
        return f"{said} ({fields})" if fields else said


class CursorGone(Problem):
    """410: the node's database was restored or exchanged, or the events after the
    cursor are kept no longer.

    Some events may come twice from `cursor` on (with the same id); those that were lost
    in the restore are not told again: look at the payments that they were of.
    """

    def __init__(self, status: int, body: Mapping[str, Any], after: str) -> None:
        super().__init__(status, body)
        self.after = after
        """The cursor that cannot be gone on from."""
        self.cursor: str = str(body["cursor"])
        """The one to go on from."""


class Unreachable(PaybellError):
    """No answer came. `may_have_happened`: the request may have reached the node, which
    may have done what it asks. Repeat it with the same Idempotency-Key to find out."""

    def __init__(self, text: str, *, may_have_happened: bool) -> None:
        super().__init__(text)
        self.may_have_happened = may_have_happened


class Answer(PaybellError):
    """Somebody answered, and not as Paybell does."""
