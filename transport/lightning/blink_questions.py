"""The documents that Blink is asked, each beside the shape of its answer.

Source: github.com/GaloyMoney/blink, `core/api/src/graphql/public/schema.graphql`.
"""

from typing import Final, Generic, Literal, TypeVar

import msgspec

from transport.lightning.blink_graphql import PayloadError
from transport.lightning.blink_wire import LINE, Edge, Line
from transport.lightning.http import garbage

__all__ = [
    "CREATE",
    "CREATE_AMOUNTLESS",
    "CREATE_FOR",
    "LATER",
    "LOOKUP",
    "NEWEST",
    "PAYOUT",
    "PROBE",
    "SEND",
    "WALLETS",
    "WalletAnswer",
    "Created",
    "KnownInvoice",
    "Listed",
    "Looked",
    "Page",
    "PaidOut",
    "PayloadError",
    "ProbeAnswer",
    "SendAnswer",
    "Sent",
    "Wallet",
    "WalletsAnswer",
]

T = TypeVar("T")

WALLETS: Final = (
    "query { me { defaultAccount { wallets { id walletCurrency balance } } } }"
)


class Wallet(msgspec.Struct, rename="camel"):
    """`balance`: satoshi, or cents of a USD wallet."""

    id: str
    wallet_currency: str
    balance: int


class _Wallets(msgspec.Struct):
    wallets: list[Wallet]


class _Holder(msgspec.Struct, Generic[T], rename="camel"):
    default_account: T


class WalletsAnswer(msgspec.Struct):
    me: _Holder[_Wallets] | None

    def wallets(self, where: str) -> list[Wallet]:
        if self.me is None:
            raise garbage(where, "an answer about nobody")
        return self.me.default_account.wallets


class _ById(msgspec.Struct, Generic[T], rename="camel"):
    wallet_by_id: T


class WalletAnswer(msgspec.Struct, Generic[T]):
    """Of a question about one wallet."""

    me: _Holder[_ById[T]] | None

    def wallet(self, where: str) -> T:
        if self.me is None:
            raise garbage(where, "an answer about nobody")
        return self.me.default_account.wallet_by_id


def _of_wallet(variables: str, fields: str) -> str:
    return (
        f"query($wallet: WalletId!{variables}) {{ me {{ defaultAccount {{ "
        f"walletById(walletId: $wallet) {{ {fields} }} }} }} }}"
    )


LOOKUP: Final = _of_wallet(
    ", $hash: PaymentHash!",
    "invoiceByPaymentHash(paymentHash: $hash) { paymentStatus paymentRequest } "
    f"transactionsByPaymentHash(paymentHash: $hash) {LINE}",
)

PAYOUT: Final = _of_wallet(
    ", $hash: PaymentHash!", f"transactionsByPaymentHash(paymentHash: $hash) {LINE}"
)


class KnownInvoice(msgspec.Struct, rename="camel"):
    payment_status: Literal["PENDING", "PAID", "EXPIRED"]
    payment_request: str


class Looked(msgspec.Struct, rename="camel"):
    invoice_by_payment_hash: KnownInvoice
    transactions_by_payment_hash: list[Line]


class PaidOut(msgspec.Struct, rename="camel"):
    transactions_by_payment_hash: list[Line]


_PAGE: Final = f"{{ edges {{ cursor node {LINE} }} pageInfo {{ hasPreviousPage }} }}"

NEWEST: Final = _of_wallet(", $size: Int!", f"transactions(first: $size) {_PAGE}")

LATER: Final = _of_wallet(
    ", $size: Int!, $before: String",
    f"transactions(last: $size, before: $before) {_PAGE}",
)


class _PageInfo(msgspec.Struct, rename="camel"):
    has_previous_page: bool = False


class Page(msgspec.Struct, rename="camel"):
    """Newest first. `has_previous_page`: there are newer ones."""

    edges: list[Edge] | None = None
    page_info: _PageInfo = msgspec.field(default_factory=_PageInfo)


class Listed(msgspec.Struct):
    transactions: Page | None


_MADE: Final = "{ invoice { paymentRequest paymentHash } errors { code } }"


def _creating(field: str, input_type: str) -> str:
    return f"mutation($input: {input_type}!) {{ {field}(input: $input) {_MADE} }}"


CREATE: Final = _creating("lnInvoiceCreate", "LnInvoiceCreateInput")
CREATE_AMOUNTLESS: Final = _creating(
    "lnNoAmountInvoiceCreate", "LnNoAmountInvoiceCreateInput"
)
CREATE_FOR: Final = _creating(
    "lnInvoiceCreateOnBehalfOfRecipient", "LnInvoiceCreateOnBehalfOfRecipientInput"
)


class _MadeInvoice(msgspec.Struct, rename="camel"):
    payment_request: str
    payment_hash: str


class Created(msgspec.Struct):
    invoice: _MadeInvoice | None = None
    errors: list[PayloadError] = []


SEND: Final = (
    "mutation($input: LnInvoicePaymentInput!) { lnInvoicePaymentSend(input: $input) "
    f"{{ status errors {{ code }} transaction {LINE} }} }}"
)


class Sent(msgspec.Struct):
    status: str | None = None
    errors: list[PayloadError] = []
    transaction: Line | None = None


class SendAnswer(msgspec.Struct, rename="camel"):
    ln_invoice_payment_send: Sent


PROBE: Final = (
    "mutation($input: LnInvoiceFeeProbeInput!) { lnInvoiceFeeProbe(input: $input) "
    "{ amount errors { code } } }"
)


class Probed(msgspec.Struct):
    amount: int | None = None
    errors: list[PayloadError] = []


class ProbeAnswer(msgspec.Struct, rename="camel"):
    ln_invoice_fee_probe: Probed
