"""Blink against its double: answers that are errors, and those that are none."""

import json
from collections.abc import Callable, Iterator

import pytest

from engine.errors.lightning import (
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.node import InvoiceStatus
from tests.lightning.blink_stage import ask_for, blink_node, cut_at
from tests.lightning.broken_off import places
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.receiver import Answer, hang_up, raw, reply
from transport.lightning.blink import Blink


@pytest.fixture
def double() -> Iterator[BlinkDouble]:
    with BlinkDouble() as double:
        yield double


@pytest.fixture
def till(double: BlinkDouble) -> BlinkAccount:
    return double.account("till", sat=5_000, usd_cents=777_777)


@pytest.fixture
def node(double: BlinkDouble, till: BlinkAccount) -> Blink:
    return blink_node(double, till)


@pytest.mark.parametrize("field", ["wallets", "transactions", "invoiceByPaymentHash"])
def test_a_key_that_is_revoked_in_flight_is_refused_by_name(
    node: Blink, double: BlinkDouble, till: BlinkAccount, field: str
) -> None:
    node.balance()
    old = double.revoke(till)
    asks: dict[str, Callable[[], object]] = {
        "wallets": node.balance,
        "transactions": lambda: node.paid_since("x"),
        "invoiceByPaymentHash": lambda: node.lookup("ab" * 32),
    }
    with pytest.raises(NodeRefused, match="key") as caught:
        asks[field]()
    assert caught.value.why == "key"
    assert old not in str(caught.value)


def test_a_key_without_the_right_is_refused_inside_of_a_200(
    node: Blink, till: BlinkAccount
) -> None:
    node.balance()
    till.scopes = frozenset({"READ"})
    with pytest.raises(NodeRefused, match="NOT_AUTHORIZED") as caught:
        ask_for(node)
    assert caught.value.why == "key"


def _graph(*errors: object, data: str = "null") -> bytes:
    body = json.dumps({"errors": errors})[:-1] + f', "data": {data}}}'
    return body.encode()


def _error(code: object, **more: object) -> dict[str, object]:
    return {"message": "words <b>of</b> theirs", "extensions": {"code": code}, **more}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b"", NodeBusy),
        (503, b"", NodeUnavailable),
        (500, _graph(_error("INTERNAL_SERVER_ERROR")), NodeUnavailable),
        (301, b"", NodeGarbage),
        (404, b"{}", NodeGarbage),
        (400, _graph(_error("GRAPHQL_VALIDATION_FAILED")), NodeRefused),
        (400, b'{"error":"no"}', NodeRefused),
        (409, b"{}", NodeGarbage),
        (200, b"", NodeGarbage),
        (200, b"<html>", NodeGarbage),
        (200, b'"ok"', NodeGarbage),
        (200, b"{}", NodeGarbage),
        (200, b'{"data":null}', NodeGarbage),
        (200, b'{"data":{"me":null}}', NodeGarbage),
        (200, b'{"data":{"me":{"defaultAccount":null}}}', NodeGarbage),
        (200, b'{"data":{"me":{"defaultAccount":{"wallets":[]}}}}', NodeRefused),
        (200, _graph(_error("DB_ERROR")), NodeUnavailable),
        (200, _graph(_error(None)), NodeUnavailable),
        (200, _graph({"message": "x"}), NodeUnavailable),
        (200, _graph(_error("<script>")), NodeUnavailable),
        (200, _graph(_error("TOO_MANY_REQUEST")), NodeBusy),
        (200, _graph(_error("NOT_AUTHENTICATED")), NodeRefused),
        (200, _graph(_error(7)), NodeGarbage),
        (200, _graph("x"), NodeGarbage),
    ],
)
def test_an_answer_that_is_an_error_says_what_to_do_and_quotes_nothing(
    node: Blink,
    double: BlinkDouble,
    status: int,
    body: bytes,
    error: type[Exception],
) -> None:
    double.instead["*"] = [reply(status, [("Location", "http://x/")], body)]
    with pytest.raises(error) as caught:
        node.balance()
    assert "theirs" not in str(caught.value)
    assert "<" not in str(caught.value)
    assert str(caught.value).startswith("till: wallets")


def test_an_answer_may_be_spread_out_and_have_more_than_was_asked(
    node: Blink, double: BlinkDouble
) -> None:
    body = b"""
    {
      "data" : { "me" : { "extra" : [null], "defaultAccount" : { "wallets" : [
        { "id" : "w", "walletCurrency" : "BTC", "balance" : 7, "new" : {} }
      ] } } },
      "errors" : null, "extensions" : { "cost" : 1 }
    }
    """
    double.instead["*"] = [reply(200, body=body)]
    assert node.balance().spendable_msat == 7_000


def test_an_answer_that_is_cut_off_anywhere_is_no_answer(
    node: Blink, double: BlinkDouble
) -> None:
    made = ask_for(node)
    double.pay_from_outside(made.payment_hash)
    whole: list[bytes] = []

    def note(answer: bytes) -> Answer:
        whole.append(answer)
        return raw(answer)

    field = "invoiceByPaymentHash"
    double.faults[field] = [note]
    assert node.lookup(made.payment_hash).status is InvoiceStatus.PAID
    head, end = whole[0].index(b"\r\n\r\n") + 4, len(whole[0])
    for size in [*places(0, head, 29), head, *places(head + 1, end, 53), end - 1]:
        # A broken connection of a question that only reads is tried once more.
        double.faults[field] = [cut_at(size), cut_at(size)]
        with pytest.raises((NodeUnavailable, NodeGarbage)):
            node.lookup(made.payment_hash)


def test_a_question_that_only_reads_is_asked_again_on_a_connection_that_broke(
    node: Blink, double: BlinkDouble
) -> None:
    node.balance()
    double.instead["wallets"] = [hang_up()]
    assert node.balance().spendable_msat == 5_000_000
