"""How a merchant's own site proves who its users are: the rules of its tokens (JWT).

The shop's backend makes the tokens, with claims of its own; the merchant's record says
how they are signed. A token never chooses: not its algorithm, not its key (RFC 8725,
3.1). `TokenRules` is what comes in and what is shown, `SealedRules` what is kept. Pure.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Meta

__all__ = [
    "SEALED_AS",
    "ClaimName",
    "PublicKey",
    "PublicKeyPem",
    "SealedRules",
    "TokenAlgorithm",
    "TokenAudience",
    "TokenRules",
    "TokenSecret",
    "mistake",
    "read_public_key",
    "sealed",
]

TokenAlgorithm = Literal["HS256", "RS256", "EdDSA"]
PublicKey = RSAPublicKey | Ed25519PublicKey

#: RFC 7518, 3.2: an HMAC key is at least as long as the hash, else it can be guessed
#: from one token.
MIN_SECRET: Final = 32
MAX_SECRET: Final = 512
#: A secret of fewer different characters was typed, not drawn.
MIN_DIFFERENT: Final = 10
#: RFC 7518, 3.3. The upper bound is for the time that each check takes.
RSA_BITS: Final = (2_048, 8_192)
RSA_EXPONENTS: Final = (3, 2**32)

SEALED_AS: Final = "site tokens"
"""Whose the sealed secret is, beside the merchant (`Merchant.secret_owner`)."""

TokenSecret = Annotated[
    str,
    Meta(
        min_length=MIN_SECRET,
        max_length=MAX_SECRET,
        pattern=r"^[!-~]*$",
        description=f"{MIN_SECRET} to {MAX_SECRET} printable ASCII characters without"
        " spaces",
    ),
]
PublicKeyPem = Annotated[
    str,
    Meta(max_length=4_096, description="a public key in PEM, at most 4096 characters"),
]
TokenAudience = Annotated[
    str, Meta(min_length=1, max_length=200, description="1 to 200 characters")
]
ClaimName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9_.:/-]*$",
        description="1 to 100 letters, digits, '_', '.', ':', '/' or '-'",
    ),
]


class TokenRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of a site's tokens. `repr` shows no secret.

    `secret` is for HS256, `public_key` for the others. True keeps the secret that there
    is. `user_claim` and `salon_claim`: which claims name the site's user, and the part
    of the site that the token is for; one of them is enough.
    """

    algorithm: TokenAlgorithm
    secret: TokenSecret | bool | None = None
    public_key: PublicKeyPem | None = None
    audience: TokenAudience | None = None
    user_claim: ClaimName = "userId"
    salon_claim: ClaimName = "salonId"

    def __repr__(self) -> str:
        return f"TokenRules({self.algorithm})"


class SealedRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same as it is kept. It only grows."""

    algorithm: TokenAlgorithm
    secret: str | None = None  # sealed
    public_key: str | None = None
    audience: str | None = None
    user_claim: str = "userId"
    salon_claim: str = "salonId"

    def shown(self) -> TokenRules:
        """As a call shows it: of a secret, that there is one."""
        return TokenRules(
            algorithm=self.algorithm,
            secret=self.secret is not None,
            public_key=self.public_key,
            audience=self.audience,
            user_claim=self.user_claim,
            salon_claim=self.salon_claim,
        )


def mistake(before: SealedRules | None, asked: TokenRules) -> tuple[str, str] | None:
    """What the types cannot say: the field, and what is wrong with it."""
    if asked.algorithm == "HS256":
        return _secret_mistake(before, asked)
    if asked.secret not in {None, False}:
        return "secret", f"is for HS256 only; {asked.algorithm} wants public_key"
    if asked.public_key is None:
        return "public_key", f"is required with {asked.algorithm}"
    try:
        key = read_public_key(asked.public_key)
    except ValueError as error:
        return "public_key", str(error)
    wanted = RSAPublicKey if asked.algorithm == "RS256" else Ed25519PublicKey
    if not isinstance(key, wanted):
        kind = "an RSA key" if wanted is RSAPublicKey else "an Ed25519 key"
        return "public_key", f"must be {kind} for {asked.algorithm}"
    return None


def _secret_mistake(
    before: SealedRules | None, asked: TokenRules
) -> tuple[str, str] | None:
    if asked.public_key is not None:
        return "public_key", "is for RS256 and EdDSA only; HS256 wants secret"
    if asked.secret is True:
        if before is None or before.secret is None:
            return "secret", "is true, and there is no secret to keep"
        return None
    if not isinstance(asked.secret, str):
        return "secret", "is required with HS256"
    if len(set(asked.secret)) < MIN_DIFFERENT:
        return (
            "secret",
            f"has fewer than {MIN_DIFFERENT} different characters, so it can be"
            " guessed; `openssl rand -base64 48` makes one",
        )
    return None


@lru_cache(maxsize=256)
def read_public_key(pem: str) -> PublicKey:
    """The key, if it is one that can be used. Raises ValueError, which quotes nothing.

    Kept: reading takes longer than checking a token.
    """
    if "PRIVATE KEY" in pem:
        raise ValueError("is a private key: it belongs to the shop's backend alone")
    if "-----BEGIN PUBLIC KEY-----" not in pem:
        raise ValueError("must be a public key in PEM (-----BEGIN PUBLIC KEY-----)")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("cannot be read as a public key in PEM") from None
    if isinstance(key, RSAPublicKey):
        low, high = RSA_BITS
        if not low <= key.key_size <= high:
            raise ValueError(f"must be an RSA key of {low} to {high} bits")
        low, high = RSA_EXPONENTS
        if not low <= key.public_numbers().e <= high:
            raise ValueError("is an RSA key with an exponent that nobody uses")
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    raise ValueError("must be an RSA or Ed25519 key")


def sealed(
    before: SealedRules | None, asked: TokenRules, seal: Callable[[bytes], str]
) -> SealedRules:
    """As it is kept. A secret that is given is always a new one: what was sealed cannot
    be compared."""
    assert mistake(before, asked) is None, "rules of tokens that cannot be"
    secret = None
    if isinstance(asked.secret, str):
        secret = seal(asked.secret.encode())
    elif asked.secret and before is not None:
        secret = before.secret
    return SealedRules(
        algorithm=asked.algorithm,
        secret=secret,
        public_key=asked.public_key,
        audience=asked.audience,
        user_claim=asked.user_claim,
        salon_claim=asked.salon_claim,
    )
