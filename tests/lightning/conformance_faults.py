"""What every adapter must do alike when its node misbehaves; see `conformance.py`.

It wants a double that can misbehave, with a node behind it whose deadlines are short.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Literal, Protocol

import pytest

from engine.errors.lightning import (
    LightningError,
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.node import InvoiceStatus, PayoutStatus, SignOfLife
from tests.lightning.conformance import KEY, Rig, asked, made_of, paid_hashes, read_on
from tests.lightning.listener import SILENCE_S, STEP_S, hearing
from tests.tools.wait import wait_until

__all__ = ["ConformanceUnderFaults", "Fault", "FaultyRig"]

Fault = Literal["hang", "reset", "cut off", "500", "page", "huge", "nulls", "429"]
"""What each request is answered with: nothing; a TCP reset; half an answer; status 500;
a web page with status 200; gigabytes; JSON with null for every value; status 429 with
`Retry-After: 7` (or how that service says it)."""

EXPECTED: Final[dict[Fault, tuple[type[LightningError], ...]]] = {
    "hang": (NodeUnavailable,),
    "reset": (NodeUnavailable,),
    "cut off": (NodeUnavailable, NodeGarbage),
    "500": (NodeUnavailable,),
    "page": (NodeGarbage,),
    "huge": (NodeGarbage,),
    "nulls": (NodeGarbage,),
    "429": (NodeBusy,),
}


class FaultyRig(Rig, Protocol):
    """A rig whose node can be made to misbehave."""

    def fault(self, fault: Fault) -> AbstractContextManager[None]: ...

    def silence_after_success(self) -> AbstractContextManager[None]:
        """What is asked is done; the answer never comes."""

    def pay_in_at_once(self, payment_hashes: list[str]) -> None:
        """All of them settled in the same moment, by the node's clock."""

    def revoke_key(self) -> None: ...

    def black_hole(self) -> None:
        """From now on held connections say nothing more: no reset, no end."""

    def break_streams(self) -> None:
        """Held connections are cut."""


Call = Callable[[FaultyRig, str], object]

CALLS: Final[dict[str, Call]] = {
    "create": lambda rig, _: rig.node.create(asked()),
    "lookup": lambda rig, known: rig.node.lookup(known),
    "paid_since": lambda rig, _: rig.node.paid_since(""),
    "payout": lambda rig, known: rig.node.payout(known),
    "balance": lambda rig, _: rig.node.balance(),
    "pay": lambda rig, _: rig.node.pay(
        rig.bill(1_000_000)[0], max_fee_msat=1_000_000, key=KEY
    ),
}


class ConformanceUnderFaults:
    """See the module."""

    SILENCE_S = SILENCE_S

    @pytest.mark.parametrize("fault", EXPECTED)
    def test_no_answer_is_ever_taken_for_a_no(
        self, rig: FaultyRig, fault: Fault
    ) -> None:
        """Of each call, an error that says what may have been done; and after it all
        is as before."""
        known = rig.node.create(asked()).payment_hash
        with rig.fault(fault):
            for name, call in CALLS.items():
                if name in ("pay", "payout") and not rig.node.can.pay:
                    continue
                with pytest.raises(EXPECTED[fault]) as raised:
                    call(rig, known)
                assert len(str(raised.value)) < 300, name
                if fault == "429":
                    assert raised.value.retry_after_s in (7.0, None)
        assert rig.node.lookup(known).status is InvoiceStatus.OPEN

    def test_a_key_that_is_revoked_in_flight(self, rig: FaultyRig) -> None:
        known = rig.node.create(asked()).payment_hash
        rig.revoke_key()
        for name, call in CALLS.items():
            if name in ("pay", "payout") and not rig.node.can.pay:
                continue
            with pytest.raises(NodeRefused) as raised:
                call(rig, known)
            assert raised.value.why == "key", name
        if rig.node.can.push:
            with hearing(rig.node) as listener:
                error = listener.wait_end()
            assert isinstance(error, NodeRefused)
            assert error.why == "key"
            assert SignOfLife.OPENED not in listener.words

    def test_paid_and_no_answer_is_found_by_the_hash_and_not_paid_again(
        self, rig: FaultyRig
    ) -> None:
        if not rig.node.can.pay:
            return
        bolt11, payment_hash = rig.bill(1_000_000)
        with rig.silence_after_success(), pytest.raises(NodeUnavailable):
            rig.node.pay(bolt11, max_fee_msat=1_000_000, key=KEY)

        def found() -> PayoutStatus | None:
            status = rig.node.payout(payment_hash).status
            return None if status is PayoutStatus.UNKNOWN else status

        status = wait_until(found, STEP_S, "it to be known there")
        assert status in (PayoutStatus.PAID, PayoutStatus.PENDING)
        assert rig.paid_out(payment_hash) == 1

    def test_none_is_lost_at_the_edges_of_pages(self, rig: FaultyRig) -> None:
        """More than two pages, some in one moment, and more paid while we read."""
        _, cursor = read_on(rig.node, "")
        made = [one.payment_hash for one in made_of(rig, 50)]
        rig.pay_in_at_once(made[:20])
        for one in made[20:40]:
            rig.pay_in(one)
        late = iter(made[40:])
        told: set[str] = set()
        for _ in range(1_000):
            page = rig.node.paid_since(cursor)
            told |= {one.payment_hash for one in page.paid}
            cursor = page.cursor
            if (one_more := next(late, None)) is not None:
                rig.pay_in(one_more)
            elif not page.more:
                break
        told |= paid_hashes(rig.node, cursor)
        assert told >= set(made)

    def test_a_broken_stream_ends_and_the_next_one_opens(self, rig: FaultyRig) -> None:
        if not rig.node.can.push:
            return
        for _ in range(2):
            with hearing(rig.node) as listener:
                listener.wait_open()
                rig.break_streams()
                assert isinstance(listener.wait_end(), NodeUnavailable | None)

    def test_a_black_hole_is_found_out(self, rig: FaultyRig) -> None:
        if not rig.node.can.push:
            return
        with hearing(rig.node, silence_s=self.SILENCE_S) as listener:
            listener.wait_open()
            rig.black_hole()
            assert isinstance(listener.wait_end(), NodeUnavailable)

    def test_it_tells_that_it_is_alive_in_time(self, rig: FaultyRig) -> None:
        if not rig.node.can.push:
            return
        with hearing(rig.node, silence_s=self.SILENCE_S) as listener:
            listener.wait_open()
            wait_until(
                lambda: listener.alive() >= 3,
                STEP_S,
                "signs of life",
            )
        assert listener.error is None
