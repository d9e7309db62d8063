"""The worker of a source that is asked address by address.

As those of block feeds (`actors/sources/workers.py`) it does one round at a time and
decides nothing; its views say whether its source was a current witness.
"""

import logging

from actors.messages import Poll, Round, RoundDone
from actors.node import Node
from actors.sources.messages import Probe
from actors.sources.probe import probe
from engine.chain.feed import AddressFeed, ChainView, Output, SourceStatus, Tip
from engine.chain.witness import CURRENT, Assessment, Yardstick
from engine.errors import HistoryIncomplete, SourceError, SourceGarbage
from engine.payment.old_outputs import is_asked_about
from engine.runtime.actor import Actor

__all__ = ["AddressFeedWorker"]

log = logging.getLogger("paybell.source")

MAX_UNREADABLE = 5
"""So many addresses in a row without one that can be read: it is the source."""


class AddressFeedWorker(Actor):
    """Asks address by address, most urgent first, one after another."""

    __slots__ = ("_feed", "_node", "_number")

    blocking = True

    def __init__(self, node: Node, number: int, feed: AddressFeed) -> None:
        self._node = node
        self._number = number
        self._feed = feed

    def on_receive(self, message: object) -> None:
        if isinstance(message, Round):
            self._node.source.tell_system(self._round(message))
        elif isinstance(message, Probe):
            self._node.source.tell_system(probe(self._node, self._number, self._feed))

    def _round(self, work: Round) -> RoundDone:
        asked_at = self._node.clock.now()
        views: dict[bytes, ChainView] = {}
        unreadable: list[bytes] = []
        garbled: dict[bytes, ChainView] = {}
        status: SourceStatus | None = None
        assessment = CURRENT
        error: SourceError | None = None
        try:
            status = self._feed.status()
            network = self._node.settings.network
            assessment = Yardstick(work.best, asked_at, network).assess(status)
            for poll in work.polls:
                address = work.addresses[poll.script]
                try:
                    views[poll.script] = self._ask(
                        poll, address, status.tip, assessment
                    )
                except HistoryIncomplete as partial:
                    # It shows what it has of this one: news, and no proof.
                    unreadable.append(poll.script)
                    views[poll.script] = self._partly(
                        status.tip, assessment, partial.detail, partial.outputs
                    )
                    log.warning("source.incomplete %s detail=%s",
                                self._which(address), partial.detail)  # fmt: skip
                except SourceGarbage as failure:
                    # An address with too much history says nothing of the others;
                    # a source that talks nonsense does so about all of them.
                    unreadable.append(poll.script)
                    log.warning("source.unreadable %s detail=%s",
                                self._which(address), failure.detail)  # fmt: skip
                    garbled[poll.script] = self._partly(
                        status.tip, assessment, failure.detail
                    )
                    if len(garbled) == MAX_UNREADABLE and not views:
                        raise
            views |= garbled
        except SourceError as failure:
            error = failure
        return RoundDone(
            feed=self._number,
            number=work.number,
            asked_at=asked_at,
            views=views,
            tip=status.tip if status is not None else None,
            requests=self._feed.requests,
            error=error,
            assessment=assessment,
            status=status,
            unreadable=tuple(unreadable),
        )

    def _which(self, address: str) -> str:
        """The fields of a line about an address: also whose it is, if a payment's."""
        watcher = self._node.watchers.at(address)
        payment = "" if watcher is None else f" payment={watcher.name}"
        return f"source={self._feed.name}{payment} address={address}"

    def _partly(
        self,
        tip: Tip,
        assessment: Assessment,
        gap: str,
        outputs: tuple[Output, ...] = (),
    ) -> ChainView:
        """Of an address that cannot be read, or not whole: its watcher says so."""
        return ChainView(
            source=self._feed.name,
            tip=tip,
            outputs=outputs,
            complete=False,
            is_current=assessment.is_current,
            gap=gap,
        )

    def _ask(
        self, poll: Poll, address: str, tip: Tip, assessment: Assessment
    ) -> ChainView:
        """One address. The tip was read first: depth may be understated, never over."""
        outputs = self._feed.outputs(address, poll.script)
        if not assessment.is_current:
            return ChainView(
                self._feed.name, tip, outputs, complete=False, is_current=False
            )
        listed = {output.block_hash for output in outputs}
        off_chain: list[str] = []
        complete = True
        for block, height in poll.blocks:
            if block in listed:
                continue
            stands = self._feed.in_best_chain(block, height)
            if stands is False:
                off_chain.append(block)
            elif stands:  # and what it holds is not listed: an index that is older
                complete = False
        since = poll.since
        if (
            since is not None
            and is_asked_about(since, outputs, poll.known)
            and self._feed.in_best_chain(since.hash, since.height) is False
        ):
            off_chain.append(since.hash)
        return ChainView(
            source=self._feed.name,
            tip=tip,
            outputs=outputs,
            off_chain=tuple(off_chain),
            complete=complete,
        )
