"""What the control API takes in query strings, as types; beside `inputs.py`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.payment.model import Status

__all__ = ["AfterQuery", "CursorQuery", "PaymentsQuery"]

MAX_OFFSET = 2**53 - 1

Cursor = Annotated[
    Annotated[str, Meta(max_length=200)] | None,
    Meta(description="the next_cursor of an earlier answer"),
]
Limit = Annotated[int, Meta(ge=1, le=200, description="a whole number from 1 to 200")]


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of query strings; unknown parameters are refused."""


class CursorQuery(Query):
    """A page of a list."""

    limit: Limit = 50
    cursor: Cursor = None


class PaymentsQuery(CursorQuery):
    """Which payments to list, newest first. Filters are joined by "and"."""

    status: Annotated[
        Status | None, Meta(description=f"one of {', '.join(Status)}")
    ] = None
    external_id: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="at most 200 characters"),
    ] = None
    address: Annotated[
        Annotated[str, Meta(max_length=100)] | None,
        Meta(description="a bitcoin address of this node's network"),
    ] = None
    merchant: Annotated[
        Annotated[str, Meta(max_length=64)] | None,
        Meta(description="at most 64 characters"),
    ] = None


class AfterQuery(Query):
    """Events after a number."""

    after: Annotated[
        int, Meta(ge=0, le=MAX_OFFSET, description="a whole number from 0 to 2^53-1")
    ] = 0
    limit: Annotated[
        int, Meta(ge=1, le=1_000, description="a whole number from 1 to 1000")
    ] = 200
