"""The double itself: both servers, and what a test may do to them."""

import json
import re
from collections.abc import Callable
from typing import Any, Final, Self

from gevent import socket as gsocket
from graphql.language import OperationType

from tests.tools.blink_double.accounts import Bank, BlinkAccount, LedgerTx
from tests.tools.blink_double.graph import Graph, Invalid
from tests.tools.blink_double.sending import Outside, Sender
from tests.tools.blink_double.socket import Sockets
from tests.tools.ports import free_ports
from tests.tools.receiver import Answer, Received, Receiver, raw, reply

__all__ = ["BlinkDouble", "Fault"]

_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_JSON: Final = ("Content-Type", "application/json; charset=utf-8")

Fault = Callable[[bytes], Answer]
"""What is sent in place of this whole answer. What was asked has been done."""


class BlinkDouble:
    """See the package. `bank` and `sockets` are there for what has no method here."""

    def __init__(self) -> None:
        self.bank = Bank()
        self.sender = Sender(self.bank, self._notify)
        self.graph = Graph(self.bank, self.sender)
        self.sockets = Sockets(self.graph, self.bank.by_key)
        self.asked: list[tuple[str, str]] = []
        """Of each request over HTTP: the account's name, and its first field."""

        self.instead: dict[str, list[Answer]] = {}
        """By field ("*": any): the next answers, without anything being done."""

        self.always: Answer | None = None
        """What everything gets, without anything being done."""

        self.faults: dict[str, list[Fault]] = {}
        """By field: what becomes of the next answers, after all was done."""

        self.bodies: list[Received] = []
        self._keys: dict[str, float] = {}  # of idempotency, and when they were used
        http, stream = free_ports(2)
        self._http = Receiver(default=self._answer, port=http)
        self._ports = (http, stream)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Again on the same ports, if it was stopped."""
        self._http = Receiver(default=self._answer, port=self._ports[0])
        self._http.start()
        self.sockets.start(self._ports[1])

    def stop(self) -> None:
        self._http.stop()
        self.sockets.stop()

    @property
    def url(self) -> str:
        return self._http.url("/graphql")

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self._ports[1]}/graphql"

    def account(self, name: str, sat: int = 0, usd_cents: int = 0) -> BlinkAccount:
        return self.bank.account(name, sat, usd_cents)

    def revoke(self, account: BlinkAccount) -> str:
        """Its key is worth nothing from now on; connections that stand go on."""
        old, account.key = account.key, account.key + "x"
        return old

    def asked_of(self, account: BlinkAccount) -> list[str]:
        return [field for name, field in self.asked if name == account.name]

    def asked_at(self, account: BlinkAccount) -> list[tuple[str, float]]:
        """What was asked over HTTP, and when (`time.time()`)."""
        times = (body.at_s for body in self.bodies)
        return [
            (field, at_s)
            for (name, field), at_s in zip(self.asked, times, strict=False)
            if name == account.name
        ]

    def pay_from_outside(
        self, payment_hash: str, sat: int | None = None, **more: Any
    ) -> LedgerTx:
        """Somebody pays over Lightning; `update-single-pending-invoice.ts`."""
        invoice = self.bank.invoices[payment_hash]
        amount = sat if sat is not None else invoice.amount_sat
        assert amount is not None, "of an amountless one the payer says how much"
        invoice.paid = True
        tell = more.pop("tell", True)
        tx = self.bank.book(
            invoice.wallet, amount, payment_hash, bolt11=invoice.bolt11,
            preimage=invoice.preimage, **more,
        )  # fmt: skip
        if tell:
            self._notify(tx)
        return tx

    def outside(self, payment_hash: str, result: str, fee_sat: int = 0) -> None:
        """What becomes of it when one of ours pays this invoice of somebody else."""
        self.sender.outside[payment_hash] = Outside(result, fee_sat)

    def finish(self, payment_hash: str, result: str, fee_sat: int = 0) -> None:
        self.sender.finish(payment_hash, Outside(result, fee_sat))

    def hold_events(self) -> None:
        """Nothing is published until `release_events`."""
        self.sockets.held = []

    def release_events(self, *, backwards: bool = False) -> None:
        held, self.sockets.held = self.sockets.held or [], None
        by_id = {a.id: a for a in self.bank.accounts}
        for account_id, event in held[::-1] if backwards else held:
            self.sockets.publish(by_id[account_id], event)

    def _notify(self, tx: LedgerTx) -> None:
        """`sendTransactionPubSubNotification` of a receipt over Lightning."""
        self.sockets.publish(
            tx.wallet.account,
            {
                "__typename": "LnUpdate", "walletId": tx.wallet.id, "status": "PAID",
                "paymentHash": tx.payment_hash, "transaction": tx,
            },
        )  # fmt: skip

    def _answer(
        self, sock: gsocket.socket, received: Received, receiver: Receiver
    ) -> None:
        self._choose(received)(sock, received, receiver)

    def _choose(self, received: Received) -> Answer:
        self.bodies.append(received)
        if received.method != "POST" or received.target != "/graphql":
            return _say(404, {"error": "Not Found"})
        key = received.headers.get("x-api-key", "")
        account = self.bank.by_key(key)
        field = self._field(received.body)
        self.asked.append((account.name if account else "", field))
        if self.always is not None:
            return self.always
        for name in (field, "*"):
            if self.instead.get(name):
                return self.instead[name].pop(0)
        if key and account is None:  # Oathkeeper's
            error = {"code": 401, "status": "Unauthorized", "message": "Access denied"}
            return _say(401, {"error": error})
        refused = self._idempotency(received.headers.get("x-idempotency-key"))
        if refused is not None:
            return refused
        body = self._execute(received.body, account)
        if self.faults.get(field):
            return self.faults[field].pop(0)(_bytes(body))
        return raw(_bytes(body))

    def _field(self, body: bytes) -> str:
        try:
            return self.graph.read(json.loads(body)).name
        except (ValueError, Invalid, AttributeError):
            return ""

    def _idempotency(self, key: str | None) -> Answer | None:
        """`idempotency.ts`: locked for an hour, whatever comes of the request."""
        if key is None:
            return None
        if not _UUID.fullmatch(key):
            text = "X-Idempotency-Key header must be a UUID-v4"
            return _say(400, {"error": text})
        now_s = self.bank.now_s()
        if self._keys.get(key, 0) > now_s - 3_600:
            return _say(409, {"error": "the idempotency key already exist"})
        self._keys[key] = now_s
        return None

    def _execute(
        self, body: bytes, account: BlinkAccount | None
    ) -> tuple[int, dict[str, Any]]:
        try:
            operation = self.graph.read(json.loads(body))
        except ValueError:
            return 400, {"errors": [{"message": "no JSON"}]}
        except Invalid as error:
            return 400, {"errors": error.errors}
        if operation.kind is OperationType.SUBSCRIPTION:
            return 400, {"errors": [{"message": "Subscriptions are not supported"}]}
        return 200, dict(self.graph.run(operation, account).formatted)


def _bytes(answer: tuple[int, dict[str, Any]]) -> bytes:
    status, value = answer
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} Answer\r\nConnection: close\r\n"
    head += f"{_JSON[0]}: {_JSON[1]}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _say(status: int, value: Any) -> Answer:
    return reply(status, [_JSON], json.dumps(value).encode())
