"""Blink's GraphQL over HTTP: one question, its answer, or an error of the port.

Blink answers a question that failed with status 200 and `errors`, each with a code
below `extensions` (`graphql/error.ts`); a mutation may say its errors in its payload
instead (`errors { code message }`). A key that is refused is a 401 of the proxy before
it. Both kinds become errors of `engine/lightning/node.py` here; Blink's own words are
not repeated, only codes that look like codes.

Source: github.com/GaloyMoney/blink, `core/api/src/graphql/{error,error-map}.ts`,
`servers/middlewares/idempotency.ts`; dev.blink.sv.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from engine.errors.lightning import (
    LightningError,
    NodeBusy,
    NodeRefused,
    NodeUnavailable,
)
from transport.lightning.http import (
    DEADLINE_S,
    NodeHttp,
    NodeRequest,
    decode,
    garbage,
    refusal,
)

__all__ = ["BlinkApi", "GraphError", "KeyIsUsed", "PayloadError", "error_of"]

_CODE: Final = re.compile(r"[A-Z0-9_]{1,60}")

#: Codes that say that the key is not good for what was asked.
_OF_THE_KEY: Final = {
    "NOT_AUTHENTICATED", "NOT_AUTHORIZED", "UNAUTHENTICATED", "FORBIDDEN",
}  # fmt: skip

#: Codes of what was refused before anything was done. `INVALID_INPUT` is not among
#: them: "there is a pending payment for this invoice" has that code, too.
_REFUSED: Final = {
    "INSUFFICIENT_BALANCE": "funds",
    "TRANSACTION_RESTRICTED": "amount",  # a limit of the account
    "CANT_PAY_SELF": "other",
    "INVOICE_DECODE_ERROR": "other",
    "GRAPHQL_VALIDATION_FAILED": "other",  # it has no such field (any more)
    "GRAPHQL_PARSE_FAILED": "other",
}

#: Invoices, say, are limited to 60 a minute (`config/schema.ts`).
_BUSY_S: Final = 30.0

ACT_S: Final = 60.0
"""For a mutation: a payment is tried for up to 45 s before it is `PENDING`."""

T = TypeVar("T")


_NOTHING: Final = msgspec.Raw(b"null")


class _Extensions(msgspec.Struct):
    code: str | None = None


class GraphError(msgspec.Struct):
    """One of `errors`. `path`: of the field that failed."""

    path: list[str | int] | None = None
    extensions: _Extensions | None = None

    @property
    def code(self) -> str:
        return (self.extensions and self.extensions.code) or ""

    @property
    def field(self) -> str:
        """The last name of the path."""
        return next((x for x in reversed(self.path or []) if isinstance(x, str)), "")


class PayloadError(msgspec.Struct):
    """One of a payload's `errors`."""

    code: str | None = None


class _Answer(msgspec.Struct):
    data: msgspec.Raw = _NOTHING
    errors: list[GraphError] | None = None


class KeyIsUsed(Exception):
    """409: a request with this idempotency key was here within the last hour. What
    came of it is not said, nor whether it is still under way."""


class BlinkApi:
    """One account's API. Not more than questions: what they mean is `blink.py`'s."""

    def __init__(self, name: str, url: str, key: str) -> None:
        self._http = NodeHttp(name, url, lambda: {"X-API-KEY": key})

    def __repr__(self) -> str:
        return f"<BlinkApi {self._http.name}>"

    @property
    def name(self) -> str:
        return self._http.name

    def close(self) -> None:
        self._http.close()

    def read(self, field: str, document: str, answer: type[T], **variables: Any) -> T:
        """A query. `field` names it in errors. Raises `LightningError`."""
        return self._ask(field, document, answer, variables, {})

    def look(
        self, field: str, document: str, answer: type[T], missing: str, **asked: Any
    ) -> T | None:
        """A query; None if Blink has nothing in the place of the field `missing`."""
        body, where = self._send(field, document, asked, {})
        if body.errors and all(_is_missing(e, missing) for e in body.errors):
            return None
        return _data(body, answer, where)

    def act(
        self,
        field: str,
        document: str,
        answer: type[T],
        variables: Mapping[str, Any],
        key: str = "",
        within_s: float | None = None,
    ) -> T:
        """A mutation; sent once, if it has a `key` (a UUID). `within_s`: sooner than
        `ACT_S`. Raises like `read`, and `KeyIsUsed`."""
        headers = {"X-Idempotency-Key": key} if key else {}
        return self._ask(field, document, answer, variables, headers, within_s)

    def _ask(
        self,
        field: str,
        document: str,
        answer: type[T],
        variables: Mapping[str, Any],
        headers: Mapping[str, str],
        within_s: float | None = None,
    ) -> T:
        body, where = self._send(field, document, variables, headers, within_s)
        return _data(body, answer, where)

    def _send(
        self,
        field: str,
        document: str,
        variables: Mapping[str, Any],
        headers: Mapping[str, str],
        within_s: float | None = None,
    ) -> tuple[_Answer, str]:
        longest_s = DEADLINE_S if document.startswith("query") else ACT_S
        request = NodeRequest(
            path="",
            label=field,
            body=msgspec.json.encode({"query": document, "variables": variables}),
            headers=headers,
            # 400: a document that is not (or no longer) valid, with `errors`.
            accept=(200, 400, 409),
            # Without a key it moves no money: an invoice too many, which nobody sees.
            repeat=not headers,
            deadline_s=min(longest_s, within_s or longest_s),
        )
        response = self._http.ask(request)
        where = self._http.where(request)
        if response.status == 409:
            if not headers:
                raise refusal(where, 409, response.retry_after_s)
            raise KeyIsUsed
        body = decode(response.body, _Answer, where)
        if response.status == 400 and not body.errors:
            raise NodeRefused(f"{where} refuses the request (400)")
        return body, where


def error_of(codes: Sequence[str], where: str) -> LightningError:
    """What these codes of one answer say together."""
    shown = ", ".join(c if _CODE.fullmatch(c) else "no known code" for c in codes[:3])
    if any(code in _OF_THE_KEY for code in codes):
        return NodeRefused(f"{where} refuses our key ({shown})", "key")
    if "TOO_MANY_REQUEST" in codes:
        return NodeBusy(f"{where} asks us to slow down ({shown})", _BUSY_S)
    for code in codes:
        if code in _REFUSED:
            return NodeRefused(f"{where} refuses it ({shown})", _REFUSED[code])
    return NodeUnavailable(f"{where} failed ({shown})")


def _data(body: _Answer, answer: type[T], where: str) -> T:
    if body.errors:
        raise error_of([e.code for e in body.errors], where)
    if bytes(body.data) == b"null":
        raise garbage(where, "an answer without data")
    return decode(bytes(body.data), answer, where)


def _is_missing(error: GraphError, field: str) -> bool:
    """`CouldNotFindWalletInvoiceError` has had both codes."""
    found = error.code in ("LIGHTNING_PAYMENT_ERROR", "NOT_FOUND")
    return found and error.field == field
