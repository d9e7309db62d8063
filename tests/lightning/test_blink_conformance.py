"""Blink's adapter, held against what every adapter does."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.lightning.node import Can
from tests.lightning.blink_stage import blink_node
from tests.lightning.conformance import Conformance
from tests.lightning.conformance_faults import ConformanceUnderFaults, Fault
from tests.tools.blink_double import BlinkDouble
from tests.tools.blink_double.accounts import Bank
from tests.tools.blink_double.sending import Outside
from tests.tools.receiver import Answer, hang, pour, raw, reply
from transport.lightning import blink, blink_graphql
from transport.lightning.blink import Blink

SHORT_S = 0.3
REACHED_S = 10.0
"""On a machine that is busy, too, what is asked is there before nobody waits for it."""

FAULTS: dict[Fault, Answer] = {
    "hang": hang(),
    "reset": raw(b""),
    "cut off": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"data":{"me":'),
    "500": reply(500, body=b'{"errors":[{"message":"x"}]}'),
    "page": reply(200, body=b"<!doctype html><title>Just a moment</title>"),
    "huge": pour(b"HTTP/1.1 200 OK\r\n\r\n[", b"1," * 65_536, 1_000),
    "nulls": reply(200, body=b'{"data":null,"errors":null,"extensions":null}'),
    "429": reply(429, [("Retry-After", "7")]),
}


class BlinkRig:
    network = "regtest"

    def __init__(self, double: BlinkDouble) -> None:
        self.double = double
        double.graph.invoices_per_minute = 1_000
        self.account = double.account("till", sat=1_000_000, usd_cents=10**12)
        self.node: Blink = blink_node(double, self.account)
        self._them = Bank()
        self._theirs = self._them.account("them").btc

    def pay_in(self, payment_hash: str, amount_msat: int | None = None) -> None:
        sat = None if amount_msat is None else amount_msat // 1000
        self.double.pay_from_outside(payment_hash, sat)

    def pay_in_at_once(self, payment_hashes: list[str]) -> None:
        now_s = self.double.bank.now_s()
        for payment_hash in payment_hashes:
            self.double.pay_from_outside(payment_hash, created_at_s=now_s)

    def expire(self, payment_hash: str) -> None:
        self.double.bank.expire(payment_hash)

    def bill(self, amount_msat: int) -> tuple[str, str]:
        invoice = self._them.new_invoice(self._theirs, amount_msat // 1000, 10)
        outside = Outside(fee_sat=1, preimage=invoice.preimage)
        self.double.sender.outside[invoice.payment_hash] = outside
        return invoice.bolt11, invoice.payment_hash

    def paid_out(self, payment_hash: str) -> int:
        lines = self.double.bank.lines(self.account.btc, payment_hash)
        return sum(tx.amount < 0 and tx.status != "FAILURE" for tx in lines)

    def in_a_hurry(self, patch: pytest.MonkeyPatch, short_s: float = SHORT_S) -> None:
        """Of a node that hangs, it is known after a moment."""
        patch.setattr(blink_graphql, "DEADLINE_S", short_s)
        patch.setattr(blink_graphql, "ACT_S", short_s)

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        self.double.always = FAULTS[fault]
        with pytest.MonkeyPatch.context() as patch:
            if fault == "hang":
                self.in_a_hurry(patch)
            yield
        self.double.always = None

    @contextmanager
    def silence_after_success(self) -> Iterator[None]:
        self.double.faults["lnInvoicePaymentSend"] = [lambda answer: hang()]
        with pytest.MonkeyPatch.context() as patch:
            self.in_a_hurry(patch, REACHED_S)
            yield
        assert not self.double.faults["lnInvoicePaymentSend"]

    def revoke_key(self) -> None:
        self.double.revoke(self.account)

    def black_hole(self) -> None:
        for connection in self.double.sockets.open():
            connection.black_hole = True

    def break_streams(self) -> None:
        for connection in self.double.sockets.open():
            connection.cut()


class TestBlink(Conformance, ConformanceUnderFaults):
    CAN = Can(push=True, description_hash=True, amountless=True, pay=True)

    @pytest.fixture
    def rig(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlinkRig]:
        monkeypatch.setattr(blink, "PAGE", 10)  # so that there are edges
        with BlinkDouble() as double:
            yield BlinkRig(double)
