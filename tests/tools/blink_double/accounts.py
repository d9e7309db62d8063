"""What Blink keeps: accounts, wallets, invoices and its ledger. No wire here."""

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import bolt11
from bolt11.models.tags import TagChar, Tags

__all__ = ["MAX_MINUTES", "Bank", "BlinkAccount", "LedgerTx", "StoredInvoice", "Wallet"]

MAX_MINUTES = 24 * 60  # `invoice-expiration.ts`: what is longer becomes the default
_NODE_KEY = "e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734"


@dataclass
class Wallet:
    id: str
    account: "BlinkAccount"
    currency: str  # "BTC" or "USD"
    balance: int = 0  # sat, or cents


@dataclass
class BlinkAccount:
    """One that people open; `key` is its API key."""

    name: str
    id: str
    key: str
    wallets: list[Wallet] = field(default_factory=list)
    scopes: frozenset[str] = frozenset({"READ", "RECEIVE", "WRITE"})

    def __repr__(self) -> str:
        return f"BlinkAccount({self.name})"

    @property
    def btc(self) -> Wallet:
        return next(w for w in self.wallets if w.currency == "BTC")

    @property
    def usd(self) -> Wallet:
        return next(w for w in self.wallets if w.currency == "USD")


@dataclass
class StoredInvoice:
    wallet: Wallet
    bolt11: str
    payment_hash: str
    preimage: str
    payment_secret: str
    amount_sat: int | None
    created_at_s: int
    expires_at_s: int
    memo: str = ""
    description_hash: str = ""
    paid: bool = False

    def status(self, now_s: float) -> str:
        """`wallet-invoice-status-checker.ts`: by the clock alone, if it is not paid."""
        if self.paid:
            return "PAID"
        return "EXPIRED" if self.expires_at_s < now_s else "PENDING"


@dataclass
class LedgerTx:
    """One line of a wallet's ledger. `via`: "ln", "intraledger" or "onchain"; what it
    settled by is `settled`."""

    id: str
    wallet: Wallet
    amount: int  # credit - debit, with the fee
    fee: int
    payment_hash: str
    via: str
    settled: str
    created_at_s: int
    status: str = "SUCCESS"
    memo: str | None = None
    preimage: str | None = None
    bolt11: str = ""
    address: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


class Bank:
    """All of it, and the only writer."""

    def __init__(self) -> None:
        self.accounts: list[BlinkAccount] = []
        self.invoices: dict[str, StoredInvoice] = {}
        self.ledger: list[LedgerTx] = []
        self.ahead_s = 0.0  # how far its clock is ahead
        self._count = 0

    def now_s(self) -> float:
        return time.time() + self.ahead_s

    def account(self, name: str, sat: int = 0, usd_cents: int = 0) -> BlinkAccount:
        account = BlinkAccount(
            name, _uuid(f"account {name}"), "blink_" + secrets.token_urlsafe(48)
        )
        # The dollar wallet comes first: nobody may take the first for the right one.
        for currency, balance in (("USD", usd_cents), ("BTC", sat)):
            wallet_id = _uuid(f"{name} {currency}")
            account.wallets.append(Wallet(wallet_id, account, currency, balance))
        self.accounts.append(account)
        return account

    def by_key(self, key: str) -> BlinkAccount | None:
        return next((a for a in self.accounts if a.key == key), None)

    def wallet(self, wallet_id: str) -> Wallet | None:
        wallets = (w for a in self.accounts for w in a.wallets)
        return next((w for w in wallets if w.id == wallet_id), None)

    def object_id(self, at_s: float | None = None, process: int = 1) -> str:
        """Mongo's: seconds, five bytes of the process, three that count."""
        self._count += 1
        at_s = self.now_s() if at_s is None else at_s
        return f"{int(at_s):08x}{process:010x}{self._count:06x}"

    def new_invoice(
        self,
        wallet: Wallet,
        amount_sat: int | None,
        minutes: int,
        memo: str = "",
        description_hash: str = "",
    ) -> StoredInvoice:
        preimage = secrets.token_bytes(32)
        payment_hash = hashlib.sha256(preimage).hexdigest()
        made_s = int(self.now_s())
        invoice = StoredInvoice(
            wallet, "", payment_hash, preimage.hex(), secrets.token_hex(32), amount_sat,
            made_s, made_s + minutes * 60, memo, description_hash,
        )  # fmt: skip
        invoice.bolt11 = _encoded(invoice)
        self.invoices[payment_hash] = invoice
        return invoice

    def expire(self, payment_hash: str) -> None:
        """As if it had been made, as it is, so long ago that it expired an hour ago."""
        invoice = self.invoices[payment_hash]
        back_s = invoice.expires_at_s - int(self.now_s()) + 3_600
        invoice.created_at_s -= back_s
        invoice.expires_at_s -= back_s
        invoice.bolt11 = _encoded(invoice)

    def book(
        self, wallet: Wallet, amount: int, payment_hash: str, **more: Any
    ) -> LedgerTx:
        """A line, and the balance that follows from it."""
        created_s = more.pop("created_at_s", None)
        at_s = self.now_s() if created_s is None else created_s
        tx_id = more.pop("id", None) or self.object_id(at_s, more.pop("process", 1))
        fields: dict[str, Any] = {"fee": 0, "via": "ln", "settled": "ln", **more}
        tx = LedgerTx(
            id=tx_id, wallet=wallet, amount=amount, payment_hash=payment_hash,
            created_at_s=int(at_s), **fields,
        )  # fmt: skip
        self.ledger.append(tx)
        wallet.balance += amount
        return tx

    def lines(self, wallet: Wallet, payment_hash: str = "") -> list[LedgerTx]:
        """Newest first, as Mongo sorts them: by id."""
        found = [
            tx
            for tx in self.ledger
            if tx.wallet is wallet and payment_hash in ("", tx.payment_hash)
        ]
        return sorted(found, key=lambda tx: tx.id, reverse=True)


def _encoded(invoice: StoredInvoice) -> str:
    tags = Tags()
    tags.add(TagChar.payment_hash, invoice.payment_hash)
    tags.add(TagChar.payment_secret, invoice.payment_secret)
    if invoice.description_hash:
        tags.add(TagChar.description_hash, invoice.description_hash)
    else:
        tags.add(TagChar.description, invoice.memo)
    tags.add(TagChar.expire_time, invoice.expires_at_s - invoice.created_at_s)
    tags.add(TagChar.min_final_cltv_expiry, 18)
    required = bolt11.FeatureState.required
    tags.add(
        TagChar.features,
        bolt11.Features.from_feature_list({
            bolt11.Feature.var_onion_optin: required,
            bolt11.Feature.payment_secret: required,
        }),
    )  # fmt: skip
    sat = invoice.amount_sat
    amount = None if sat is None else bolt11.MilliSatoshi(sat * 1000)
    return bolt11.encode(
        bolt11.Bolt11("bcrt", invoice.created_at_s, tags, amount), _NODE_KEY
    )


def _uuid(text: str) -> str:
    d = hashlib.sha256(text.encode()).hexdigest()
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-8{d[17:20]}-{d[20:32]}"
