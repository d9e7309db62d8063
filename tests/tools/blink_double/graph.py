"""Blink's schema with its resolvers: what each field of a document answers."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_ast_schema,
    execute_sync,
    parse,
    validate,
)
from graphql.language import OperationDefinitionNode, OperationType

from tests.tools.blink_double.accounts import (
    MAX_MINUTES,
    Bank,
    BlinkAccount,
    LedgerTx,
    StoredInvoice,
    Wallet,
)
from tests.tools.blink_double.schema import SDL
from tests.tools.blink_double.sending import Sender, failed

__all__ = ["Graph", "Invalid", "Operation"]

PAGE: Final = 100  # MAX_PAGINATION_PAGE_SIZE
_SCHEMA: Final = parse(SDL)
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_OBJECT_ID: Final = re.compile(r"[0-9a-f]{24}")


class Invalid(Exception):
    """A document that is refused before it is executed."""

    def __init__(self, errors: list[GraphQLError], code: str) -> None:
        super().__init__(code)
        self.errors = [
            {"message": e.message, "extensions": {"code": code}} for e in errors
        ]


class Operation:
    """A document, read and valid. `name`: of its first field that tells."""

    def __init__(self, schema: GraphQLSchema, body: dict[str, Any]) -> None:
        try:
            self.document = parse(str(body.get("query") or ""))
        except GraphQLError as error:
            raise Invalid([error], "GRAPHQL_PARSE_FAILED") from error
        errors = validate(schema, self.document)
        if errors:
            raise Invalid(errors, "GRAPHQL_VALIDATION_FAILED")
        definition = self.document.definitions[0]
        assert isinstance(definition, OperationDefinitionNode)
        self.kind: OperationType = definition.operation
        field: Any = definition.selection_set.selections[0]
        while field.name.value in ("me", "defaultAccount", "walletById"):
            field = field.selection_set.selections[0]
        self.name: str = field.name.value
        self.variables = body.get("variables") or {}


class Graph:
    """Executes documents for an account (None: nobody, or a key that is refused)."""

    def __init__(self, bank: Bank, sender: Sender) -> None:
        self.bank, self.sender = bank, sender
        self.invoices_per_minute = 60
        self._made: list[float] = []
        self.hide: Callable[[LedgerTx], bool] = lambda tx: False
        """Lines that are not to be seen yet: another server is about to commit them."""

        self.schema = build_ast_schema(_SCHEMA, assume_valid=True)
        self._resolve("Query", "me", self._me)
        self._resolve("Mutation", "lnInvoiceCreate", self._create)
        self._resolve("Mutation", "lnNoAmountInvoiceCreate", self._create)
        self._resolve("Mutation", "lnInvoiceCreateOnBehalfOfRecipient", self._behalf)
        self._resolve("Mutation", "lnInvoicePaymentSend", self._send)
        self._resolve("Mutation", "lnInvoiceFeeProbe", self._probe)
        self._resolve("Subscription", "myUpdates", self._updates)
        self._resolve("PaymentSendPayload", "transaction", self._sent)
        self._scalar("SatAmount", _positive("SatAmount"))
        self._scalar("PaymentHash", _payment_hash)

    def read(self, body: dict[str, Any]) -> Operation:
        return Operation(self.schema, body)

    def run(
        self, operation: Operation, account: BlinkAccount | None, root: Any = None
    ) -> ExecutionResult:
        return execute_sync(
            self.schema, operation.document, root,
            {"account": account}, operation.variables,
        )  # fmt: skip

    def transaction(self, tx: LedgerTx) -> dict[str, Any]:
        return {
            "id": tx.id, "createdAt": tx.created_at_s, "externalId": None,
            "direction": "RECEIVE" if tx.amount > 0 else "SEND",
            "initiationVia": _initiation(tx), "memo": tx.memo,
            "settlementAmount": tx.amount, "settlementFee": tx.fee,
            "settlementCurrency": tx.wallet.currency, "settlementVia": _settlement(tx),
            "status": tx.status,
        }  # fmt: skip

    # the resolvers

    def _me(self, _root: Any, info: Any) -> Any:
        account = _allowed(info, "READ")
        return {"id": account.id, "username": account.name, "defaultAccount": {
            "__typename": "ConsumerAccount", "id": account.id,
            "defaultWallet": {"id": account.btc.id, "currency": "BTC"},
            "wallets": [self._wallet(w) for w in account.wallets],
            "walletById": lambda info, **asked: self._own(account, **asked),
        }}  # fmt: skip

    def _own(self, account: BlinkAccount, **asked: str) -> Any:
        for wallet in account.wallets:
            if wallet.id == asked["walletId"]:
                return self._wallet(wallet)
        raise _error("Invalid walletId for account.", "INVALID_INPUT")

    def _wallet(self, wallet: Wallet) -> dict[str, Any]:
        return {
            "__typename": "BTCWallet" if wallet.currency == "BTC" else "UsdWallet",
            "id": wallet.id, "accountId": wallet.account.id,
            "walletCurrency": wallet.currency, "balance": wallet.balance,
            "pendingIncomingBalance": 0,
            "invoiceByPaymentHash":
                lambda info, **asked: self._invoice(wallet, **asked),
            "transactions": lambda info, **pages: self._page(wallet, **pages),
            "transactionsByPaymentHash": lambda info, **asked: [
                self.transaction(x) for x in self._lines(wallet, *asked.values())
            ],
        }  # fmt: skip

    def _lines(self, wallet: Wallet, payment_hash: str = "") -> list[LedgerTx]:
        return [x for x in self.bank.lines(wallet, payment_hash) if not self.hide(x)]

    def _invoice(self, wallet: Wallet, **asked: str) -> Any:
        payment_hash = asked["paymentHash"]
        invoice = self.bank.invoices.get(payment_hash)
        if invoice is None or invoice.wallet is not wallet:
            text = f"User tried to pay invoice with hash {payment_hash}, but it does "
            raise _error(text + "not exist", "LIGHTNING_PAYMENT_ERROR")
        return _show(invoice, self.bank.now_s())

    def _page(
        self,
        wallet: Wallet,
        first: int | None = None,
        last: int | None = None,
        after: str | None = None,
        before: str | None = None,
    ) -> Any:
        """`paginated-ledger.ts`; `checkedToPaginatedQueryArgs`."""
        if first and last:
            raise _error('Cannot use both "first" and "last".', "INVALID_INPUT")
        size = last if last is not None else PAGE if first is None else first
        if not 0 < size <= PAGE:
            raise _error(f"Requested page size ({size}) …", "INVALID_INPUT")
        lines = self._lines(wallet)  # newest first
        following = preceding = False
        if last is not None:
            if before:
                _object_id(before)
                lines = [tx for tx in lines if tx.id > before]
            preceding = len(lines) > size
            lines = lines[-size:]
        else:
            if after:
                _object_id(after)
                lines = [tx for tx in lines if tx.id < after]
            following = len(lines) > size
            lines = lines[:size]
        return {
            "edges": [{"cursor": x.id, "node": self.transaction(x)} for x in lines],
            "pageInfo": {
                "startCursor": lines[0].id if lines else None,
                "endCursor": lines[-1].id if lines else None,
                "hasNextPage": following, "hasPreviousPage": preceding,
            },
        }  # fmt: skip

    def _create(self, _root: Any, info: Any, **given: Any) -> Any:
        asked = given["input"]
        account = _allowed(info, "RECEIVE")
        wallet = self.bank.wallet(asked["walletId"])
        if wallet is None or wallet.account is not account:
            return {**failed("Invalid walletId for account.", "INVALID_INPUT")}
        return self._make(wallet, asked)

    def _behalf(self, _root: Any, _info: Any, **given: Any) -> Any:
        asked = given["input"]
        wallet = self.bank.wallet(asked["recipientWalletId"])
        if wallet is None:
            return failed("Unexpected error occurred …", "UNEXPECTED_CLIENT_ERROR")
        return self._make(wallet, asked)

    def _make(self, wallet: Wallet, asked: dict[str, Any]) -> Any:
        now_s = self.bank.now_s()
        self._made = [at_s for at_s in self._made if at_s > now_s - 60]
        if len(self._made) >= self.invoices_per_minute:
            text = "Too many invoices creation, please wait for a while and try again."
            return failed(text, "TOO_MANY_REQUEST")
        if wallet.currency != "BTC" and "amount" in asked:
            text = "Unsupported operation for wallet's currency."
            return failed(text, "INVALID_INPUT")
        self._made.append(now_s)
        minutes = int(asked.get("expiresIn") or MAX_MINUTES)
        if not 1 <= minutes <= MAX_MINUTES:
            minutes = MAX_MINUTES
        invoice = self.bank.new_invoice(
            wallet, asked.get("amount"), minutes, asked.get("memo") or "",
            asked.get("descriptionHash") or "",
        )  # fmt: skip
        return {"errors": [], "invoice": _show(invoice, now_s)}

    def _send(self, _root: Any, info: Any, **given: Any) -> Any:
        asked = given["input"]
        account = _allowed(info, "WRITE")
        wallet = self.bank.wallet(asked["walletId"])
        if wallet is None or wallet.account is not account:
            return failed("Invalid walletId for account.", "INVALID_INPUT")
        return self.sender.pay(wallet, asked["paymentRequest"], asked.get("memo"))

    def _probe(self, _root: Any, info: Any, **given: Any) -> Any:
        _allowed(info, "WRITE")
        return self.sender.probe(given["input"]["paymentRequest"])

    def _sent(self, payload: Any, _info: Any) -> Any:
        tx = payload["transaction"]
        return None if tx is None else self.transaction(tx)

    def _updates(self, event: dict[str, Any], info: Any) -> Any:
        """`my-updates.ts`, of one event."""
        account = info.context["account"]
        update = {**event}
        if "transaction" in update:
            update["transaction"] = self.transaction(update["transaction"])
        return {"errors": [], "update": update,
                "me": None if account is None else {"id": account.id}}  # fmt: skip

    def _resolve(self, type_name: str, field: str, how: Callable[..., Any]) -> None:
        found = self.schema.type_map[type_name]
        assert isinstance(found, GraphQLObjectType)
        found.fields[field].resolve = how

    def _scalar(self, name: str, check: Callable[[Any], Any]) -> None:
        found = self.schema.type_map[name]
        assert isinstance(found, GraphQLScalarType)
        found.parse_value = check  # type: ignore[assignment,method-assign]


def _show(invoice: StoredInvoice, now_s: float) -> dict[str, Any]:
    amountless = invoice.amount_sat is None
    return {
        "__typename": "LnNoAmountInvoice" if amountless else "LnInvoice",
        "createdAt": invoice.created_at_s, "paymentHash": invoice.payment_hash,
        "paymentRequest": invoice.bolt11, "paymentSecret": invoice.payment_secret,
        "paymentStatus": invoice.status(now_s), "externalId": None,
        "satoshis": invoice.amount_sat,
    }  # fmt: skip


def _initiation(tx: LedgerTx) -> dict[str, Any]:
    if tx.via == "ln":
        return {"__typename": "InitiationViaLn", "paymentHash": tx.payment_hash,
                "paymentRequest": tx.bolt11}  # fmt: skip
    if tx.via == "onchain":
        return {"__typename": "InitiationViaOnChain", "address": tx.address}
    return {"__typename": "InitiationViaIntraLedger"}


def _settlement(tx: LedgerTx) -> dict[str, Any]:
    if tx.settled == "ln":
        return {"__typename": "SettlementViaLn", "preImage": tx.preimage}
    if tx.settled == "onchain":
        return {"__typename": "SettlementViaOnChain"}
    return {"__typename": "SettlementViaIntraLedger", "preImage": tx.preimage}


def _allowed(info: Any, scope: str) -> BlinkAccount:
    account = info.context["account"]
    if account is None or scope not in account.scopes:
        raise _error("Not authorized", "NOT_AUTHORIZED")
    assert isinstance(account, BlinkAccount)
    return account


def _error(message: str, code: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})


def _object_id(text: str) -> None:
    if not _OBJECT_ID.fullmatch(text):
        raise _error(f"Unexpected error: {json.dumps(text)}", "UNEXPECTED_CLIENT_ERROR")


def _positive(name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise GraphQLError(f"Invalid value for {name}", extensions={
                "code": "INVALID_INPUT"})  # fmt: skip
        return value

    return check


def _payment_hash(value: Any) -> Any:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise _error("Invalid value for PaymentHash", "INVALID_INPUT")
    return value
