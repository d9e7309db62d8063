"""kill -9 between confirmed and forwarded, at every stop: no coin is sent twice, none
is lost, and the books say what the chain says. `make soak` has more of them."""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.money.sweeps import PATIENCE_S, Till, judged
from tests.money.vault import KINDS
from tests.node.litecoin import LitecoinNode
from tests.tools.wait import wait_until

KILLS = int(os.environ.get("SWEEP_KILLS", "2"))
STOPS = 16
"""In the life of a sweep of two payments: commits, words and broadcasts, each twice."""


@pytest.fixture
def node() -> Iterator[LitecoinNode]:
    with LitecoinNode("-txindex=1") as node:
        node.fund_wallet()
        yield node


@pytest.mark.timeout_s(120 + 10 * KILLS)
def test_a_node_that_is_killed_at_every_step_of_a_sweep_sends_once(
    node: LitecoinNode, tmp_path: Path
) -> None:
    till = Till(node, tmp_path)
    paybell = till.paybell
    usual = paybell.command
    step = max(1, STOPS // KILLS)
    hit: Counter[str] = Counter()
    try:
        for number in range(KILLS):
            stop = 1 + number * step % STOPS
            kind = KINDS[number % len(KINDS)]
            module = [sys.executable, "-m", "tests.money.killed", str(stop)]
            paybell.command = [*module, *usual[2:]]
            paybell.launch()
            wait_until(
                ended(lambda: up(till)), PATIENCE_S, lambda: paybell.log[-3_000:]
            )
            for sats in (40_000, 41_000):
                if not paybell.has_ended:  # it may be killed while it starts
                    order_and_pay(till, kind, sats + number)
            mined_again = False

            def is_over() -> bool:
                nonlocal mined_again
                if paybell.has_ended:
                    return True
                if not mined_again and node.mempool():
                    node.generate(1)
                mined_again = all(
                    till.status(name) == "forwarded" for name in till.payments
                )
                return mined_again

            node.generate(1)
            wait_until(ended(is_over), PATIENCE_S, lambda: paybell.log[-3_000:])
            hit["killed" if paybell.has_ended else "went through"] += 1
            paybell.kill()
        paybell.command = usual
        paybell.start()
        till.settle()
        check(till)
        assert hit["killed"] >= KILLS // 2, hit
        stops = [line for line in paybell.log.splitlines() if "stop: " in line]
        print(f"{dict(hit)} {dict(Counter(stops))}")  # noqa: T201 - for the soak
    finally:
        paybell.kill()
    assert "forward.round_failed" not in paybell.log


def up(till: Till) -> bool:
    return till.paybell.has_ended or till.paybell.is_ready()


def order_and_pay(till: Till, kind: str, sats: int) -> None:
    with contextlib.suppress(requests.ConnectionError):
        till.pay(till.order(kind, sats), sats)


def ended(is_over: Callable[[], bool]) -> Callable[[], bool]:
    """A call that is cut off by the kill says nothing yet."""

    def asked() -> bool:
        try:
            return is_over()
        except requests.ConnectionError:
            return False

    return asked


def check(till: Till) -> None:
    """The chain, the table and the events say one thing."""
    swept = [one for one in till.outgoing() if one["state"] == "confirmed"]
    fees = sum(one["fee_sat"] for one in swept)
    assert till.arrived_sat() + fees == sum(till.payments.values())
    spent: Counter[tuple[str, int]] = Counter()
    for one in swept:
        spent.update(judged(till.node, one["txid"]).spends)
    assert set(spent.values()) == {1}
    assert len(spent) == len(till.payments)
    for name, amount in till.payments.items():
        events = till.paybell.events(name)
        told = [event["data"].get("swept_sat", 0) for event in events]
        assert sum(told) == amount, events
        kinds = Counter(event["type"] for event in events)
        assert kinds["payment.confirmed"] == 1
        assert kinds["payment.forwarded"] == 1
    books = [till.balances(kind) for kind in KINDS]
    assert sum(book.get("onchain", 0) for book in books) == 0
    assert abs(sum(book.get("own", 0) for book in books)) == till.arrived_sat()
    assert abs(sum(book.get("fees", 0) for book in books)) == fees
