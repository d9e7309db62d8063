"""What the control API takes, as types: the body of every request.

`transport/http/request_json.py` checks what comes in against them, and the OpenAPI
document is made from them: a field's description is what a client is told is allowed.
What no type can say (is the address good, is the URL allowed) its handler checks.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine.delivery.attempt import SCHEDULE_S
from engine.money.amount import MAX_SAT
from engine.payment.model import EventType

__all__ = [
    "MAX_BATCH",
    "BatchRequest",
    "BatchShape",
    "ChannelPatch",
    "ChannelRequest",
    "NoFields",
    "PaymentRequest",
    "RedeliverPaymentRequest",
    "RedeliverRequest",
    "Request",
]

MAX_BATCH = 1_000
SAFE_INTEGER = 2**53 - 1  # what JavaScript reads exactly

NO_CONTROLS = r"^[^\u0000-\u001f\u007f-\u009f]*$"
WHSEC = r"^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"
MERCHANT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

# -- values that may come in --------------------------------------------------------

AmountSat = Annotated[
    Annotated[int, Meta(ge=1, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi from 1 to {MAX_SAT}; absent or null:"
        " any amount is accepted"
    ),
]
Tolerance = Annotated[
    Annotated[int, Meta(ge=0, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi from 0 to {MAX_SAT}, less than"
        " amount_sat: so much too little still counts as paid; null: as the node is"
        " set up",
    ),
]
Confirmations = Annotated[
    int, Meta(ge=0, le=100, description="a whole number of blocks from 0 to 100")
]
ExpiresIn = Annotated[
    int,
    Meta(
        ge=1,
        le=30 * 86_400,
        description="a whole number of seconds from 1 to 2592000 (30 days)",
    ),
]
PollInterval = Annotated[
    int,
    Meta(ge=5, le=3_600, description="a whole number of seconds from 5 to 3600"),
]
ExternalId = Annotated[
    Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_CONTROLS)] | None,
    Meta(description="1 to 200 characters without control characters, or null"),
]
Merchant = Annotated[
    str,
    Meta(
        pattern=MERCHANT,
        description="1 to 64 characters: letters, digits, '.', '_' and '-', the"
        " first a letter or digit",
    ),
]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=40)],
        Annotated[str, Meta(max_length=500)]
        | Annotated[int, Meta(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
        | bool
        | None,
    ],
    Meta(
        max_length=50,
        description="an object of at most 50 entries: keys of 1 to 40 characters,"
        " values that are text of at most 500 characters, whole numbers up to 2^53-1,"
        " true, false or null",
    ),
]
AddressText = Annotated[
    Annotated[str, Meta(min_length=1, max_length=100)] | None,
    Meta(description="a bitcoin address of this node's network"),
]
NotOffered = Annotated[
    Annotated[str, Meta(max_length=500)] | None,
    Meta(description="not offered by this node: leave it out"),
]
Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2_048,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://",
        examples=["https://shop.example/paybell"],
        description="an http or https URL of at most 2048 characters that does not"
        " lead to a private or special address",
    ),
]
Types = Annotated[
    list[EventType],
    Meta(
        max_length=32,
        description="a list of event types like payment.confirmed; empty: all",
    ),
]
TimeoutS = Annotated[
    float, Meta(ge=1, le=30, description="a number of seconds from 1 to 30")
]
ScheduleS = Annotated[
    list[Annotated[float, Meta(ge=0, le=604_800)]],
    Meta(
        min_length=1,
        max_length=20,
        description="1 to 20 waits before the attempts, each from 0 to 604800 seconds",
    ),
]
Description = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=NO_CONTROLS,
        description="at most 200 characters without control characters",
    ),
]
Moment = Annotated[
    datetime,
    Meta(tz=True, description="a time like 2026-01-02T03:04:05Z, with its zone"),
]
ChannelId = Annotated[
    Annotated[str, Meta(min_length=1, max_length=64)] | None,
    Meta(description="the id of a channel"),
]
EventId = Annotated[
    Annotated[str, Meta(pattern=r"^evt_[1-9][0-9]{0,17}$")] | None,
    Meta(description="the id of an event, like evt_7"),
]


# -- requests -----------------------------------------------------------------------


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of what a client may send; unknown fields are refused."""


class NoFields(Request):
    """A body that says nothing; it may be left out."""


class PaymentRequest(Request):
    """What a shop asks to be paid."""

    method: Annotated[
        str,
        Meta(max_length=20, description='"onchain", the one method this node offers'),
    ] = "onchain"
    address: AddressText = None
    amount_sat: AmountSat = None
    tolerance_sat: Tolerance = None
    confirmations: Confirmations = 3
    expires_in_s: ExpiresIn = 3_600
    poll_interval_s: PollInterval = 60
    external_id: ExternalId = None
    merchant: Merchant | None = None
    metadata: Metadata = {}
    account: NotOffered = None
    package: NotOffered = None
    forward_to: NotOffered = None


class BatchRequest(Request):
    """Up to 1,000 payments at once. Each is judged by itself."""

    payments: Annotated[
        list[PaymentRequest],
        Meta(
            min_length=1,
            max_length=MAX_BATCH,
            description=f"a list of 1 to {MAX_BATCH} payments",
        ),
    ]


class BatchShape(Request):
    """A batch before its payments are judged, each by itself."""

    payments: Annotated[
        list[Any],
        Meta(
            min_length=1,
            max_length=MAX_BATCH,
            description=f"a list of 1 to {MAX_BATCH} payments",
        ),
    ]


class RedeliverPaymentRequest(Request):
    """Which deliveries of a payment to repeat; empty: all of them."""

    channel_id: ChannelId = None
    event_id: EventId = None


class RedeliverRequest(Request):
    """Deliver a time range again."""

    since: Moment
    until: Annotated[
        Moment | None,
        Meta(description="a time, up to which events are delivered again; null: now"),
    ] = None
    channel_id: ChannelId = None
    dead_only: Annotated[
        bool, Meta(description="true or false: only what was given up")
    ] = False


class ChannelRequest(Request):
    """A webhook endpoint to tell."""

    url: Url
    types: Types = []
    merchant: Merchant | None = None
    secret: Annotated[
        Annotated[str, Meta(pattern=WHSEC)] | None,
        Meta(description="whsec_ and 24 to 64 bytes in base64; null: one is made"),
    ] = None
    timeout_s: TimeoutS = 15.0
    schedule_s: ScheduleS = msgspec.field(
        default_factory=lambda: [float(s) for s in SCHEDULE_S]
    )
    description: Description = ""


class ChannelPatch(Request):
    """What to change; absent fields stay."""

    url: Url | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    enabled: Annotated[bool, Meta(description="true or false")] | UnsetType = UNSET
    timeout_s: TimeoutS | UnsetType = UNSET
    schedule_s: ScheduleS | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    rotate_secret: Annotated[
        bool,
        Meta(
            description="true: a new secret, told in the answer; the old one signs"
            " beside it for 24 h"
        ),
    ] = False
