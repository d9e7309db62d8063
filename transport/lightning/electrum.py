"""Lightning by an Electrum daemon, over its JSON-RPC: the node of development.

Facts are of spesmilo/electrum 4.3.4 (Debian 12): `commands.py`, `daemon.py`,
`lnworker.py`, `lnpeer.py`, `wallet.py`, `invoices.py`.

* HTTP Basic with `rpcuser` and `rpcpassword` (401 without, 403 with wrong ones). What
  fails is code 1 with a text, which may be translated; an unknown command HTTP 500.
* It pushes nothing: paid invoices are found by asking, every `poll_s`. Its plugin
  `payserver` has `/api/get_status`, a WebSocket for each single invoice, which neither
  names a sum nor tells anything again: not used, as thousands are open at once.
* `add_request` uses up an address of the chain (`force`: beyond the gap limit, too),
  takes whole satoshi and no hash of a description. With `bolt11_fallback`, Electrum's
  own setting, the address stands in the invoice, and money that goes there is seen by
  nobody: no invoice is made until it is off.
* Incoming parts are taken when all of them are there; their sum is the invoice's
  amount to twice that. An invoice is taken after it expired, and again after it was
  paid: what comes so is told like any other.
* `lightning_history` is all that ever was, oldest first by the time that the first part
  *arrived* (s): one that arrived earlier may be settled, and seen, later, so each look
  goes back by `OVERLAP_S`. Its answer is bounded by `MAX_HISTORY_BYTES`.
* `lnpay` waits for up to two minutes, and refuses a hash that is paid or on its way. It
  takes no limit for fees; Electrum's own is 5 sat, or 1 %, for each part
  (`lnrouter.is_fee_sane`). Where that is too much, only nodes are paid that it has a
  channel with.

Sums of channels leave out what the chain would take for a commitment: what can be spent
is a little less where Electrum opened the channel.
"""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from engine.errors import InvalidInput
from engine.errors.lightning import NodeRefused, NodeUnavailable
from engine.lightning.account import Account
from engine.lightning.invoice import ReadInvoice, read_invoice
from engine.lightning.node import (
    Balance,
    Can,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    Listener,
    PaidPage,
    Payout,
    PayoutStatus,
)
from transport.lightning.electrum_look import Looks
from transport.lightning.electrum_words import (
    EXPIRED,
    IN_FLIGHT,
    NO_WALLET,
    NOT_FOUND,
    PAID,
    Answer,
    Channel,
    Moved,
    Outgoing,
    Request,
    in_bitcoin,
    paid_msat,
    sent_of,
)
from transport.lightning.http import (
    DEADLINE_S,
    MAX_BYTES,
    NodeHttp,
    NodeRequest,
    decode,
    garbage,
)

__all__ = ["Electrum"]

MAX_HISTORY_BYTES: Final = 8 * 1024 * 1024
"""About 20,000 payments."""

HISTORY_S: Final = 20.0
PAY_S: Final = 60.0
"""So long an answer is waited for; a payment may be on its way for longer."""

ID: Final = 1  # of every call: a connection has one at a time

FEE_MSAT, SPLIT_FEE_MSAT = 5_000, 25_000  # of one part, and of the five at most
SPLIT_FROM_MSAT: Final = 20_000_000  # less is paid in one part
FEE_PART: Final = 100  # a hundredth

T = TypeVar("T")


