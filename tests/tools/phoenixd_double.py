"""phoenixd as its sources have it, over real sockets, to be an adapter's counterpart.

Written from ACINQ/phoenixd, `Api.kt`, `json/JsonSerializers.kt`, `Phoenixd.kt` and
`PaymentsIncoming.sq` (0.8), never from our adapter. What it keeps to:

- Basic authentication with any user; `limited` reads and makes invoices, and pays not.
  A wrong password, an unknown path and an unknown hash are bare words: 401, 404, 404.
- JSON is pretty-printed by four blanks. Answers and `/websocket` leave null values out
  (`explicitNulls = false`), webhooks show them.
- Requests are forms. Ktor's words for what is missing or no number: 400.
- Lists are of what was received, newest first; on-chain receipts count in LIMIT and
  OFFSET and are left out of the answer. `to` is now, unless given.
- `/websocket` has no replay. Webhooks are tried once, whatever comes back.
- Nothing about paying is idempotent but what lightning-kmp refuses itself.

    with PhoenixdDouble() as phoenixd:
        node = Phoenixd(Account(url=phoenixd.url, secret=phoenixd.password, …), …)
        phoenixd.receive(payment_hash)

`answer` of the server below (tests/tools/fake_upstream.py) can be put in the way of it.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import socket
import time
import uuid
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import gevent
import requests
from bolt11 import Bolt11Exception, decode

from tests.tools.fake_upstream import Answer, Request, Upstream, text
from tests.tools.invoices import make_invoice
from tests.tools.phoenixd_rows import Invoice, Outgoing, now_ms, pretty
from tests.tools.ws_peer import WsPeer, upgrade

__all__ = ["PhoenixdDouble"]

BAD_KEY: Final = (
    "Invalid authentication (use basic auth with the http password set in phoenix.conf)"
)
FEE_BASE_SAT, FEE_PPM = 4, 4_000


class PhoenixdDouble:
    """See the module. All of it runs in the greenlets of its connections."""

    def __init__(self, network: str = "regtest", bind: int = 0) -> None:
        self.network = network
        self.password = "full-" + uuid.uuid4().hex
        self.limited = "limited-" + uuid.uuid4().hex
        self.webhook_secret = uuid.uuid4().hex
        self.webhook_urls: list[str] = []
        self.webhook_answers: list[int] = []  # their status; nobody looks at it
        self.rows: list[Invoice] = []
        self.outgoing: list[Outgoing] = []
        self.others: dict[str, tuple[int, str]] = {}  # hash: amount (msat), preimage
        self.neighbours: list[PhoenixdDouble] = []  # whose invoices it can pay, too
        self.balance_msat = 1_000_000_000
        self.fee_credit_msat = 0
        self.inbound_msat: int | None = 2_000_000_000  # None: there is no channel
        self.peers: list[WsPeer] = []
        self.is_silent = False  # see `fall_silent`
        self.has_pushes = True  # else webhooks alone tell
        self.pay_reason = ""  # why every payment fails
        self.hold_payments = False  # they stay pending
        self.server = Upstream(self.answer, bind=bind)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.__exit__(None, None, None)

    @property
    def url(self) -> str:
        return self.server.url

    # -- the world ---------------------------------------------------------------------

    def receive(
        self,
        payment_hash: str,
        amount_msat: int | None = None,
        *,
        fees_msat: int = 0,
        at: int | None = None,
        push: bool = True,
        credit: bool = False,
    ) -> None:
        """Somebody pays this invoice: so much, of which the LSP keeps the fees."""
        row = self.invoice(payment_hash)
        gross = amount_msat if amount_msat is not None else row.requested_msat
        assert gross is not None, "an amount for an invoice without one"
        assert row.received_at is None, "lightning-kmp takes a payment once"
        row.net_msat, row.fees_msat = gross - fees_msat, fees_msat
        row.received_at = now_ms() if at is None else at
        if credit:
            self.fee_credit_msat += row.net_msat
        else:
            self.balance_msat += row.net_msat
        if push:
            self.push(payment_hash)

    def receive_on_chain(self, at: int | None = None) -> None:
        moment = now_ms() if at is None else at
        self.rows.append(Invoice(created_at=moment, received_at=moment))

    def expire(self, payment_hash: str) -> None:
        row = self.invoice(payment_hash)
        row.created_at -= (row.expires_in_s + 1) * 1000

    def invoice(self, payment_hash: str) -> Invoice:
        return next(row for row in self.rows if row.payment_hash == payment_hash)

    def bill(self, amount_msat: int) -> tuple[str, str]:
        """An invoice of another node, and its hash."""
        preimage = uuid.uuid4().hex * 2
        payment_hash = hashlib.sha256(bytes.fromhex(preimage)).hexdigest()
        self.others[payment_hash] = (amount_msat, preimage)
        at_s = int(time.time())
        return self._bolt11(payment_hash, amount_msat, at_s, 3_600, ""), payment_hash

    def paid_out(self, payment_hash: str) -> int:
        return sum(
            one.status != "failed"
            for one in self.outgoing
            if one.payment_hash == payment_hash
        )

    def event(self, payment_hash: str) -> dict[str, Any]:
        row = self.invoice(payment_hash)
        return {
            "type": "payment_received",
            "timestamp": now_ms(),
            "amountSat": row.net_msat // 1000,
            "paymentHash": payment_hash,
            "externalId": row.external_id,
            "payerNote": None,
            "payerKey": None,
        }

    def push(self, payment_hash: str, times: int = 1) -> None:
        """To those who listen now, and to the webhooks, once each."""
        event = self.event(payment_hash)
        for _ in range(times):
            for peer in list(self.peers) if self.has_pushes else []:
                with contextlib.suppress(OSError):  # it has gone just now
                    peer.send_text(pretty(event))
        urls = [*self.webhook_urls, self.invoice(payment_hash).webhook_url]
        for url in urls:
            if url:
                gevent.spawn(self._post_webhook, url, pretty(event, nulls=True))

    def signature(self, body: bytes) -> str:
        secret = self.webhook_secret.encode()
        return hmac.new(secret, body, hashlib.sha256).hexdigest()

    def _post_webhook(self, url: str, body: str) -> None:
        headers = {
            "Content-Type": "application/json",
            "X-Phoenix-Signature": self.signature(body.encode()),
        }
        try:
            answer = requests.post(url, data=body.encode(), headers=headers, timeout=30)
        except requests.RequestException:
            self.webhook_answers.append(0)
        else:
            self.webhook_answers.append(answer.status_code)

    def fall_silent(self) -> None:
        """A black hole: those who listen are told nothing more, also no end."""
        self.is_silent, self.has_pushes = True, False
        for peer in self.peers:
            peer.auto_pong = False

    def speak_again(self) -> None:
        """After `fall_silent`: what is opened from now on is answered and told."""
        self.is_silent, self.has_pushes = False, True

    def break_streams(self) -> None:
        for peer in list(self.peers):
            peer.sock.shutdown(socket.SHUT_RDWR)

    # -- the wire ----------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        url = urlsplit(request.path)
        given = _password(request)
        if given not in (self.password, self.limited):
            return text(BAD_KEY, 401)
        if url.path == "/websocket":
            return upgrade(request, self._talk)
        if request.method == "GET":
            return self._get(url.path, dict(parse_qsl(url.query)))
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if url.path == "/createinvoice":
            return self._create(form)
        if url.path == "/payinvoice":
            if given != self.password:
                return text(BAD_KEY, 401)
            return self._pay(form)
        return text("Unknown endpoint (check api doc)", 404)

    def _talk(self, peer: WsPeer) -> None:
        self.peers.append(peer)
        try:
            peer.auto_pong = not self.is_silent
            peer.until_gone()
        finally:
            self.peers.remove(peer)

    def _get(self, path: str, query: dict[str, str]) -> Answer:
        parts = path.strip("/").split("/")
        if parts == ["payments", "incoming"]:
            return self._list(query)
        if parts[:2] == ["payments", "incoming"] and len(parts) == 3:
            found = [row for row in self.rows if row.payment_hash == parts[2]]
            return _json(found[0].said()) if found else text("Not found", 404)
        if parts[:2] == ["payments", "outgoingbyhash"] and len(parts) == 3:
            tried = [one for one in self.outgoing if one.payment_hash == parts[2]]
            order = ["failed", "pending", "succeeded"]
            best = max(tried, key=lambda one: order.index(one.status), default=None)
            return text("Not found", 404) if best is None else _json(best.said())
        if parts == ["getbalance"]:
            return _json({
                "balanceSat": self.balance_msat // 1000,
                "feeCreditSat": self.fee_credit_msat // 1000,
            })  # fmt: skip
        if parts == ["getinfo"]:
            return _json(self._info())
        return text("Unknown endpoint (check api doc)", 404)

    def _info(self) -> dict[str, Any]:
        channel = {
            "state": "Normal",
            "channelId": "ab" * 32,
            "balanceSat": self.balance_msat // 1000,
            "inboundLiquiditySat": (self.inbound_msat or 0) // 1000,
            "capacitySat": (self.balance_msat + (self.inbound_msat or 0)) // 1000,
            "fundingTxId": "cd" * 32,
        }
        opening = {"state": "WaitForFundingSigned"}
        return {
            "nodeId": "02" + "ef" * 32,
            "channels": [] if self.inbound_msat is None else [channel, opening],
            "chain": self.network,
            "blockHeight": 900_000,
            "version": "0.8.0-8ec7d23",
        }

    def _list(self, query: dict[str, str]) -> Answer:
        try:
            first = int(query.get("from", "0"))
            last = int(query.get("to", str(now_ms())))
            limit, offset = int(query.get("limit", "20")), int(query.get("offset", "0"))
        except ValueError:
            return text("Request parameter from couldn't be parsed/converted", 400)
        rows = [
            row
            for row in reversed(self.rows)
            if row.received_at is not None and first <= row.received_at <= last
        ]
        rows.sort(key=lambda row: -(row.received_at or 0))
        page = rows[offset : offset + limit]
        return _json([row.said() for row in page if row.payment_hash])

    def _create(self, form: dict[str, str]) -> Answer:
        amount, description = form.get("amountSat"), form.get("description")
        if amount is not None and not _is_long(amount):
            return text("Request parameter amountSat couldn't be parsed/converted", 400)
        if description is not None and len(description.encode("utf-16-le")) > 256:
            return text(
                "Request parameter description is too long (max 128 characters)", 400
            )
        if (description is None) == (form.get("descriptionHash") is None):
            return text("Must provide either a description or descriptionHash", 400)
        preimage = uuid.uuid4().hex * 2
        row = Invoice(
            created_at=now_ms(),
            payment_hash=hashlib.sha256(bytes.fromhex(preimage)).hexdigest(),
            preimage=preimage,
            description=description,
            external_id=form.get("externalId"),
            webhook_url=form.get("webhookUrl"),
            requested_msat=None if amount is None else int(amount) * 1000,
            expires_in_s=int(form.get("expirySeconds", "3600")),
        )
        row.serialized = self._bolt11(
            row.payment_hash,
            row.requested_msat,
            row.created_at // 1000,
            row.expires_in_s,
            description,
            form.get("descriptionHash"),
        )
        self.rows.append(row)
        return _json({
            "amountSat": None if amount is None else int(amount),
            "paymentHash": row.payment_hash,
            "serialized": row.serialized,
        })  # fmt: skip

    def _bolt11(
        self,
        payment_hash: str,
        amount_msat: int | None,
        at_s: int,
        expires_in_s: int,
        description: str | None,
        description_hash: str | None = None,
    ) -> str:
        return make_invoice(
            payment_hash,
            amount_msat=amount_msat,
            at_s=at_s,
            expires_in_s=expires_in_s,
            network=self.network,
            description=description,
            description_hash=description_hash,
        )

    def _pay(self, form: dict[str, str]) -> Answer:
        try:
            read = decode(form["invoice"])
        except (KeyError, ValueError, Bolt11Exception):
            return text("Request parameter invoice couldn't be parsed/converted", 400)
        payment_hash, amount = read.payment_hash, int(read.amount_msat or 0)
        if not amount and not form.get("amountSat"):
            return text("Request parameter amountSat is missing", 400)
        fees = FEE_BASE_SAT * 1000 + amount * FEE_PPM // 1_000_000
        before = {o.status for o in self.outgoing if o.payment_hash == payment_hash}
        reason = self.pay_reason
        if "succeeded" in before:
            reason = "this invoice has already been paid"
        elif "pending" in before:
            reason = "another payment is in progress for that invoice"
        elif amount + fees > self.balance_msat:
            reason = "not enough funds in wallet to afford payment"
        if reason:
            return _json({"paymentHash": payment_hash, "reason": reason})
        one = Outgoing(payment_hash, amount, fees, self._preimage(payment_hash))
        self.outgoing.append(one)
        self.balance_msat -= amount + fees
        if self.hold_payments:
            return lambda up, _sock: bool(up.closing.wait())
        one.status, one.completed_at = "succeeded", now_ms()
        for other in self.neighbours:
            if any(row.payment_hash == payment_hash for row in other.rows):
                other.receive(payment_hash, amount)
        return _json({
            "recipientAmountSat": amount // 1000,
            "routingFeeSat": fees // 1000,
            "paymentId": one.id,
            "paymentHash": payment_hash,
            "paymentPreimage": one.preimage,
        })  # fmt: skip

    def _preimage(self, payment_hash: str) -> str:
        for other in self.neighbours:
            for row in other.rows:
                if row.payment_hash == payment_hash:
                    return row.preimage
        return self.others.get(payment_hash, (0, "00" * 32))[1]


def _password(request: Request) -> str | None:
    """Of any user. None: there is none, or it is not Basic."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _is_long(value: str) -> bool:
    return value.lstrip("-").isdecimal() and abs(int(value)) < 2**63


def _json(value: Any) -> Answer:
    return text(pretty(value), Content_Type="application/json")
