"""kill -9 while refunds are paid, at every stop: each payer gets his sum once, and what
is left of the coins goes to its owner. On a node of Core's lineage, whose chain is what
counts. `make soak` has more of them."""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from engine.bitcoin.address import parse_address
from tests.money.sweeps import PATIENCE_S, Till, judged
from tests.money.test_sweeps_killed import ended, up
from tests.money.vault import KINDS
from tests.node.litecoin import LitecoinNode
from tests.node.shop import fresh_address
from tests.tools.paybell import paybell as command
from tests.tools.wait import wait_until

KILLS = int(os.environ.get("REFUND_KILLS", "2"))
STOPS = 20
"""In the life of two refunds: commits, words and broadcasts, each twice."""

SUM = 40_000
PART = 15_000


@pytest.fixture
def node() -> Iterator[LitecoinNode]:
    with LitecoinNode("-txindex=1") as node:
        node.fund_wallet()
        yield node


class Desk:
    """A till whose key may refund, and to whom each refund is to go."""

    def __init__(self, till: Till) -> None:
        self.till = till
        name = ("keys", "create", "desk", "--scope", "refund", "--scope", "read")
        made = command(*name, "--db", till.paybell.db)
        assert made.returncode == 0, made.stderr
        self._key = made.stdout.split()[-1]
        self.wanted: dict[str, tuple[str, int]] = {}  # by payment: address, sat

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers["Authorization"] = f"Bearer {self._key}"
        return self.till.paybell.call(method, path, json=body, headers=headers)

    def order(self, number: int) -> list[str]:
        """Two that are paid, of which nothing is sent on by itself."""
        names = []
        for extra in (0, 1):
            kind = KINDS[number % len(KINDS)]
            sat = SUM + 2 * number + extra
            made = self.till.order(kind, sat, forward_to=None)
            self.till.pay(made, sat)
            names.append(made["id"])
        return names

    def ask(self, name: str, *, is_whole: bool) -> None:
        """Once, however often it is said: the payment's id is the key. The whole coin
        bears its fee; a part leaves the rest for the owner."""
        place = fresh_address("p2wpkh"), self.till.payments[name] if is_whole else PART
        address, sat = self.wanted.setdefault(name, place)
        body = {"amount_sat": sat, "address": address}
        if is_whole:
            body["fee_from"] = "refund"
        said = {"Idempotency-Key": name}
        answer = self.call("POST", f"/v1/payments/{name}/refund", body, **said)
        assert answer.status_code == 201, answer.text

    def refund(self, name: str) -> dict[str, Any]:
        answer = self.call("GET", f"/v1/payments/{name}/refunds")
        (found,) = answer.json()["data"]
        shown: dict[str, Any] = found
        return shown

    def is_kept(self, name: str) -> bool:
        """Whether there is a refund of it: a node that died may not have taken it."""
        answer = self.call("GET", f"/v1/payments/{name}/refunds")
        return bool(answer.json()["data"])

    def are_paid(self, names: Sequence[str]) -> bool:
        """Blocks are mined for what is on its way."""
        if self.till.node.mempool():
            self.till.node.generate(1)
        if not all(self.is_kept(name) for name in names):
            return False
        states = {self.refund(name)["state"] for name in names}
        return states == {"paid"} and all(
            self.till.status(name) == "forwarded"
            for name in names
            if self.wanted[name][1] == PART
        )

    def arrived_sat(self, address: str) -> int:
        script = parse_address(address, "regtest").script
        found = self.till.node.rpc("scantxoutset", "start", [f"raw({script.hex()})"])
        assert found["success"]
        sat: int = round(found["total_amount"] * 100_000_000)
        return sat


@pytest.mark.timeout_s(180 + 15 * KILLS)
def test_a_node_that_is_killed_at_every_step_of_a_refund_pays_once(
    node: LitecoinNode, tmp_path: Path
) -> None:
    till = Till(node, tmp_path)
    desk, paybell, usual = Desk(till), till.paybell, till.paybell.command
    hit: Counter[str] = Counter()
    try:
        paybell.start()
        pairs = []
        for number in range(KILLS):
            pairs.append(desk.order(number))
            node.generate(1)
        names = [name for pair in pairs for name in pair]
        till.wait_for_status("confirmed", names)
        for kind in KINDS:
            record = {"forward_to": till.destination}
            answer = paybell.call("PUT", f"/v1/merchants/{kind}", json=record)
            assert answer.status_code == 200, answer.text
        paybell.stop()
        for number, pair in enumerate(pairs):
            stop = 1 + number * max(1, STOPS // KILLS) % STOPS
            module = [sys.executable, "-m", "tests.money.killed", str(stop)]
            paybell.command = [*module, *usual[2:]]
            paybell.launch()
            wait_until(
                ended(lambda: up(till)), PATIENCE_S, lambda: paybell.log[-3_000:]
            )
            for name, is_whole in zip(pair, (True, False), strict=True):
                with contextlib.suppress(requests.ConnectionError):
                    if not paybell.has_ended:
                        desk.ask(name, is_whole=is_whole)

            def is_over(pair: Sequence[str] = pair) -> bool:
                return paybell.has_ended or desk.are_paid(pair)

            wait_until(ended(is_over), PATIENCE_S, lambda: paybell.log[-3_000:])
            hit["killed" if paybell.has_ended else "went through"] += 1
            paybell.kill()
        paybell.command = usual
        paybell.start()
        for pair in pairs:  # those that were not heard, and those that were
            for name, is_whole in zip(pair, (True, False), strict=True):
                desk.ask(name, is_whole=is_whole)
        wait_until(
            lambda: desk.are_paid(names), PATIENCE_S, lambda: paybell.log[-3_000:]
        )
        check(desk)
        assert hit["killed"] >= KILLS // 2, hit
        stops = [line for line in paybell.log.splitlines() if "stop: " in line]
        print(f"{dict(hit)} {dict(Counter(stops))}")  # noqa: T201 - for the soak
    finally:
        paybell.kill()
    assert "forward.round_failed" not in paybell.log


def check(desk: Desk) -> None:
    """Chain, refunds, events and books say one thing, to the satoshi."""
    till = desk.till
    sent = [one for one in till.outgoing() if one["state"] == "confirmed"]
    spent: Counter[tuple[str, int]] = Counter()
    for one in sent:
        spent.update(judged(till.node, one["txid"]).spends)
    assert set(spent.values()) == {1}
    back = 0
    for name, (address, sat) in desk.wanted.items():
        shown = desk.refund(name)
        arrived = desk.arrived_sat(address)
        assert arrived == (sat if sat == PART else sat - shown["fee_sat"])
        events = till.paybell.events(name)
        kinds = Counter(event["type"] for event in events)
        assert kinds["payment.refunded"] == 1
        (told,) = [e["data"]["refund"] for e in events if "refund" in e["data"]]
        assert (told["amount_sat"], told["txid"]) == (arrived, shown["txid"])
        back += arrived
    fees = sum(one["fee_sat"] for one in sent)
    assert till.arrived_sat() + back + fees == sum(till.payments.values())
    books = [till.balances(kind) for kind in KINDS]
    assert sum(book.get("onchain", 0) for book in books) == 0
    assert abs(sum(book.get("refunds", 0) for book in books)) == back
    assert abs(sum(book.get("own", 0) for book in books)) == till.arrived_sat()
    assert abs(sum(book.get("fees", 0) for book in books)) == fees
