"""A day at the shop in half a minute: orders, money, blocks, now and then a reorg.

For tests that disturb Paybell meanwhile. Nothing here is impressed: an order that gets
no answer is sent again with its Idempotency-Key until it is taken, a follower whose
connection ends comes back. What was ordered and paid is kept in `orders`: the truth
that Paybell must know in the end, whatever happened to it.

With a `control`, a Paybell that nobody disturbs, each order goes there too: it shows
how all would have ended. Each customer, the miner and each follower run in greenlets
of their own.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import gevent
import requests
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from tests.node.bcoin import BcoinNode
from tests.node.followers import Follower, SocketioFollower
from tests.node.paybell import Paybell
from tests.node.rawtx import address_for
from tests.node.wallet import Wallet
from tests.tools.wait import PATIENCE

__all__ = ["Order", "Traffic"]

CUSTOMERS = 4
PAUSE_S = 0.4  # of a customer between two orders, at most
BLOCK_S = 0.8  # between two blocks, at most
REORG_CHANCE = 0.08  # instead of a block
FOLLOWED = 0.1  # of the orders
ON_A_PAGE = 0.3  # of the orders
AGAIN_S = 0.1
KINDS = ("p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr")

PLANS = {  # parts of the price that are paid, one transaction each
    "whole": (1.0,),
    "halves": (0.5, 0.5),
    "too much": (1.5,),
    "too little": (0.4,),
    "never": (),
    "cancelled": (),
}

DEADLINES_S = (None, 3, 6)
"""Of an order that is not paid in full; None: it is not over within a test."""


@dataclass
class Order:
    """What a customer wanted, what was answered, and what was really paid."""

    key: str
    body: dict[str, Any]
    plan: str
    answers: set[str] = field(default_factory=set)  # ids that 201s named; one is right
    sent: int = 0  # how often it was
    paid_sat: int = 0
    txids: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        (payment_id,) = self.answers
        return payment_id

    @property
    def number(self) -> str:
        """The shop's name for it."""
        return str(self.body["external_id"])

    @property
    def is_paid(self) -> bool:
        return self.paid_sat >= int(self.body["amount_sat"])

    @property
    def ends(self) -> str:
        """The status in which it has to end, once all blocks are there."""
        if self.is_paid:
            return "confirmed"
        if self.plan == "cancelled":
            return "cancelled"
        if "expires_in_s" in self.body:
            return "expired"
        return "confirming" if self.txids else "pending"


