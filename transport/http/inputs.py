"""What the control API takes, as types: the body of every request.

`transport/http/request_json.py` checks what comes in against them, and the OpenAPI
document is made from them: a field's description completes "must be …". The values
that many fields share are in `transport/http/input_values.py`.
What no type can say (is the address valid, is the URL allowed) the handler checks.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine.delivery.attempt import SCHEDULE_S
from engine.delivery.kinds import KINDS, WEBHOOK
from engine.delivery.refusal import REFUSED_ATTEMPTS, REFUSED_S
from engine.merchants.payment_methods import OnWarning
from engine.merchants.profile import ForwardTo, Profile
from engine.merchants.record import (
    MerchantSettings,
    OwnLimits,
    Secret,
    SecretName,
)
from engine.merchants.token_rules import TokenRules
from transport.http.input_values import (
    NO_CONTROLS,
    WHSEC,
    AccountText,
    AddressText,
    AmountMinor,
    AmountSat,
    AmountText,
    CaPem,
    ChannelId,
    Confirmations,
    Currency,
    CustomerEmail,
    Description,
    DescriptionHash,
    EventId,
    ExpiresIn,
    ExternalId,
    GatewayText,
    Headers,
    InvoiceText,
    Merchant,
    Metadata,
    MetadataPatch,
    MethodsAsked,
    MethodText,
    Moment,
    PackageText,
    PollInterval,
    QuorumAbove,
    RefusedAttempts,
    RefusedS,
    ReturnUrl,
    ScheduleS,
    TimeoutS,
    Tolerance,
    Types,
    Url,
)

__all__ = [
    "MAX_BATCH",
    "PAYMENTS",
    "BasicAuth",
    "BatchRequest",
    "ChannelPatch",
    "ChannelRequest",
    "MerchantRequest",
    "NoFields",
    "PaymentPatch",
    "PaymentRequest",
    "RedeliverPaymentRequest",
    "RedeliverRequest",
    "Request",
]

MAX_BATCH = 1_000


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of what a client may send; unknown fields are refused."""


class NoFields(Request):
    """An empty object; the body may be left out."""


class PaymentRequest(Request):
    """A payment to create."""

    method: MethodText | UnsetType = UNSET
    address: AddressText = None
    amount_sat: AmountSat = None
    gateway: GatewayText = None
    amount: AmountText = None
    amount_minor: AmountMinor = None
    currency: Currency = None
    any_amount: Annotated[
        bool,
        Meta(description="true in place of an amount: whatever comes is enough"),
    ] = False
    tolerance_sat: Tolerance = None
    quorum_above_sat: QuorumAbove = None
    confirmations: Confirmations | UnsetType = UNSET
    expires_in_s: ExpiresIn | UnsetType = UNSET
    poll_interval_s: PollInterval | UnsetType = UNSET
    external_id: ExternalId = None
    return_url: ReturnUrl = None
    customer_email: CustomerEmail = None
    merchant: Merchant | None = None
    metadata: Metadata = {}
    account: AccountText = None
    package: PackageText = None
    forward_to: ForwardTo | None = None
    methods: MethodsAsked = None
    description: InvoiceText = None
    description_hash: DescriptionHash = None
    on_warning: OnWarning | None = None


class PaymentPatch(Request):
    """What is to change of a payment, as a merge patch (RFC 7396): a field that is not
    named stays, null takes it away."""

    external_id: ExternalId | UnsetType = UNSET
    description: InvoiceText | UnsetType = UNSET
    metadata: MetadataPatch | UnsetType = UNSET
    expires_at: Annotated[
        Moment | UnsetType,
        Meta(
            description="until when it may be paid, a time in the future with its zone;"
            " only while it is waited for"
        ),
    ] = UNSET
    expires_in_s: Annotated[
        ExpiresIn | UnsetType,
        Meta(
            description="a whole number of seconds from now, between 1 and 2592000 (30"
            " days), in place of expires_at"
        ),
    ] = UNSET


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


Settings = Annotated[
    dict[str, Any],
    Meta(
        max_length=50,
        description="an object with the settings of the channel's kind"
        " (docs/channels.md explains them)",
    ),
]


class ChannelRequest(Request):
    """A channel that is to get events. `url`, `secret`, `headers`, `basic_auth` and
    `ca_pem` are of webhooks; any other kind has `settings`."""

    kind: Annotated[
        str,
        Meta(
            max_length=20,
            description=f"one of {', '.join(KINDS)}; how the events are sent",
        ),
    ] = WEBHOOK
    settings: Settings | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    types: Types | UnsetType = UNSET
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

    settings: Settings | UnsetType = UNSET
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


class MerchantRequest(Profile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a merchant, in place of what was."""

    limits: Annotated[
        OwnLimits,
        Meta(
            description="an object with the limits that are the merchant's own, whole"
            f" numbers or null for the node's: {', '.join(OwnLimits.__struct_fields__)}"
        ),
    ] = OwnLimits()
    webhook_secrets: Annotated[
        dict[SecretName, Secret | bool],
        Meta(
            max_length=64,
            description="an object: for btc, blockonomics, phoenixd and each of the"
            " node's gateways a secret of 8 to 200 printable ASCII characters without"
            " spaces (for a gateway also one before it, as <gateway>.old, while it"
            " rotates), true to keep the one that there is, false (or absent) for none"
            " of its own",
        ),
    ] = msgspec.field(default_factory=dict)
    jwt: Annotated[
        TokenRules | None,
        Meta(
            description="an object that says how the site's own tokens are signed:"
            " algorithm (HS256, RS256 or EdDSA) with secret (32 to 512 printable ASCII"
            " characters without spaces; true keeps the one that there is) or"
            " public_key (PEM), and audience, user_claim and salon_claim; null for none"
        ),
    ] = None

    def settings(self) -> MerchantSettings:
        """As the rules take it."""
        return MerchantSettings(
            limits=self.limits,
            webhook_secrets=self.webhook_secrets,
            jwt=self.jwt,
            **self.profile(),
        )
