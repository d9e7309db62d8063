"""Refunds of a wallet that is watched only: its owner signs what he was given, or not.

The owner asks for the PSBT of a refund that waits, once or again and again; signs one
of them or several, at once or hours later; destroys it and withdraws the refund; spends
its coin for something else. A merchant has coins in a wallet whose keys the node holds,
too, so that it might pay by itself.

What must hold, by the chain and by what was given out alone: a PSBT pays its refund;
any two of one refund spend a coin in common, or the first can never be mined; and the
node sends no transaction for a refund of which a PSBT is out.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any

from embit import script
from embit.psbt import PSBT
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from engine.bitcoin.signed_tx import TxIn, make_tx
from engine.bitcoin.transaction import parse_tx
from engine.chain.feed import ChainTx, TxOut
from engine.gateway import Gateway
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import cancelled
from tests.simulation.broken import Broken
from tests.simulation.chain import script_of
from tests.simulation.cold_keys import COLD, signed
from tests.simulation.money_chain import MoneyChain
from tests.simulation.refund_books import Known
from tests.simulation.refund_desk import Awaited
from tests.simulation.refund_judge import RefundJudge
from tests.simulation.refunds import Refunds
from tests.simulation.shape import MINUTE_MS as MINUTE

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Psbts", "Turns"]

DEEP = 6
"""So deep a transaction stays: what spends the same coin can never be mined."""


class Turns(AbstractContextManager[None]):
    """One request after the other, as a lock has it; it is free in each new process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._life = 0  # of the process that the rest is of
        self._is_taken = False
        self._waiting: list[Awaited] = []

    def __enter__(self) -> None:
        if self._life != self._world.boots:
            self._life, self._is_taken, self._waiting = self._world.boots, False, []
        while self._is_taken:
            turn = Awaited(self._world)
            self._waiting.append(turn)
            turn.wait(3_600.0)
        self._is_taken = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            return  # its process is dead, and it is being forgotten
        self._is_taken = False
        if self._waiting:
            self._waiting.pop(0).set(None)