class Traffic:
    """Starts with the constructor; `end` lets what is under way come to its end."""

    def __init__(
        self,
        paybell: Paybell,
        node: BcoinNode,
        wallet: Wallet,
        random: Random,
        control: Paybell,
    ) -> None:
        self.orders: list[Order] = []
        self.followers: dict[str, Follower] = {}  # by payment id
        self.pages: dict[str, SocketioFollower] = {}  # likewise; they know the order
        self.reorgs = 0
        self.replayed = 0  # answers that said they were given before
        self.sending = Event()  # set whenever an order is sent
        self.under_way = 0  # calls that are not answered yet
        self.taken = 0  # calls that were answered 2xx
        self._control = control
        self._paybell = paybell
        self._node = node
        self._wallet = wallet
        self._random = random
        self._closing = Event()
        self._chain = BoundedSemaphore(1)  # the wallet must see a settled mempool
        self._greenlets = [gevent.spawn(self._shop) for _ in range(CUSTOMERS)]
        self._greenlets.append(gevent.spawn(self._mine))

    def end(self, timeout_s: float) -> None:
        """Finish all orders that were begun; raises what anybody died of."""
        self._closing.set()
        gevent.joinall(self._greenlets, timeout=timeout_s * PATIENCE)
        for greenlet in self._greenlets:
            assert greenlet.dead, "an order is not taken"
            greenlet.get()

    def check(self) -> None:
        """Raise now what a customer or the miner died of."""
        for greenlet in self._greenlets:
            if greenlet.dead:
                greenlet.get()

    def close(self) -> None:
        """At once, and with the followers."""
        gevent.killall(self._greenlets)
        for follower in [*self.followers.values(), *self.pages.values()]:
            follower.close()

    # -- customers -------------------------------------------------------------------

    def _shop(self) -> None:
        while not self._closing.wait(self._random.uniform(0, PAUSE_S)):
            order = self._new_order()
            page = None
            if self._random.random() < ON_A_PAGE:  # it is there before its payment
                page = self._paybell.follow_invoice(order.number)
            payment = self._place(order)
            if page is not None:
                self.pages[payment["id"]] = page
            self._control.create(**order.body)
            if self._random.random() < FOLLOWED:
                follow = self._random.choice(
                    [self._paybell.follow_ws, self._paybell.follow_sse]
                )
                self.followers[payment["id"]] = follow(payment)
            for part in PLANS[order.plan]:
                self._closing.wait(self._random.uniform(0, PAUSE_S))
                self._pay(order, part)
            if order.plan == "cancelled":
                self._cancel(payment)

    def _new_order(self) -> Order:
        number = len(self.orders)
        plan = self._random.choice(["whole", *PLANS])
        body = {
            "address": address_for(self._random.choice(KINDS), 50_000 + number),
            "amount_sat": 2 * self._random.randrange(5_000, 50_000),
            "confirmations": self._random.choice([0, 1, 2, 3]),
            "external_id": f"order-{number}",
        }
        deadline_s = self._random.choice(DEADLINES_S)
        if plan in {"never", "too little"} and deadline_s is not None:
            body["expires_in_s"] = deadline_s
        order = Order(key=f"key-{number}", body=body, plan=plan)
        self.orders.append(order)
        return order

    def _place(self, order: Order) -> dict[str, Any]:
        """Until it is taken."""
        while True:
            order.sent += 1
            response = self._call(
                "/v1/payments", json=order.body, headers={"Idempotency-Key": order.key}
            )
            if response is not None and response.status_code == 201:
                self.replayed += "Idempotent-Replayed" in response.headers
                payment: dict[str, Any] = response.json()
                order.answers.add(payment["id"])
                return payment
            self._check_refusal(response)

    def _cancel(self, payment: dict[str, Any]) -> None:
        """At the control too. Nobody pays it, so nothing is against it."""
        while True:
            response = self._call(f"/v1/payments/{payment['id']}/cancel")
            if response is not None and response.status_code == 200:
                break
            self._check_refusal(response)
        page = self._control.get(f"/v1/payments?external_id={payment['external_id']}")
        (same,) = page["data"]
        self._control.post(f"/v1/payments/{same['id']}/cancel", {}, 200)

    def _call(self, path: str, **options: Any) -> requests.Response | None:
        """POST there; None if no answer came."""
        self.under_way += 1
        self.sending.set()
        try:
            response = self._paybell.call("POST", path, **options)
        except requests.RequestException:
            return None
        finally:
            self.under_way -= 1
        self.taken += response.ok
        return response

    def _check_refusal(self, response: requests.Response | None) -> None:
        assert response is None or response.status_code == 503, response.text
        self._pause()

    def _pay(self, order: Order, part: float) -> None:
        amount_sat = round(order.body["amount_sat"] * part)
        with self._chain:
            txid = self._wallet.pay(order.body["address"], amount_sat)
        order.paid_sat += amount_sat
        order.txids.append(txid)

    def _pause(self) -> None:
        Event().wait(AGAIN_S)

    # -- the miner -------------------------------------------------------------------

    def _mine(self) -> None:
        while not self._closing.wait(self._random.uniform(0, BLOCK_S)):
            with self._chain:
                if self._random.random() < REORG_CHANCE:
                    self._node.reorg(self._random.choice([1, 2]))
                    self.reorgs += 1
                else:
                    self._node.generate(1)
