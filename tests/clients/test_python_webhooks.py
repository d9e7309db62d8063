"""`verify_webhook`: only what the node signed, now, with a secret that is ours."""

import base64
import json
from typing import Any

import pytest

from paybell_client import WebhookRefused, verify_webhook
from tests.clients.events import event
from transport.outbound.webhook import new_secret, parse_secret, sign

SECRET, OTHER = new_secret(), new_secret()
NOW = 1_772_600_000
BODY = json.dumps(
    {
        "type": "payment.confirmed",
        "timestamp": "2026-03-04T05:06:07.000Z",
        "skipped": [2],
        "data": event(3),
    }
).encode()


def headers(
    *secrets: str, body: bytes = BODY, at: int = NOW, **more: str
) -> dict[str, str]:
    """As the node sends them, with the node's own code."""
    signature = sign([parse_secret(it) for it in secrets], "evt_x", at, body)
    return {
        "Webhook-Id": "evt_x",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": signature,
        **more,
    }


def test_what_the_node_signs_is_believed() -> None:
    webhook = verify_webhook(BODY, headers(SECRET), SECRET, now=NOW)
    assert webhook.id == "evt_x"
    assert webhook.event["seq"] == 3
    assert webhook.skipped == (2,)


@pytest.mark.parametrize("known", [SECRET, OTHER, [SECRET, OTHER], [OTHER, SECRET]])
@pytest.mark.parametrize("signed", [(SECRET, OTHER), (OTHER, SECRET)])
def test_while_a_secret_is_rotated_either_fits(known: Any, signed: Any) -> None:
    assert verify_webhook(BODY, headers(*signed), known, now=NOW).event


@pytest.mark.parametrize("shift", [-301, 301, -(10**9)])
def test_one_of_another_time_is_refused(shift: int) -> None:
    with pytest.raises(WebhookRefused, match="too far"):
        verify_webhook(BODY, headers(SECRET, at=NOW + shift), SECRET, now=NOW)


@pytest.mark.parametrize("shift", [-300, 300])
def test_clocks_may_differ_by_five_minutes(shift: int) -> None:
    webhook = verify_webhook(BODY, headers(SECRET, at=NOW + shift), SECRET, now=NOW)
    assert webhook.id == "evt_x"


def forged() -> dict[str, tuple[bytes, dict[str, str]]]:
    good = headers(SECRET)
    signature = good["Webhook-Signature"]
    cut = base64.b64encode(base64.b64decode(signature[3:])[:-1]).decode()
    without = {k: v for k, v in good.items() if k != "Webhook-Signature"}
    return {
        "another body": (BODY + b" ", good),
        "another id": (BODY, {**good, "Webhook-Id": "evt_y"}),
        "another time": (BODY, {**good, "Webhook-Timestamp": str(NOW - 1)}),
        "another secret": (BODY, headers(OTHER)),
        "no signature": (BODY, without),
        "an empty one": (BODY, {**good, "Webhook-Signature": ""}),
        "not base64": (BODY, {**good, "Webhook-Signature": "v1,é"}),
        "of no version": (BODY, {**good, "Webhook-Signature": signature[3:]}),
        "of another": (BODY, {**good, "Webhook-Signature": "v2" + signature[2:]}),
        "cut short": (BODY, {**good, "Webhook-Signature": f"v1,{cut}"}),
        "two of a header": (BODY, {**good, "webhook-id": "evt_x"}),
        "no time": (BODY, {**good, "Webhook-Timestamp": "now"}),
        "behind many": (
            BODY,
            {**good, "Webhook-Signature": "v1,AA== " * 16 + signature},
        ),
    }


@pytest.mark.parametrize("how", forged())
def test_what_was_forged_is_refused(how: str) -> None:
    body, sent = forged()[how]
    with pytest.raises(WebhookRefused):
        verify_webhook(body, sent, SECRET, now=NOW)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"type": "x"}', b"\xff"])
def test_a_body_that_is_none_of_ours_is_refused_even_if_signed(body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(body, headers(SECRET, body=body), SECRET, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "secret", SECRET[6:]])
def test_a_wrong_secret_is_named_and_never_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and base64") as caught:
        verify_webhook(BODY, headers(SECRET), secret, now=NOW)
    assert len(secret) < 10 or secret not in str(caught.value)


def test_a_body_that_was_decoded_before_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        verify_webhook(BODY.decode(), headers(SECRET), SECRET)  # type: ignore[arg-type]


def test_an_alert_is_no_event_of_a_payment() -> None:
    body = b'{"type":"alert.raised","timestamp":"t","data":{"kind":"x"}}'
    webhook = verify_webhook(body, headers(SECRET, body=body), SECRET, now=NOW)
    with pytest.raises(ValueError, match="no event"):
        _ = webhook.event
