"""The port `LightningNode` for an account at Blink (blink.sv), a custodian.

Built from Blink's own sources (github.com/GaloyMoney/blink) and pages (dev.blink.sv),
never tried against the live service. What they tell, and what follows from it:

- Everything is in whole satoshi. An amount that is none is refused before Blink is
  asked; what a payer sends beyond one, Blink keeps.
- Invoices expire in minutes, rounded up here, and after 24 hours at most.
- "Expired" is said by the clock alone (`wallet-invoice-status-checker.ts`): a payment
  that arrived just before is booked after it. So it counts `SETTLING_S` later.
- "Paid" is said a moment before the ledger has it; until then the sum is unknown.
- What its word on a payment is worth stands in `blink_payments.py`.
- A dollar wallet counts in cents. Only the BTC wallet is ever used.
- `externalId` is left empty: Blink lets each be used once, and does not say where.
"""

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from engine.errors import InvalidInput
from engine.errors.lightning import (
    LightningError,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
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
)
from engine.money.amount import MAX_SAT
from transport.lightning import blink_questions as questions
from transport.lightning.blink_graphql import BlinkApi, error_of
from transport.lightning.blink_payments import BlinkPayments
from transport.lightning.blink_stream import hold
from transport.lightning.blink_wire import Cursor, next_cursor, receipt_of, receipts

__all__ = ["SETTLING_S", "Blink"]

SETTLING_S: Final = 60
"""After an invoice has expired, until "not paid" is believed."""

PAGE: Final = 100  # MAX_PAGINATION_PAGE_SIZE
MAX_MINUTES: Final = 24 * 60
MAX_MEMO_BYTES: Final = 639  # MAX_BYTES_FOR_MEMO, and BOLT 11's own limit

_STREAMS: Final = {
    "api.blink.sv": "wss://ws.blink.sv/graphql",
    "api.staging.blink.sv": "wss://ws.staging.blink.sv/graphql",
}


