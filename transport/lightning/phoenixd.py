"""phoenixd, ACINQ's Lightning node for servers, as a `LightningNode`.

HTTP with Basic authentication, requests as forms, answers in (pretty-printed) JSON or
in bare words, and a held `/websocket` that tells of each payment that came. Written
from its sources; what its answers mean stands in `phoenixd_wire`, how what was paid
meanwhile is read in `phoenixd_cursor`.

- Amounts are whole satoshi there: any other is refused before it is asked for.
- `externalId` is our payment's id, and no key: two invoices may have the same.
- A description has at most 128 UTF-16 units; a longer one is put in by its hash.
- `/websocket` tells the net sum only, and nothing of what came while nobody listened:
  each push makes us look the invoice up. It answers pings; its key is checked in the
  handshake, so whoever is connected is subscribed.
- Nothing about `POST /payinvoice` is idempotent. lightning-kmp refuses an invoice that
  it has paid ("this invoice has already been paid"), but nobody should lean on that:
  `payout` asks `/payments/outgoingbyhash/…`. What pays answers when the payment is
  settled, which can take longer than we wait.
- Paying costs 4 sat and 0.4 %, always: above `max_fee_msat` nothing is asked.
- The password for limited access makes and reads invoices, and is refused paying.

Secret: `http-password` (or `http-password-limited-access`) of phoenix.conf.
"""

import base64
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeVar
from urllib.parse import urlencode

from engine.errors import InvalidInput
from engine.errors.lightning import NodeGarbage, NodeRefused
from engine.lightning.account import Account
from engine.lightning.invoice import read_invoice
from engine.lightning.node import (
    Balance,
    Can,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    NodeListener,
    PaidPage,
    Payout,
    PayoutStatus,
    SignOfLife,
)
from transport.lightning.held_socket import HeldSocket
from transport.lightning.http import (
    DEADLINE_S,
    MAX_BYTES,
    NodeHttp,
    NodeRequest,
    decode,
    text_of,
)
from transport.lightning.phoenixd_cursor import MAX_MS, Cursor
from transport.lightning.phoenixd_wire import (
    FEE_BASE_MSAT,
    FEE_PPM,
    NOT_FOUND,
    BalanceSaid,
    Generated,
    Incoming,
    NodeInfo,
    Outgoing,
    PaidAnswer,
    Pushed,
    paid_or_not,
    payout_of,
    seen_of,
)

__all__ = ["PAGE", "PAY_DEADLINE_S", "Phoenixd"]

PAGE: Final = 500
"""Rows of a page, about 1.2 KB each. A page of so many on-chain receipts and nothing
else would be taken for the end: phoenixd has one channel, and each is a transaction."""

PAGE_BYTES: Final = 4 * 1024 * 1024

PAY_DEADLINE_S: Final = 60.0
"""A payment that is tried over several ways takes many seconds."""

FORM: Final = "application/x-www-form-urlencoded"

MAX_DESCRIPTION: Final = 128  # UTF-16 units, as Kotlin counts

_NEWEST: Final = 20  # rows that are looked at to begin with
_MAX_ROUNDS: Final = 20  # pages without news that are read in one call

T = TypeVar("T")
Form = dict[str, int | str]


