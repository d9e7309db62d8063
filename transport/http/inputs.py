"""What the control API takes, as types: the body of every request.

`transport/http/request_json.py` checks what comes in against them, and the OpenAPI
document is made from them: a field's description completes "must be …".
What no type can say (is the address valid, is the URL allowed) the handler checks.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.delivery.attempt import SCHEDULE_S
from engine.delivery.refusal import REFUSED_ATTEMPTS, REFUSED_S
from engine.merchants.name import ALLOWED, NAME
from engine.merchants.record import (
    DisplayName,
    MerchantSettings,
    OwnLimits,
    Provider,
    Secret,
)
from engine.money.amount import MAX_SAT
from engine.payment.model import EventType

__all__ = [
    "MAX_BATCH",
    "PAYMENTS",
    "BasicAuth",
    "BatchRequest",
    "CaPem",
    "ChannelPatch",
    "ChannelRequest",
    "MerchantRequest",
    "NoFields",
    "PaymentRequest",
    "RedeliverPaymentRequest",
    "RedeliverRequest",
    "Request",
]

MAX_BATCH = 1_000
MAX_EXTERNAL_ID = 200
SAFE_INTEGER = 2**53 - 1  # what JavaScript reads exactly

# With `$` alone a newline at the end would come through.
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$(?!\n)"
HEADER_VALUE = r"^[!-~]([ -~]*[!-~])?$(?!\n)"
NO_CONTROLS = r"^[^\u0000-\u001f\u007f-\u009f]*$"
WHSEC = r"^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"

# -- values that may come in --------------------------------------------------------

AmountSat = Annotated[
    Annotated[int, Meta(ge=1, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi between 1 and {MAX_SAT}, or null for"
        " any amount"
    ),
]
QuorumAbove = Annotated[
    Annotated[int, Meta(ge=0, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi between 0 and {MAX_SAT}: more than this"
        " is confirmed only when two independent sources show it (never less strict"
        " than the node's own setting); null for the node's default",
    ),
]
Tolerance = Annotated[
    Annotated[int, Meta(ge=0, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi between 0 and {MAX_SAT} and less than"
        " amount_sat: an underpayment up to this sum still counts as paid, but never"
        " more than the node's share of the amount (1 % by default; the answer shows"
        " what applies); null for the node's default",
    ),
]
Confirmations = Annotated[
    int, Meta(ge=0, le=100, description="a whole number of blocks between 0 and 100")
]
ExpiresIn = Annotated[
    int,
    Meta(
        ge=1,
        le=30 * 86_400,
        description="a whole number of seconds between 1 and 2592000 (30 days)",
    ),
]
PollInterval = Annotated[
    int,
    Meta(ge=5, le=3_600, description="a whole number of seconds between 5 and 3600"),
]
ExternalId = Annotated[
    Annotated[str, Meta(min_length=1, max_length=MAX_EXTERNAL_ID, pattern=NO_CONTROLS)]
    | None,
    Meta(
        description=f"1 to {MAX_EXTERNAL_ID} characters without control characters,"
        " or null"
    ),
]
Merchant = Annotated[
    str,
    Meta(
        pattern=NAME,
        description=ALLOWED,
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
        description="an object with at most 50 fields: names of 1 to 40 characters;"
        " values are text of at most 500 characters, whole numbers up to 2^53-1, true,"
        " false or null",
    ),
]
AddressText = Annotated[
    Annotated[str, Meta(min_length=1, max_length=MAX_ADDRESS_LENGTH)] | None,
    Meta(description="a bitcoin address of this node's network"),
]
NotOffered = Annotated[
    Annotated[str, Meta(max_length=500)] | None,
    Meta(description="absent: this node does not offer it"),
]
Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2_048,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://",
        examples=["https://shop.example/paybell"],
        description="an http or https URL of at most 2048 characters that does not"
        " lead to a private or special-purpose address",
    ),
]
Types = Annotated[
    list[EventType],
    Meta(
        max_length=32,
        description="a list of event types like payment.confirmed; an empty list for"
        " all",
    ),
]
TimeoutS = Annotated[
    float, Meta(ge=1, le=30, description="a number of seconds between 1 and 30")
]
RefusedAttempts = Annotated[
    int,
    Meta(
        ge=1,
        le=20,
        description="a whole number between 1 and 20: an event that the endpoint itself"
        " refuses (400, 422 and the like) is given up after so many refusals, and the"
        " payment's next event says so in `skipped`",
    ),
]
RefusedS = Annotated[
    float,
    Meta(
        ge=0,
        le=604_800,
        description="a number of seconds between 0 and 604800: for no longer than that"
        " an event that the endpoint refuses holds back the payment's later ones",
    ),
]
ScheduleS = Annotated[
    list[Annotated[float, Meta(ge=0, le=604_800)]],
    Meta(
        min_length=1,
        max_length=20,
        description="a list of 1 to 20 delays before the attempts, each between 0 and"
        " 604800 seconds",
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
Headers = Annotated[
    dict[
        Annotated[str, Meta(max_length=64, pattern=HEADER_NAME)],
        Annotated[str, Meta(max_length=1_000, pattern=HEADER_VALUE)],
    ],
    Meta(
        max_length=10,
        description="an object of at most 10 headers: names as HTTP has them, values of"
        " 1 to 1000 visible ASCII characters with spaces between them",
    ),
]
CaPem = Annotated[
    Annotated[str, Meta(max_length=32_768, pattern=r"^\s*-----BEGIN CERTIFICATE-----")]
    | None,
    Meta(
        description="certificates in PEM, at most 32768 characters: only these"
        " authorities are believed; null for the usual ones"
    ),
]
Moment = Annotated[
    datetime,
    Meta(tz=True, description="a time with its zone, like 2026-01-02T03:04:05Z"),
]
ChannelId = Annotated[
    Annotated[str, Meta(min_length=1, max_length=64)] | None,
    Meta(description="the id of a channel"),
]
EventId = Annotated[
    Annotated[str, Meta(pattern=r"^evt_([0-9a-z]{8}_)?[1-9][0-9]{0,17}$")] | None,
    Meta(description="the id of an event, like evt_0a1b2c3d_7"),
]


# -- requests -----------------------------------------------------------------------


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of what a client may send; unknown fields are refused."""


