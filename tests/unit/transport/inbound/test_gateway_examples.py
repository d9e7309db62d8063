"""The mappings of docs/gateways.md, against what the gateways' own documents say.

A vector is one that the gateway publishes, where it publishes one (Standard Webhooks,
Adyen, GitHub, Slack); of the others the documented formula, written out here anew.
"""

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from engine.config import read_gateways
from engine.merchants.gateway_mapping import GatewayMapping, GatewaySignature
from engine.payment.observations import GatewayMeaning
from transport.inbound.gateway_body import Body, read_gateway_body
from transport.inbound.gateway_reading import GatewayNotification, read_notification
from transport.inbound.gateway_signature import SignatureCheck, signed_by

PAGE = (Path(__file__).parents[4] / "docs/gateways.md").read_text(encoding="utf-8")
NOW = 1_700_000_000.0
SECRET = b"a-gateways-secret"

MAPPINGS: dict[str, GatewayMapping] = {}
for _block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
    MAPPINGS |= read_gateways(_block, "docs/gateways.md")


def check(
    name: str,
    raw: bytes,
    headers: dict[str, str],
    secret: bytes = SECRET,
    now: float = NOW,
) -> SignatureCheck:
    mapping = MAPPINGS[name]
    lower = {key.lower(): value for key, value in headers.items()}
    body = read_gateway_body(raw, mapping.body)
    return signed_by(mapping.signature, [b"another", secret], raw, lower, body, now)


def read(name: str, raw: bytes) -> GatewayNotification:
    mapping = MAPPINGS[name]
    return read_notification(name, mapping, read_gateway_body(raw, mapping.body))


def hexed(algorithm: str, content: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, content, algorithm).hexdigest()


def test_stripe() -> None:
    raw = json.dumps(
        {
            "id": "evt_1",
            "type": "payment_intent.succeeded",
            "data": {
                "object": {
                    "id": "pi_1",
                    "object": "payment_intent",
                    "amount_received": 1099,
                    "currency": "usd",
                    "metadata": {"invoice": "INV-1"},
                }
            },
        }
    ).encode()
    made = hexed("sha256", b"1700000000." + raw)
    header = f"t=1700000000,v1={'0' * 64},v1={made},v0={'1' * 64}"
    assert check("stripe", raw, {"Stripe-Signature": header}) is SignatureCheck.YES
    late = check("stripe", raw, {"Stripe-Signature": header}, now=NOW + 301)
    assert late is SignatureCheck.TOO_OLD
    early = check("stripe", raw, {"Stripe-Signature": header}, now=NOW - 301)
    assert early is SignatureCheck.TOO_OLD
    other = header.replace("t=1700000000", "t=1700000001")
    assert check("stripe", raw, {"Stripe-Signature": other}) is SignatureCheck.NO
    v0 = header.replace("v1=", "v2=")
    assert check("stripe", raw, {"Stripe-Signature": v0}) is SignatureCheck.NO
    twice = "t=1700000000," + header
    assert check("stripe", raw, {"Stripe-Signature": twice}) is SignatureCheck.NO
    found = read("stripe", raw)
    assert (found.invoice, found.word) == ("INV-1", GatewayMeaning.SUCCESS)
    assert (found.amount_minor, found.currency) == (1_099, "USD")


def test_paystack() -> None:
    raw = (
        b'{"event":"charge.success","data":{"id":302961,"reference":"qTPrJoy9Bx",'
        b'"amount":10000,"currency":"NGN","authorization":{"authorization_code":'
        b'"AUTH_f5rnfq9p","last4":"8877","brand":"visa"}}}'
    )
    headers = {"x-paystack-signature": hexed("sha512", raw)}
    assert check("paystack", raw, headers) is SignatureCheck.YES
    assert check("paystack", raw + b" ", headers) is SignatureCheck.NO
    found = read("paystack", raw)
    assert (found.invoice, found.amount_minor) == ("qTPrJoy9Bx", 10_000)
    assert found.token is not None
    assert found.token.id == "AUTH_f5rnfq9p"


def test_razorpay() -> None:
    raw = (
        b'{"event":"payment.captured","payload":{"payment":{"entity":{"id":"pay_1",'
        b'"amount":5000,"currency":"INR","order_id":"order_1","notes":[]}}}}'
    )
    headers = {"X-Razorpay-Signature": hexed("sha256", raw).upper()}
    assert check("razorpay", raw, headers) is SignatureCheck.YES
    found = read("razorpay", raw)
    assert (found.invoice, found.word) == ("order_1", GatewayMeaning.SUCCESS)


def test_the_vector_of_standard_webhooks() -> None:
    made = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"v1,AAAA v1,{made}",
    }
    raw, secret = b'{"test": 2432232314}', b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert check("standard", raw, headers, secret, 1_614_265_330) is SignatureCheck.YES
    assert check("standard", raw, headers, secret) is SignatureCheck.TOO_OLD
    assert check("standard", raw[:-1] + b" }", headers, secret) is SignatureCheck.NO
    unreadable = check("standard", raw, headers, b"whsec_no base64!", 1_614_265_330)
    assert unreadable is SignatureCheck.NO


