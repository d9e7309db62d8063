"""One order, several payments, as a shop hears of it: by webhooks, over real sockets.

The clerk behind the webhook reads the events alone; whatever an attempt comes to that
is over, its word says how the order stands by then.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.tools.node import RunningNode, running_node
from tests.tools.receiver import Receiver
from tests.tools.wait import wait_until

Told = dict[str, Any]

SUM = 50_000


class Clerk:
    """A shop whose webhook is heard, and what it was told."""

    def __init__(self, node: RunningNode, hook: Receiver) -> None:
        self.node = node
        self._hook = hook
        made = node.post("/v1/channels", {"url": hook.url("/hook")})
        assert made.status_code == 201, made.text
        self._secret: str = made.json()["secret"]

    def told(self, payment: Told, kind: str) -> Told:
        """The newest event of this kind, once the webhook has brought one."""

        def heard() -> Told | None:
            found = [
                event
                for event in map(self._read, list(self._hook.requests))
                if event["payment_id"] == payment["id"]
            ]
            of_kind = [one for one in found if one["type"] == f"payment.{kind}"]
            return of_kind[-1] if of_kind else None

        found = wait_until(heard, 20, f"{payment['id']} to be told as {kind}")
        assert found is not None
        return found

    def _read(self, request: Any) -> Told:
        event: Told = Webhook(self._secret).verify(request.body, request.headers)
        data: Told = event["data"]
        return data

    def attempt(self, order: str, **fields: Any) -> Told:
        fields = {"amount_sat": SUM, "confirmations": 1, **fields}
        return self.node.create(external_id=order, **fields)

    def pay(self, payment: Told, sat: int = SUM) -> str:
        txid: str = self.node.chain.pay(payment["address"], sat)
        self.node.chain.mine(1)
        return txid

    def end(self, payment: Told) -> None:
        """Its time is over in a second."""
        path = f"/v1/payments/{payment['id']}"
        assert self.node.call("PATCH", path, json={"expires_in_s": 1}).ok


@pytest.fixture(scope="module")
def clerk() -> Iterator[Clerk]:
    with Receiver() as hook, running_node() as node:
        yield Clerk(node, hook)


@pytest.mark.parametrize("kind", ["expired", "cancelled"])
def test_a_stale_attempt_says_that_another_was_paid(clerk: Clerk, kind: str) -> None:
    stale, paid = clerk.attempt(f"both {kind}"), clerk.attempt(f"both {kind}")
    clerk.pay(paid)
    clerk.node.wait_for_status(paid["id"], "confirmed")
    if kind == "expired":
        clerk.end(stale)
    else:
        assert clerk.node.post(f"/v1/payments/{stale['id']}/cancel").ok
    told = clerk.told(stale, kind)
    order = {"status": "paid", "paid_by": paid["id"], "received_sat": SUM}
    assert told["data"]["order"] == order
    for one in (stale, paid):
        assert clerk.node.payment(one["id"])["order"] == order


def test_while_another_is_waited_for_the_order_is_pending(clerk: Clerk) -> None:
    stale, open_ = clerk.attempt("waits"), clerk.attempt("waits")
    assert clerk.node.post(f"/v1/payments/{stale['id']}/cancel").ok
    order = clerk.told(stale, "cancelled")["data"]["order"]
    assert order == {"status": "pending", "paid_by": None, "received_sat": 0}
    clerk.end(open_)
    order = clerk.told(open_, "expired")["data"]["order"]
    assert order["status"] == "unpaid", "now it may be cancelled"


def test_money_on_an_attempt_that_is_over_counts_and_is_told(clerk: Clerk) -> None:
    stale, open_ = clerk.attempt("late"), clerk.attempt("late")
    assert clerk.node.post(f"/v1/payments/{stale['id']}/cancel").ok
    clerk.pay(stale, 20_000)
    told = clerk.told(stale, "late")
    assert told["data"]["order"]["received_sat"] == 20_000
    assert clerk.node.payment(open_["id"])["order"]["received_sat"] == 20_000
    clerk.pay(open_)
    clerk.node.wait_for_status(open_["id"], "confirmed")
    order = clerk.node.payment(stale["id"])["order"]
    assert order == {
        "status": "paid",
        "paid_by": open_["id"],
        "received_sat": SUM + 20_000,
    }


def test_a_reversal_names_the_other_that_still_pays(clerk: Clerk) -> None:
    first, second = clerk.attempt("twice"), clerk.attempt("twice")
    clerk.pay(first)
    clerk.node.wait_for_status(first["id"], "confirmed")
    lost = clerk.pay(second)
    clerk.node.wait_for_status(second["id"], "confirmed")
    assert clerk.node.payment(second["id"])["order"]["paid_by"] == first["id"]
    clerk.node.chain.reorg(1, drop=[lost])
    clerk.node.chain.mine(1)
    order = clerk.told(second, "reversed")["data"]["order"]
    assert (order["status"], order["paid_by"]) == ("paid", first["id"])


def test_a_single_payment_says_nothing_and_another_shops_is_not_its(
    clerk: Clerk,
) -> None:
    alone = clerk.attempt("one of each")
    other = clerk.attempt("one of each", merchant="neighbour")
    clerk.pay(other)
    clerk.node.wait_for_status(other["id"], "confirmed")
    assert clerk.node.post(f"/v1/payments/{alone['id']}/cancel").ok
    assert "order" not in clerk.told(alone, "cancelled")["data"]
    shown = clerk.node.payment(alone["id"])["order"]
    assert shown == {"status": "unpaid", "paid_by": None, "received_sat": 0}