class NoFields(Request):
    """An empty object; the body may be left out."""


class PaymentRequest(Request):
    """A payment to create."""

    method: Annotated[
        str,
        Meta(max_length=20, description='"onchain", the only method this node offers'),
    ] = "onchain"
    address: AddressText = None
    amount_sat: AmountSat = None
    any_amount: Annotated[
        bool,
        Meta(description="true in place of amount_sat: whatever comes is enough"),
    ] = False
    tolerance_sat: Tolerance = None
    quorum_above_sat: QuorumAbove = None
    confirmations: Confirmations = 3
    expires_in_s: ExpiresIn = 3_600
    poll_interval_s: PollInterval = 60
    external_id: ExternalId = None
    merchant: Merchant | None = None
    metadata: Metadata = {}
    account: NotOffered = None
    package: NotOffered = None
    forward_to: NotOffered = None


PAYMENTS = f"a list of 1 to {MAX_BATCH} payments"


class BatchRequest(Request):
    """Up to 1,000 payments. A mistake in one does not affect the others.

    For the document: `transport/control/batches.py` reads it piece by piece.
    """

    payments: Annotated[
        list[PaymentRequest],
        Meta(min_length=1, max_length=MAX_BATCH, description=PAYMENTS),
    ]


class RedeliverPaymentRequest(Request):
    """Which deliveries of a payment to repeat; an empty object repeats all."""

    channel_id: ChannelId = None
    event_id: EventId = None


class RedeliverRequest(Request):
    """Repeat the deliveries of a time range."""

    since: Moment
    until: Annotated[
        Moment | None,
        Meta(description="the end of the range, a time like since; null for now"),
    ] = None
    channel_id: ChannelId = None
    dead_only: Annotated[
        bool,
        Meta(
            description="true to repeat only deliveries that were given up, else false"
        ),
    ] = False


class BasicAuth(Request):
    """Credentials as RFC 7617 sends them."""

    username: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=r"^[^:\u0000-\u001f\u007f-\u009f]*$",
            description="at most 200 characters without colon and control characters",
        ),
    ]
    password: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=NO_CONTROLS,
            description="at most 200 characters without control characters",
        ),
    ]

    def __repr__(self) -> str:
        return "BasicAuth()"


Basic = Annotated[
    BasicAuth | None,
    Meta(
        description="an object with username and password, which go into the header"
        " Authorization; null for none"
    ),
]


class ChannelRequest(Request):
    """A webhook endpoint that is to get events."""

    url: Url
    types: Types = []
    merchant: Merchant | None = None
    secret: Annotated[
        Annotated[str, Meta(pattern=WHSEC)] | None,
        Meta(
            description="whsec_ followed by 24 to 64 bytes in base64, or null to have"
            " one generated"
        ),
    ] = None
    headers: Headers = {}
    basic_auth: Basic = None
    ca_pem: CaPem = None
    timeout_s: TimeoutS = 15.0
    refused_attempts: RefusedAttempts = REFUSED_ATTEMPTS
    refused_s: RefusedS = REFUSED_S
    schedule_s: ScheduleS = msgspec.field(
        default_factory=lambda: [float(s) for s in SCHEDULE_S]
    )
    description: Description = ""


class ChannelPatch(Request):
    """The fields to change; absent fields keep their value."""

    url: Url | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    enabled: Annotated[bool, Meta(description="true or false")] | UnsetType = UNSET
    headers: Headers | UnsetType = UNSET
    basic_auth: Basic | UnsetType = UNSET
    ca_pem: CaPem | UnsetType = UNSET
    timeout_s: TimeoutS | UnsetType = UNSET
    refused_attempts: RefusedAttempts | UnsetType = UNSET
    refused_s: RefusedS | UnsetType = UNSET
    schedule_s: ScheduleS | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    rotate_secret: Annotated[
        bool,
        Meta(
            description="true to generate a new secret, which is returned in this"
            " response; the old one also signs for 24 hours"
        ),
    ] = False


class MerchantRequest(Request):
    """What is kept of a merchant, in place of what was."""

    display_name: DisplayName = ""
    limits: Annotated[
        OwnLimits,
        Meta(
            description="an object with the limits that are the merchant's own, whole"
            f" numbers or null for the node's: {', '.join(OwnLimits.__struct_fields__)}"
        ),
    ] = OwnLimits()
    webhook_secrets: Annotated[
        dict[Provider, Secret | bool],
        Meta(
            description="an object: for btc and blockonomics a secret of 8 to 200"
            " printable ASCII characters without spaces, true to keep the one that"
            " there is, false (or absent) for none of its own"
        ),
    ] = {}

    def settings(self) -> MerchantSettings:
        """As the rules take it."""
        return MerchantSettings(
            display_name=self.display_name,
            limits=self.limits,
            webhook_secrets=self.webhook_secrets,
        )
