"""Tokens of a shop's site: the good one, and every bad one. Times are given."""

import base64
import hashlib
import hmac
from typing import Any

import jwt
import msgspec
import pytest

from engine.merchants.record import Merchant, MerchantSettings
from engine.merchants.rules import replaced
from engine.secrets.vault import Vault
from tests.tools.site_token import (
    SECRET,
    b64,
    claims,
    compact,
    ed25519,
    pem,
    rsa_key,
    token,
)
from transport.http.site_tokens import MAX_TOKEN, SiteUser, TokenRefused, verify

VAULT = Vault(bytes(32))
NOW = 1_800_000_000  # s
Rules = dict[str, str]
HS256: Rules = {"algorithm": "HS256", "secret": SECRET}


def merchant(rules: Rules) -> Merchant:
    said = msgspec.convert({"jwt": rules}, MerchantSettings)
    nobody = Merchant(name="salon")
    return replaced(nobody, said, VAULT.seal, nobody.limits, 1)


def said(**more: object) -> dict[str, Any]:
    return {"userId": "u1", "salonId": "s1", "exp": NOW + 60} | more


def opened(text: str, now: float = NOW, rules: Rules = HS256) -> SiteUser:
    return verify(text, merchant(rules), VAULT, int(now * 1_000))


def refused(text: str, why: str, now: float = NOW, rules: Rules = HS256) -> None:
    """It is refused, with a sentence that holds nothing of it."""
    with pytest.raises(TokenRefused, match=why) as caught:
        opened(text, now, rules)
    shown = str(caught.value)
    assert not any(part in shown for part in text.split(".") if len(part) > 8)
    assert "canary" not in shown


def test_a_token_of_the_documents_backend_names_user_and_salon() -> None:
    user = opened(token(said()))
    assert user == SiteUser(
        merchant="salon", user="u1", salon="s1", expires_at=(NOW + 90) * 1_000
    )


def test_what_an_independent_library_makes_is_read() -> None:
    made = jwt.encode(claims(exp=NOW + 60), SECRET, algorithm="HS256")
    assert opened(made).user == "u1"
    private = rsa_key()
    made = jwt.encode(claims(exp=NOW + 60), private, algorithm="RS256")
    rules = {"algorithm": "RS256", "public_key": pem(private)}
    assert opened(made, rules=rules).user == "u1"
    curve = ed25519()
    made = jwt.encode(claims(exp=NOW + 60), curve, algorithm="EdDSA")
    rules = {"algorithm": "EdDSA", "public_key": pem(curve)}
    assert opened(made, rules=rules).user == "u1"


def test_its_claims_can_have_other_names_and_one_is_enough() -> None:
    rules = HS256 | {"user_claim": "sub", "salon_claim": "https://shop.example/shop"}
    both = {"sub": 42, "https://shop.example/shop": "s", "exp": NOW + 60}
    user = opened(token(both), rules=rules)
    assert (user.user, user.salon) == ("42", "s")
    user = opened(token({"sub": "a", "exp": NOW + 60}), rules=rules)
    assert (user.user, user.salon) == ("a", None)
    assert opened(token(said(userId=None))).user is None
    refused(token({"userId": "u1", "exp": NOW + 60}), "neither a user", rules=rules)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, [], {}, 1])
def test_alg_none_is_refused_however_it_is_written(alg: object) -> None:
    refused(compact({"alg": alg}, said(), SECRET), "not signed")
    unsigned = compact({"alg": alg}, said(), None)
    refused(unsigned, "no JWT")
    refused(unsigned + "AA", "not signed")


def test_no_alg_at_all_is_refused() -> None:
    refused(compact({"typ": "JWT"}, said(), SECRET), "not signed")
    refused(compact(b"[]", said(), SECRET), "not signed")
    refused(compact(b'"HS256"', said(), SECRET), "not signed")


def test_hs256_signed_with_the_public_key_is_refused() -> None:
    """RFC 8725, 2.1: the key is public, so everybody could make such a token."""
    for algorithm, private in (("RS256", rsa_key()), ("EdDSA", ed25519())):
        public = pem(private)
        rules = {"algorithm": algorithm, "public_key": public}
        for key in (public, public.strip(), public.replace("\n", "\r\n")):
            refused(token(said(), key), "not signed", rules=rules)
            refused(compact({"alg": algorithm}, said(), key), "not signed", rules=rules)


