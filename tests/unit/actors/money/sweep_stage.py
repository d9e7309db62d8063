"""A forwarder on the stage: real journal, real signatures, a mempool after Core's."""

from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from actors.facts.published import ForwardingReport, Published
from actors.money.forwarder import ForwarderActor
from engine.bitcoin.address import script_to_address
from engine.bitcoin.signed_tx import TxIn, make_tx
from engine.chain.feed import ChainView, Output, Tip, TxOut
from engine.payment.events import opening
from engine.payment.model import Payment
from engine.payment.money_terms import Derived
from engine.store.sqlite.journal import Journal
from engine.store.writes import Entry, Write
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Forwards, Signer
from engine.wallet.outgoing import Outgoing
from tests.tools.core_way import CoreWay
from tests.unit.actor_stage import ActorStage
from tests.unit.engine.wallet.coins import TestKeys, key
from tests.unit.payment_cases import terms

__all__ = ["OWNER", "TIP", "SweepStage", "paying_tx"]

TIP = 1_000
_OWNERS_SCRIPT = b"\x00\x14" + b"\x07" * 20
OWNER = script_to_address(_OWNERS_SCRIPT, "regtest") or ""


class HeldTestKeys(TestKeys):
    __test__ = False

    def holds(self, wallet: str) -> bool:
        return True

    can_sign = holds

    def collected(self, coins: Iterable[Coin]) -> "HeldTestKeys":
        return self


def paying_tx(script: bytes, amount_sat: int, number: int) -> bytes:
    """Of somebody: its one output pays the script."""
    source = TxIn(f"{number:064x}", 0)
    return make_tx([source], [TxOut(script, amount_sat)]).raw


class SweepStage(ActorStage):
    def __init__(
        self,
        folder: Path,
        policy: ForwardPolicy = ForwardPolicy(anywhere=True),
        way: CoreWay | None = None,
        journal: Journal | None = None,
    ) -> None:
        super().__init__(folder, journal=journal)
        self.way = way or CoreWay(TIP)
        self.policy = policy
        self.booted.publish(True)
        self._paid: dict[str, list[Output]] = {}
        self._numbers = 0
        self._show_tip()
        forwards = Forwards(self.way, Signer(HeldTestKeys()), policy)
        self.report = Published(ForwardingReport())
        self.forwarder = self.start(
            "forwarder", ForwarderActor(self.node, forwards, self.report)
        )

    # -- payments ----------------------------------------------------------------------

    def order(self, name: str, kind: SpendKind = "p2wpkh", index: int = 0) -> Payment:
        script = self.script(kind, index)
        event, payment = opening(
            terms(
                id=name,
                merchant="shop",
                address=script_to_address(script, "regtest"),
                amount_sat=1_000,
                confirmations_required=1,
                derived=Derived(wallet="wal_test", index=index),
                forward_to=OWNER,
            )
        )
        self.append(Write(entries=(Entry(payment, (event,)),)))
        self.run()
        self._paid[name] = []
        return payment

    def script(self, kind: SpendKind, index: int) -> bytes:
        return key("wal_test", index).script(kind)

    def pay(
        self,
        name: str,
        *amounts_sat: int,
        kind: SpendKind = "p2wpkh",
        index: int = 0,
        is_coinbase: bool = False,
    ) -> None:
        """It is in the newest block, and the payment's watcher has seen it."""
        for amount_sat in amounts_sat:
            self._numbers += 1
            raw = paying_tx(self.script(kind, index), amount_sat, self._numbers)
            height = self.way.height
            txid = self.way.fund(raw, height, is_coinbase=is_coinbase)
            at = self.way.mined[txid].block_hash
            self._paid[name].append(
                Output(txid, 0, amount_sat, at, height, None, is_coinbase)
            )
        self.watch(name)

    def watch(self, name: str) -> None:
        height = self.way.height
        tip = Tip(height, f"{height}".rjust(64, "0"))
        self.observe(name, ChainView("core", tip, tuple(self._paid[name])))
        self.run()

    def paid(
        self, name: str, *amounts_sat: int, kind: SpendKind = "p2wpkh", index: int = 0
    ) -> None:
        self.order(name, kind, index)
        self.pay(name, *amounts_sat, kind=kind, index=index)

    # -- the chain ---------------------------------------------------------------------

    def mine(self, *txids: str, blocks: int = 1) -> None:
        self.way.mine(*txids, blocks=blocks)
        self._show_tip()

    def mine_raw(self, raw: bytes) -> None:
        self.way.mine_raw(raw)
        self._show_tip()

    def _show_tip(self) -> None:
        now = self.published.now
        fresh = replace(now.freshness, live=True, tip_height=self.way.height)
        self.published.publish(replace(now, freshness=fresh))

    # -- what came of it ---------------------------------------------------------------

    def outgoing(self) -> list[Outgoing]:
        """The oldest first."""
        return self.store.outgoing_of_merchant("shop")[::-1]

    def states(self) -> list[str]:
        return [one.state.value for one in self.outgoing()]

    def told(self, name: str) -> list[str]:
        """What the forwarder had told of it, in order."""
        types = [
            stored.event.type.value
            for stored in self.store.events_after(0, 10_000)
            if stored.payment_id == name
        ]
        words = [one.removeprefix("payment.") for one in types]
        return [w for w in words if w in {"forwarding", "forwarded", "failed"}]

    def status(self, name: str) -> str:
        return self.payment(name).status.value

    @property
    def alerts(self) -> set[str]:
        return {alert.kind for alert in self.node.alerts.standing()}

    def living_coins_are_single(self) -> bool:
        coins = [
            c.outpoint for o in self.outgoing() if o.is_living for c in o.plan.coins
        ]
        return len(coins) == len({*coins})
