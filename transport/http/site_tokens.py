"""Tokens of a shop's own site (JWT, RFC 7519): who the site says that its visitor is.

The shop's backend makes them; Paybell makes none. The merchant's record pins how they
are signed (`engine/merchants/token_rules.py`): what a token says of algorithms and
keys (`alg`, `kid`, `jku`, `jwk`, `x5u`) chooses nothing. RFC 8725 has the reasons.

A token must end (`exp`): what opens somebody's payments and cannot be taken back has
to go by itself, and a live stream that it opened ends with it. Nothing else is asked of
it but the claim that names the user, or the part of the site ("salon").

Called when a client comes, in its greenlet; nothing waits. No refusal holds a part of
the token, nor tells which of signature, algorithm and key was the wrong one.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from engine.errors import WrongKey
from engine.gateway import Gateway
from engine.merchants.record import Merchant
from engine.merchants.token_rules import SEALED_AS, PublicKey, read_public_key
from engine.secrets.vault import Vault

__all__ = [
    "LEEWAY_S",
    "MAX_TOKEN",
    "RULES",
    "SiteTokens",
    "SiteUser",
    "TokenRefused",
    "verify",
]

#: Characters. A token with a dozen claims has 500; what is longer is not even parsed.
MAX_TOKEN: Final = 4_096
#: So far may the shop's clock and ours be apart.
LEEWAY_S: Final = 30
MAX_NAME: Final = 256
#: How the names of `rules_of` begin: no API key's id does.
RULES: Final = "jwt "

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)

_NO_JWT = f"the token is no JWT of at most {MAX_TOKEN} characters"
_NOT_TAKEN = "this merchant takes no tokens: its record has no jwt"
_NOT_SIGNED = "the token is not signed as this merchant's record says (jwt)"
_NO_CLAIMS = "the token's claims are no JSON object"
_NO_END = "the token must say when it ends: exp, a number of seconds since 1970"
_EXPIRED = "the token has expired"
_NOT_YET = "the token is not valid yet (nbf)"
_AUDIENCE = "the token is for another audience (aud)"
_NAMES_NOBODY = (
    "the token names neither a user nor a salon, in the claims that this merchant's"
    f" record says (user_claim, salon_claim), as a text of 1 to {MAX_NAME} characters"
)


class TokenRefused(Exception):
    """It opens nothing. `str()` is a constant sentence for whoever sent it."""


class SiteUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token stands for: a visitor of one merchant's site, nobody else's."""

    merchant: str
    user: str | None
    salon: str | None
    expires_at: int  # ms, with the leeway; from then on it opens nothing


_Moment = Annotated[float, Meta(ge=0, le=10**11)]  # seconds; until the year 5138
_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # of a database's row


_Claims = Mapping[str, msgspec.Raw]


class SiteTokens:
    """`verify` with what a node has. One per node; `repr` shows nothing."""

    def __init__(self, gateway: Gateway, vault: Vault) -> None:
        self._gateway = gateway
        self._vault = vault

    def __repr__(self) -> str:
        return "<SiteTokens>"

    def are_wanted_by(self, merchant: str) -> bool:
        """Whether the merchant's record has rules for tokens, or may have had them."""
        record = self._gateway.merchant(merchant)
        return record.jwt is not None or record.is_damaged

    def rules_of(self, merchant: str) -> str:
        """A name of the rules that the merchant's record has now; others are another.
        What was opened under them ends when they change (`Leases.of_key`)."""
        rules = self._gateway.merchant(merchant).jwt
        digest = hashlib.sha256(msgspec.json.encode(rules)).hexdigest()
        return f"{RULES}{merchant} {digest[:16]}"

    def are_so(self, rules: str) -> bool:
        """Whether the merchant's rules are still these. A record that cannot be read is
        no proof of others."""
        merchant = rules.split(" ")[1]
        is_damaged = self._gateway.merchant(merchant).is_damaged
        return is_damaged or self.rules_of(merchant) == rules

    def verify(self, token: str, merchant: str) -> SiteUser:
        """See `verify`."""
        record = self._gateway.merchant(merchant)
        return verify(token, record, self._vault, self._gateway.now())


