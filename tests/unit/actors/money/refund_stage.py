"""A refund of a payment whose coin we hold, on the forwarder's stage."""

from pathlib import Path

from engine.bitcoin.address import script_to_address
from engine.bitcoin.signed_tx import decode_tx
from engine.payment.events import Event
from engine.payment.model import EventType
from engine.payment.refund import Refund, RefundState
from engine.store.writes import OpenRefund, Write
from engine.wallet.forward_policy import ForwardPolicy
from tests.tools.core_way import CoreWay
from tests.unit.actor_stage import Inbox
from tests.unit.actors.money.sweep_stage import TIP, SweepStage

__all__ = ["PAYERS_SCRIPT", "OpinionatedWay", "RefundStage"]

PAYERS_SCRIPT = b"\x00\x14" + b"\x09" * 20
PAYER = script_to_address(PAYERS_SCRIPT, "regtest") or ""


class OpinionatedWay(CoreWay):
    """It calls transactions invalid that are not, when it is in that mood."""

    def __init__(self, height: int) -> None:
        super().__init__(height)
        self.calls_invalid = False

    def _refusal(self, raw: bytes) -> tuple[int, str] | None:
        is_known = decode_tx(raw).txid in {*self.pool, *self.mined}
        if self.calls_invalid and not is_known:
            return -26, "scriptpubkey"
        return super()._refusal(raw)


class RefundStage(SweepStage):
    def __init__(
        self, folder: Path, policy: ForwardPolicy = ForwardPolicy(anywhere=True)
    ) -> None:
        self.own_way = OpinionatedWay(TIP)
        super().__init__(folder, policy, self.own_way)
        self.node.refunds = self.start("refunds", Inbox())

    def gives_back(
        self, name: str, sat: int, *, takes_fee: bool = False, number: int = 1
    ) -> None:
        payment = self.payment(name)
        refund = Refund(
            id=f"ref_{number}", payment_id=name, merchant="shop",
            state=RefundState.PENDING, amount_sat=sat, rate="given",
            created_at=self.clock.now(), takes_fee=takes_fee, address=PAYER,
            claimed_at=self.clock.now(), after_height=self.way.height,
        )  # fmt: skip
        row = OpenRefund(refund, payment.seq, payment.received_sat, 9, 9)
        self.append(Write(rows=(row,)))
        self.run()

    def refund(self, number: int = 1) -> Refund:
        found = self.store.refund(f"ref_{number}")
        assert found is not None
        return found

    def events_of(self, name: str, *types: EventType) -> list[Event]:
        return [
            stored.event
            for stored in self.store.events_after(0, 10_000)
            if stored.payment_id == name and stored.event.type in types
        ]

    def booked(self) -> dict[str, int]:
        """What each account has, in satoshi."""
        found = self.store.balances("shop", ("", ""), 100)
        return {b.account: b.balance for b in found if b.unit == "sat" and b.balance}
