"""A model of what is owed to the channels, kept from what was committed, and only that.

It is the outbox as it must be: which event is owed to which channel, and what became
of it. What the engine sends and what its database says are held against it. An event
may be sent only while it is owed and no earlier one of its payment is; it counts as
delivered only if the endpoint said so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from engine.delivery.channel import Channel, wants
from engine.payment.events import CommittedEvent
from engine.store.writes import ChannelRow, DeliveryResult, RemoveChannel, Requeue, Row
from tests.simulation.broken import Broken

__all__ = ["Deliveries"]

JITTER = 0.2
"""Attempts are that much earlier or later than the schedule says, by chance."""

REFUSED = 400
"""What endpoints here answer to a message that they will not have."""

_Queue = tuple[str, str]  # channel, payment
_decoder = msgspec.json.Decoder(Channel)


class Deliveries:
    """See the module docstring."""

    def __init__(
        self, was_acknowledged: Callable[[str, int], bool], latest: Callable[[], int]
    ) -> None:
        """`latest`: the furthest (ms) that the node's clock has been."""
        self._was_acknowledged = was_acknowledged
        self._latest = latest
        self._not_before: dict[tuple[str, int], int] = {}  # (channel, offset): ms
        self._refused: dict[tuple[str, int], tuple[int, int]] = {}  # times, first (ms)
        self._at: dict[int, CommittedEvent] = {}
        self.channels: dict[str, Channel] = {}
        self.state: dict[_Queue, dict[int, str]] = {}  # offsets in order
        self.results: Counter[str] = Counter()
        self._unrecorded: set[_Queue] = set()  # sent, and what came of it not written
        # One more of this payment may come, out of turn or again: it was under way when
        # a redelivery was asked for, or its record was when the notifier started anew.
        self._excused: set[_Queue] = set()
        self._repeated: set[_Queue] = set()  # the second of these alone

    # -- what is committed -----------------------------------------------------------

    def on_event(self, event: CommittedEvent) -> None:
        self._at[event.offset] = event
        for channel in self.channels.values():
            if wants(channel, event.event.type, event.merchant):
                queue = channel.id, event.event.payment_id
                self.state.setdefault(queue, {})[event.offset] = "pending"

    def on_row(self, row: Row) -> None:
        match row:
            case ChannelRow():
                known = self.channels.get(row.id)
                if row.replaces is None or known in [
                    _decoder.decode(state) for state in row.replaces
                ]:
                    self.channels[row.id] = _decoder.decode(row.state)
            case RemoveChannel(channel_id):
                self.channels.pop(channel_id, None)
                for queue in [queue for queue in self.state if queue[0] == channel_id]:
                    del self.state[queue]
            case DeliveryResult():
                self._on_result(row)
            case Requeue():
                self._on_requeue(row)

    def _on_result(self, result: DeliveryResult) -> None:
        offsets = self.state.get((result.channel_id, result.payment_id), {})
        if result.offset not in offsets:
            return  # of a channel that was removed
        offsets[result.offset] = result.state
        self._unrecorded.discard((result.channel_id, result.payment_id))
        self.results[result.state] += 1
        name = f"{result.channel_id} event {result.offset}"
        if result.state == "delivered" and not self._was_acknowledged(
            result.channel_id, result.offset
        ):
            raise Broken(f"{name} is written down as delivered; nobody took it")
        key = result.channel_id, result.offset
        channel = self.channels[result.channel_id]
        if result.attempt == 1:
            self._refused.pop(key, None)
        latest = None  # ms: what is refused waits no longer
        if result.status == REFUSED:
            times, first = self._refused.get(key, (0, result.at))
            self._refused[key] = times + 1, first
            latest = first + int(channel.refused_s * 1000)
        if result.state == "pending":
            wait_s = channel.schedule_s[result.attempt]
            earliest = result.at + int(wait_s * 1000 * (1 - JITTER))
            self._not_before[key] = min(earliest, latest or earliest)
        if result.state == "dead" and result.status != 410:
            is_enough = latest is not None and (
                self._refused[key][0] >= channel.refused_attempts or result.at >= latest
            )
            if result.attempt < len(channel.schedule_s) and not is_enough:
                raise Broken(f"{name} was given up after {result.attempt} attempts")

    def _on_requeue(self, request: Requeue) -> None:
        for queue, offsets in self.state.items():
            for offset, state in offsets.items():
                if self._concerns(request, queue, offset, state):
                    offsets[offset] = "pending"
                    self._not_before.pop((queue[0], offset), None)
                    self._excused.add(queue)

    def _concerns(
        self, request: Requeue, queue: _Queue, offset: int, state: str
    ) -> bool:
        channel = self.channels[queue[0]]
        at = self._at[offset].event.at
        return (
            channel.enabled
            and request.merchant in {None, channel.merchant}
            and request.channel_id in {None, channel.id}
            and request.payment_id in {None, queue[1]}
            and request.offset in {None, offset}
            and (request.since is None or at >= request.since)
            and (request.until is None or at < request.until)
            and (not request.dead_only or state == "dead")
        )

    # -- what is done ----------------------------------------------------------------

    def check_send(
        self, channel_id: str, payment_id: str, offset: int, skipped: tuple[int, ...]
    ) -> None:
        """An event leaves for an endpoint, and says what was left out before it."""
        queue = channel_id, payment_id
        offsets = self.state.get(queue)
        if offsets is None and channel_id not in self.channels:
            return  # it was removed while this was under way
        wrong = None
        if offsets is None or offset not in offsets:
            raise Broken(f"{channel_id} is sent event {offset}, which it is not owed")
        if offsets[offset] != "pending":
            wrong = f"{channel_id} is sent event {offset} once more: {offsets[offset]}"
        elif earlier := self._owed_before(offsets, offset):
            wrong = f"{channel_id} is sent event {offset} before event {earlier}"
        if wrong is None and skipped != (gap := self._gap(offsets, offset)):
            wrong = f"{channel_id} is told that {skipped} were skipped, not {gap}"
        if wrong is not None:
            if queue not in self._excused:
                raise Broken(wrong)
            self._excused.discard(queue)
        is_early = self._not_before.get((channel_id, offset), 0) > self._latest()
        if is_early and queue not in self._repeated:
            raise Broken(f"{channel_id} is sent event {offset} before it is due")
        self._repeated.discard(queue)
        self._unrecorded.add(queue)

    def on_start(self, channel_id: str) -> None:
        """The channel's notifier starts: it may read what is owed before the record
        of its predecessor's last attempts is committed, and repeat them: by what it
        read they are due, whatever that record then says of the next."""
        for queue in self._unrecorded:
            if queue[0] == channel_id:
                self._excused.add(queue)
                self._repeated.add(queue)

    def _gap(self, offsets: dict[int, str], offset: int) -> tuple[int, ...]:
        """Events (seq) that were given up since the last that was delivered."""
        gap: list[int] = []
        for other, state in sorted(offsets.items()):
            if other >= offset:
                break
            if state == "delivered":
                gap.clear()
            elif state == "dead":
                gap.append(self._at[other].event.seq)
        return tuple(gap)

    @staticmethod
    def _owed_before(offsets: dict[int, str], offset: int) -> int | None:
        for other, state in offsets.items():
            if other >= offset:
                return None
            if state == "pending":
                return other
        return None

    def check_outbox(self, rows: Iterable[Sequence[Any]]) -> None:
        """`rows`: (channel, payment, offset, state) of the whole outbox."""
        stored = {(c, p, o): state for c, p, o, state in rows}
        modelled = {
            (*queue, offset): state
            for queue, offsets in self.state.items()
            for offset, state in offsets.items()
        }
        if stored != modelled:
            wrong = dict(stored.items() ^ modelled.items())
            raise Broken(f"the outbox is not what is owed: {sorted(wrong)[:5]}")
