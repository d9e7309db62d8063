"""Each operation of the OpenAPI document, as one merchant with much asks for it.

A merchant "ann" has nearly all payments of the database and a channel that was told of
all of them; what an operator may is asked with the node's key too. `CALLS` has a line
for each operation: a test fails for one that is not here.
"""

import hashlib
import hmac
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import requests

from tests.tools.many_events import address_of, name_of
from tests.tools.node import PATIENCE_S, RunningNode
from tests.tools.wait import PATIENCE

__all__ = ["ANN", "CALLS", "CHANNEL", "HOOK_SECRET", "Caller"]

ANN = "ann"
CHANNEL = "chn_of_ann"
ACCOUNT = "alice"
HOOK_SECRET = "secret-of-the-webhooks-of-tenants"

_numbers = count(1)


class Caller:
    """Whoever calls, with a key; and what there is to call for. A call of several
    steps ends with the first that is refused, and that is its answer."""

    def __init__(self, node: RunningNode, key: str) -> None:
        self.node = node
        self.key = {"Authorization": f"Bearer {key}"}
        self.open = node.create(amount_sat=7_000, merchant=ANN, external_id="open")
        self._till = {"Authorization": f"Bearer {node.add_till_key(ANN)}"}

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> requests.Response:
        options: dict[str, Any] = {"headers": self.key | headers}
        if body is not None:
            options["json"] = body
        return self.node.call(method, path, **options)

    # -- what takes more than a line ---------------------------------------------------

    def create_again(self) -> requests.Response:
        key = f"order {next(_numbers)}".replace(" ", "-")
        body = {"amount_sat": 1_000, "external_id": "order-7"}
        return self.ask("POST", "/v1/payments", body, **{"Idempotency-Key": key})

    def channel(self) -> requests.Response:
        """Made, and removed."""
        made = self.ask("POST", "/v1/channels", {"url": "http://127.0.0.1:59999/"})
        if not made.ok:
            return made
        return self.ask("DELETE", f"/v1/channels/{made.json()['id']}")

    def act(self, verb: str) -> requests.Response:
        """On a new payment."""
        made = self.create_again()
        if not made.ok:
            return made
        return self.ask("POST", f"/v1/payments/{made.json()['id']}/{verb}", {})

    def revoke(self) -> requests.Response:
        wanted = {"name": "short", "merchant": ANN}
        made = self.ask("POST", "/v1/keys", wanted)
        name = made.json().get("id", "key_000000000000")
        return self.ask("DELETE", f"/v1/keys/{name}")

    def log_in(self) -> requests.Response:
        """And look, and out again; the answer is that of looking."""
        key = self.key["Authorization"].removeprefix("Bearer ")
        made = self.ask("POST", "/session", {"key": key}, Authorization="")
        if not made.ok:
            return made
        token = {"X-CSRF-Token": made.json()["csrf"], "Origin": self.node.url}
        seen = self.ask("GET", "/session", Authorization="")
        self.ask("DELETE", "/session", Authorization="", **token)
        self.node.session.cookies.clear()
        return seen

    def release(self) -> requests.Response:
        made = self.create_again()
        if not made.ok:
            return made
        return self.ask("POST", f"/v1/watchers/{made.json()['address']}/release", {})

    def pos(self) -> requests.Response:
        return self.ask("GET", "/v1/pos", **self._till)

    def follow(self, path: str, **options: Any) -> requests.Response:
        url = self.node.url + path
        stream = self.node.session.get(
            url, stream=True, timeout=PATIENCE_S * PATIENCE, **options
        )
        stream.close()
        return stream

    def open_socket(self, path: str) -> requests.Response:
        """As a browser opens a WebSocket; and leaves again."""
        return self.follow(
            path,
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
        )

    def webhook(self) -> requests.Response:
        txid = f"{next(_numbers):064x}"
        body = msgspec.json.encode(
            {"address": self.open["address"], "txid": txid, "value": 5}
        )
        signed = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Signature": signed}
        url = f"{self.node.url}/webhook/btc"
        return self.node.session.post(
            url, data=body, headers=headers, timeout=PATIENCE_S * PATIENCE
        )

    # -- money -------------------------------------------------------------------------

    def debit(self) -> requests.Response:
        """Of what a payment credited that a hand confirmed."""
        sold = {"small": {"amount_sat": 1_000, "credits": 5}}
        record = {"display_name": "A", "packages": sold}
        self.ask("PUT", f"/v1/merchants/{ANN}", record)
        asked = {"package": "small", "account": ACCOUNT, "merchant": ANN}
        made = self.ask("POST", "/v1/payments", asked)
        if not made.ok:
            return made
        self.ask("POST", f"/v1/payments/{made.json()['id']}/confirm", {})
        path = f"/v1/accounts/{ACCOUNT}/debit?merchant={ANN}"
        return self.ask("POST", path, {"credits": 5})

    def refund(self, after: str = "", body: Any = None) -> requests.Response:
        """Ask for one, of a payment of which nobody did yet; and perhaps do more."""
        number = next(_numbers) * 100 + 51  # not one of each hundred, which is bob's
        path = f"/v1/payments/{name_of(number % 4_000)}/refund"
        asked = {"amount_sat": 20_000, "address": address_of(10**7 + number)}
        made = self.ask("POST", path, asked)
        if not after or not made.ok:
            return made
        method, _, verb = after.partition(" ")
        return self.ask(method, f"{path}s/{made.json()['id']}{verb}", body)

    def claim(self) -> requests.Response:
        path = f"/v1/payments/{name_of(next(_numbers) * 100 % 4_000 + 57)}/refund"
        made = self.ask("POST", path, {"amount_sat": 20_000}).json()
        token = str(made.get("claim_url", "")).rpartition("token=")[2] or "none"
        body = {"token": token, "address": address_of(10**7)}
        return self.ask("POST", f"/v1/refunds/{made.get('id', 'none')}/claim", body)

    def callback(self) -> requests.Response:
        query = f"addr={self.open['address']}&status=0&value=5&txid={'cd' * 32}"
        return self.ask("GET", f"/webhook/btc?{query}&secret={HOOK_SECRET}")


