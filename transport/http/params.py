"""What the control API takes in query strings, as types; beside `inputs.py`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.merchants.name import MAX_NAME
from engine.payment.model import Status
from engine.store.epochs import POSITION
from transport.http.input_values import MAX_EXTERNAL_ID

__all__ = [
    "DEFAULT_LIMIT",
    "After",
    "AfterQuery",
    "ChannelsQuery",
    "CursorQuery",
    "PaymentsQuery",
]

Cursor = Annotated[
    Annotated[str, Meta(max_length=200)] | None,
    Meta(description="the next_cursor of an earlier response"),
]
Limit = Annotated[
    int, Meta(ge=1, le=200, description="a whole number between 1 and 200")
]


After = Annotated[
    str,
    Meta(
        pattern=POSITION,
        description="a position that was given out, like 0a1b2c3d-7, or a whole number",
    ),
]


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of query strings; unknown parameters are refused."""


DEFAULT_LIMIT = 50


class ChannelsQuery(Query):
    """A page of the channels; without both fields, all of them, as ever."""

    limit: Annotated[
        Annotated[int, Meta(ge=1, le=200)] | None,
        Meta(description="a whole number between 1 and 200; absent for all channels"),
    ] = None
    cursor: Cursor = None


class CursorQuery(Query):
    """A page of a list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None


class PaymentsQuery(CursorQuery):
    """Which payments to list, newest first. A payment must match all filters."""

    status: Annotated[
        Status | None, Meta(description=f"one of {', '.join(Status)}")
    ] = None
    external_id: Annotated[
        Annotated[str, Meta(max_length=MAX_EXTERNAL_ID)] | None,
        Meta(description=f"at most {MAX_EXTERNAL_ID} characters"),
    ] = None
    address: Annotated[
        Annotated[str, Meta(max_length=MAX_ADDRESS_LENGTH)] | None,
        Meta(description="a bitcoin address of this node's network"),
    ] = None
    merchant: Annotated[
        Annotated[str, Meta(max_length=MAX_NAME)] | None,
        Meta(description=f"at most {MAX_NAME} characters"),
    ] = None


class AfterQuery(Query):
    """Events after a position."""

    after: After = "0"
    limit: Annotated[
        int, Meta(ge=1, le=1_000, description="a whole number between 1 and 1000")
    ] = 200
