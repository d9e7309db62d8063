"""phoenixd's adapter against the double of tests/tools/phoenixd_double.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.lightning.account import Account
from engine.lightning.node import Can, LightningNode
from tests.lightning.conformance import Conformance
from tests.lightning.conformance_faults import ConformanceUnderFaults, Fault
from tests.tools.fake_upstream import (
    Answer,
    Request,
    cut_off,
    endless,
    hang,
    html,
    of,
    reset,
    text,
)
from tests.tools.phoenixd_double import PhoenixdDouble
from transport.lightning.phoenixd import Phoenixd

DEADLINE_S = 0.25
REACHED_S = 10.0
"""On a machine that is busy, too, what is asked is there before nobody waits for it."""

NULLS = dict.fromkeys(
    (
        *("serialized", "paymentHash", "isPaid", "receivedSat", "fees", "balanceSat"),
        *("feeCreditSat", "channels", "paymentPreimage", "reason"),
    )
)

ANSWERS: dict[Fault, Answer] = {
    "hang": hang(),
    "reset": reset(),
    "cut off": cut_off(
        '{"paymentHash": "',
    ),
    "500": text("java.lang.IllegalStateException", 500),
    "page": html(),
    "huge": endless(declared=True),
    "nulls": of(NULLS),
    "429": text("", 429, Retry_After="7"),
}


class PhoenixdRig:
    """See `Rig` and `FaultyRig`."""

    def __init__(self, double: PhoenixdDouble, **options: Any) -> None:
        self.double = double
        self.network = double.network
        options = {"page": 7, "deadline_s": 60.0} | options
        self.node: LightningNode = phoenixd_at(double, **options)

    def pay_in(self, payment_hash: str, amount_msat: int | None = None) -> None:
        self.double.receive(payment_hash, amount_msat)

    def pay_in_at_once(self, payment_hashes: list[str]) -> None:
        at = None
        for one in payment_hashes:
            self.double.receive(one, at=at, push=False)
            at = self.double.invoice(one).received_at

    def expire(self, payment_hash: str) -> None:
        self.double.expire(payment_hash)

    def bill(self, amount_msat: int) -> tuple[str, str]:
        return self.double.bill(amount_msat)

    def paid_out(self, payment_hash: str) -> int:
        return self.double.paid_out(payment_hash)

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        deadline_s = DEADLINE_S if fault == "hang" else None
        with self.instead(lambda _request: ANSWERS[fault], deadline_s):
            yield

    @contextmanager
    def silence_after_success(self) -> Iterator[None]:
        def done_silently(request: Request) -> Answer:
            done = self.double.answer(request)
            assert done is not None
            return hang()

        with self.instead(done_silently, REACHED_S):
            yield

    @contextmanager
    def instead(self, answer: Any, deadline_s: float | None) -> Iterator[None]:
        """`deadline_s`: asked by a node that waits no longer."""
        own, self.double.server.answer = self.double.server.answer, answer
        node = self.node
        if deadline_s is not None:
            self.node = phoenixd_at(
                self.double, deadline_s=deadline_s, pay_deadline_s=deadline_s
            )
        try:
            yield
        finally:
            self.double.server.answer = own
            self.node = node

    def revoke_key(self) -> None:
        self.double.password = self.double.limited = "another"

    def black_hole(self) -> None:
        self.double.fall_silent()

    def break_streams(self) -> None:
        self.double.break_streams()


def phoenixd_at(double: PhoenixdDouble, **options: Any) -> Phoenixd:
    account = Account(
        name="till", kind="phoenixd", url=double.url, secret=double.password
    )
    return Phoenixd(account, double.network, **options)


@pytest.fixture
def double() -> Iterator[PhoenixdDouble]:
    with PhoenixdDouble() as started:
        yield started


class TestPhoenixd(Conformance, ConformanceUnderFaults):
    CAN = Can(push=True, description_hash=True, amountless=True, pay=True)

    @pytest.fixture
    def rig(self, double: PhoenixdDouble) -> PhoenixdRig:
        return PhoenixdRig(double)
