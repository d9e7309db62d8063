"""Readers of invoices: pages of the salon, over a plain WebSocket and over Socket.IO.

As the others they are written from the documentation. A page names an invoice, not a
payment, and keeps `data.since` of what it was told last, or (a careless one) its seq
alone, with `paymentId` or without. It is told messages about events, not the events
themselves: `story` holds the events that it knows by them, as they were committed.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.epochs.edge import Node
from tests.epochs.readers import FalseResume
from tests.tools.salon_messages import messages_of

__all__ = ["OVER", "InvoiceReader", "invoice_at"]

OVER = ("salon", "socketio", "socketio_polling")

SUBSCRIBE = "subscribe:payment-events"
SALON = "/payments/default"
ENGINE = "/socket.io/"

#: A payment's events by its id, as they were committed.
Truth = Callable[[str], list[bytes]]
Message = dict[str, Any]  # flat, with its name as `type`


def invoice_at(address: str) -> str:
    """The number of all payments that are made at this address."""
    return f"invoice at {address}"


class InvoiceReader:
    """See the module docstring."""

    def __init__(self, over: str, address: str, random: Random) -> None:
        """`over`: of `OVER`. `address`: of the payments of its invoice."""
        self.over = over
        self.address = address
        self.invoice = invoice_at(address)
        self.says_epoch = True  # False: a seq alone
        self.told_anew = 0
        self.heard = 0  # visits on which there was a payment to tell of
        self.payment_id: str | None = None
        self.story: list[bytes] | None = None  # all that it knows to have happened
        self.is_whole = True  # the last visit: nothing was cut off
        #: Whether it wants to know how it stands, by an acknowledgement.
        self.asks = random.random() < 0.7
        self._random = random
        self._says_payment = random.random() < 0.5
        self._place: str | int | None = None
        self._update: tuple[int, str, str] | None = None  # its completion is to come

    @property
    def seq(self) -> int:
        return len(self.story or ())

    def visit(self, node: Node, truth: Truth, meanwhile: Callable[[], None]) -> None:
        """Subscribe, hear all that there is and what happens `meanwhile`, and be cut
        off, as well before all was read."""
        told = [*getattr(self, f"_over_{self.over}")(node, meanwhile)]
        if self.asks:
            assert told, "no acknowledgement"
        self.is_whole = self._random.random() < 0.7
        if not self.is_whole:
            told = told[: self._random.randrange(1, len(told) + 2)]
        self.heard += any(message.get("state", True) for message in told)
        self._update = None
        for message in told:
            self._hear(message, truth)
        if self.is_whole:
            self._has_heard_all(truth)

    def _wanted(self) -> Message:
        wanted: Message = {"invoiceId": self.invoice, "steps": True}
        if self._place is not None:
            wanted["since"] = self._place
            if self._says_payment:
                wanted["paymentId"] = self.payment_id
        return wanted

    # -- what it makes of what it is told ----------------------------------------------

    def _hear(self, message: Message, truth: Truth) -> None:
        if message["type"] == "answer":
            self._hear_how_it_stands(message, truth)
            return
        if message["type"] in ("error", "subscribe:error"):
            assert message["code"] == "begins_anew", message
            self._begin_anew()
            return
        data = message["data"]
        name, whole = data["paymentId"], truth(data["paymentId"])
        if "type" not in data:  # how it stands, for who came when it was so
            self._keep(data, whole)
            return
        self._turn_to(name)
        if self.story is None:  # from now on
            self.story = whole[: data["seq"] - 1]
        this = (data["seq"], message["type"], data["type"])
        due = [one for one in _due(whole, self.seq) if one != self._update]
        if whole[: self.seq] != self.story or due[:1] != [this]:
            raise FalseResume(f"{this} over {self.over} after {self.seq}, not {due}")
        if not _is_part(data, json.loads(whole[data["seq"] - 1])):
            raise FalseResume(f"{data} is no part of the event")
        self._update = this
        self._keep(data, whole)

    def _hear_how_it_stands(self, answer: Message, truth: Truth) -> None:
        if "beginsAnew" in answer:
            self._begin_anew()
        if answer["state"] is None:
            assert "beginsAnew" not in answer
            return  # a payment that is made later is told from its start
        data = answer["state"]["data"]
        name, whole = data["paymentId"], truth(data["paymentId"])
        assert len(whole) >= data["seq"], "it has not happened"
        self._turn_to(name)
        if self.story is None:
            self._keep(data, whole)
        elif whole[: self.seq] != self.story:
            raise FalseResume(f"{self.over} of {self.invoice} from {self._place}")

    def _turn_to(self, payment_id: str) -> None:
        """Another payment of the invoice is told from its start."""
        if self.payment_id not in (None, payment_id):
            self.payment_id, self.story, self._place = payment_id, [], 0

    def _begin_anew(self) -> None:
        self.told_anew += 1
        self.story = self.payment_id = self._place = None

    def _keep(self, data: Message, whole: list[bytes]) -> None:
        """The place that it was given, and what it knows to have happened by then."""
        seq = int(data["since"].partition("-")[2])
        self.payment_id, self.story = data["paymentId"], whole[:seq]
        self._place = data["since"] if self.says_epoch else seq

    def _has_heard_all(self, truth: Truth) -> None:
        if self.payment_id is None or self.story is None:
            return
        whole = truth(self.payment_id)
        # None of it is there: it was lost, and there is no other yet.
        if whole and (whole[: self.seq] != self.story or _due(whole, self.seq)):
            raise FalseResume(f"silence after {self.seq} over {self.over}")

    # -- how it is told ----------------------------------------------------------------

    def _over_salon(
        self, node: Node, meanwhile: Callable[[], None]
    ) -> Iterator[Message]:
        socket = node.socket(f"/ws{SALON}")
        assert socket is not None
        ack = {"ack": 1} if self.asks else {}
        socket.say(json.dumps({"type": SUBSCRIBE, **ack, **self._wanted()}))
        node.run()
        meanwhile()
        for raw in socket.texts():
            message = json.loads(raw)
            if message["type"] == f"subscribed:{SUBSCRIBE.partition(':')[2]}":
                message["type"] = "answer"
            yield message
        socket.hang_up()

    def _over_socketio(
        self, node: Node, meanwhile: Callable[[], None]
    ) -> Iterator[Message]:
        socket = node.socket(ENGINE, "EIO=4&transport=websocket")
        assert socket is not None
        for packet in self._packets():
            socket.say(packet)
        node.run()
        meanwhile()
        for raw in socket.texts():
            yield from _messages(raw.decode())
        socket.hang_up()

    def _over_socketio_polling(
        self, node: Node, meanwhile: Callable[[], None]
    ) -> Iterator[Message]:
        query = "EIO=4&transport=polling"
        opened = _text(node.ask("GET", ENGINE, query))
        query += f"&sid={json.loads(opened[1:])['sid']}"
        _text(node.ask("POST", ENGINE, query, "\x1e".join(self._packets())))
        node.run()
        meanwhile()
        while (answer := node.ask("GET", ENGINE, query)) is not None:
            for packet in _text(answer).split("\x1e"):
                yield from _messages(packet)

    def _packets(self) -> tuple[str, str]:
        event = json.dumps([SUBSCRIBE, self._wanted()])
        return f"40{SALON},", f"42{SALON},{'1' if self.asks else ''}{event}"


def _text(answer: tuple[int, bytes] | None) -> str:
    assert answer is not None
    status, body = answer
    assert status == 200, body
    return body.decode()


def _messages(packet: str) -> Iterator[Message]:
    """Of one packet of Engine.IO; none of what the protocols say to each other."""
    if packet[:2] not in ("42", "43"):
        assert packet[:1] == "0" or packet[:2] == "40", packet
        return
    said = json.loads(packet[packet.index("[") :])
    if packet[:2] == "43":
        yield {"type": "answer", **said[0]}
    else:
        yield {"type": said[0], **said[1]}


def _due(whole: list[bytes], seq: int) -> list[tuple[int, str, str]]:
    """The messages of what happened after `seq`."""
    return [message for wire in whole[seq:] for message in messages_of(wire)]


def _is_part(told: Any, whole: Any) -> bool:
    """Whether all of it stands in the event, but for what a message adds."""
    if isinstance(told, dict):
        added = {"paymentId", "since"}
        return all(
            key in added or (key in whole and _is_part(value, whole[key]))
            for key, value in told.items()
        )
    if isinstance(told, list):
        return len(told) == len(whole) and all(map(_is_part, told, whole))
    return bool(told == whole)