def verify(token: str, merchant: Merchant, vault: Vault, now: int) -> SiteUser:
    """Whom the token stands for; `now` in ms. Raises `TokenRefused`."""
    if len(token) > MAX_TOKEN or not _COMPACT.fullmatch(token):
        raise TokenRefused(_NO_JWT)
    rules = merchant.jwt
    if rules is None:
        raise TokenRefused(_NOT_TAKEN)
    claims = _claims(_signed(token, _key(merchant, vault), rules.algorithm))
    expires_at = _in_time(claims, now)
    _for_us(claims, rules.audience)
    user = _name(claims, rules.user_claim)
    salon = _name(claims, rules.salon_claim)
    if user is None and salon is None:
        raise TokenRefused(_NAMES_NOBODY)
    return SiteUser(
        merchant=merchant.name, user=user, salon=salon, expires_at=expires_at
    )


def _key(merchant: Merchant, vault: Vault) -> bytes | PublicKey:
    """Its kind is the one of the algorithm: `token_rules.mistake`."""
    rules = merchant.jwt
    assert rules is not None, "a key of no rules"
    if rules.algorithm == "HS256":
        try:
            return vault.open(rules.secret or "", merchant.secret_owner(SEALED_AS))
        except WrongKey as error:
            raise TokenRefused(_NOT_SIGNED) from error
    return read_public_key(rules.public_key or "")


def _signed(token: str, key: bytes | PublicKey, algorithm: str) -> bytes:
    """The payload that the signature is of."""
    # 2 MB and 35 ms, for who has visitors with tokens.
    from jwt import PyJWS
    from jwt.exceptions import PyJWTError

    try:
        found = PyJWS().decode_complete(token, key, algorithms=[algorithm])
    except PyJWTError:
        raise TokenRefused(_NOT_SIGNED) from None
    if "crit" in found["header"]:  # RFC 7515, 4.1.11: we understand no extension
        raise TokenRefused(_NOT_SIGNED)
    payload: bytes = found["payload"]
    return payload


def _claims(payload: bytes) -> _Claims:
    """What the token says, by claim, not yet read."""
    try:
        return msgspec.json.decode(payload.decode(), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefused(_NO_CLAIMS) from None


def _claim(claims: _Claims, name: str, kind: Any, otherwise: str) -> Any:
    """A claim as `kind`; None if it is absent or null."""
    raw = claims.get(name)
    try:
        return None if raw is None else msgspec.json.decode(raw, type=kind | None)
    except msgspec.ValidationError:
        raise TokenRefused(otherwise) from None


def _in_time(claims: _Claims, now: int) -> int:
    """When it ends, in ms."""
    exp: float | None = _claim(claims, "exp", _Moment, _NO_END)
    nbf: float | None = _claim(claims, "nbf", _Moment, _NOT_YET)
    if exp is None:
        raise TokenRefused(_NO_END)
    expires_at = int((exp + LEEWAY_S) * 1_000)
    if now >= expires_at:
        raise TokenRefused(_EXPIRED)
    if nbf is not None and now < (nbf - LEEWAY_S) * 1_000:
        raise TokenRefused(_NOT_YET)
    return expires_at


def _for_us(claims: _Claims, audience: str | None) -> None:
    """RFC 7519, 4.1.3: who is not in `aud` must refuse; whoever expects none, too."""
    named: str | list[str] | None = _claim(claims, "aud", str | list[str], _AUDIENCE)
    names = [named] if isinstance(named, str) else named
    if names is None and audience is None:
        return
    if names is None or audience is None or audience not in names:
        raise TokenRefused(_AUDIENCE)


def _name(claims: _Claims, claim: str) -> str | None:
    """Who it names; a number of a row is told as text."""
    name = _claim(claims, claim, _Name | _Number, _NAMES_NOBODY)
    return None if name is None else str(name)
