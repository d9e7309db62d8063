"""The edges of a world: requests that wait for an answer, give up, and come again.

What an HTTP handler does with the gateway is done here without a greenlet: the answer
is a callback, the time-out a thing to come. A shop that got no answer (a time-out, a
crash, 503) does not know whether its payment was made; it asks again with the same
Idempotency-Key and must get the one payment. What is answered must be committed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from actors.edge.creation import as_of_now
from actors.messages import Command, CreatePayments, NotWatched, PollNow
from engine.errors import Refused
from engine.payment.model import Payment, Terms
from engine.payment.observations import Observation
from engine.store.writes import (
    Conflict,
    ForgetIdempotency,
    InboundWebhook,
    KeptAnswer,
    Row,
    Unavailable,
)
from tests.simulation.broken import Broken
from tests.simulation.rules import SCOPE

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Edges"]

ASK_MS = 10_000
_DAY_MS = 86_400_000

BuildTerms = Callable[[int], Terms]


class Edges:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self.unanswered = 0  # requests refused, failed or not answered in time

    # -- creating --------------------------------------------------------------------

    def create(self, key: str, terms: BuildTerms, attempt: int = 0) -> None:
        """Ask for a payment; `terms` are made anew for each attempt (a new id)."""
        node = self._world.node
        if node is None or not node.health.booted or node.health.journal is not None:
            self._again(key, terms, attempt, "refused")
            return
        known = self._answered_before(key)
        if known is not None:
            self._is_there(known)
            return
        (asked,) = as_of_now(node, (terms(attempt),))
        self._world.rules.record.on_asked(asked)
        open_ = [True]

        def rows(answers: list[Any]) -> tuple[Row, ...]:
            if not isinstance(answers[0], Payment):
                return ()
            now = asked.created_at
            body = asked.id.encode()
            kept = KeptAnswer(SCOPE, key, b"hash", 201, body, now)
            return ForgetIdempotency(now - _DAY_MS, SCOPE, key), kept

        def answer(reply: Any) -> None:
            if open_[0]:
                open_[0] = False
                self._on_created(key, terms, attempt, reply)

        def too_late() -> None:
            if open_[0]:
                open_[0] = False
                self._again(key, terms, attempt, "timed out")

        if node.supervisor.tell(CreatePayments((asked,), answer, rows)):
            self._world.note("create", f"{asked.id} {asked.amount_sat} sat")
            self._world.in_world(ASK_MS, too_late)
        else:
            self._again(key, terms, attempt, "refused")

    def _again(self, key: str, terms: BuildTerms, attempt: int, why: str) -> None:
        """Most shops ask again for a while; some have given up by then."""
        self._world.note(f"creation {why}", key)
        self.unanswered += 1
        if attempt < 6 and self._random.random() < 0.9:
            self._world.in_life(
                self._random.randrange(200, 90_000),
                lambda: self.create(key, terms, attempt + 1),
            )

    def _answered_before(self, key: str) -> str | None:
        since = self._world.clock.now() - _DAY_MS
        known = self._world.store.truth.idempotent_answer(SCOPE, key, since)
        return None if known is None else known.body.decode()

    def _on_created(
        self, key: str, terms: BuildTerms, attempt: int, reply: Any
    ) -> None:
        if isinstance(reply, Conflict) and reply.what == "idempotency":
            known = self._answered_before(key)
            if known is None:
                raise Broken(f"{key} was used and has no answer")
            self._is_there(known)
        elif isinstance(reply, Unavailable):
            self._again(key, terms, attempt, "failed")
        elif not isinstance(reply, Conflict) and isinstance(reply[0], Payment):
            self._is_there(reply[0].id)

    def _is_there(self, payment_id: str) -> None:
        if payment_id not in self._world.rules.payments:
            raise Broken(f"{payment_id} was acknowledged and is not committed")
        for client in self._world.clients:
            if self._random.random() < 0.4:
                client.follow(payment_id)

    # -- commands and webhooks ---------------------------------------------------------

    def command(
        self, address: str, observation: Observation, row: InboundWebhook | None = None
    ) -> bool:
        """Whether anybody was there to be asked."""
        world = self._world
        if world.node is None:
            return False
        ref = world.node.watchers.at(address)
        if ref is None:
            return False
        told = Command(observation, lambda answer: self._on_answer(row, answer), row)
        world.rules.record.on_command(ref.name, observation)
        if not ref.tell(told):
            world.note("command refused", ref.name)
            self.unanswered += 1
            return False
        if self._random.random() < 0.1:
            ref.tell(PollNow())
        return True

    def _on_answer(self, row: InboundWebhook | None, answer: Any) -> None:
        """What is acknowledged must be committed; so must be what it caused."""
        rules = self._world.rules
        if isinstance(answer, Payment):
            if answer.seq > rules.payments[answer.id].seq:
                raise Broken(f"{answer.id} #{answer.seq} was acknowledged too early")
        elif not isinstance(answer, Refused | Conflict | Unavailable | NotWatched):
            raise Broken(f"a command was answered {answer!r}")
        heard = isinstance(answer, Payment) or (
            isinstance(answer, Conflict) and answer.what == "inbound"
        )
        if row is not None and heard and row.dedupe not in rules.heard:
            raise Broken(f"the webhook {row.dedupe} was answered and not kept")
