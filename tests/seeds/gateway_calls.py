"""A gateway that signs, and a node that takes its word: for tests of S4.6.

`PAYABLE` is the mapping of the salon's gateway with an HMAC in place of its check
value; `say` makes a notification of it. `STRIPE` is Stripe's scheme.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import requests

from engine.merchants.gateway_mapping import GatewayMapping
from engine.merchants.record import Limits, MerchantSettings
from engine.merchants.rules import replaced
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import PATIENCE
from transport.server.limits import CallLimits

__all__ = [
    "IN_ANY_ORDER",
    "PAYABLE",
    "SECRETS",
    "STRIPE",
    "Calls",
    "mapping",
    "node_with_gateways",
]

ANSWER_S = 30 * PATIENCE
SECRETS = {"salon": "the-salons-secret", "cafe": "the-cafes-secret"}

PAYABLE: dict[str, Any] = {
    "merchants": ["salon", "cafe"],
    "answer": '{"Status":200}',
    "fields": {
        "invoice": "invoiceNo",
        "event_id": "payableTransactionId",
        "status": "statusMessage",
        "amount": "payableAmount",
        "currency": "payableCurrency",
        "reference": "payableTransactionId",
        "token": "token.tokenId",
        "last4": "token.maskedCardNo",
        "brand": "token.cardScheme",
        "customer": "customerRefNo",
        "salon": "salonId",
    },
    "words": {
        "SUCCESS": ["SUCCESS"],
        "FAILED": ["FAILURE"],
        "PENDING": ["PENDING"],
        "REVERSED": ["REFUNDED"],
        "TOKEN": ["TOKENIZED"],
    },
    "signature": {"header": "X-Signature", "algorithm": "sha256"},
}

STRIPE: dict[str, Any] = {
    "merchants": ["cafe"],
    "amount_unit": "minor",
    "creates": False,
    "fields": {
        "invoice": "/data/object/metadata/invoice",
        "event_id": "/id",
        "status": "/type",
        "amount": ["/data/object/amount_received", "/data/object/amount_refunded"],
        "currency": "/data/object/currency",
        "reference": "/data/object/id",
    },
    "words": {
        "SUCCESS": ["payment_intent.succeeded"],
        "FAILED": ["payment_intent.payment_failed"],
        "PENDING": ["payment_intent.processing"],
        "REVERSED": ["charge.refunded", "charge.dispute.funds_withdrawn"],
    },
    "signature": {
        "header": "Stripe-Signature",
        "algorithm": "sha256",
        "separator": ",",
        "prefix": "v1=",
        "timestamp_prefix": "t=",
        "signed": "{timestamp}.{body}",
    },
}

#: Words of PAYABLE about one invoice as they come, how it stands then, and its story.
IN_ANY_ORDER: list[tuple[list[str], str | None, list[str]]] = [
    (["PENDING", "SUCCESS"], "confirmed", ["created", "detected", "confirmed"]),
    (["SUCCESS", "PENDING"], "confirmed", ["created", "confirmed"]),
    (["SUCCESS", "FAILURE"], "confirmed", ["created", "confirmed"]),
    (["FAILURE", "SUCCESS"], "confirmed", ["created", "failed", "confirmed"]),
    (["FAILURE"], "failed", ["created", "failed"]),
    (["SUCCESS", "REFUNDED"], "failed", ["created", "confirmed", "reversed"]),
    (["HOLD"], None, []),
]


def mapping(table: dict[str, Any], **changed: Any) -> GatewayMapping:
    made = msgspec.convert({**table, **changed}, GatewayMapping)
    assert made.mistake() is None, made.mistake()
    return made


class Calls:
    """A node, and its gateways' notifications."""

    def __init__(self, node: RunningNode) -> None:
        self.node = node

    def say(
        self,
        invoice: str,
        word: str = "SUCCESS",
        *,
        secret: str = SECRETS["salon"],
        path: str = "/webhook/payable",
        session: requests.Session | None = None,
        **fields: Any,
    ) -> requests.Response:
        """As Payable would, about an invoice of 25.00 LKR."""
        said = {
            "invoiceNo": invoice,
            "statusMessage": word,
            "payableAmount": "25.00",
            "payableCurrency": "LKR",
            "payableTransactionId": f"tx-{invoice}-{word}",
            **fields,
        }
        return self.send(json.dumps(said).encode(), secret, path, session)

    def send(
        self,
        body: bytes,
        secret: str,
        path: str = "/webhook/payable",
        session: requests.Session | None = None,
    ) -> requests.Response:
        signature = hmac.digest(secret.encode(), body, "sha256").hex()
        return (session or self.node.session).post(
            self.node.url + path,
            data=body,
            headers={"X-Signature": signature},
            timeout=ANSWER_S,
        )

    def stripe(
        self,
        kind: str,
        thing: dict[str, Any],
        event_id: str = "evt_1",
        *,
        secret: str = SECRETS["cafe"],
        at: int | None = None,
    ) -> requests.Response:
        """As Stripe does (docs.stripe.com/webhooks/signature)."""
        body = json.dumps({"id": event_id, "type": kind, "data": {"object": thing}})
        stamp = int(time.time()) if at is None else at
        content = f"{stamp}.{body}".encode()
        made = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
        return self.node.session.post(
            f"{self.node.url}/webhook/stripe",
            data=body,
            headers={"Stripe-Signature": f"t={stamp},v1={made},v0=00"},
            timeout=ANSWER_S,
        )

    def payment(self, invoice: str, merchant: str = "salon") -> dict[str, Any]:
        """The one payment of this invoice."""
        path = f"/v1/payments?external_id={invoice}&merchant={merchant}"
        (found,) = self.node.get(path).json()["data"]
        assert isinstance(found, dict)
        return found

    def story(self, payment_id: str) -> list[str]:
        events = self.node.get(f"/v1/payments/{payment_id}/events").json()["data"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return [event["type"].removeprefix("payment.") for event in events]

    def external(self, **fields: Any) -> requests.Response:
        """Create a payment at Stripe."""
        asked = {
            "method": "external",
            "gateway": "stripe",
            "merchant": "cafe",
            "amount": "12.50",
            "currency": "EUR",
            **fields,
        }
        return self.node.post("/v1/payments", asked)


@contextmanager
def node_with_gateways(**changed: Any) -> Iterator[Calls]:
    """`changed`: fields of `PAYABLE` that are others."""
    mappings = {"payable": mapping(PAYABLE, **changed), "stripe": mapping(STRIPE)}
    many = CallLimits(
        rate_per_s=1e5, burst=10_000, failure_rate_per_s=1e5, failure_burst=10_000
    )
    with running_node(
        mappings=mappings, web={"webhook_limits": many, "seeds": {"salon": "salon"}}
    ) as node:
        for name, secret in SECRETS.items():
            said = MerchantSettings(webhook_secrets=dict.fromkeys(mappings, secret))
            before, seal = node.gateway.merchant(name), node.vault.seal
            node.gateway.save_merchant(replaced(before, said, seal, Limits(), 1))
        yield Calls(node)