class Phoenixd:
    """See the module. Asked from any greenlet. `repr` shows no secret."""

    def __init__(
        self,
        account: Account,
        network: str,
        *,
        page: int = PAGE,
        deadline_s: float = DEADLINE_S,
        pay_deadline_s: float = PAY_DEADLINE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        assert page > 0
        self._name = account.name
        self._network = network
        self._page = page
        self._deadline_s = deadline_s
        self._pay_deadline_s = pay_deadline_s
        self._now = now
        given = base64.b64encode(f":{account.secret}".encode()).decode()
        self._auth = {"Authorization": f"Basic {given}"}
        self._url = account.url.rstrip("/")
        self._http = NodeHttp(account.name, self._url, lambda: dict(self._auth))

    def __repr__(self) -> str:
        return f"<Phoenixd {self._name}>"

    @property
    def can(self) -> Can:
        return Can(push=True, description_hash=True, amountless=True, pay=True)

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        form: Form = {
            "expirySeconds": asked.expires_in_s,
            "externalId": asked.payment_id,
        }
        if asked.amount_msat is not None:
            if asked.amount_msat <= 0 or asked.amount_msat % 1000:
                what = f"{self._name}: phoenixd's invoices are for whole satoshi"
                raise NodeRefused(what, "amount")
            form["amountSat"] = asked.amount_msat // 1000
        request = NodeRequest(
            path="/createinvoice",
            body=urlencode(form | _description(asked)).encode(),
            media_type=FORM,
            repeat=True,  # an invoice too many, which nobody ever sees
            deadline_s=self._deadline_s,
        )
        made = self._ask(request, Generated)
        return InvoiceMade(bolt11=made.serialized, payment_hash=made.payment_hash)

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        return self._lookup(payment_hash, self._deadline_s)

    def _lookup(self, payment_hash: str, deadline_s: float) -> InvoiceSeen:
        request = NodeRequest(
            path=f"/payments/incoming/{payment_hash}",
            label="/payments/incoming",
            accept=(200, 404),
            deadline_s=deadline_s,
        )
        said = self._found(request, Incoming)
        if said is None:
            return InvoiceSeen(payment_hash=payment_hash, status=InvoiceStatus.UNKNOWN)
        if said.payment_hash != payment_hash:
            raise NodeGarbage(f"{self._http.where(request)} told of another invoice")
        return seen_of(said, self._http.where(request))

    def paid_since(self, cursor: str) -> PaidPage:
        if not cursor:
            return PaidPage(paid=(), cursor=self._from_now().text())
        at = Cursor.read(cursor).begun(self._now_ms())
        for _ in range(_MAX_ROUNDS):
            rows = self._received(at.first, at.offset, self._page)
            if not rows:
                at = at.at_end(self._now_ms())
                return PaidPage(paid=(), cursor=at.text())
            news = [row for row in rows if not at.is_told(row.payment_hash)]
            at = at.after(_moments(rows), self._page)
            if news:
                news.sort(key=lambda row: row.settled_at or 0)
                return PaidPage(paid=tuple(news), cursor=at.text(), more=True)
        return PaidPage(paid=(), cursor=at.text(), more=True)

    def _from_now(self) -> Cursor:
        """By the node's clock, which may not be ours: since what it received last."""
        rows = self._received(0, 0, _NEWEST)
        if not rows:
            return Cursor(since=0)
        return Cursor(since=0).after(_moments(rows), len(rows)).at_end(self._now_ms())

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

    def stream(self, listener: NodeListener, ended: Callable[[], bool]) -> None:
        where = f"{self._name}: /websocket"
        url = f"ws{self._url.removeprefix('http')}/websocket"
        silence_s = listener.silence_s
        # While it is looked up nothing is read, so that has to end before a silence.
        look_s = min(self._deadline_s, silence_s / 2)
        held = HeldSocket(where, url, silence_s=silence_s, headers=self._auth)
        with held:
            listener.word(SignOfLife.OPENED)
            for message in held.messages(ended):
                listener.word(SignOfLife.ALIVE)
                if message is None:
                    continue
                pushed = decode(message.encode(), Pushed, where)
                if pushed.type == "payment_received" and pushed.payment_hash:
                    seen = self._lookup(pushed.payment_hash, look_s)
                    if seen.status is InvoiceStatus.PAID:
                        listener.paid(seen)

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        payment_hash = self._payable(bolt11, max_fee_msat)
        request = NodeRequest(
            path="/payinvoice",
            body=urlencode({"invoice": bolt11}).encode(),
            media_type=FORM,
            accept=(200, 400),
            deadline_s=self._pay_deadline_s,
        )
        answer = self._http.ask(request)
        where = self._http.where(request)
        if answer.status == 400:
            raise NodeRefused(f"{where} does not take this invoice")
        return paid_or_not(decode(answer.body, PaidAnswer, where), payment_hash, where)

    def payout(self, payment_hash: str) -> Payout:
        request = NodeRequest(
            path=f"/payments/outgoingbyhash/{payment_hash}",
            label="/payments/outgoingbyhash",
            accept=(200, 404),
            deadline_s=self._deadline_s,
        )
        said = self._found(request, Outgoing)
        if said is None:
            return Payout(status=PayoutStatus.UNKNOWN)
        return payout_of(said, payment_hash, self._http.where(request))

    def balance(self) -> Balance:
        said = self._ask(self._get("/getbalance"), BalanceSaid)
        channels = self._ask(self._get("/getinfo"), NodeInfo).channels
        inbound = sum(channel.inbound_liquidity_sat or 0 for channel in channels)
        return Balance(
            spendable_msat=said.balance_sat * 1000,
            credit_msat=said.fee_credit_sat * 1000,
            receivable_msat=inbound * 1000,
        )

    def _payable(self, bolt11: str, max_fee_msat: int) -> str:
        """Its payment hash. Raises `NodeRefused`; nothing was asked."""
        try:
            read = read_invoice(bolt11, self._network)
        except InvalidInput as error:
            text = f"{self._name}: that is no invoice to pay: {error}"
            raise NodeRefused(text) from error
        if read.amount_msat is None:
            text = f"{self._name}: an invoice without an amount is not paid"
            raise NodeRefused(text, "amount")
        fee_msat = FEE_BASE_MSAT + read.amount_msat * FEE_PPM // 1_000_000
        if fee_msat > max_fee_msat:
            text = f"{self._name}: phoenixd's fee would be {fee_msat} msat"
            raise NodeRefused(text, "route")
        return read.payment_hash

    def _received(self, first: int, offset: int, limit: int) -> list[InvoiceSeen]:
        bounds = {"from": first, "to": MAX_MS, "limit": limit, "offset": offset}
        query = urlencode(bounds)
        request = self._get(f"/payments/incoming?{query}", PAGE_BYTES)
        said = self._ask(request, list[Incoming])
        where = self._http.where(request)
        seen = [seen_of(row, where) for row in said]
        if any(row.status is not InvoiceStatus.PAID for row in seen):
            raise NodeGarbage(f"{where} lists what was not paid")
        return seen

    def _found(self, request: NodeRequest, type_: type[T]) -> T | None:
        """None: the node says that there is none."""
        answer = self._http.ask(request)
        where = self._http.where(request)
        if answer.status == 200:
            return decode(answer.body, type_, where)
        if text_of(answer) == NOT_FOUND:
            return None
        raise NodeGarbage(f"{where} answered 404, but not as phoenixd does")

    def _ask(self, request: NodeRequest, type_: type[T]) -> T:
        return decode(self._http.ask(request).body, type_, self._http.where(request))

    def _get(self, path: str, max_bytes: int = MAX_BYTES) -> NodeRequest:
        return NodeRequest(path=path, deadline_s=self._deadline_s, max_bytes=max_bytes)


def _description(asked: InvoiceAsked) -> Form:
    if asked.description_hash:
        return {"descriptionHash": asked.description_hash}
    if len(asked.description.encode("utf-16-le")) // 2 <= MAX_DESCRIPTION:
        return {"description": asked.description}
    return {"descriptionHash": sha256(asked.description.encode()).hexdigest()}


def _moments(rows: list[InvoiceSeen]) -> list[tuple[str, int]]:
    return [(row.payment_hash, row.settled_at or 0) for row in rows]
