"""The ledger over HTTP: accounts, their entries, debits, and the books as a file.

A merchant's accounts are its own; whoever may see several says whose with `merchant`.
Runs in the request's greenlet. A file is sent page by page, as fast as it is read.
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import bottle
import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import DEFAULT, NAME
from engine.merchants.scopes import Scope
from engine.money.ledger import CREDIT, SPENT, Posting, user_account
from engine.store.ledger_port import PostingRecord
from engine.store.writes import LedgerEntry
from transport.bodies.problem_body import FieldError
from transport.control.account_views import (
    AccountPage,
    AccountView,
    BalanceView,
    DebitRequest,
    DebitView,
    EntryPage,
    entry,
)
from transport.control.idempotency import IDEMPOTENCY_KEY, key_in
from transport.http.auth import Auth
from transport.http.bottle_app import Api, answer, environ
from transport.http.cursors import number_cursor, read_number, read_text, text_cursor
from transport.http.export_lines import WRITERS, exported
from transport.http.input_values import AccountName
from transport.http.new_ids import new_id
from transport.http.openapi import Operation, Text, link
from transport.http.params import CursorQuery, Query
from transport.http.problems import Problem, invalid
from transport.http.request_json import json_body, query, typed

__all__ = ["routes"]

_Merchant = Annotated[
    Annotated[str, Meta(pattern=NAME + r"(?!\n)")] | None,  # it is part of a header
    Meta(description="whose accounts; absent: those of the key's own merchant"),
]

Q = TypeVar("Q", "AccountQuery", "AccountsQuery", "ExportQuery")

_TOO_LITTLE = "The account has {} credits; {} were to be spent."


class AccountQuery(Query):
    """Whose."""

    merchant: _Merchant = None


class AccountsQuery(CursorQuery):
    """A page of a merchant's balances, or of a user's entries."""

    merchant: _Merchant = None


class ExportQuery(AccountQuery):
    """Which postings."""

    after: Annotated[
        int,
        Meta(ge=0, le=2**53 - 1, description="the id of the last entry that is known"),
    ] = 0


def routes(app: Api, gateway: Gateway, auth: Auth) -> None:
    """Put the routes of accounts into `app`."""
    accounts = _Accounts(gateway, auth)
    app.add_all(accounts)
    for name, (media, _, _) in WRITERS.items():
        for path, whose in (("", "Everything"), ("/<account>", "One user's entries")):
            operation = Operation(
                name=f"export_{'account' if path else 'accounts'}_{name}",
                method="GET",
                path=f"/v1/accounts{path}/export.{name}",
                scope=Scope.READ,
                tag="accounts",
                summary=f"{whose} in the ledger, oldest first, as a file; amounts are"
                " whole numbers of the unit, worth in money is as it was posted.",
                query=ExportQuery,
                answers={200: Text(media.partition(";")[0])},
            )
            app.add(operation, accounts.exporter(name), streams=True)


class _Accounts:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_accounts",
        method="GET",
        path="/v1/accounts",
        scope=Scope.READ,
        tag="accounts",
        summary="The balances of a merchant's books: sums in sat, and users' credits.",
        query=AccountsQuery,
        answers={200: AccountPage},
        links={"next": link("list_accounts", "cursor", "/next_cursor")},
    )
    def list_accounts(self) -> Any:
        asked, merchant = self._asked(AccountsQuery)
        after = ("", "") if asked.cursor is None else _place(asked.cursor)
        found = self._gateway.balances(merchant, after, asked.limit + 1)
        page = found[: asked.limit]
        more = None
        if len(found) > len(page):
            more = text_cursor(f"{page[-1].unit} {page[-1].account}")
        return answer(
            AccountPage(
                merchant=merchant,
                data=[
                    BalanceView(unit=b.unit, account=b.account, balance=b.balance)
                    for b in page
                ],
                next_cursor=more,
            )
        )

    @Operation(
        name="get_account",
        method="GET",
        path="/v1/accounts/<account>",
        scope=Scope.READ,
        tag="accounts",
        summary="A user's credits. One to whom nothing was ever credited has none.",
        query=AccountQuery,
        answers={200: AccountView},
        links={
            "entries": link("list_account_entries", "account", "/account"),
            "debit": link("debit_account", "account", "/account"),
        },
    )
    def get_account(self, account: str) -> Any:
        _, merchant = self._asked(AccountQuery)
        _must_be_account(account)
        balance = self._gateway.balance(merchant, CREDIT, user_account(account))
        return answer(AccountView(account=account, merchant=merchant, balance=balance))

    @Operation(
        name="list_account_entries",
        method="GET",
        path="/v1/accounts/<account>/entries",
        scope=Scope.READ,
        tag="accounts",
        summary="What changed a user's account, newest first.",
        query=AccountsQuery,
        answers={200: EntryPage},
        links={"payment": link("get_payment", "payment_id", "/data/0/payment_id")},
    )
    def list_account_entries(self, account: str) -> Any:
        asked, merchant = self._asked(AccountsQuery)
        _must_be_account(account)
        found = self._gateway.postings_before(
            merchant, account, read_number(asked.cursor), asked.limit + 1
        )
        page = found[: asked.limit]
        more = page[-1].id if len(found) > len(page) else None
        data = [entry(record, user_account(account)) for record in page]
        return answer(EntryPage(data=data, next_cursor=number_cursor(more)))

    @Operation(
        name="debit_account",
        method="POST",
        path="/v1/accounts/<account>/debit",
        scope=Scope.CREATE,
        tag="accounts",
        summary="Spend a user's credits. Never more than there are, however many ask at"
        " once; repeated with the same Idempotency-Key, at any time, it spends once.",
        query=AccountQuery,
        request=DebitRequest,
        headers=(IDEMPOTENCY_KEY,),
        answers={201: DebitView},
        answer_headers={201: ("Idempotent-Replayed",)},
        problems=(409,),
    )
    def debit_account(self, account: str) -> Any:
        _, merchant = self._asked(AccountQuery)
        asked = typed(json_body(environ()), DebitRequest)
        _must_be_account(account)
        key, user = key_in(environ()), user_account(account)
        cause = f"debit/{merchant}/{account}/{new_id('') if key is None else key}"
        row = LedgerEntry(
            merchant=merchant,
            cause=cause if key is not None else f"once/{cause}",
            kind="debit",
            at=self._gateway.now(),
            postings=(Posting(CREDIT, user, SPENT, asked.credits),),
            at_least_zero=((CREDIT, user),),
            note=asked.reference or "",
        )
        conflict = self._gateway.post(row)
        balance = self._gateway.balance(merchant, CREDIT, user)
        if conflict is not None and conflict.what == "balance":
            text = _TOO_LITTLE.format(balance, asked.credits)
            raise Problem(Code.INSUFFICIENT_FUNDS, text)
        (record,) = self._gateway.posted_for(row.cause)
        if (record.posting, record.note) != (row.postings[0], row.note):
            raise Problem(
                Code.IDEMPOTENCY_KEY_REUSED,
                "This Idempotency-Key was used for another debit of this account."
                " Use a new key for a new one.",
            )
        shown = DebitView(
            **msgspec.structs.asdict(entry(record, user)),
            account=account,
            merchant=merchant,
            balance=balance,
        )
        again = {} if conflict is None else {"Idempotent-Replayed": "true"}
        return answer(shown, 201, again)

    def exporter(self, name: str) -> Any:
        """The handler that sends a file of this kind."""
        media, head, line = WRITERS[name]

        def export(account: str | None = None) -> Iterator[bytes]:
            asked, merchant = self._asked(ExportQuery)
            if account is not None:
                _must_be_account(account)
            bottle.response.content_type = media
            bottle.response.set_header("Cache-Control", "no-store")
            shown = f"{merchant}{'-' if account else ''}{account or ''}.{name}"
            disposition = f'attachment; filename="paybell-{shown}"'
            bottle.response.set_header("Content-Disposition", disposition)

            def pages(after: int, limit: int) -> list[PostingRecord]:
                return self._gateway.postings(merchant, account, after, limit)

            return exported(pages, line, head, asked.after)

        return export

    def _asked(self, kind: type[Q]) -> tuple[Q, str]:
        """The query, and whose accounts are meant. Raises `Problem` 401, 403, 422."""
        principal = self._auth.require(environ())
        asked = query(environ(), kind)
        merchant = asked.merchant or principal.merchant or DEFAULT
        if not principal.may_see(merchant):
            raise Problem(
                Code.FORBIDDEN, "This key is limited to its own merchant's accounts."
            )
        return asked, merchant


def _must_be_account(text: str) -> None:
    """Raises `Problem` 422."""
    try:
        msgspec.convert(text, AccountName)
    except msgspec.ValidationError as error:
        message = "must be 1 to 128 letters, digits or . _ @ : + -"
        raise invalid(FieldError("/account", message)) from error


def _place(cursor: str) -> tuple[str, str]:
    unit, _, account = read_text(cursor).partition(" ")
    return unit, account