def test_payhere() -> None:
    """md5(merchant_id . order_id . payhere_amount . payhere_currency . status_code .
    strtoupper(md5(merchant_secret))), in capitals (support.payhere.lk: Checkout API)"""
    fields = {
        "merchant_id": "1211149",
        "order_id": "Order0001",
        "payment_id": "320025078",
        "payhere_amount": "1000.00",
        "payhere_currency": "LKR",
        "status_code": "2",
        "card_no": "************4564",
        "method": "VISA",
        "customer_token": "59AFEE022CC69CA39D325E1B59130862",
    }
    hashed = hashlib.md5(SECRET, usedforsecurity=False).hexdigest().upper()
    content = f"1211149Order00011000.00LKR2{hashed}".encode()
    fields["md5sig"] = hashlib.md5(content, usedforsecurity=False).hexdigest().upper()
    raw = urlencode(fields).encode()
    assert check("payhere", raw, {}) is SignatureCheck.YES
    assert (
        check("payhere", raw.replace(b"1000.00", b"9000.00"), {}) is SignatureCheck.NO
    )
    found = read("payhere", raw)
    assert (found.word, found.amount_minor) == (GatewayMeaning.SUCCESS, 100_000)
    assert found.token is None, "nothing that is not signed"


def test_the_vector_of_adyen() -> None:
    item: dict[str, Any] = {
        "pspReference": "7914073381342284",
        "originalReference": "",
        "merchantAccountCode": "TestMerchant",
        "merchantReference": "TestPayment-1407325143704",
        "amount": {"value": 1130, "currency": "EUR"},
        "eventCode": "AUTHORISATION",
        "success": "true",
        "additionalData": {
            "hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="
        },
    }
    secret = b"44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"

    def raw() -> bytes:
        items = [{"NotificationRequestItem": item}]
        return json.dumps({"notificationItems": items}).encode()

    assert check("adyen", raw(), {}, secret) is SignatureCheck.YES
    assert read("adyen", raw()).amount_minor == 1_130
    item["amount"]["value"] = 1_131
    assert check("adyen", raw(), {}, secret) is SignatureCheck.NO


def test_the_salons_gateway() -> None:
    """The notification of the site's own guide."""
    raw = (
        b'{"invoiceNo":"TEST123","statusCode":1,"statusMessage":"SUCCESS",'
        b'"payableAmount":"100.00","payableCurrency":"LKR",'
        b'"customerRefNo":"SALON123","paymentType":1}'
    )
    assert (
        check("payable", raw, {"X-Signature": hexed("sha256", raw)})
        is SignatureCheck.YES
    )
    found = read("payable", raw)
    assert (found.invoice, found.amount_minor) == ("TEST123", 10_000)
    assert found.customer == "SALON123"
    assert MAPPINGS["payable"].answer == '{"Status":200}'


def test_a_shared_secret() -> None:
    raw = b'{"data":{"tx_ref":"a","status":"successful","amount":1,"currency":"NGN"}}'
    yes = check("flutterwave", raw, {"verif-hash": SECRET.decode()})
    assert yes is SignatureCheck.YES
    assert check("flutterwave", raw, {"verif-hash": "wrong"}) is SignatureCheck.NO
    assert check("flutterwave", raw, {"verif-hash": ""}) is SignatureCheck.NO
    assert check("flutterwave", raw, {}) is SignatureCheck.NO


def scheme(**fields: Any) -> GatewaySignature:
    return msgspec.convert(fields, GatewaySignature)


def test_the_vector_of_github() -> None:
    """docs.github.com, Validating webhook deliveries."""
    signature = scheme(
        header="X-Hub-Signature-256", algorithm="sha256", prefix="sha256="
    )
    made = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={made}"}
    secret, raw = b"It's a Secret to Everybody", b"Hello, World!"
    assert (
        signed_by(signature, [secret], raw, headers, Body({}), NOW)
        is SignatureCheck.YES
    )
    bare = {"x-hub-signature-256": made}
    assert signed_by(signature, [secret], raw, bare, Body({}), NOW) is SignatureCheck.NO


def test_the_vector_of_slack() -> None:
    """api.slack.com, Verifying requests: a form, signed with its time."""
    signature = scheme(
        header="X-Slack-Signature",
        algorithm="sha256",
        prefix="v0=",
        timestamp_header="X-Slack-Request-Timestamp",
        signed="v0:{timestamp}:{body}",
    )
    raw = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
        b"&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J"
        b"%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",  # noqa: E501
    }
    secret = b"8f742231b10e8888abcd99yyyzzz85a5"
    at = 1_531_420_618
    assert (
        signed_by(signature, [secret], raw, headers, Body({}), at) is SignatureCheck.YES
    )


@pytest.mark.parametrize(
    "given", ["", "sha256=", "=", "é" * 100, "0" * 100_000, ",".join("a" * 99)]
)
def test_what_is_no_signature_is_none(given: str) -> None:
    signature = scheme(header="X-S", algorithm="sha256")
    headers = {"x-s": given}
    assert (
        signed_by(signature, [SECRET], b"{}", headers, Body({}), NOW)
        is SignatureCheck.NO
    )
    assert signed_by(signature, [], b"{}", headers, Body({}), NOW) is SignatureCheck.NO


def test_base64_is_compared_as_it_is() -> None:
    signature = scheme(header="X-S", algorithm="sha512", encoding="base64")
    made = base64.b64encode(hmac.digest(SECRET, b"{}", "sha512")).decode()
    for given, expected in (
        (made, SignatureCheck.YES),
        (made.lower(), SignatureCheck.NO),
    ):
        headers = {"x-s": given}
        found = signed_by(signature, [SECRET], b"{}", headers, Body({}), NOW)
        assert found is expected


def test_the_page_has_each_key_of_a_mapping() -> None:
    for kind in (GatewayMapping, GatewaySignature):
        for name in kind.__struct_fields__:
            assert re.search(rf"`[^`]*\b{name}\b", PAGE), name
