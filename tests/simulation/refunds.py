"""Money that goes back in a world: a clerk who asks, payers who claim, owners who pay.

The clerk gives back the whole, or parts, to an address or by a link, several at once,
more than there is, of whatever payment money came to; he asks again when he gets no
answer, withdraws one, says that one was paid in cash. A link is claimed by one or by
many at the same moment, or by nobody. What our keys cannot pay the merchant's own
wallet pays, some time later. None of them knows the engine's rules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from engine.errors import Duplicate, EngineBusy, EngineError
from engine.gateway import Gateway
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import cancelled
from engine.store.writes import KeptAnswer
from tests.simulation.broken import Broken
from tests.simulation.chain import address_of
from tests.simulation.hot_keys import HOT
from tests.simulation.refund_desk import RefundDesk
from tests.simulation.refund_judge import RefundJudge
from tests.simulation.shape import MINUTE_MS as MINUTE
from transport.control.new_refund import new_refund
from transport.http.claims import Claims
from transport.http.problems import Problem
from transport.http.refund_types import RefundRequest

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["REFUND_SCOPE", "Refunds"]

REFUND_SCOPE = "key /v1/payments/refund"

PATIENCE_MS = 15_000
"""For an answer; then one asks again."""

WAYS = ("whole", "whole", "part", "part", "parts", "link", "link", "race", "much")


class Refunds:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self.judge = RefundJudge(world)
        self._desk = RefundDesk(world)
        self._asked = 0
        self._made = 0
        self._in_cash: set[str] = set()  # what was given back by other means
        self._later(1, 60 * MINUTE, self._visit)
        world.in_world(20 * MINUTE, self._owner_looks)

    def _later(self, low_ms: int, high_ms: int, act: Callable[[], object]) -> None:
        self._world.in_life(self._random.randrange(low_ms, high_ms), act)

    # -- the clerk -------------------------------------------------------------------

    def _visit(self) -> None:
        self._later(5 * MINUTE, 60 * MINUTE, self._visit)
        payments = sorted(self._world.rules.judges.books.items())
        paid = [name for name, book in payments if book.received_sat]
        if paid:
            self._gives_back(self._random.choice(paid))

    def _gives_back(self, payment_id: str) -> None:
        random = self._random
        way = random.choice(WAYS)
        book = self._world.rules.judges.books[payment_id]
        payer = f"payer of {payment_id}"
        if random.random() < 0.5:
            payer += f" {self._asked}"
        address: str | None = address_of(payer, self._world.shape.network)
        if way == "link" or random.random() < 0.2:
            address = None
        amount = None
        if way in {"part", "parts"}:
            amount = max(book.received_sat // random.choice((2, 2, 3, 4)), 600)
        elif way == "much":
            amount = book.received_sat + random.randrange(1, 5_000)
        request = RefundRequest(
            amount_sat=amount,
            address=address,
            claim_expires_in_s=random.choice((60, 3_600, 20_000)),
            fee_from=random.choice(("merchant", "merchant", "refund")),
        )
        times = random.choice((2, 3, 6)) if way in {"race", "parts"} else 1
        for _ in range(times):
            self._asked += 1
            key = f"refund {self._asked}"
            for _ in range(random.choice((1, 1, 1, 2))):  # a double click
                ask = partial(self._create, key, payment_id, request, 0)
                self._later(0, random.choice((1, 50, 3_000)), ask)

    def _create(
        self, key: str, payment_id: str, request: RefundRequest, attempt: int
    ) -> None:
        world = self._world

        def handler(gateway: Gateway) -> str:
            known = gateway.idempotent_answer(REFUND_SCOPE, key)
            if known is not None:
                return known.body.decode()
            payment = gateway.payment(payment_id)
            assert payment is not None, payment_id
            refund, most = new_refund(request, payment, gateway, world.shape.network)
            self._made += 1
            refund = replace(refund, id=f"ref_{self._made:05d}")
            self.judge.on_asked(key, refund)

            def keep(made: Refund) -> KeptAnswer:
                body = made.id.encode()
                return KeptAnswer(
                    REFUND_SCOPE, key, b"hash", 201, body, made.created_at
                )

            return gateway.open_refund(refund, payment, most, keep).id

        self._asks(
            handler,
            lambda refund_id: self._is_there(key, refund_id),
            lambda: self._create(key, payment_id, request, attempt + 1),
            attempt,
        )

    def _asks(
        self,
        handler: Callable[[Gateway], Any],
        done: Callable[[Any], object],
        again: Callable[[], None],
        attempt: int,
    ) -> None:
        """`again`: nobody knows what became of it, or it could not be done just now."""
        open_ = [True]

        def answered(answer: Any) -> None:
            if not open_[0]:
                return
            open_[0] = False
            is_busy = isinstance(answer, Problem) and answer.status == 503
            if is_busy or isinstance(answer, EngineBusy | Duplicate | OSError):
                try_again()
            elif isinstance(answer, EngineError | Problem):
                self._world.note("refund refused", repr(answer)[:200])
            elif isinstance(answer, Exception) and not _is_of_the_disk(answer):
                raise Broken(f"a request for a refund fell over: {answer!r}")
            elif isinstance(answer, Exception):
                try_again()
            else:
                done(answer)

        def try_again() -> None:
            self._world.life.edges.unanswered += 1
            if attempt < 6:
                self._later(200, 90_000, again)

        def too_late() -> None:
            if open_[0]:
                open_[0] = False
                try_again()

        self._world.in_world(PATIENCE_MS, too_late)
        self._desk.ask(handler, answered)

    def _is_there(self, key: str, refund_id: str) -> None:
        self.judge.on_acknowledged(key, refund_id)
        random = self._random
        refund = self.judge.refunds[refund_id].refund
        if refund.is_by_link and random.random() < 0.85:
            whose = f"payer of {refund.payment_id}"
            at = random.randrange(0, random.choice((1_000, 120_000, 20 * MINUTE)))
            for number in range(random.choice((1, 1, 2, 5))):
                payer = whose if random.random() < 0.5 else f"{whose} {number}"
                self._world.in_life(
                    at + random.choice((0, 0, 5, 2_000)),
                    partial(self._claim, refund_id, payer, 0),
                )
        if random.random() < 0.15:
            self._later(0, 30 * MINUTE, lambda: self._withdraw(refund_id))

    def _claim(self, refund_id: str, payer: str, attempt: int) -> None:
        world = self._world
        network, vault = world.shape.network, world.channels.vault
        address = address_of(payer, network)

        def handler(gateway: Gateway) -> Refund:
            claims = Claims(gateway, vault, network, per_minute=1_000_000)
            return claims.claim(refund_id, vault.claim_token(refund_id), address)

        self._asks(
            handler,
            lambda after: self.judge.on_claimed(after.id, address),
            lambda: self._claim(refund_id, payer, attempt + 1),
            attempt,
        )

    def _withdraw(self, refund_id: str) -> None:
        """Not one that its owner has paid already: nobody but he knows of that yet."""
        if refund_id in self._in_cash or self.judge.of_owner.get(refund_id):
            return

        def handler(gateway: Gateway) -> None:
            before = gateway.refund(refund_id)
            assert before is not None, refund_id
            after = cancelled(before, gateway.now(), "clerk", is_psbt_void=False)
            gateway.move_refund(before, after)

        self._asks(handler, lambda _done: None, lambda: None, 6)

    # -- the merchant's own wallet -----------------------------------------------------

    def is_ours_to_pay(self, refund: Refund) -> bool:
        """Whether our keys are to pay it; else its owner does."""
        return self._world.life.labels[refund.payment_id].startswith(HOT)

    def _owner_looks(self) -> None:
        self._world.in_world(20 * MINUTE, self._owner_looks)
        for known in list(self.judge.refunds.values()):
            refund = known.refund
            if known.state is RefundState.PENDING and not self.is_ours_to_pay(refund):
                self._owner_sees(refund)

    def _owner_sees(self, refund: Refund) -> None:
        """He pays once, and looks whether it is there. What was said to be paid in cash
        he says until he is heard."""
        chain, random = self._world.chain, self._random
        if refund.id in self._in_cash:
            self._by_hand(refund.id)
            return
        sent = self.judge.of_owner.get(refund.id, [])
        for txid in sent:
            if not chain.is_spent(chain.now, txid):
                if not chain.has(chain.now, txid):
                    chain.give_back(txid)
                elif self.judge.is_not_seen(refund, txid):
                    self._by_hand(refund.id)
                return
        if not self._world.calm and random.random() < 0.5:
            return
        if not self._world.calm and not sent and random.random() < 0.1:
            self._in_cash.add(refund.id)
            self._by_hand(refund.id)
            return
        sat = refund.amount_sat
        if refund.takes_fee:
            sat -= sat // 20
        self.judge.pays_himself(refund, sat)

    def _by_hand(self, refund_id: str) -> None:
        def handler(gateway: Gateway) -> None:
            before = gateway.refund(refund_id)
            assert before is not None, refund_id
            if before.state is RefundState.PENDING:
                self.judge.on_by_hand(refund_id)
                gateway.refund_by_hand(before, "", "clerk")

        self._asks(handler, lambda _done: None, lambda: None, 6)


def _is_of_the_disk(error: Exception) -> bool:
    return type(error).__module__ == "sqlite3"
