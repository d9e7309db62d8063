"""Blink's webhooks, signed by Svix: claims after which Blink is asked, and no more.

The signer is the library of Standard Webhooks, under Svix's names of the headers.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from standardwebhooks.webhooks import Webhook

from engine.lightning.account import Account
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import PATIENCE
from transport.inbound.svix import BODY_BYTES, paid_hash
from transport.outbound.webhook import new_secret
from transport.server.limits import CallLimits

HASH = "ab" * 32
SECRETS = (new_secret(), new_secret())


def received(payment_hash: str = HASH, **more: Any) -> dict[str, Any]:
    """As Blink's page on webhooks has it (dev.blink.sv)."""
    return {
        "accountId": "3f01ae24-1a1f-4d2a-9d5f-6a1b0e4a0000",
        "eventType": "receive.lightning",
        "walletId": "83249a05-bd36-4e1f-87b5-118f41126ea8",
        "transaction": {
            "createdAt": "2026-11-28T10:00:00.000Z",
            "id": "655c1e6a0c1f2a3b4c5d6e7f",
            "initiationVia": {
                "type": "lightning", "paymentHash": payment_hash, "pubkey": "02ab",
            },
            "memo": None, "settlementAmount": 1000, "settlementCurrency": "BTC",
            "settlementFee": 0, "settlementVia": {"type": "lightning"},
            "status": "success",
        },
        **more,
    }  # fmt: skip


PER_INVOICE = {"paymentHash": HASH, "paymentRequest": "lnbcrt1…", "status": "PAID",
               "paymentPreimage": "cd" * 32}  # fmt: skip


class Stage:
    def __init__(self, node: RunningNode) -> None:
        self.node = node
        self.looked: list[str] = []
        node.gateway.look_at_invoice = self.looked.append  # type: ignore[assignment,method-assign]
        self._count = 0

    def send(
        self,
        body: Any,
        *,
        secret: str = SECRETS[0],
        message_id: str = "",
        at_s: float | None = None,
        account: str = "till",
        **headers: str | None,
    ) -> requests.Response:
        self._count += 1
        raw = body if isinstance(body, str) else json.dumps(body)
        message_id = message_id or f"msg_{self._count}"
        at = datetime.fromtimestamp(int(at_s or time.time()), UTC)
        signed = {
            "svix-id": message_id,
            "svix-timestamp": str(int(at.timestamp())),
            "svix-signature": Webhook(secret).sign(message_id, at, raw),
            "content-type": "application/json",
        }
        for name, value in headers.items():
            signed[name.replace("_", "-")] = value or ""
        url = f"{self.node.url}/webhook/lightning/{account}"
        return self.node.session.post(
            url, data=raw.encode(), headers=signed, timeout=30 * PATIENCE
        )


@contextmanager
def stage(**web: Any) -> Iterator[Stage]:
    till = Account(
        name="till", kind="blink", url="http://127.0.0.1:1/", webhook_secrets=SECRETS
    )
    other = Account(name="other", kind="blink", url="http://127.0.0.1:1/")
    accounts = {"till": till, "other": other}
    with running_node(web={"accounts": accounts, **web}) as node:
        yield Stage(node)


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with stage() as made:
        yield made


@pytest.fixture
def hook(shared: Stage) -> Stage:
    shared.looked.clear()
    return shared


@pytest.mark.parametrize("secret", SECRETS)
def test_a_signed_claim_makes_the_node_be_asked(hook: Stage, secret: str) -> None:
    answered = hook.send(received(), secret=secret)
    assert answered.status_code == 200
    assert answered.json()["status"] == "noted"
    assert hook.looked == [HASH]


def test_a_webhook_of_one_invoice_does_too(hook: Stage) -> None:
    assert hook.send(PER_INVOICE).json()["status"] == "noted"
    assert hook.looked == [HASH]


def test_a_replay_is_answered_and_makes_nobody_ask(hook: Stage) -> None:
    assert hook.send(received(), message_id="msg_again").json()["status"] == "noted"
    for _ in range(3):  # signed anew, as each of Svix's attempts is
        again = hook.send(received(), message_id="msg_again")
        assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    assert hook.looked == [HASH]