def test_the_algorithm_is_the_records_and_not_the_tokens() -> None:
    digest = hmac.digest
    head = b64(b'{"alg":"HS512"}') + "." + b64(msgspec.json.encode(said()))
    signature = digest(SECRET.encode(), head.encode(), hashlib.sha512)
    refused(f"{head}.{b64(signature)}", "not signed")
    key = ed25519()
    rules = {"algorithm": "RS256", "public_key": pem(rsa_key())}
    refused(compact({"alg": "EdDSA"}, said(), key), "not signed", rules=rules)
    refused(compact({"alg": "RS256"}, said(), key), "not signed", rules=rules)
    refused(compact({"alg": "RS256"}, said(), rsa_key()), "not signed")


def test_another_key_is_refused() -> None:
    refused(token(said(), SECRET + "x"), "not signed")
    rules = {"algorithm": "RS256", "public_key": pem(rsa_key())}
    other = rsa_key.__wrapped__(2_048)
    refused(compact({"alg": "RS256"}, said(), other), "not signed", rules=rules)


def test_one_changed_bit_is_refused() -> None:
    head, body, signature = token(said()).split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    for bit in (0, 7, 255):
        turned = bytearray(raw)
        turned[bit // 8] ^= 1 << bit % 8
        refused(f"{head}.{body}.{b64(bytes(turned))}", "not signed")
    refused(
        f"{head}.{b64(msgspec.json.encode(said(userId='root')))}.{signature}", "not"
    )
    refused(f"{head}.{body}.{b64(raw[:16])}", "not signed")
    refused(f"{head}.{body}.{b64(raw + raw)}", "not signed")


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../../../dev/null"},
        {"kid": "x' UNION SELECT 'canary"},
        {"kid": "http://127.0.0.1:9/canary"},
        {"jku": "http://127.0.0.1:9/canary.json"},
        {"x5u": "http://127.0.0.1:9/canary.pem"},
        {"jwk": {"kty": "oct", "k": b64(b"canary")}},
        {"x5c": ["canary"]},
        {"cty": "JWT"},
    ],
)
def test_what_a_header_says_of_keys_chooses_nothing(header: dict[str, object]) -> None:
    """Rightly signed, it is as good as without; else nothing in it helps."""
    assert opened(token(said(), header=header)).user == "u1"
    refused(token(said(), "canary", header=header), "not signed")
    refused(token(said(), "", header=header), "not signed")


@pytest.mark.parametrize("kid", [None, 1, [], {"a": 1}, True])
def test_a_kid_that_is_no_text_is_refused(kid: object) -> None:
    refused(token(said(), header={"kid": kid}), "not signed")


@pytest.mark.parametrize(
    "crit", [["exp"], ["b64"], [], "exp", None, [1], ["b64", "canary"], {"b64": True}]
)
def test_a_critical_extension_is_refused(crit: object) -> None:
    refused(token(said(), header={"crit": crit}), "not signed")
    refused(token(said(), header={"crit": crit, "b64": True}), "not signed")
    refused(token(said(), header={"crit": crit, "b64": False}), "not signed")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a..c",
        " a.b.c",
        "a.b.c\n",
        "a.b.c=",
        "Bearer a.b.c",
        "a+b.c/d.e",
        "é.é.é",
        "\x00.\x00.\x00",
        "٣.٣.٣",
        "a" * 100_000,
        "eyJ" * 40_000 + ".a.a",
    ],
    ids=lambda text: f"{text[:12]!r}",
)
def test_what_has_not_the_form_is_not_parsed(text: str) -> None:
    refused(text, "no JWT of at most 4096 characters")