class Blink:
    """See the module. May be asked from several greenlets at once."""

    can = Can(push=True, description_hash=True, amountless=True, pay=True)

    def __init__(
        self,
        account: Account,
        network: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        assert account.kind == "blink", account
        self._account = account
        self._clock = clock
        self._api = BlinkApi(account.name, account.url, account.secret)
        self._payments = BlinkPayments(self._api, network)
        self._wallet_id = ""  # of the BTC wallet, once it was asked

    def __repr__(self) -> str:
        return f"<Blink {self._account.name}>"

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        field, document, fields = self._asking(asked)
        answer = self._api.act(
            field, document, dict[str, questions.Created], {"input": fields}
        )
        created = answer.get(field)
        if created is None:
            raise NodeGarbage(f"{self._where(field)} answered something else")
        if created.errors:
            codes = [error.code or "" for error in created.errors]
            raise self._refusal(codes, self._where(field))
        if created.invoice is None:
            raise NodeGarbage(f"{self._where(field)} made no invoice, and says not why")
        made = created.invoice
        return InvoiceMade(bolt11=made.payment_request, payment_hash=made.payment_hash)

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        field = "invoiceByPaymentHash"
        answer = self._api.look(
            field, questions.LOOKUP, questions.WalletAnswer[questions.Looked], field,
            wallet=self._wallet(), hash=payment_hash,
        )  # fmt: skip
        if answer is None:
            return InvoiceSeen(payment_hash=payment_hash, status=InvoiceStatus.UNKNOWN)
        where, wallet = self._where(field), answer.wallet(self._where(field))
        for line in wallet.transactions_by_payment_hash:
            seen = receipt_of(line, where)
            if seen is not None and seen.payment_hash == payment_hash:
                return seen
        status = self._status(wallet.invoice_by_payment_hash, where)
        return InvoiceSeen(payment_hash=payment_hash, status=status)

    def paid_since(self, cursor: str) -> PaidPage:
        field = "transactions"
        if not cursor:
            edges = self._page(questions.NEWEST, size=1).edges or ()
            newest = edges[0].cursor if edges else ""
            return PaidPage(paid=(), cursor=Cursor(newest).text())
        place = Cursor.of(cursor)
        page = self._page(questions.LATER, size=PAGE, before=place.before)
        # Blink lists the newest first; of what is later than the cursor it gives the
        # page that follows it.
        edges = (page.edges or [])[::-1]
        more = page.page_info.has_previous_page and bool(edges)
        following = next_cursor(place, edges, more=more, now_s=self._clock())
        if more and following.next == place.next:
            raise NodeGarbage(f"{self._where(field)} sent the same page again")
        return PaidPage(
            paid=receipts(edges, self._where(field)),
            cursor=following.text(),
            more=more,
        )

    def stream(self, listener: NodeListener, ended: Callable[[], bool]) -> None:
        account = self._account
        hold(account.name, _stream_url(account), account.secret, listener, ended)

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        wallet_id = self._wallet()
        return self._payments.pay(wallet_id, bolt11, max_fee_msat=max_fee_msat, key=key)

    def payout(self, payment_hash: str) -> Payout:
        return self._payments.payout(self._wallet(), payment_hash)

    def balance(self) -> Balance:
        sat = self._btc_wallet().balance
        if abs(sat) > MAX_SAT:
            raise NodeGarbage(f"{self._where('balance')} is more than there is")
        # A custodian's ledger can be below nothing; nothing can be spent then.
        return Balance(spendable_msat=max(0, sat) * 1000)

    def close(self) -> None:
        """Leave no connection open. It may be asked again."""
        self._api.close()

    def _asking(self, asked: InvoiceAsked) -> tuple[str, str, dict[str, Any]]:
        """The mutation for it. Raises `NodeRefused` for what Blink cannot make."""
        where = self._where("lnInvoiceCreate")
        minutes = -(-asked.expires_in_s // 60)
        if not 1 <= minutes <= MAX_MINUTES:
            raise NodeRefused(f"{where}: an invoice of Blink lasts 24 hours at most")
        if len(asked.description.encode()) > MAX_MEMO_BYTES:
            text = f"a description has at most {MAX_MEMO_BYTES} bytes"
            raise NodeRefused(f"{where}: {text}")
        fields: dict[str, Any] = {"expiresIn": minutes}
        if asked.description:
            fields["memo"] = asked.description
        if asked.amount_msat is None:
            if asked.description_hash:
                text = "Blink makes no invoice with a description hash and no amount"
                raise NodeRefused(f"{where}: {text}")
            field, document = "lnNoAmountInvoiceCreate", questions.CREATE_AMOUNTLESS
            return field, document, {**fields, "walletId": self._wallet()}
        if asked.amount_msat <= 0 or asked.amount_msat % 1000:
            raise NodeRefused(f"{where}: Blink takes whole satoshi", "amount")
        fields["amount"] = asked.amount_msat // 1000
        if asked.description_hash:
            # The other mutation cannot; this one needs no key, for any wallet.
            fields.pop("memo", None)
            fields["descriptionHash"] = asked.description_hash
            field = "lnInvoiceCreateOnBehalfOfRecipient"
            fields["recipientWalletId"] = self._wallet()
            return field, questions.CREATE_FOR, fields
        return "lnInvoiceCreate", questions.CREATE, {
            **fields, "walletId": self._wallet(),
        }  # fmt: skip

    def _status(self, invoice: questions.KnownInvoice, where: str) -> InvoiceStatus:
        """Of one that the ledger does not have."""
        match invoice.payment_status:
            case "PENDING":
                return InvoiceStatus.OPEN
            case "PAID":
                raise NodeUnavailable(f"{where}: it is paid, and not booked yet")
            case "EXPIRED":
                read = self._read(invoice.payment_request, where)
                settled_by = read.expires_at / 1000 + SETTLING_S
                is_over = self._clock() >= settled_by
                return InvoiceStatus.EXPIRED if is_over else InvoiceStatus.OPEN

    def _page(self, document: str, **asked: Any) -> questions.Page:
        field = "transactions"
        answer = self._api.read(
            field, document, questions.WalletAnswer[questions.Listed],
            wallet=self._wallet(), **asked,
        )  # fmt: skip
        return answer.wallet(self._where(field)).transactions or questions.Page()

    def _wallet(self) -> str:
        """The id of the wallet; asked once."""
        return self._wallet_id or self._btc_wallet().id

    def _btc_wallet(self) -> questions.Wallet:
        field = "wallets"
        answer = self._api.read(field, questions.WALLETS, questions.WalletsAnswer)
        where = self._where(field)
        wanted = self._account.wallet
        for wallet in answer.wallets(where):
            if wallet.wallet_currency == "BTC" and wanted in ("", wallet.id):
                self._wallet_id = wallet.id
                return wallet
        text = f"no BTC wallet {wanted!r}" if wanted else "no BTC wallet"
        raise NodeRefused(f"{where}: the account has {text}")

    def _read(self, bolt11: str, where: str) -> ReadInvoice:
        try:
            return read_invoice(bolt11)
        except InvalidInput as error:
            raise NodeGarbage(f"{where} sent an invoice that is none") from error

    def _refusal(self, codes: list[str], where: str) -> LightningError:
        """Why it made no invoice: here, unlike in payments, this code is a no."""
        if "INVALID_INPUT" in codes:
            return NodeRefused(f"{where} refuses it (INVALID_INPUT)")
        return error_of(codes, where)

    def _where(self, field: str) -> str:
        return f"{self._account.name}: {field}"


def _stream_url(account: Account) -> str:
    if account.stream_url:
        return account.stream_url
    host = urlsplit(account.url).hostname or ""
    return _STREAMS.get(host, _STREAMS["api.blink.sv"])