@pytest.mark.parametrize(
    "body",
    [
        received(eventType="send.lightning"),
        received(eventType="receive.onchain", transaction={"initiationVia": {}}),
        received(payment_hash="AB" * 32),
        {**PER_INVOICE, "status": "EXPIRED"},
        {"status": "PAID"},
        {},
        [],
        "null",
        "nonsense",
        '{"eventType": "receive.lightning", "transaction": null}',
        '{"a":' * 2_000,
    ],
)
def test_what_is_no_receipt_is_logged_and_nothing_else(hook: Stage, body: Any) -> None:
    answered = hook.send(body)
    assert (answered.status_code, answered.json()["status"]) == (200, "ignored")
    assert hook.looked == []


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": new_secret()},
        {"svix_signature": ""},
        {"svix_signature": "v1,"},
        {"svix_signature": "v1," + "A" * 44},
        {"svix_signature": "v2,AAAA v1a,BBBB"},
        {"svix_signature": "é" * 100},
        {"svix_id": "msg_of_somebody_else"},
        {"svix_id": ""},
        {"svix_timestamp": ""},
        {"svix_timestamp": "0"},
        {"svix_timestamp": "1e9"},
        {"message_id": "a.b"},
        {"message_id": "m" * 129},
    ],
)
def test_a_forged_one_is_refused(hook: Stage, forged: dict[str, Any]) -> None:
    for name, value in forged.items():
        forged[name] = value.encode() if not value.isascii() else value
    answered = hook.send(received(), **forged)
    assert answered.status_code == 401
    assert answered.json()["code"] == "unauthorized"
    assert "whsec" not in answered.text
    assert hook.looked == []


@pytest.mark.parametrize("offset_s", [-400, 400])
def test_one_that_was_kept_is_refused_by_its_time(hook: Stage, offset_s: int) -> None:
    answered = hook.send(received(), at_s=time.time() + offset_s)
    assert answered.status_code == 401
    assert "300 s" in answered.json()["detail"]
    assert hook.looked == []


def test_the_body_that_is_signed_is_the_one_that_came(hook: Stage) -> None:
    raw = json.dumps(received())
    at = datetime.fromtimestamp(int(time.time()), UTC)
    signature = Webhook(SECRETS[0]).sign("msg_spaces", at, raw.replace(" ", ""))
    answered = hook.send(raw, message_id="msg_spaces", svix_signature=signature)
    assert answered.status_code == 401


@pytest.mark.parametrize("account", ["other", "nobody", "Till", "till%2F"])
def test_an_account_without_a_secret_takes_none(hook: Stage, account: str) -> None:
    answered = hook.send(received(), account=account)
    assert answered.status_code == 404
    assert hook.looked == []


def test_too_long_a_body_is_refused(hook: Stage) -> None:
    answered = hook.send(" " * (BODY_BYTES + 1))
    assert answered.status_code == 413


def test_a_flood_is_held_up_by_the_address_it_comes_from() -> None:
    few = CallLimits(
        rate_per_s=0.001, burst=5, failure_rate_per_s=0.001, failure_burst=2
    )
    with stage(webhook_limits=few) as made:
        wrong = [made.send(received(), secret=new_secret()) for _ in range(3)]
        assert [x.status_code for x in wrong] == [401, 401, 429]
        assert wrong[-1].json()["limit"] == "wrong_signatures_per_minute"
        right = [made.send(received()) for _ in range(3)]
        assert [x.status_code for x in right] == [200, 200, 429]
        assert right[-1].headers["Retry-After"]


def test_without_any_secret_there_is_no_such_route() -> None:
    with running_node(web={"accounts": {}}) as node:
        answered = node.session.post(
            f"{node.url}/webhook/lightning/till", timeout=30 * PATIENCE
        )
        assert answered.status_code == 404
        assert "/webhook/lightning/{account}" not in node.get("/openapi.json").text


def test_what_counts_of_a_body() -> None:
    assert paid_hash(json.dumps(received()).encode()) == HASH
    assert paid_hash(json.dumps(PER_INVOICE).encode()) == HASH
    # One kind may not be taken for the other.
    both = {**received(eventType="send.lightning"), **PER_INVOICE}
    assert paid_hash(json.dumps(both).encode()) == ""
    assert paid_hash(b"\xff") == ""
