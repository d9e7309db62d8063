"""A shop whose Paybell is killed again and again, beside one that is left alone.

A `World` is a chain of its own, two Paybells that watch it and are given the same
orders, an endpoint for webhooks, and traffic. One of the two gets SIGKILL at random
moments and is started again on the same database and port; the other one, the control,
shows how all would have ended without.

When to kill is drawn; what was going on when it hit is looked up, for the figures.
"""

import contextlib
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import sqlite_utils
from gevent.event import Event

from engine.store.sqlite.high_water_mark import HighWaterMark
from engine.store.sqlite.migrations import migrations
from tests.node.bcoin import BcoinNode
from tests.node.paybell import Paybell
from tests.node.traffic import Order, Traffic
from tests.tools.receiver import Answer, Received, Receiver, hang_up, reply
from tests.tools.wait import wait_until

__all__ = ["Moody", "Events", "World", "unlike"]

Events = list[dict[str, Any]]

SETTLE_S = 60.0
SCHEDULE_S = [0.0] + [0.3] * 19  # attempts of a delivery

AIMS = {
    "a start": 4,
    "an order": 6,
    "a webhook": 4,
    "any time": 4,
    "a clean end": 2,
}
"""What to kill in, and how often, of 20."""

WANTED = {"a start", "a webhook", "a clean end"}
"""What each world has to be hit in at least once: it goes on until it is."""

PATIENT = 4
"""So many times the kills that were asked for (and 50 more), and it gives up."""

START_S = 0.8  # a start takes about so long
UP_S = 0.8  # from the first order that is taken to the moment when an aim is taken
FLIGHT_S = 0.015  # about as long as an order takes
END_S = 0.25  # of a clean end; one that is over before is no kill
AIM_S = 4.0  # for an order or a webhook to come along
SLOW_S = 0.02  # the endpoint's longest thought

FAILING = 0.25  # of the endpoint's answers
MOST_FAILURES = 3  # in a row, so that the breaker does not rest for long

SCHEMAS = (None, "m002_edges", "m004_checksums")
"""What the first starts find: no database, or one that lacks this migration."""


class Moody:
    """A webhook endpoint that often fails, and remembers what it has answered."""

    def __init__(self, random: Random) -> None:
        self.taken: list[bool] = []  # for each request in turn: was it answered 2xx
        self.arrived = Event()  # set whenever a request is there
        self.under_way = 0
        self._random = random
        self.receiver = Receiver(answers=self._answers())

    def _answers(self) -> Iterator[Answer]:
        while True:
            may_fail = any(self.taken[-MOST_FAILURES:]) or not self.taken
            fails = may_fail and self._random.random() < FAILING
            self.taken.append(not fails)
            failure = self._random.choice([reply(500), hang_up()])
            yield self._after_a_moment(failure if fails else reply(204))

    def _after_a_moment(self, answer: Answer) -> Answer:
        pause_s = self._random.uniform(0, SLOW_S)

        def answer_later(sock: Any, request: Received, receiver: Receiver) -> None:
            self.under_way += 1
            self.arrived.set()
            try:
                Event().wait(pause_s)
                answer(sock, request, receiver)
            finally:
                self.under_way -= 1

        return answer_later


