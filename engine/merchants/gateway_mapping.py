"""How a payment gateway's notification is read and believed: `[gateways.<name>]`.

A mapping says where in the body the facts are, which words mean what, and how it is
signed. It holds no secret: those are a merchant's (`webhook_secrets.<name>`), sealed.
`docs/gateways.md` has one for each of several gateways. What no type can say is in
`mistake`. Pure values.
"""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from engine.merchants.name import NAME
from engine.money.currency import CURRENCY, MAX_DECIMALS

__all__ = [
    "GATEWAY_NAME",
    "GatewayFields",
    "GatewayMapping",
    "GatewaySignature",
    "GatewayWords",
    "Place",
    "places_of",
]

GATEWAY_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,31}$"

MAX_MERCHANTS: Final = 20
"""Whose secret fits is tried one by one, where the path names no merchant."""

Place = Annotated[str, Meta(min_length=1, max_length=200)]
"""Where a value is: a JSON pointer (`/data/object/id`, RFC 6901), names with dots
between them (`data.object.id`), or the name of a form's field."""

Places = Place | Annotated[list[Place], Meta(min_length=1, max_length=5)]
"""Several: the first of them that is there counts."""

Words = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=50)
]

HeaderName = Annotated[
    str, Meta(max_length=64, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
]


_PLACEHOLDER = re.compile(r"\{([^{}:]*)(?::[^{}]*)?\}")
_SECRET_HASH = re.compile(r"\{secret:([^{}]*)\}")
_HASHES: Final = ("md5", "sha1", "sha256", "sha512")
_KNOWN: Final = {"body", "timestamp", "header", "field", "secret"}


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: a name that is not known is a mistake, not a comment."""


class GatewayFields(_Strict, frozen=True):
    """Where the facts are. `customer` and `salon` go into the metadata of a payment
    that a notification makes."""

    invoice: Places
    status: Places
    event_id: Places | None = None  # None: what it says is what it is known by
    amount: Places | None = None
    currency: Places | None = None
    reference: Places | None = None
    token: Places | None = None
    brand: Places | None = None  # of the token, as are the next two
    last4: Places | None = None
    expires: Places | None = None
    customer: Places | None = None
    salon: Places | None = None


class GatewayWords(_Strict, frozen=True):
    """Which of the gateway's words mean what. Any other is logged, and changes
    nothing."""

    SUCCESS: Words
    FAILED: Words = []
    PENDING: Words = []
    REVERSED: Words = []
    TOKEN: Words = []


class GatewaySignature(_Strict, frozen=True):
    """How it is known who sent a notification.

    hmac: an HMAC of `signed` with the secret. digest: a hash of `signed`, in which the
    secret is one of the parts. shared: the secret itself is in the header or field.

    `signed` is a template: {body}, {timestamp}, {header:Name}, {field:place}, and for
    a digest {secret}, or {secret:md5} as an upper-case hash of it.
    """

    scheme: Literal["hmac", "digest", "shared"] = "hmac"
    header: HeaderName | None = None
    field: Place | None = None  # or where in the body it is
    algorithm: Literal["sha256", "sha512", "sha1", "md5"] | None = None
    encoding: Literal["hex", "base64"] = "hex"
    separator: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    prefix: Annotated[str, Meta(max_length=20)] = ""
    signed: Annotated[str, Meta(min_length=1, max_length=2_000)] = "{body}"
    timestamp_header: HeaderName | None = None
    timestamp_prefix: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    tolerance_s: Annotated[int, Meta(ge=1, le=86_400)] = 300
    secret_prefix: Annotated[str, Meta(max_length=20)] = ""
    secret_encoding: Literal["text", "base64", "hex"] = "text"  # noqa: S105

    @property
    def has_timestamp(self) -> bool:
        return self.timestamp_header is not None or self.timestamp_prefix is not None


class GatewayMapping(_Strict, frozen=True):
    """One gateway. See the module docstring."""

    merchants: Annotated[
        list[Annotated[str, Meta(pattern=NAME)]],
        Meta(min_length=1, max_length=MAX_MERCHANTS),
    ]
    fields: GatewayFields
    words: GatewayWords
    signature: GatewaySignature
    body: Literal["json", "form"] = "json"
    amount_unit: Literal["major", "minor"] = "major"  # 12.50, or 1250
    amount_is_not_told: bool = False  # a SUCCESS is of the whole sum, whatever it was
    currency: Annotated[str, Meta(pattern=CURRENCY)] | None = None  # the only one
    decimals: dict[
        Annotated[str, Meta(pattern=CURRENCY)],
        Annotated[int, Meta(ge=0, le=MAX_DECIMALS)],
    ] = {}
    # An invoice that nobody created here: the site creates them at its gateway.
    creates: bool = True
    creates_per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] = 600
    expires_in_s: Annotated[int, Meta(ge=1, le=30 * 86_400)] = 86_400
    answer: Annotated[str, Meta(max_length=1_000)] = '{"status":"accepted"}'
    answer_type: Annotated[
        str, Meta(max_length=100, pattern=r"^[a-z]+/[a-z0-9.+-]+(; ?charset=utf-8)?$")
    ] = "application/json"

    def mistake(self) -> tuple[str, str] | None:
        """The key of what does not fit together, and why; None: it all does."""
        return (
            _of_fields(self)
            or _of_words(self.words)
            or _of_signature(self.signature)
            or _of_coverage(self)
            or _of_merchants(self.merchants)
        )


def places_of(places: Places | None) -> tuple[str, ...]:
    """In the order in which they are looked at."""
    if places is None:
        return ()
    return (places,) if isinstance(places, str) else tuple(places)


def _of_fields(mapping: GatewayMapping) -> tuple[str, str] | None:
    fields = mapping.fields
    if (fields.amount is None) != mapping.amount_is_not_told:
        if fields.amount is None:
            return (
                "fields.amount",
                "is missing; say amount_is_not_told = true if the gateway names no sum",
            )
        return "amount_is_not_told", "must be left out beside fields.amount"
    if fields.currency is None and mapping.currency is None:
        return "currency", "is missing, as fields.currency is: the currency it is in"
    if fields.currency is not None and mapping.currency is not None:
        return "currency", "must be left out beside fields.currency"
    return None


def _of_words(words: GatewayWords) -> tuple[str, str] | None:
    seen: dict[str, str] = {}
    for name in words.__struct_fields__:
        for word in getattr(words, name):
            if word in seen:
                return f"words.{name}", f"has {word!r}, as words.{seen[word]} does"
            seen[word] = name
    return None if words.SUCCESS else ("words.SUCCESS", "must have a word")


def _of_signature(signature: GatewaySignature) -> tuple[str, str] | None:
    scheme, signed = signature.scheme, signature.signed
    if (signature.header is None) == (signature.field is None):
        return "signature.header", "or signature.field must be there, one of them"
    if scheme == "shared":
        return None
    if signature.algorithm is None:
        return "signature.algorithm", "must be named: sha256 or sha512, or an older one"
    if scheme == "hmac" and signature.algorithm == "md5":
        return "signature.algorithm", "must be sha256, sha512 or sha1 for an HMAC"
    if scheme == "hmac" and "{secret" in signed:
        return "signature.signed", "must have no {secret} for an HMAC: it is the key"
    if scheme == "digest" and "{secret" not in signed:
        return "signature.signed", "must have {secret} or {secret:md5} for a digest"
    if wrong := [a for a in _SECRET_HASH.findall(signed) if a not in _HASHES]:
        return "signature.signed", f"has {{secret:{wrong[0]}}}; hashes: {_HASHES}"
    if unknown := set(_PLACEHOLDER.findall(signed)) - _KNOWN:
        return "signature.signed", f"has {{{min(unknown)}}}, which is nothing"
    if ("{timestamp}" in signed) != signature.has_timestamp:
        return (
            "signature.signed",
            "must have {timestamp} where timestamp_header or timestamp_prefix names"
            " one, and only there",
        )
    return None


def _of_coverage(mapping: GatewayMapping) -> tuple[str, str] | None:
    """A signature of chosen fields proves those and no others: what money is counted
    by must be among them, and who may hear of it, and what may be charged later."""
    signed = mapping.signature.signed
    if mapping.signature.scheme == "shared" or "{body}" in signed:
        return None
    fields = mapping.fields
    for name in ("invoice", "status", "amount", "currency", "token", "salon"):
        for place in places_of(getattr(fields, name)):
            if f"{{field:{place}}}" not in signed:
                return (
                    "signature.signed",
                    f"must have {{body}} or {{field:{place}}} (fields.{name}): what is"
                    " not signed, anybody can change",
                )
    return None


def _of_merchants(names: list[str]) -> tuple[str, str] | None:
    twice = sorted({name for name in names if names.count(name) > 1})
    return ("merchants", f"has {twice[0]!r} twice") if twice else None