class Electrum:
    """`LightningNode`. Asks nobody yet."""

    can: Final = Can(push=False, description_hash=False, amountless=True, pay=True)

    def __init__(
        self,
        account: Account,
        network: str,
        now: Callable[[], float] = time.time,
        longest_s: float = 60.0,
    ) -> None:
        """`now`: in s. `longest_s`: no answer is waited for longer.

        `account.wallet`: the path of a wallet, as the daemon has it; empty: its
        default one.
        """
        self._network = network
        self._now = now
        self.longest_s = longest_s
        self._wallet: dict[str, object] = (
            {"wallet": account.wallet} if account.wallet else {}
        )
        token = f"{account.user}:{account.secret}".encode()
        self._secret = f"Basic {base64.b64encode(token).decode()}"
        self._http = NodeHttp(
            account.name, account.url, lambda: {"Authorization": self._secret}
        )
        self._looks = Looks(self._received, self._asked_msat)

    def __repr__(self) -> str:
        return f"<Electrum {self._http.name}>"

    # -- money comes in --------------------------------------------------------------

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        assert not asked.description_hash, "it has no hash of a description"
        amount_msat = asked.amount_msat or 0
        if amount_msat % 1_000:
            raise NodeRefused(
                f"{self._http.name}: electrum makes invoices of whole satoshi", "amount"
            )
        fallback = self._call("getconfig", object, {"key": "bolt11_fallback"})
        if fallback or fallback is None:  # on, if nobody says
            raise NodeRefused(
                f"{self._http.name}: its invoices name an address of the chain, too,"
                " where a payment of it is not seen;"
                " run: electrum setconfig bolt11_fallback false"
            )
        params: dict[str, object] = {
            "amount": in_bitcoin(amount_msat),
            "memo": asked.description,
            "expiration": asked.expires_in_s,
            "force": True,
        }
        made = self._call("add_request", Request, params | self._wallet, repeat=False)
        if not made.lightning_invoice:
            raise NodeRefused(f"{self._http.name}: its wallet has no Lightning")
        return InvoiceMade(bolt11=made.lightning_invoice, payment_hash=made.rhash)

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        request = self._request(payment_hash)
        if request is not None and not request.is_paid:
            is_over = request.status == EXPIRED or (
                0 < request.expiration < self._now()
            )
            status = InvoiceStatus.EXPIRED if is_over else InvoiceStatus.OPEN
            return InvoiceSeen(payment_hash=payment_hash, status=status)
        came = [row for row in self._received() if row.payment_hash == payment_hash]
        asked_msat = request.amount_msat or 0 if request is not None else 0
        if came or asked_msat:
            return InvoiceSeen(
                payment_hash=payment_hash,
                status=InvoiceStatus.PAID,
                received_msat=paid_msat(came, asked_msat),
                settled_at=came[0].timestamp * 1_000 if came else None,
            )
        # An amountless one whose sum is not there yet, or none of this wallet.
        known = request is not None
        status = InvoiceStatus.OPEN if known else InvoiceStatus.UNKNOWN
        return InvoiceSeen(payment_hash=payment_hash, status=status)

    def paid_since(self, cursor: str) -> PaidPage:
        return self._looks.page(cursor)

    def stream(self, listener: Listener, ended: Callable[[], bool]) -> None:
        raise NodeRefused(f"{self._http.name}: electrum pushes nothing")

    # -- money goes out --------------------------------------------------------------

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        """`key` is of no use: Electrum pays no hash twice."""
        where = self._http.name
        try:
            invoice = read_invoice(bolt11, self._network)
        except InvalidInput as error:
            raise NodeRefused(f"{where}: {error}") from error
        if invoice.amount_msat is None:
            raise NodeRefused(f"{where}: electrum pays no amountless invoice", "amount")
        if invoice.expires_at <= self._now() * 1_000:
            raise NodeRefused(f"{where}: the invoice has expired", "expired")
        self._check_fee(invoice, invoice.amount_msat, max_fee_msat)
        try:
            params = {"invoice": bolt11} | self._wallet
            self._call("lnpay", object, params, repeat=False, deadline_s=PAY_S)
        except _SaidNo as error:  # paid or on its way, too
            payout = self._after_pay(invoice.payment_hash)
            if payout.status is PayoutStatus.UNKNOWN:
                raise NodeRefused(f"{where}: lnpay refuses the invoice") from error
            return payout
        return self._after_pay(invoice.payment_hash)

    def _after_pay(self, payment_hash: str) -> Payout:
        """As `payout`; what is refused now says nothing of what was done before."""
        try:
            return self.payout(payment_hash)
        except NodeRefused as error:
            raise NodeUnavailable(error.detail) from error

    def _check_fee(self, invoice: ReadInvoice, amount_msat: int, limit: int) -> None:
        """That no more can be taken than `limit` (msat). Raises `NodeRefused`."""
        one = FEE_MSAT if amount_msat < SPLIT_FROM_MSAT else SPLIT_FEE_MSAT
        if max(one, amount_msat // FEE_PART) <= limit:
            return
        if any(
            channel.remote_pubkey == invoice.payee
            and channel.is_usable
            and channel.spendable_msat >= amount_msat
            for channel in self._channels()
        ):
            return  # nobody in between takes any
        raise NodeRefused(
            f"{self._http.name}: electrum may pay 1 % in fees, or 5 sat for each part,"
            " and takes no lower limit",
            "amount",
        )

    def payout(self, payment_hash: str) -> Payout:
        # First the one, then the other: it may be settled in between.
        known = self._found("get_invoice", Outgoing, {"invoice_id": payment_hash})
        sent = sent_of(self._history(), payment_hash)
        if sent is not None:
            return Payout(
                status=PayoutStatus.PAID,
                fee_msat=max(0, sent.fee_msat or 0),
                preimage=sent.preimage or "",
            )
        if known is None:
            return Payout(status=PayoutStatus.UNKNOWN)
        if known.status == PAID:  # of a channel that was closed meanwhile
            return Payout(status=PayoutStatus.PAID)
        if known.status == IN_FLIGHT or any(
            channel.local_unsettled_sent for channel in self._channels()
        ):
            # A part may be left of an attempt that was given up: it can still be taken.
            return Payout(status=PayoutStatus.PENDING)
        reason = "electrum found no way to pay it"
        return Payout(status=PayoutStatus.FAILED, reason=reason)

    def balance(self) -> Balance:
        usable = [channel for channel in self._channels() if channel.is_usable]
        return Balance(
            spendable_msat=sum(channel.spendable_msat for channel in usable),
            receivable_msat=sum(channel.receivable_msat for channel in usable),
        )

    # -- what it is asked ------------------------------------------------------------

    def _request(self, payment_hash: str) -> Request | None:
        return self._found("get_request", Request, {"request_id": payment_hash})

    def _asked_msat(self, payment_hash: str) -> int:
        """0: whatever comes, or an invoice that is no more."""
        request = self._request(payment_hash)
        return request.amount_msat or 0 if request is not None else 0

    def _received(self) -> list[Moved]:
        return [row for row in self._history() if row.came_in]

    def _history(self) -> list[Moved]:
        return self._call(
            "lightning_history",
            list[Moved],
            self._wallet,
            max_bytes=MAX_HISTORY_BYTES,
            deadline_s=HISTORY_S,
        )

    def _channels(self) -> list[Channel]:
        return self._call("list_channels", list[Channel], self._wallet)

    def _found(
        self, method: str, type_: type[T], params: dict[str, object]
    ) -> T | None:
        try:
            return self._call(method, type_, params | self._wallet)
        except _SaidNo as error:
            if error.text == NOT_FOUND:
                return None
            raise

    def _call(
        self,
        method: str,
        type_: type[T],
        params: Mapping[str, object],
        *,
        repeat: bool = True,
        max_bytes: int = MAX_BYTES,
        deadline_s: float = DEADLINE_S,
    ) -> T:
        """`repeat`: it may be asked twice. Raises `LightningError`."""
        request = NodeRequest(
            path="/",
            body=msgspec.json.encode({"id": ID, "method": method, "params": params}),
            max_bytes=max_bytes,
            deadline_s=min(deadline_s, self.longest_s),
            label=method,
            repeat=repeat,
        )
        where = self._http.where(request)
        answer = decode(self._http.ask(request).body, Answer, where)
        if answer.id != ID:
            raise garbage(where, "the answer to another call")
        if answer.error is None:
            return decode(bytes(answer.result), type_, where)
        text = answer.error.message
        if text == NO_WALLET:
            raise NodeUnavailable(f"{where}: no wallet is loaded: electrum load_wallet")
        raise _SaidNo(f"{where} was refused", text)


class _SaidNo(NodeRefused):
    """Electrum answered with an error. `text` is its own: compared, never shown."""

    def __init__(self, detail: str, text: str) -> None:
        super().__init__(detail)
        self.text = text
