"""What the control API takes in query strings, as types; beside `inputs.py`."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.merchants.name import MAX_NAME
from engine.payment.model import Flag, Status
from engine.payment.search import MAX_SEARCH, sought
from engine.store.epochs import POSITION
from engine.store.further import Further, Stretch
from transport.bodies.problem_body import FieldError
from transport.http.input_values import MAX_EXTERNAL_ID
from transport.http.problems import invalid

__all__ = [
    "CREATED",
    "CREATED_OLDEST",
    "CHANGED",
    "CHANGED_OLDEST",
    "DEFAULT_LIMIT",
    "After",
    "AfterQuery",
    "AlertsQuery",
    "ChannelsQuery",
    "CursorQuery",
    "PaymentsQuery",
    "PositionCursor",
    "position_asked",
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


PositionCursor = Annotated[
    Annotated[str, Meta(pattern=POSITION)] | None,
    Meta(description="the next_cursor of an earlier response; after is the same"),
]

# RFC 3339, section 5.6. What it lets through may yet be no day of the calendar.
_RFC_3339 = (
    r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$(?!\n)"
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def position_asked(cursor: str | None, after: str) -> str:
    """Where to go on; `after` is the cursor's older name. Raises `Problem` 422 if both
    are given and do not say the same."""
    if cursor is None:
        return after
    if after not in {"0", cursor}:
        raise invalid(FieldError("?after", "must be left out beside cursor"))
    return cursor


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


class AlertsQuery(Query):
    """A page of the alerts; without both fields, all of them, as ever."""

    limit: Annotated[
        Annotated[int, Meta(ge=1, le=200)] | None,
        Meta(description="a whole number between 1 and 200; absent for all alerts"),
    ] = None
    cursor: Cursor = None


class CursorQuery(Query):
    """A page of a list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None


class ListOrder(StrEnum):
    """Of a listing."""

    NEWEST = "newest"
    OLDEST = "oldest"


CREATED, CREATED_OLDEST, CHANGED, CHANGED_OLDEST = "", "o", "c", "d"
"""Listings of payments, whose cursors are not each other's."""


def _time(what: str) -> Any:
    text = f"a time with its zone, like 2026-01-02T03:04:05Z: {what}"
    return Annotated[
        Annotated[
            str,
            Meta(pattern=_RFC_3339, extra_json_schema={"format": "date-time"}),
        ]
        | None,
        Meta(description=text),
    ]


class PaymentsQuery(CursorQuery):
    """Which payments to list. A payment must match all filters."""

    search: Annotated[
        Annotated[str, Meta(min_length=1, max_length=MAX_SEARCH)] | None,
        Meta(
            description=f"1 to {MAX_SEARCH} characters: a payment's id, an order number"
            " (external_id), an address, a transaction's id, a payment hash, or an"
            " exact sum: 50000 is satoshi, 0.0005 is bitcoin"
        ),
    ] = None

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
    flag: Annotated[Flag | None, Meta(description=f"one of {', '.join(Flag)}")] = None
    created_after: _time("created then or later") = None  # type: ignore[valid-type]
    created_before: _time("created before then") = None  # type: ignore[valid-type]
    updated_after: _time("its last event was then or later") = None  # type: ignore[valid-type]
    updated_before: _time("its last event was before then") = None  # type: ignore[valid-type]
    confirmed_after: _time("confirmed then or later") = None  # type: ignore[valid-type]
    confirmed_before: _time("confirmed before then") = None  # type: ignore[valid-type]
    order: Annotated[
        ListOrder,
        Meta(
            description="newest or oldest, which comes first: by creation, or with a"
            " filter by updated_ or confirmed_ by the time of that"
        ),
    ] = ListOrder.NEWEST

    @property
    def kind(self) -> str:
        """Which listing it is, of those that `CREATED` begins."""
        bounds = (
            self.updated_after,
            self.updated_before,
            self.confirmed_after,
            self.confirmed_before,
        )
        is_oldest = self.order is ListOrder.OLDEST
        if any(bound is not None for bound in bounds):
            return CHANGED_OLDEST if is_oldest else CHANGED
        return CREATED_OLDEST if is_oldest else CREATED

    def further(self, network: str) -> Further:
        """What the store must know beside the columns' filters. Raises `Problem`
        422."""
        return Further(
            sought=None if self.search is None else sought(self.search, network),
            flag=self.flag,
            created=self._stretch("created"),
            updated=self._stretch("updated"),
            confirmed=self._stretch("confirmed"),
            oldest_first=self.order is ListOrder.OLDEST,
        )

    def _stretch(self, name: str) -> Stretch:
        return Stretch(self._ms(f"{name}_after"), self._ms(f"{name}_before"))

    def _ms(self, name: str) -> int | None:
        """In whole milliseconds, which is what is kept: a part of one has passed."""
        text: str | None = getattr(self, name)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text.upper())
            return -((EPOCH - at) // timedelta(milliseconds=1))
        except (ValueError, OverflowError) as error:
            message = "must be a time that there is, like 2026-01-02T03:04:05Z"
            raise invalid(FieldError(f"?{name}", message)) from error


class AfterQuery(Query):
    """Events after a position."""

    cursor: PositionCursor = None
    after: After = "0"
    limit: Annotated[
        int, Meta(ge=1, le=1_000, description="a whole number between 1 and 1000")
    ] = 200
