"""What values may come in, as types: bounds, and words that complete "must be …".

The fields of `transport/http/inputs.py` are of these; the OpenAPI document and the
refusals take their words from here. Values only.
"""

import re
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.delivery.selection import NAMES
from engine.merchants.gateway_mapping import GATEWAY_NAME
from engine.merchants.name import ALLOWED, NAME
from engine.merchants.packages import NAMES as NAMES_OF_PACKAGES
from engine.merchants.packages import PackageName
from engine.merchants.payment_defaults import (
    MAX_CONFIRMATIONS,
    MAX_EXPIRES_IN_S,
)
from engine.merchants.payment_methods import Method
from engine.merchants.web_places import MAX_URL
from engine.money.amount import MAX_SAT
from engine.money.currency import CURRENCY, MAX_MINOR
from engine.payment import email_address

__all__ = [
    "AccountName",
    "AccountText",
    "AddressText",
    "AmountMinor",
    "AmountSat",
    "AmountText",
    "CaPem",
    "ChannelId",
    "Confirmations",
    "Currency",
    "CustomerEmail",
    "Description",
    "DescriptionHash",
    "EventId",
    "ExpiresIn",
    "ExternalId",
    "GatewayText",
    "Headers",
    "MAX_EXTERNAL_ID",
    "InvoiceText",
    "Merchant",
    "Metadata",
    "MetadataPatch",
    "MethodText",
    "MethodsAsked",
    "Moment",
    "NO_CONTROLS",
    "PackageText",
    "PollInterval",
    "QuorumAbove",
    "RefusedAttempts",
    "RefusedS",
    "SHOWN_TEXT",
    "ReturnUrl",
    "ScheduleS",
    "TimeoutS",
    "Tolerance",
    "Types",
    "Url",
    "WHSEC",
]

MAX_EXTERNAL_ID = 200
SAFE_INTEGER = 2**53 - 1  # what JavaScript reads exactly

# With `$` alone a newline at the end would come through.
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$(?!\n)"
HEADER_VALUE = r"^[!-~]([ -~]*[!-~])?$(?!\n)"
NO_CONTROLS = r"^[^\u0000-\u001f\u007f-\u009f]*$"

# Nor what turns the text about it round (bidi): a payer's wallet shows it.
SHOWN_TEXT = (
    r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*$"
)
WHSEC = r"^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"

ONE_TYPE = rf"^({'|'.join(re.escape(name) for name in NAMES)})$(?!\n)"

AmountSat = Annotated[
    Annotated[int, Meta(ge=1, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi between 1 and {MAX_SAT}, or null for"
        " any amount"
    ),
]
AmountMinor = Annotated[
    Annotated[int, Meta(ge=1, le=MAX_MINOR)] | None,
    Meta(
        description=f"a whole number between 1 and {MAX_MINOR} of the currency's"
        " smallest unit, or null"
    ),
]
AmountText = Annotated[
    Annotated[str, Meta(min_length=1, max_length=30)] | None,
    Meta(
        description='an amount of the currency as text, like "12.50", or null for'
        " amount_minor"
    ),
]
Currency = Annotated[
    Annotated[str, Meta(pattern=CURRENCY + r"(?!\n)")] | None,
    Meta(description="three capital letters, as ISO 4217 has them, or null"),
]
GatewayText = Annotated[
    Annotated[str, Meta(pattern=GATEWAY_NAME + r"(?!\n)")] | None,
    Meta(description="the name of a gateway of this node, or null"),
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
    int,
    Meta(
        ge=0,
        le=MAX_CONFIRMATIONS,
        description=f"a whole number of blocks between 0 and {MAX_CONFIRMATIONS}",
    ),
]
ExpiresIn = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_EXPIRES_IN_S,
        description=f"a whole number of seconds between 1 and {MAX_EXPIRES_IN_S}"
        " (30 days)",
    ),
]
ReturnUrl = Annotated[
    Annotated[str, Meta(min_length=1, max_length=MAX_URL)] | None,
    Meta(
        description="an http or https URL that the checkout page leads back to, one"
        " that return_urls of the merchant's record allow; or null"
    ),
]
PollInterval = Annotated[
    int,
    Meta(ge=5, le=3_600, description="a whole number of seconds between 5 and 3600"),
]
CustomerEmail = Annotated[
    Annotated[
        str,
        Meta(max_length=email_address.MAX_EMAIL, pattern=email_address.PATTERN),
    ]
    | None,
    Meta(
        description=f"{email_address.ALLOWED}: where the payer wants mail. It is kept"
        " sealed and shown to nobody"
    ),
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
MetadataPatch = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=40)],
        Annotated[str, Meta(max_length=500)]
        | Annotated[int, Meta(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
        | bool
        | None,
    ]
    | None,
    Meta(
        description="an object with fields to set, as metadata has them, or with null"
        " to remove; those that it does not name stay, and 50 may be left; null for"
        " none"
    ),
]
AddressText = Annotated[
    Annotated[str, Meta(min_length=1, max_length=MAX_ADDRESS_LENGTH)] | None,
    Meta(description="a bitcoin address of this node's network"),
]
MethodText = Annotated[
    str,
    Meta(
        max_length=20,
        description='"onchain", "lightning", or "external": a gateway says that it is'
        " paid; absent for what methods or the merchant's record say",
    ),
]
MethodsAsked = Annotated[
    Annotated[tuple[Method, ...], Meta(min_length=1, max_length=2)] | None,
    Meta(
        description='a list of "onchain" and "lightning", one of them or both, in place'
        " of method; or null"
    ),
]
InvoiceText = Annotated[
    Annotated[str, Meta(min_length=1, max_length=128, pattern=SHOWN_TEXT)] | None,
    Meta(
        description="1 to 128 characters without control characters: what is paid for,"
        " as the checkout page shows it and, of a payment that Lightning can pay, the"
        " payer's wallet; or null"
    ),
]
DescriptionHash = Annotated[
    Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")] | None,
    Meta(
        description="64 small hexadecimal digits: the SHA-256 of a text, in place of"
        " description (LNURL-pay); or null"
    ),
]
AccountName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$(?!\n)",
        description="1 to 128 letters, digits or . _ @ : + -, beginning with a letter"
        " or digit",
    ),
]
AccountText = Annotated[
    AccountName | None,
    Meta(
        description="whose account a confirmation credits: a user of the shop's, by"
        " 1 to 128 letters, digits or . _ @ : + -, beginning with a letter or digit"
    ),
]
PackageText = Annotated[
    PackageName | None,
    Meta(
        description="the name of one of the merchant's packages, in place of an"
        f" amount: {NAMES_OF_PACKAGES}"
    ),
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
    list[Annotated[str, Meta(pattern=ONE_TYPE)]],
    Meta(
        max_length=40,
        description="a list of types like payment.confirmed, payment.* or alert.*; an"
        " empty list for every event of a payment; absent for what is usual for the"
        " channel's kind",
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
