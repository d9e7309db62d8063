"""How a site's tokens are signed: what may be said of it, kept and shown."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from engine.config import read_merchants
from engine.errors import ConfigError
from engine.merchants.record import (
    Limits,
    Merchant,
    MerchantSettings,
    decode_state,
    encode_state,
)
from engine.merchants.rules import is_sensitive, replaced
from engine.merchants.token_rules import TokenRules, mistake, read_public_key
from tests.tools.site_token import SECRET, ed25519, pem, rsa_key

NOBODY = Merchant(name="ann")


def seal(secret: bytes, owner: str) -> str:
    return f"{owner}:{secret.decode()[::-1]}"


def after(before: Merchant, **said: object) -> Merchant:
    asked = msgspec.convert(said, MerchantSettings)
    return replaced(before, asked, seal, Limits(), 5)


def wrong(before: Merchant = NOBODY, **rules: object) -> tuple[str, str] | None:
    return mistake(before.jwt, msgspec.convert(rules, TokenRules))


def test_a_secret_is_kept_sealed_shown_as_true_and_kept_by_true() -> None:
    made = after(NOBODY, jwt={"algorithm": "HS256", "secret": SECRET})
    assert made.jwt is not None
    assert made.jwt.secret == "merchant ann site tokens:" + SECRET[::-1]
    assert made.sealed_secrets() == [("merchant ann site tokens", made.jwt.secret)]
    shown = msgspec.to_builtins(made.jwt.shown())
    assert shown["secret"] is True
    assert (shown["user_claim"], shown["salon_claim"]) == ("userId", "salonId")
    assert after(made, jwt=shown) is made
    renamed = after(made, jwt=shown | {"user_claim": "sub"})
    assert renamed.jwt is not None
    assert (renamed.jwt.secret, renamed.jwt.user_claim) == (made.jwt.secret, "sub")
    assert after(made).jwt is None, "what is left out is gone"


def test_a_public_key_is_shown_as_it_is() -> None:
    public = pem(rsa_key())
    made = after(NOBODY, jwt={"algorithm": "RS256", "public_key": public})
    assert made.jwt is not None
    assert made.jwt.shown().public_key == public
    assert made.jwt.shown().secret is False
    assert made.sealed_secrets() == []
    assert after(made, jwt=msgspec.to_builtins(made.jwt.shown())) is made


def test_a_record_with_rules_is_stored_and_read_as_it_was() -> None:
    made = after(
        NOBODY, jwt={"algorithm": "HS256", "secret": SECRET, "audience": "paybell"}
    )
    assert decode_state("ann", 1, 5, encode_state(made), Limits()) == made
    older = decode_state("ann", 1, 5, b'{"display_name":"Ann"}', Limits())
    assert older.jwt is None


def test_a_person_hears_of_changed_rules() -> None:
    made = after(NOBODY, jwt={"algorithm": "HS256", "secret": SECRET})
    assert is_sensitive(NOBODY, made) == "the rules of its site's tokens"
    both = after(made, webhook_secrets={"btc": "secret-1"})
    assert is_sensitive(made, both) == (
        "the secrets of its webhooks and the rules of its site's tokens"
    )
    same = after(made, display_name="Ann", jwt={"algorithm": "HS256", "secret": True})
    assert is_sensitive(made, same) == ""


def test_rules_are_shown_without_their_secret() -> None:
    said = TokenRules(algorithm="HS256", secret=SECRET)
    assert SECRET not in repr(said)
    assert SECRET not in repr(MerchantSettings(jwt=said))


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"algorithm": "none"},
        {"algorithm": "HS512", "secret": SECRET},
        {"algorithm": ["HS256", "RS256"], "secret": SECRET},
        {"algorithm": "HS256", "secret": "x" * 31},
        {"algorithm": "HS256", "secret": "x" * 513},
        {"algorithm": "HS256", "secret": SECRET + " "},
        {"algorithm": "HS256", "secret": SECRET, "user_claim": ""},
        {"algorithm": "HS256", "secret": SECRET, "user_claim": "a b"},
        {"algorithm": "HS256", "secret": SECRET, "audience": ""},
        {"algorithm": "HS256", "secret": SECRET, "leeway": 5},
        {"algorithm": "RS256", "public_key": "x" * 4_097},
    ],
)
def test_what_no_rules_can_be_is_refused(rules: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(rules, TokenRules)


def test_each_algorithm_wants_its_own_kind_of_key() -> None:
    public, curve = pem(rsa_key()), pem(ed25519())
    assert wrong(algorithm="HS256", secret=SECRET) is None
    assert wrong(algorithm="RS256", public_key=public) is None
    assert wrong(algorithm="RS256", public_key=public, secret=False) is None
    assert wrong(algorithm="EdDSA", public_key=curve) is None
    for rules, field in [
        ({"algorithm": "HS256"}, "secret"),
        ({"algorithm": "HS256", "secret": False}, "secret"),
        ({"algorithm": "HS256", "secret": True}, "secret"),
        ({"algorithm": "HS256", "secret": SECRET, "public_key": public}, "public_key"),
        ({"algorithm": "HS256", "public_key": public}, "public_key"),
        ({"algorithm": "RS256"}, "public_key"),
        ({"algorithm": "RS256", "secret": SECRET}, "secret"),
        ({"algorithm": "RS256", "public_key": public, "secret": SECRET}, "secret"),
        ({"algorithm": "RS256", "public_key": public, "secret": True}, "secret"),
        ({"algorithm": "RS256", "public_key": curve}, "public_key"),
        ({"algorithm": "EdDSA", "public_key": public}, "public_key"),
    ]:
        found = mistake(None, msgspec.convert(rules, TokenRules))
        assert found is not None, rules
        assert found[0] == field
        assert SECRET not in found[1]


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    for weak in ("x" * 64, "abcabcabc" * 8, "passwordpasswordpasswordpassword"):
        found = wrong(algorithm="HS256", secret=weak)
        assert found is not None
        assert "can be guessed" in found[1]
    assert wrong(algorithm="HS256", secret="0123456789" * 4) is None


def test_only_a_secret_that_is_there_is_kept() -> None:
    keyed = after(NOBODY, jwt={"algorithm": "HS256", "secret": SECRET})
    assert wrong(keyed, algorithm="HS256", secret=True) is None
    public = after(keyed, jwt={"algorithm": "RS256", "public_key": pem(rsa_key())})
    assert wrong(public, algorithm="HS256", secret=True) is not None


def private_pem() -> str:
    raw: bytes = rsa_key().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return raw.decode()


def odd_exponent() -> str:
    numbers = rsa_key().public_key().public_numbers()

    class Key:
        def public_key(self) -> rsa.RSAPublicKey:
            return rsa.RSAPublicNumbers(2**32 + 15, numbers.n).public_key()

    return pem(Key())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (private_pem, "private key: it belongs to the shop's backend"),
        (lambda: private_pem() + pem(rsa_key()), "private key"),
        (lambda: SECRET, "must be a public key in PEM"),
        (
            lambda: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
            "must",
        ),
        (lambda: "ssh-ed25519 AAAA", "must be a public key in PEM"),
        (lambda: pem(rsa_key())[:200], "cannot be read"),
        (lambda: pem(rsa_key()).replace("M", "!", 1), "cannot be read"),
        (lambda: pem(rsa_key(1_024)), "2048 to 8192 bits"),
        (odd_exponent, "exponent that nobody uses"),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "RSA or Ed25519"),
        (lambda: pem(ed448.Ed448PrivateKey.generate()), "RSA or Ed25519"),
    ],
)
def test_what_is_no_public_key_to_check_with_is_refused(make: object, why: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=why):
        read_public_key(make())


def test_the_file_says_the_same_and_names_the_field() -> None:
    table = '[merchants.ann.jwt]\nalgorithm = "HS256"\nsecret = '
    filed = read_merchants(f'{table}"{SECRET}"', "f")["ann"]
    assert filed.jwt == TokenRules(algorithm="HS256", secret=SECRET)
    for secret, why in [
        ("true", "merchants.ann.jwt: secret is true"),
        (f'"{"canary" * 8}"', "merchants.ann.jwt: secret has fewer than 10"),
        ('"canary"', r"merchants.ann: Expected `str` of length >= 32"),
    ]:
        with pytest.raises(ConfigError, match=why) as caught:
            read_merchants(table + secret, "f")
        assert "canary" not in str(caught.value)
