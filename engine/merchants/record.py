"""A merchant: what is kept of one, what a person says of one, and the limits of one.

`MerchantSettings` is what comes in (an API call, a table of paybell.toml), `Merchant`
what the node goes by: secrets sealed, limits filled up with the node's own. What is
neither is in `profile.py`. Values; the rules beside them are in `rules.py`. Pure.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from engine.merchants.profile import Profile
from engine.merchants.token_rules import SEALED_AS, SealedRules, TokenRules
from engine.policy.defaults import CLAIMS_PER_PAYMENT, CLAIMS_TOTAL_S

__all__ = [
    "OLD",
    "PROVIDERS",
    "Limits",
    "Merchant",
    "MerchantSettings",
    "OwnLimits",
    "Provider",
    "Secret",
    "SecretName",
    "decode_state",
    "encode_state",
]

Provider = Literal["btc", "blockonomics", "phoenixd"]
"""Whose webhooks are signed with a secret of the merchant's: the dialects of
`transport/inbound/dialects.py`, and `transport/seeds/phoenixd.py`."""

PROVIDERS: Final[tuple[Provider, ...]] = ("btc", "blockonomics", "phoenixd")

SecretName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}(\.old)?$",
        description="btc, blockonomics, or the name of one of the node's gateways;"
        " with .old behind it, of a secret that is believed beside the new one",
    ),
]
"""Whose notifications are signed with it; `wrong_secret` knows which there are."""

Secret = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=200,
        pattern=r"^[!-~]*$",
        description="8 to 200 printable ASCII characters without spaces",
    ),
]

OLD: Final = ".old"
"""Behind a gateway's name: its secret before, believed as well while it rotates."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one merchant may ask for: the node's settings (`OPTIONS`) of the names that
    stand behind, over which each merchant may have its own.

    To add one: a field here and in `OwnLimits`, a setting, and a field in `Config` that
    `Config.limits` hands on.
    """

    calls_per_s: int | None = None  # merchant_calls_per_s; None: its share
    claims: int = CLAIMS_PER_PAYMENT  # claims_per_payment
    claims_total_s: int = CLAIMS_TOTAL_S  # claims_total_s
    channels: int = 20  # channels_per_merchant
    mails_per_hour: int = 1_000  # mails_per_hour
    refunds_per_payment: int = 20  # refunds_per_payment
    refunds_open: int = 1_000  # refunds_open


class OwnLimits(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
):
    """The limits of one merchant that differ from the node's. Null: the node's."""

    # No defaults are left out: a client reads which limits there are.
    calls_per_s: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    claims: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    claims_total_s: Annotated[int, Meta(ge=0, le=31_536_000)] | None = None
    channels: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    mails_per_hour: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    refunds_per_payment: Annotated[int, Meta(ge=0, le=100)] | None = None
    refunds_open: Annotated[int, Meta(ge=0, le=100_000)] | None = None

    def over(self, defaults: Limits) -> Limits:
        """What applies."""
        own = {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        }
        return msgspec.structs.replace(defaults, **own)


class MerchantSettings(Profile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of a merchant, in a file or in a call. `repr` shows no secret.

    `webhook_secrets`: True keeps the one that there is, False is none.
    `identify_without_secret`: whoever names an order number on `/ws` is told when it is
    paid, without the payment's `client_secret`.
    """

    limits: OwnLimits = OwnLimits()
    webhook_secrets: dict[SecretName, Secret | bool] = msgspec.field(
        default_factory=dict
    )
    jwt: TokenRules | None = None

    def __repr__(self) -> str:
        return f"MerchantSettings({self.display_name!r})"


class Merchant(Profile, frozen=True, kw_only=True):
    """A merchant as the node goes by it. Version 0: nobody has said anything of it.

    `is_damaged`: its row cannot be read, so whatever needs a secret of it must refuse.
    """

    name: str
    version: int = 0
    updated_at: int = 0  # ms
    own: OwnLimits = OwnLimits()
    # Sealed, by provider or gateway:
    webhook_secrets: dict[str, str] = msgspec.field(default_factory=dict)
    jwt: SealedRules | None = None  # None: it takes no tokens
    limits: Limits = Limits()  # what applies: `own` over the node's
    is_damaged: bool = False

    def secret_owner(self, provider: str) -> str:
        """Whose a sealed secret is: nobody can move it to another's row."""
        return f"merchant {self.name} {provider}"

    def sealed_secrets(self) -> list[tuple[str, str]]:
        """Each, after whose it is."""
        found = [(self.secret_owner(p), s) for p, s in self.webhook_secrets.items()]
        if self.jwt is not None and self.jwt.secret is not None:
            found.append((self.secret_owner(SEALED_AS), self.jwt.secret))
        return found


class _State(Profile, frozen=True, kw_only=True, omit_defaults=True):
    """What the row keeps beside name, version and time. It only grows."""

    own: OwnLimits = OwnLimits()
    webhook_secrets: dict[str, str] = msgspec.field(default_factory=dict)
    jwt: SealedRules | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_State)


def encode_state(merchant: Merchant) -> bytes:
    """As it is stored; `decode_state` makes the same of it."""
    return _encoder.encode(
        _State(
            own=merchant.own,
            webhook_secrets=merchant.webhook_secrets,
            jwt=merchant.jwt,
            **merchant.profile(),
        )
    )


def decode_state(
    name: str,
    version: int,
    updated_at: int,
    state: bytes | None,
    defaults: Limits,
) -> Merchant:
    """The merchant of a row. What cannot be read, or was not as it was written (None),
    is a damaged one, under its name."""
    try:
        kept = _decoder.decode(state or b"")
    except (msgspec.MsgspecError, TypeError, ValueError):
        return Merchant(
            name=name,
            version=version,
            updated_at=updated_at,
            limits=defaults,
            is_damaged=True,
        )
    return Merchant(
        name=name,
        version=version,
        updated_at=updated_at,
        own=kept.own,
        webhook_secrets=kept.webhook_secrets,
        jwt=kept.jwt,
        limits=kept.own.over(defaults),
        **kept.profile(),
    )
