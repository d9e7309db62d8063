"""Each question to a node is counted, whoever asks it; a held connection is none."""

from typing import Any

import pytest

from actors.lightning.counted import Counted
from engine.errors.lightning import NodeGarbage, NodeUnavailable
from engine.lightning.node import Can, InvoiceAsked, LightningNode

ASKED = InvoiceAsked(payment_id="pay_1", amount_msat=1_000, expires_in_s=60)
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "create": ((ASKED,), {}),
    "lookup": (("ab" * 32,), {}),
    "paid_since": (("",), {}),
    "pay": (("lnbcrt1",), {"max_fee_msat": 5, "key": "k"}),
    "payout": (("ab" * 32,), {}),
    "balance": ((), {}),
}


class _Node:
    """Answers with what it was asked, or raises `error`."""

    can = Can(push=True, description_hash=False, amountless=True, pay=False)

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def asked(*args: Any, **named: Any) -> Any:
            if self.error is not None:
                raise self.error
            return name, args, named

        return asked

    def __repr__(self) -> str:
        return "the node"


def counted(error: Exception | None = None) -> Counted:
    node: Any = _Node(error)
    return Counted(node)


@pytest.mark.parametrize("name", CALLS)
def test_a_question_goes_through_as_it_is_and_is_counted(name: str) -> None:
    node = counted()
    args, named = CALLS[name]
    assert getattr(node, name)(*args, **named) == (name, args, named)
    assert (node.requests, node.errors) == (1, 0)


@pytest.mark.parametrize("name", CALLS)
def test_no_answer_is_an_error_and_is_passed_on(name: str) -> None:
    args, named = CALLS[name]
    for error in (NodeUnavailable("away"), NodeGarbage("nonsense")):
        node = counted(error)
        for times in (1, 2):
            with pytest.raises(type(error)):
                getattr(node, name)(*args, **named)
            assert (node.requests, node.errors) == (times, times)
    node = counted(ValueError("a bug of an adapter"))
    with pytest.raises(ValueError, match="a bug"):
        getattr(node, name)(*args, **named)
    assert (node.requests, node.errors) == (1, 0), "not the node's"


def test_a_held_connection_is_no_request_and_the_rest_is_the_nodes_own() -> None:
    node = counted()
    listener: Any = object()
    node.stream(listener, bool)
    assert (node.requests, node.errors) == (0, 0)
    assert node.can is _Node.can
    assert repr(node) == "the node"
    behind: LightningNode = node  # what asks needs no more
    assert behind is node
