"""Secrets, signatures and bodies, checked by the official receiver library."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from engine.delivery.channel import payload
from transport.outbound.webhook import new_secret, parse_secret, sign

BODY = b'{"type":"payment.confirmed","data":{"amount_sat":1000}}'


def headers(signature: str, msg_id: str, timestamp_s: int) -> dict[str, str]:
    return {
        "webhook-id": msg_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature,
    }


def test_a_known_vector_is_signed_as_published() -> None:
    """The example of the Standard Webhooks reference libraries."""
    secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(
        [secret],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_official_library_accepts_our_signature() -> None:
    secret, now_s = new_secret(), int(time.time())
    signature = sign([parse_secret(secret)], "evt_7", now_s, BODY)
    accepted = Webhook(secret).verify(BODY, headers(signature, "evt_7", now_s))
    assert accepted == json.loads(BODY)


def test_while_a_secret_rotates_both_the_old_and_the_new_one_verify() -> None:
    old, new, now_s = new_secret(), new_secret(), int(time.time())
    signature = sign([parse_secret(new), parse_secret(old)], "evt_7", now_s, BODY)
    assert [part[:3] for part in signature.split(" ")] == ["v1,", "v1,"]
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers(signature, "evt_7", now_s))
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers(signature, "evt_7", now_s))


def test_a_changed_body_id_or_time_is_noticed() -> None:
    secret, now_s = new_secret(), int(time.time())
    signature = sign([parse_secret(secret)], "evt_7", now_s, BODY)
    for body, msg_id, timestamp_s in [
        (BODY + b" ", "evt_7", now_s),
        (BODY, "evt_8", now_s),
        (BODY, "evt_7", now_s - 1),
    ]:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers(signature, msg_id, timestamp_s))


@given(st.binary(min_size=24, max_size=64), st.text(max_size=200))
def test_any_secret_and_text_verifies(key: bytes, text: str) -> None:
    secret, now_s = "whsec_" + base64.b64encode(key).decode(), int(time.time())
    body = json.dumps(text).encode()
    signature = sign([parse_secret(secret)], "evt_1", now_s, body)
    assert Webhook(secret).verify(body, headers(signature, "evt_1", now_s)) == text


def test_new_secrets_are_long_and_all_different() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(parse_secret(secret)) == 32 for secret in made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_!!!!",
        "whsec_SECRETSECRET",
        "SECRETSECRETSECRETSECRETSECRETSECRETSECRETS=",
        "whpk_SECRETSECRETSECRETSECRETSECRETSECRETSECRETS=",
        "whsec_SECRETSECRET SECRETSECRETSECRETSECRETSECRETS=",
        "whsec_" + "SECRET" * 100,
        "whsec_" + base64.b64encode(b"SECRET" * 4)[:-2].decode(),
        "whsec_" + base64.b64encode(b"S" * 23).decode(),
        "whsec_" + base64.b64encode(b"S" * 65).decode(),
        "whsec_ſECRET",
    ],
)
def test_a_bad_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_secret(text)
    assert "ECRETSEC" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("msg_id", ["", "evt.7", "evt 7", "evt\r\nX: 1", "e" * 65, "é"])
def test_an_id_that_would_blur_what_is_signed_is_refused(msg_id: str) -> None:
    with pytest.raises(ValueError, match="webhook id"):
        sign([b"k" * 32], msg_id, 1, BODY)


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        sign([], "evt_7", 1, BODY)


def test_the_body_holds_type_time_and_the_event_as_it_was_journalled() -> None:
    event = b'{"seq":3,"z":1,"a":{"sat":2100000000000000}}'
    body = payload(event, "payment.confirmed", "2026-01-02T03:04:05Z")
    assert body == (
        b'{"type":"payment.confirmed","timestamp":"2026-01-02T03:04:05Z",'
        b'"data":' + event + b"}"
    )
    assert json.loads(body)["data"] == json.loads(event)
