"""What every adapter of a Lightning node must do alike: the port, as tests.

An adapter's file has a class of each kind that fits, and a `rig` of its own:

    class TestPhoenixd(Conformance, ConformanceUnderFaults):
        @pytest.fixture
        def rig(self) -> Iterator[PhoenixdRig]: …

`Conformance` holds also for a real node; `ConformanceUnderFaults` is in
`conformance_faults.py`. What a kind cannot do (`Can`) is not asked of it. Nothing here
knows a wire.
"""

import time
from hashlib import sha256
from typing import Final, Protocol

import pytest

from engine.errors.lightning import (
    NodeGarbage,
    NodeRefused,
)
from engine.lightning.invoice import check_invoice
from engine.lightning.node import (
    Can,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    LightningNode,
    PaidPage,
    Payout,
    PayoutStatus,
)
from tests.lightning.listener import STEP_S, hearing
from tests.tools.wait import wait_until

__all__ = [
    "AMOUNT_MSAT",
    "KEY",
    "Conformance",
    "Rig",
    "asked",
    "made_of",
    "paid_hashes",
    "read_on",
]

AMOUNT_MSAT: Final = 50_000_000
KEY: Final = "4b2f7a1e-6d2c-4c1e-9a53-0c9d2f5b7a10"


class Rig(Protocol):
    """An adapter, and a hand in the world behind it."""

    @property
    def node(self) -> LightningNode: ...

    @property
    def network(self) -> str: ...

    def pay_in(self, payment_hash: str, amount_msat: int | None = None) -> None:
        """Somebody pays this invoice of the node's; the amount, where it has none."""

    def expire(self, payment_hash: str) -> None:
        """The time of this open invoice of the node's is over."""

    def bill(self, amount_msat: int) -> tuple[str, str]:
        """An invoice of somebody else (bolt11, payment hash) that the node can pay."""

    def paid_out(self, payment_hash: str) -> int:
        """How many times money left the node for it."""


def asked(
    payment_id: str = "pay_1", amount_msat: int | None = AMOUNT_MSAT, **more: str
) -> InvoiceAsked:
    more.setdefault("description", "Coffee")
    if "description_hash" in more:
        del more["description"]
    return InvoiceAsked(
        payment_id=payment_id, amount_msat=amount_msat, expires_in_s=900, **more
    )


def read_on(node: LightningNode, cursor: str) -> tuple[list[InvoiceSeen], str]:
    """All pages since, and where to go on."""
    seen: list[InvoiceSeen] = []
    for _ in range(1_000):
        page: PaidPage = node.paid_since(cursor)
        seen += page.paid
        cursor = page.cursor
        if not page.more:
            return seen, cursor
    raise AssertionError("it never comes to an end")


def paid_hashes(node: LightningNode, cursor: str) -> set[str]:
    seen, _ = read_on(node, cursor)
    assert all(one.status is InvoiceStatus.PAID for one in seen)
    return {one.payment_hash for one in seen}


def made_of(rig: Rig, number: int) -> list[InvoiceMade]:
    return [rig.node.create(asked(f"pay_{n}")) for n in range(number)]