def test_a_huge_token_is_refused_though_it_is_rightly_signed() -> None:
    room = MAX_TOKEN - len(token(said(more="")))
    assert len(token(said(more="x" * (room * 3 // 4 - 3)))) <= MAX_TOKEN
    assert opened(token(said(more="x" * (room * 3 // 4 - 3)))).user == "u1"
    refused(token(said(more="x" * (room * 3 // 4 + 3))), "no JWT")


@pytest.mark.parametrize(
    "bomb", [b"[" * 1_400, b'{"a":' * 280, b"[" * 700 + b"]" * 700]
)
def test_nested_json_is_refused(bomb: bytes) -> None:
    refused(compact(bomb, said(), SECRET), "not signed")
    refused(compact(b'{"alg":"HS256","x":' + bomb, said(), SECRET), "not signed")
    for body in (bomb, b'{"userId":' + bomb, b'{"exp":1,"x":%b}' % bomb):
        made = compact({"alg": "HS256"}, body, SECRET)
        refused(made, "claims are no JSON|must say|has expired")


def test_a_name_that_is_deeply_nested_is_no_name() -> None:
    deep = b'{"exp":%d,"userId":%b%b}' % (NOW + 60, b"[" * 200, b"]" * 200)
    refused(compact({"alg": "HS256"}, deep, SECRET), "neither a user")


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b'"a"', b"null", b"1", b"\xff", b'{"a":"\xff"}', b"{}x"]
)
def test_claims_that_are_no_object_are_refused(body: bytes) -> None:
    made = compact({"alg": "HS256"}, body, SECRET)
    refused(made, "no JSON object" if body else "no JWT")


@pytest.mark.parametrize(
    "end", [None, "1900000000", True, [], {}, -1, 10**12, 10**30, NOW * 1_000]
)
def test_a_token_without_an_end_in_seconds_is_refused(end: object) -> None:
    refused(token(said(exp=end)), "must say when it ends")
    unended = said()
    del unended["exp"]
    refused(token(unended), "must say when it ends")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999"])
def test_a_number_that_is_none_is_refused(number: bytes) -> None:
    body = b'{"userId":"u1","exp":%b}' % number
    refused(compact({"alg": "HS256"}, body, SECRET), "must say when it ends")


def test_an_expired_token_is_refused_half_a_minute_later() -> None:
    made = token(said(exp=NOW))
    assert opened(made, NOW + 29.999).expires_at == (NOW + 30) * 1_000
    refused(made, "has expired", NOW + 30)
    assert opened(token(said(exp=NOW + 0.5)), NOW + 30.499).user == "u1"
    refused(token(said(exp=0)), "has expired")


def test_a_token_is_not_valid_before_its_time() -> None:
    made = token(said(nbf=NOW + 30))
    assert opened(made).user == "u1"
    refused(made, "not valid yet", NOW - 0.001)
    refused(token(said(nbf="soon")), "not valid yet")
    assert opened(token(said(nbf=None))).user == "u1"


def test_a_token_is_for_the_audience_of_the_record() -> None:
    rules = HS256 | {"audience": "paybell"}
    assert opened(token(said(aud="paybell")), rules=rules).user == "u1"
    assert opened(token(said(aud=["x", "paybell"])), rules=rules).user == "u1"
    for wrong in ("Paybell", "paybell2", "", [], ["x"], None, 5, {"paybell": 1}, [5]):
        refused(token(said(aud=wrong)), "another audience", rules=rules)
    refused(token(said()), "another audience", rules=rules)


@pytest.mark.parametrize("audience", ["paybell", ["a"], [], "", {}, 5])
def test_a_token_for_somebody_is_not_for_who_expects_none(audience: object) -> None:
    """RFC 7519, 4.1.3. The document's tokens have no aud."""
    refused(token(said(aud=audience)), "another audience")
    assert opened(token(said(aud=None))).user == "u1"


@pytest.mark.parametrize(
    "name", ["", "x" * 257, [], ["u1"], {"id": 1}, True, 1.5, -1, 2**63]
)
def test_a_name_is_a_bounded_text_or_the_number_of_a_row(name: object) -> None:
    refused(token(said(userId=name)), "neither a user nor a salon")
    refused(token(said(salonId=name)), "neither a user nor a salon")
    nobody = said(userId=None, salonId=None)
    refused(token(nobody), "neither a user nor a salon")


def test_a_merchant_without_rules_takes_none() -> None:
    with pytest.raises(TokenRefused, match="takes no tokens"):
        verify(token(said()), Merchant(name="salon"), VAULT, NOW * 1_000)


def test_a_secret_is_the_merchants_alone() -> None:
    """Moved to another's row it opens nothing, and neither does another node's key."""
    moved = msgspec.structs.replace(merchant(HS256), name="eve")
    for owner, vault in ((moved, VAULT), (merchant(HS256), Vault(bytes(31) + b"1"))):
        with pytest.raises(TokenRefused, match="not signed"):
            verify(token(said()), owner, vault, NOW * 1_000)