class World:
    """See the module. A context manager; everything follows from `random`, but when."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.random = random
        self.node = BcoinNode()
        self.endpoint = Moody(random)
        self.phases: Counter[str] = Counter()  # what the kills hit
        self.secret = ""  # of the webhooks
        self._folder = folder
        self._kept = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as entered:
            entered.enter_context(self.node)
            entered.enter_context(self.endpoint.receiver)
            wallet = self.node.fund(30)
            control_folder = self._folder / "control"
            control_folder.mkdir(parents=True)
            self.control = Paybell(self.node.url, control_folder)
            entered.enter_context(self.control)
            salon = ["--seed=salon=default"]
            self.paybell = Paybell(self.node.url, self._folder, salon)
            entered.callback(self.paybell.kill)
            self._kill_the_newborn()
            entered.enter_context(self.paybell)
            url = self.endpoint.receiver.url()
            self.secret = self.paybell.open_channel(url, schedule_s=SCHEDULE_S)
            self.traffic = Traffic(
                self.paybell, self.node, wallet, self.random, self.control
            )
            entered.callback(self.traffic.close)
            self._kept = entered.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kept.__exit__(kind, error, trace)

    # -- kills -----------------------------------------------------------------------

    def _kill_the_newborn(self) -> None:
        """While it makes its database, or mends an older one's tables."""
        lacking = self.random.choice(SCHEMAS)
        if lacking is not None:
            old = sqlite_utils.Database(self.paybell.db)
            migrations.apply(old, stop_before=lacking)
            old.close()
            # Without its mark it would be one that was copied here.
            HighWaterMark(self.paybell.db, 0).close()
        for _ in range(2):
            self.paybell.launch()
            Event().wait(self.random.uniform(START_S / 4, START_S))
            self._kill("its first start")

    def kill_again_and_again(self, kills: int) -> None:
        """Until it was killed so often in all, and in all that is wanted. Ends with a
        Paybell that is ready."""
        aims, weights = list(AIMS), list(AIMS.values())
        while self.phases.total() < kills or not set(self.phases) >= WANTED:
            assert self.phases.total() < 50 + PATIENT * kills, _told(self.phases)
            self.traffic.check()
            aim = self.random.choices(aims, weights)[0]
            if self.phases.total() >= kills:  # it only goes on for what is missing
                aim = min(WANTED - set(self.phases))
            if aim == "a start":
                Event().wait(self.random.uniform(0, START_S))
            else:
                self._be_up_for_a_while()
                self._wait_for(aim)
            if aim == "a clean end":
                self._kill_at_the_end()
            else:
                self._kill(self._phase())
            self.paybell.launch()
        self.paybell.wait_until_ready()

    def _be_up_for_a_while(self) -> None:
        taken = self.traffic.taken
        wait_until(
            lambda: self.traffic.taken > taken,
            SETTLE_S,
            lambda: f"an order to be taken\n{self.paybell.log}",
        )
        Event().wait(self.random.uniform(0, UP_S))

    def _wait_for(self, aim: str) -> None:
        passing = {"an order": self.traffic.sending, "a webhook": self.endpoint.arrived}
        if aim in passing:
            passing[aim].clear()
            passing[aim].wait(AIM_S)
            Event().wait(self.random.uniform(0, FLIGHT_S))

    def _kill_at_the_end(self) -> None:
        self.paybell.signal(signal.SIGTERM)
        Event().wait(self.random.uniform(0, END_S))
        if self.paybell.has_ended:
            self.paybell.kill()  # only to take note of it
        else:
            self._kill("a clean end")

    def _kill(self, phase: str) -> None:
        self.paybell.kill()
        self.phases[phase] += 1

    def _phase(self) -> str:
        if not self.paybell.has_told_ready:
            return "a start"
        order, webhook = self.traffic.under_way > 0, self.endpoint.under_way > 0
        if order and webhook:
            return "an order and a webhook"
        if order or webhook:
            return "an order" if order else "a webhook"
        return "a quiet moment"

    # -- the end -----------------------------------------------------------------------

    def settle(self) -> dict[str, Events]:
        """Let all be paid, buried, told and over; each payment's story."""
        self.traffic.end(SETTLE_S)
        self.node.generate(4)
        for paybell in (self.paybell, self.control):
            paybell.wait_for_tip(self.node.tip())
            self._wait_for_ends(paybell)
        events: Events = []
        self.paybell.read_on(events)
        self._wait_for_webhooks({event["id"] for event in events})
        stories: dict[str, Events] = {}
        for event in events:
            stories.setdefault(event["payment_id"], []).append(event)
        return stories

    def _wait_for_ends(self, paybell: Paybell) -> None:
        wanted = {order.number: order.ends for order in self.traffic.orders}
        waiting: dict[str, str] = {}

        def all_have_ended() -> bool:
            found = {p["external_id"]: p["status"] for p in paybell.payments()}
            waiting.clear()
            waiting.update({n: s for n, s in wanted.items() if found.get(n) != s})
            return not waiting

        wait_until(all_have_ended, SETTLE_S, lambda: f"{waiting}")

    def _wait_for_webhooks(self, wanted: set[str]) -> None:
        def all_taken() -> bool:
            requests = self.endpoint.receiver.requests
            answered = zip(requests, self.endpoint.taken, strict=True)
            return wanted <= {r.headers["webhook-id"] for r, taken in answered if taken}

        wait_until(all_taken, SETTLE_S, "every event to be delivered")

    def lines(self, stories: dict[str, Events]) -> list[str]:
        """What was going on, for whoever wonders whether it was enough."""
        traffic = self.traffic
        again = sum(order.sent - 1 for order in traffic.orders)
        clients = [*traffic.followers.values(), *traffic.pages.values()]
        ends = Counter(order.ends for order in traffic.orders)
        return [
            f"{self.phases.total()} kills: {_told(self.phases)}",
            f"{len(stories)} payments ({_told(ends)}),"
            f" {again} orders sent again, {traffic.replayed} of them answered as"
            f" before; {sum(map(len, stories.values()))} events,"
            f" {len(self.endpoint.taken)} webhooks of which"
            f" {self.endpoint.taken.count(False)} failed; {len(clients)} followers,"
            f" {sum(c.connections for c in clients)} connections;"
            f" {traffic.reorgs} reorgs",
        ]


def _told(counter: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counter.most_common())


def unlike(order: Order, payment: dict[str, Any], control: dict[str, Any]) -> str:
    """In what the payment ended unlike that of the control; "" if in nothing.

    Not compared: ids and times, which are each one's own; and what tells how a node saw
    it happen. A reorg that passed while it was down, it did not see; two blocks that
    came between two looks are told as one step.
    """
    for name in payment.keys() - _OWN:
        ours, theirs = payment[name], control[name]
        if name == "flags":
            ours, theirs = set(ours) - _SEEN, set(theirs) - _SEEN
        if name == "receipts":
            ours, theirs = _receipts(ours), _receipts(theirs)
        if ours != theirs:
            return f"{order}: {name} is {ours}, of the control {theirs}"
    return ""


_OWN = {
    "id",
    "created_at",
    "expires_at",
    "confirmed_at",
    "completed_at",
    "seq",
    "checkout_url",
    "confirmations",
    "tx_hash",  # of several the one that was seen first; all are in the receipts
}
_SEEN = {"reorged", "replaced", "late"}


def _receipts(receipts: Events) -> list[tuple[Any, ...]]:
    return sorted(
        tuple(receipt[name] for name in ("txid", "vout", "amount_sat", "block_hash"))
        for receipt in receipts
    )
