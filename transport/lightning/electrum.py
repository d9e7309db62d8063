"""Lightning by an Electrum daemon, over its JSON-RPC: the node of development.

Facts are of spesmilo/electrum 4.3.4 (Debian 12): `commands.py`, `daemon.py`,
`lnworker.py`, `lnpeer.py`, `wallet.py`, `invoices.py`.

* HTTP Basic with `rpcuser` and `rpcpassword` (401 without, 403 with wrong ones). What
  fails is code 1 with a text, which may be translated; an unknown command HTTP 500.
* It pushes nothing: paid invoices are found by asking, every `poll_s`. Where its plugin
  `payserver` runs and `stream_url` says where, that tells of them (`electrum_push.py`).
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

import time
from collections.abc import Callable
from typing import Final

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
    NodeListener,
    PaidPage,
    Payout,
    PayoutStatus,
)
from transport.lightning.electrum_look import Looks
from transport.lightning.electrum_push import PayServer
from transport.lightning.electrum_rpc import ElectrumRpc, SaidNo
from transport.lightning.electrum_words import (
    EXPIRED,
    IN_FLIGHT,
    PAID,
    Outgoing,
    Request,
    in_bitcoin,
    paid_msat,
    sent_of,
)

__all__ = ["Electrum"]

PAY_S: Final = 60.0
"""So long an answer is waited for; a payment may be on its way for longer."""

FEE_MSAT, SPLIT_FEE_MSAT = 5_000, 25_000  # of one part, and of the five at most
SPLIT_FROM_MSAT: Final = 20_000_000  # less is paid in one part
FEE_PART: Final = 100  # a hundredth


class Electrum:
    """`LightningNode`. Asks nobody yet."""

    def __init__(
        self, account: Account, network: str, now: Callable[[], float] = time.time
    ) -> None:
        """`now`: in s. `account.wallet`: the path of a wallet, as the daemon has it;
        empty: its default one. `account.stream_url`: of its payserver, or empty."""
        self._name = account.name
        self._network = network
        self._now = now
        self.rpc = ElectrumRpc(account)
        self._looks = Looks(self.rpc.received, self.rpc.asked_msat)
        self._push = self._payserver(account.stream_url)

    @property
    def can(self) -> Can:
        push = self._push is not None
        return Can(push=push, description_hash=False, amountless=True, pay=True)

    def __repr__(self) -> str:
        return f"<Electrum {self._name}>"

    def _payserver(self, url: str) -> PayServer | None:
        if not url:
            return None
        return PayServer(
            self._name,
            url.rstrip("/"),
            self.rpc.open_invoices,
            self.lookup,
            self.rpc.ping,
            self._now,
        )

    # -- money comes in --------------------------------------------------------------

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        assert not asked.description_hash, "it has no hash of a description"
        amount_msat = asked.amount_msat or 0
        if amount_msat % 1_000:
            raise NodeRefused(
                f"{self._name}: electrum makes invoices of whole satoshi", "amount"
            )
        fallback = self.rpc.call("getconfig", object, {"key": "bolt11_fallback"}, "")
        if fallback or fallback is None:  # on, if nobody says
            raise NodeRefused(
                f"{self._name}: its invoices name an address of the chain, too,"
                " where a payment of it is not seen;"
                " run: electrum setconfig bolt11_fallback false"
            )
        params: dict[str, object] = {
            "amount": in_bitcoin(amount_msat),
            "memo": asked.description,
            "expiration": asked.expires_in_s,
            "force": True,
        }
        made = self.rpc.call("add_request", Request, params, repeat=False)
        if not made.lightning_invoice:
            raise NodeRefused(f"{self._name}: its wallet has no Lightning")
        if self._push is not None:
            self._push.made(made.rhash, made.expiration or float("inf"))
        return InvoiceMade(bolt11=made.lightning_invoice, payment_hash=made.rhash)

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        request = self.rpc.request(payment_hash)
        if request is not None and not request.is_paid:
            is_over = request.status == EXPIRED or (
                0 < request.expiration < self._now()
            )
            status = InvoiceStatus.EXPIRED if is_over else InvoiceStatus.OPEN
            return InvoiceSeen(payment_hash=payment_hash, status=status)
        came = [row for row in self.rpc.received() if row.payment_hash == payment_hash]
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

    def stream(self, listener: NodeListener, ended: Callable[[], bool]) -> None:
        if self._push is None:
            raise NodeRefused(f"{self._name}: no payserver (stream_url) is configured")
        self._push.stream(listener, ended)

    # -- money goes out --------------------------------------------------------------

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        """`key` is of no use: Electrum pays no hash twice."""
        where = self._name
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
            params = {"invoice": bolt11}
            self.rpc.call("lnpay", object, params, repeat=False, deadline_s=PAY_S)
        except SaidNo as error:  # paid or on its way, too
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
            for channel in self.rpc.channels()
        ):
            return  # nobody in between takes any
        raise NodeRefused(
            f"{self._name}: electrum may pay 1 % in fees, or 5 sat for each part,"
            " and takes no lower limit",
            "amount",
        )

    def payout(self, payment_hash: str) -> Payout:
        # First the one, then the other: it may be settled in between.
        known = self.rpc.found("get_invoice", Outgoing, {"invoice_id": payment_hash})
        sent = sent_of(self.rpc.history(), payment_hash)
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
            channel.local_unsettled_sent for channel in self.rpc.channels()
        ):
            # A part may be left of an attempt that was given up: it can still be taken.
            return Payout(status=PayoutStatus.PENDING)
        reason = "electrum found no way to pay it"
        return Payout(status=PayoutStatus.FAILED, reason=reason)

    def balance(self) -> Balance:
        usable = [channel for channel in self.rpc.channels() if channel.is_usable]
        return Balance(
            spendable_msat=sum(channel.spendable_msat for channel in usable),
            receivable_msat=sum(channel.receivable_msat for channel in usable),
        )