class PsbtJudge(RefundJudge):
    """And of what was given out."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.given: dict[str, list[ChainTx]] = {}  # by refund

    def on_given(self, refund: Refund, psbt: bytes) -> None:
        tx = _unsigned(psbt)
        first = tx.outputs[0]
        least = 1 if refund.takes_fee else refund.amount_sat
        if first.script != self.script_of(refund) or len(tx.outputs) > 2:
            raise Broken(f"a PSBT of {refund.id} pays somebody else: {tx}")
        if not least <= first.amount_sat <= refund.amount_sat:
            raise Broken(f"a PSBT of {refund.id} pays {first.amount_sat} sat")
        known = self.refunds[refund.id]
        for before in (*self.given.get(refund.id, ()), *known.txs.values()):
            if self.is_dead(before) or self._pays_another(before, refund):
                continue
            if not set(before.spends) & set(tx.spends):
                raise Broken(f"a PSBT of {refund.id} may be mined beside {before.txid}")
        self.given.setdefault(refund.id, []).append(tx)

    def is_dead(self, tx: ChainTx) -> bool:
        """A coin of it is spent by another, deep enough."""
        for coin in tx.spends:
            by = self._chain.spender_in_best(coin)
            if by is not None and by[0] != tx.txid and by[1] >= DEEP:
                return True
        return False

    def _pays_another(self, tx: ChainTx, refund: Refund) -> bool:
        """Two of one sum to one payer may have the same PSBT; it pays one of them."""
        return self._used.get((tx.txid, 0), refund.id) != refund.id

    def on_send(self, raw: bytes, known: Known) -> None:
        new = parse_tx(raw).txid not in known.txs
        out = [tx for tx in self.given.get(known.refund.id, ()) if not self.is_dead(tx)]
        if new and out:
            raise Broken(f"{known.refund.id} is paid by us, and its PSBT is out")
        super().on_send(raw, known)

    def _has_ended(self, known: Known) -> None:
        super()._has_ended(known)
        if known.state is RefundState.CANCELLED and (there := self._there_of(known)):
            raise Broken(f"{known.refund.id} was withdrawn, and {there} paid it")

    def _waits_rightly(self, known: Known) -> None:
        label = self._world.life.labels[known.refund.payment_id]
        if not label.startswith(COLD):
            super()._waits_rightly(known)
        elif there := self._there_of(known):
            raise Broken(f"{known.refund.id} waits, and {there} of its owner paid it")

    def _there_of(self, known: Known) -> list[str]:
        """What its owner sent for it and is there, and pays no other."""
        refund, seen = known.refund, self._chain.now
        return [
            txid
            for txid in self.of_owner.get(refund.id, ())
            if self._chain.has(seen, txid)
            and self._used.get((txid, 0), refund.id) == refund.id
        ]

    def counts(self) -> dict[str, int]:
        mined = {
            name
            for name, txids in self.of_owner.items()
            if any(self._chain.has(self._chain.now, txid) for txid in txids)
        }
        several = sum(len({tx.txid for tx in g}) > 1 for g in self.given.values())
        return {
            **super().counts(),
            "psbts_given": len(self.given),
            "psbts_several": several,
            "psbts_mined": len(mined & self.given.keys()),
        }


class Psbts(Refunds):
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        super().__init__(world, random)
        self.judge: PsbtJudge = PsbtJudge(world)
        self._destroyed: set[str] = set()
        self._sent: list[bytes] = []

    def _owner_sees(self, refund: Refund) -> None:
        """He asks for the PSBT; of his other refunds he does as ever."""
        label = self._world.life.labels[refund.payment_id]
        if not label.startswith(COLD):
            super()._owner_sees(refund)
            return
        random = self._random
        if refund.id in self._destroyed:
            self._withdraws(refund.id)
            return
        for _ in range(random.choice((1, 1, 2))):
            self._later_or_now(lambda: self._asks_for_psbt(refund))

    def _owner_looks(self) -> None:
        """His wallet sends again what was lost, also of what was told as paid."""
        super()._owner_looks()
        chain = self._world.chain
        assert isinstance(chain, MoneyChain)
        for raw in self._sent:
            if not chain.has(chain.now, parse_tx(raw).txid):
                chain.submit(raw)

    def _later_or_now(self, act: Any) -> None:
        """In what is calm too, so that all is settled in the end."""
        self._world.in_world(self._random.choice((0, 0, 5, 40, 3_000)), act)

    def _asks_for_psbt(self, refund: Refund) -> None:
        if refund.id in self._destroyed:
            return

        def handler(gateway: Gateway) -> bytes:
            stored = gateway.refund(refund.id)
            assert stored is not None, refund.id
            made, _plan = gateway.refund_psbt(stored)
            return made

        self._asks(handler, lambda psbt: self._has(refund, psbt), lambda: None, 6)

    def _has(self, refund: Refund, psbt: bytes) -> None:
        """The PSBT in his hands."""
        if self._world.is_telling:
            tx = _unsigned(psbt)
            self._world.note("psbt", f"{refund.id} {refund.amount_sat} {tx}")
        self.judge.on_given(refund, psbt)
        random, world = self._random, self._world
        dice = random.random()
        if world.calm or dice < 0.6:
            wait = 0 if world.calm else random.choice((0, 0, 1, 30, 300)) * MINUTE
            world.in_world(wait, lambda: self._signs(refund, psbt))
        elif dice < 0.75 and not self.judge.of_owner.get(refund.id):
            self._destroyed.add(refund.id)
            self._withdraws(refund.id)
        elif dice < 0.85:
            self._spends_otherwise(psbt)

    def _signs(self, refund: Refund, psbt: bytes) -> None:
        if refund.id in self._destroyed:
            return
        raw = signed(psbt)
        self._sends(refund, raw)

    def _sends(self, refund: Refund, raw: bytes) -> None:
        chain = self._world.chain
        assert isinstance(chain, MoneyChain)
        refusal = chain.submit(raw)
        self._world.note("owner sends", f"{refund.id} {refusal}")
        txid = parse_tx(raw).txid
        mine = self.judge.of_owner.setdefault(refund.id, [])
        if refusal is None and txid not in mine:
            mine.append(txid)
            self._sent.append(raw)

    def _withdraws(self, refund_id: str) -> None:
        def handler(gateway: Gateway) -> None:
            before = gateway.refund(refund_id)
            assert before is not None, refund_id
            if before.state is RefundState.PENDING:
                after = cancelled(before, gateway.now(), "owner", is_psbt_void=True)
                gateway.move_refund(before, after)

        self._asks(handler, lambda _done: None, lambda: self._withdraws(refund_id), 0)

    def _spends_otherwise(self, psbt: bytes) -> None:
        """The coin that the PSBT spends, for something of his own."""
        chain = self._world.chain
        assert isinstance(chain, MoneyChain)
        parsed = PSBT.parse(psbt)
        coin = parsed.inputs[0]
        total = coin.utxo.value
        if total < 10_000:
            return
        place = script.Script(script_of("elsewhere"))
        tx = Transaction(
            vin=[TransactionInput(coin.txid, coin.vout, sequence=coin.sequence)],
            vout=[TransactionOutput(total - 5_000, place)],
        )
        own = PSBT(tx, unknown={}, version=None)
        own.inputs[0] = coin
        refusal = chain.submit(signed(own.serialize()))
        self._world.note("owner spends", f"{coin.txid.hex()} {refusal}")


def _unsigned(psbt: bytes) -> ChainTx:
    tx = PSBT.parse(psbt).tx
    made = make_tx(
        [TxIn(one.txid.hex(), one.vout, sequence=one.sequence) for one in tx.vin],
        [TxOut(one.script_pubkey.data, one.value) for one in tx.vout],
    )
    return parse_tx(made.raw)