def _get(path: str) -> list[Callable[[Caller], requests.Response]]:
    return [lambda caller: caller.ask("GET", path)]


def _post(path: str, body: Any) -> Callable[[Caller], requests.Response]:
    return lambda caller: caller.ask("POST", path, body)


_OLD = name_of(1)
_EARLY = "2020-01-01T00:00:00Z"

CALLS: dict[str, list[Callable[[Caller], requests.Response]]] = {
    "create_payment": [Caller.create_again],
    "create_payments": [
        _post("/v1/payments/batch", {"payments": [{"amount_sat": 1_000}] * 50})
    ],
    "list_payments": [
        *_get("/v1/payments"),
        *_get("/v1/payments?limit=200&status=confirmed"),
        *_get("/v1/payments?status=failed"),
        *_get("/v1/payments?external_id=order-7&status=failed"),
        *_get(f"/v1/payments?address={address_of(7)}"),
        *_get("/v1/payments?external_id=nobody"),
        *_get("/v1/payments?search=1000"),
        *_get("/v1/payments?search=" + "ab" * 32),
        *_get(f"/v1/payments?created_after={_EARLY}&flag=late"),
        *_get(f"/v1/payments?updated_after={_EARLY}&order=oldest"),
    ],
    "get_payment": _get(f"/v1/payments/{_OLD}"),
    "change_payment": [
        lambda caller: caller.ask(
            "PATCH", f"/v1/payments/{_OLD}", {"metadata": {"n": next(_numbers)}}
        )
    ],
    "list_payment_events": _get(f"/v1/payments/{_OLD}/events"),
    "cancel_payment": [lambda caller: caller.act("cancel")],
    "confirm_payment": [lambda caller: caller.act("confirm")],
    "redeliver_payment": [_post(f"/v1/payments/{_OLD}/redeliver", {})],
    "redeliver_range": [
        _post("/v1/redeliver", {"since": _EARLY}),
        _post("/v1/redeliver", {"since": _EARLY, "dead_only": True}),
        _post("/v1/redeliver", {"since": _EARLY, "channel_id": "chn_of_nobody"}),
    ],
    "create_channel": [Caller.channel],
    "list_channels": _get("/v1/channels"),
    "get_channel": _get(f"/v1/channels/{CHANNEL}"),
    "change_channel": [
        lambda caller: caller.ask(
            "PATCH", f"/v1/channels/{CHANNEL}", {"timeout_s": 5 + next(_numbers) % 5}
        )
    ],
    "remove_channel": [Caller.channel],
    "list_deliveries": _get(f"/v1/channels/{CHANNEL}/deliveries?limit=200"),
    "list_payment_deliveries": [
        *_get(f"/v1/payments/{_OLD}/deliveries?limit=200"),
    ],
    "list_backlog": [
        *_get(f"/v1/channels/{CHANNEL}/backlog?limit=200"),
        *_get(f"/v1/channels/{CHANNEL}/backlog?state=pending&limit=200"),
    ],
    "get_history": [
        *_get("/v1/history?step=day&since=2021-11-30T00:00:00Z"),
        *_get("/v1/history?series=detection"),
        *_get("/v1/history?series=load&step=minute"),
    ],
    "test_channel": [_post(f"/v1/channels/{CHANNEL}/test", {})],
    "get_merchant": _get(f"/v1/merchants/{ANN}"),
    "put_merchant": [
        lambda caller: caller.ask("PUT", f"/v1/merchants/{ANN}", {"display_name": "A"})
    ],
    "list_accounts": _get("/v1/accounts?limit=200"),
    "get_account": _get(f"/v1/accounts/{ACCOUNT}"),
    "list_account_entries": _get(f"/v1/accounts/{ACCOUNT}/entries?limit=200"),
    "debit_account": [Caller.debit],
    "export_accounts_csv": _get("/v1/accounts/export.csv"),
    "export_accounts_jsonl": _get("/v1/accounts/export.jsonl"),
    "export_account_csv": _get(f"/v1/accounts/{ACCOUNT}/export.csv"),
    "export_account_jsonl": _get(f"/v1/accounts/{ACCOUNT}/export.jsonl"),
    "forwarding": _get("/v1/forwarding"),
    "list_wallets": _get("/v1/wallets"),
    "list_all_refunds": _get("/v1/refunds"),
    "put_forwarding": [
        lambda caller: caller.ask("PUT", "/v1/forwarding", {"paused": False})
    ],
    "list_till_forwards": _get("/v1/forwarding/lightning"),
    "resume_till_forward": [_post("/v1/forwarding/lightning/lnf_none/resume", {})],
    "give_up_till_forward": [_post("/v1/forwarding/lightning/lnf_none/give_up", {})],
    "retry_forward": [_post(f"/v1/payments/{_OLD}/forward", {})],
    "list_rates": _get("/v1/rates"),
    "create_refund": [Caller.refund],
    "list_refunds": _get(f"/v1/payments/{_OLD}/refunds"),
    "get_refund": [lambda caller: caller.refund("GET ")],
    "cancel_refund": [lambda caller: caller.refund("POST /cancel", {})],
    "mark_refund_paid": [lambda caller: caller.refund("POST /paid", {})],
    "get_refund_psbt": [lambda caller: caller.refund("GET /psbt")],
    "claim_refund": [Caller.claim],
    "health": _get("/health"),
    "ready": _get("/ready"),
    "metrics": _get("/metrics"),
    "openapi": _get("/openapi.json"),
    "list_sources": _get("/v1/sources"),
    "list_alerts": _get("/v1/alerts"),
    "list_upstreams": _get("/v1/upstreams"),
    "reconnect_upstream": [_post("/v1/upstreams/node/reconnect", {})],
    "followUpstreams": _get(f"/events/upstreams/{ANN}"),
    "list_redis": _get("/v1/redis"),
    "list_watchers": _get("/v1/watchers?limit=200"),
    "get_watcher": [
        lambda caller: caller.ask("GET", f"/v1/watchers/{caller.open['address']}")
    ],
    "poll_watcher": [
        lambda caller: caller.ask(
            "POST", f"/v1/watchers/{caller.open['address']}/poll", {}
        )
    ],
    "release_address": [Caller.release],
    "create_key": [Caller.revoke],
    "log_in": [Caller.log_in],
    "get_session": [Caller.log_in],
    "log_out": [Caller.log_in],
    "list_keys": _get("/v1/keys"),
    "revoke_key": [Caller.revoke],
    "followEvents": [
        *_get("/v1/events?limit=1000"),
        *_get("/v1/events?after=0&limit=1"),
    ],
    "followBalance": [lambda c: c.follow(f"/events/balance/{c.open['address']}")],
    "followPayment": [
        lambda c: c.follow(f"/events/payment/{c.open['id']}", headers=c.key)
    ],
    "openBalanceSocket": [
        lambda c: c.open_socket(f"/ws/balance/{c.open['address']}"),
        lambda c: c.open_socket(f"/ws/balance/{address_of(7)}?since=1"),
    ],
    "openSocket": [lambda c: c.open_socket("/ws")],
    "openSalonSocket": [lambda c: c.open_socket("/ws/payments/salon/7")],
    "openMerchantSocket": [lambda c: c.open_socket(f"/ws/payments/{ANN}")],
    "pollBalance": [
        lambda c: c.ask("GET", f"/poll/balance/{c.open['address']}"),
        *_get(f"/poll/balance/{address_of(7)}?since=1"),
    ],
    "pollPayment": [
        lambda c: c.ask("GET", f"/poll/payment/{c.open['id']}?since=0"),
        *_get(f"/poll/payment/{_OLD}?since=1"),
    ],
    "pollOrder": [
        *_get("/poll/order?external_id=order-7"),
        lambda c: c.ask(
            "GET", f"/poll/order?external_id=open&token={c.open['client_secret']}"
        ),
    ],
    "broadcast": [
        _post("/v1/broadcast", {"message": "closed in ten minutes"}),
        _post("/v1/broadcast", {"message": "closed", "merchant": ANN}),
    ],
    "get_lightning_address": _get(f"/v1/merchants/{ANN}/lightning_address"),
    "get_pos": [Caller.pos],
    "lnurlPayRequest": _get(f"/.well-known/lnurlp/{ANN}"),
    "lnurlPayCallback": _get(f"/lnurl/pay/{ANN}/0?amount=21000"),
    "lnurlVerify": _get(f"/lnurl/verify/{'0' * 64}"),
    "receiveBtcWebhook": [Caller.webhook],
    "receiveBlockonomicsCallback": [Caller.callback],
}
"""Calls of each operation, by its operationId; the costly ways of those with many."""