class Conformance:
    """See the module. What it says that it can is held against what that kind of node
    does: else all that is not asked of it would pass."""

    CAN: Can

    def test_it_says_what_it_can(self, rig: Rig) -> None:
        assert rig.node.can == self.CAN

    # -- invoices ----------------------------------------------------------------------

    def check(self, rig: Rig, wanted: InvoiceAsked) -> InvoiceMade:
        made = rig.node.create(wanted)
        now = int(time.time() * 1000)
        read = check_invoice(made, wanted, rig.network, now, "till")
        assert read.payment_hash == made.payment_hash
        return made

    def test_an_invoice_is_what_was_asked_for(self, rig: Rig) -> None:
        first = self.check(rig, asked())
        again = self.check(rig, asked())
        assert first.payment_hash != again.payment_hash, "each call is another one"

    @pytest.mark.parametrize("text", ["", "Ünïcödé ☕ & = + %", "d" * 639])
    def test_whatever_the_description(self, rig: Rig, text: str) -> None:
        self.check(rig, asked(description=text))

    def test_description_hash_and_no_amount_where_it_can(self, rig: Rig) -> None:
        if rig.node.can.description_hash:
            self.check(rig, asked(description_hash=sha256(b"metadata").hexdigest()))
        if rig.node.can.amountless:
            made = self.check(rig, asked(amount_msat=None))
            rig.pay_in(made.payment_hash, 7_000_000)
            assert rig.node.lookup(made.payment_hash).received_msat == 7_000_000

    @pytest.mark.parametrize("amount_msat", [1, 999, 1_001])
    def test_parts_of_a_satoshi_are_asked_for_exactly_or_refused(
        self, rig: Rig, amount_msat: int
    ) -> None:
        """Never rounded: the payer would pay another sum than we count with."""
        try:
            self.check(rig, asked(amount_msat=amount_msat))
        except NodeRefused as error:
            assert error.why == "amount"

    def test_how_it_stands(self, rig: Rig) -> None:
        open_, paid, expired = made_of(rig, 3)
        rig.pay_in(paid.payment_hash)
        rig.expire(expired.payment_hash)
        node = rig.node
        assert node.lookup(open_.payment_hash).status is InvoiceStatus.OPEN
        assert node.lookup(expired.payment_hash).status is InvoiceStatus.EXPIRED
        unknown = sha256(b"of nobody").hexdigest()
        assert node.lookup(unknown) == InvoiceSeen(
            payment_hash=unknown, status=InvoiceStatus.UNKNOWN
        )
        seen = node.lookup(paid.payment_hash)
        assert seen.status is InvoiceStatus.PAID
        assert seen.payment_hash == paid.payment_hash
        assert seen.received_msat == AMOUNT_MSAT
        assert seen.fee_msat + seen.credit_msat <= seen.received_msat
        assert seen.payment_id in ("", "pay_1")
        if seen.settled_at is not None:
            assert abs(seen.settled_at - time.time() * 1000) < 3_600_000

    # -- what was paid meanwhile -------------------------------------------------------

    def test_a_fresh_cursor_tells_nothing_of_before(self, rig: Rig) -> None:
        before, after = made_of(rig, 2)
        rig.pay_in(before.payment_hash)
        page = rig.node.paid_since("")
        assert page.paid == ()
        rig.pay_in(after.payment_hash)
        assert after.payment_hash in paid_hashes(rig.node, page.cursor)

    def test_what_was_paid_since_a_cursor_is_told_and_told_again(
        self, rig: Rig
    ) -> None:
        """A page that could not be committed is asked for again; so it is the same."""
        _, cursor = read_on(rig.node, "")
        made = made_of(rig, 3)
        for one in made[:2]:
            rig.pay_in(one.payment_hash)
        wanted = {one.payment_hash for one in made[:2]}
        assert paid_hashes(rig.node, cursor) >= wanted
        seen, later = read_on(rig.node, cursor)
        told = {one.payment_hash: one for one in seen}
        assert set(told) >= wanted
        assert made[2].payment_hash not in told
        assert all(told[h].received_msat == AMOUNT_MSAT for h in wanted)
        rig.pay_in(made[2].payment_hash)
        assert made[2].payment_hash in paid_hashes(rig.node, later)

    def test_a_cursor_that_it_did_not_make_loses_nothing(self, rig: Rig) -> None:
        """An account of another kind had that name before, say."""
        (made,) = made_of(rig, 1)
        rig.pay_in(made.payment_hash)
        for cursor in ("nonsense", '{"from": "x"}', "null", "💥"):
            try:
                assert made.payment_hash in paid_hashes(rig.node, cursor)
            except NodeGarbage as error:
                assert "cursor" in str(error)

    # -- pushed ------------------------------------------------------------------------

    def test_a_paid_invoice_is_pushed(self, rig: Rig) -> None:
        if not rig.node.can.push:
            return
        with hearing(rig.node) as listener:
            listener.wait_open()
            made = rig.node.create(asked())
            rig.pay_in(made.payment_hash)
            wait_until(lambda: listener.hashes, STEP_S, "it to be pushed")
        assert listener.error is None
        assert listener.hashes == {made.payment_hash}
        assert listener.invoices[0].received_msat == AMOUNT_MSAT

    # -- paying ------------------------------------------------------------------------

    def pay(self, rig: Rig, bolt11: str) -> Payout:
        return rig.node.pay(bolt11, max_fee_msat=1_000_000, key=KEY)

    def test_a_payment_is_made_and_found_again_by_its_hash(self, rig: Rig) -> None:
        if not rig.node.can.pay:
            return
        bolt11, payment_hash = rig.bill(1_000_000)
        assert rig.node.payout(payment_hash).status is PayoutStatus.UNKNOWN
        first = self.pay(rig, bolt11)
        if first.status is not PayoutStatus.PENDING:
            assert first.status is PayoutStatus.PAID
        found = wait_until(lambda: self.settled(rig, payment_hash), STEP_S, "it")
        assert found is not None
        assert found.status is PayoutStatus.PAID
        assert sha256(bytes.fromhex(found.preimage)).hexdigest() in (
            payment_hash,
            sha256(b"").hexdigest(),  # a service may keep it to itself
        )
        assert found.fee_msat <= 1_000_000
        assert rig.paid_out(payment_hash) == 1

    def settled(self, rig: Rig, payment_hash: str) -> Payout | None:
        found = rig.node.payout(payment_hash)
        return None if found.status is PayoutStatus.PENDING else found

    def test_more_than_there_is_leaves_nothing(self, rig: Rig) -> None:
        if not rig.node.can.pay:
            return
        too_much = rig.node.balance().spendable_msat // 1_000 * 1_000 + 10_000_000_000
        bolt11, payment_hash = rig.bill(too_much)
        try:
            assert self.pay(rig, bolt11).status is PayoutStatus.FAILED
        except NodeRefused as error:
            assert error.why in ("funds", "route", "amount")
        status = rig.node.payout(payment_hash).status
        assert status in (PayoutStatus.FAILED, PayoutStatus.UNKNOWN)
        assert rig.paid_out(payment_hash) == 0

    def test_the_balance(self, rig: Rig) -> None:
        balance = rig.node.balance()
        assert balance.spendable_msat >= 0
        assert balance.credit_msat >= 0

    def test_no_secret_in_its_repr(self, rig: Rig) -> None:
        assert "secret" not in repr(rig.node).lower()
