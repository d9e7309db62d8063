"""What was really said in a world: by sources, to watchers, by shops and providers.

The judges (`tests/simulation/judges/`) decide by this alone. A source answers out of
snapshots of the simulated chain; each of its rounds is written down with them as it is
answered, before the engine has made anything of it. Nothing here knows a rule.

Times are those of the node's clock (ms), as in events; `true_ms` is the world's, which
never jumps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.chain.feed import Output, SourceStatus, Tip
from engine.payment.model import Terms
from engine.payment.observations import Amend, Cancel, ConfirmByHand, ProviderClaim
from tests.simulation.chain import MATURITY, SimChain, Snapshot
from tests.simulation.rivals import Rivals

__all__ = ["Answers", "Outpoint", "Record", "Shown", "depth_in", "outpoint_of"]

Outpoint = tuple[str, int]


@dataclass(slots=True)
class Answers:
    """What one source served in one round; every call of a round is of one moment."""

    source: str
    at: int
    best_height: int  # of all tips that the engine had heard of when it asked
    snapshots: list[Snapshot] = field(default_factory=list)
    named: list[Snapshot] = field(default_factory=list)  # whose mempool it named
    told: list[SourceStatus] = field(default_factory=list)  # of itself
    forgot: bool = False  # it lost its mempool, with all of others that it had shown
    lied: bool = False  # it told what never was
    left_out: bool = False  # it lied by silence: what is in blocks was not listed
    unheard: bool = False  # what it pushed was on its way, or lost with no trace yet


@dataclass(frozen=True, slots=True)
class Shown:
    """A watcher takes a view in hand: whose, asked for when, and when that is."""

    source: str
    asked_at: int
    at: int
    true_ms: int
    is_partial: bool = False  # it says itself that it does not list all


class Record:
    """See the module docstring. The world writes, the judges read."""

    def __init__(self, chain: SimChain) -> None:
        self.chain = chain
        self.rounds: dict[str, list[Answers]] = {}  # by source, in their order
        self._by_moment: dict[tuple[str, int], list[Answers]] = {}
        self._probes: dict[tuple[str, int], list[Answers]] = {}  # the same, of these
        self._probed: dict[str, bool] = {}  # sources that are: whether since just now
        self.best_height = 0  # that this process heard of, or had written down
        self._shown_whole: set[str] = set()  # mempools, to this process
        self._rivals: dict[str, Rivals] = {}  # by source, in what it showed to it
        self._asked_with = 0  # the same, when the round under way was planned
        self._written = 0  # the best of what was committed
        self.shown: dict[str, list[Shown]] = {}  # by payment, in their order
        self.asked_for: dict[str, Terms] = {}  # by payment id, what the shop wanted
        self.claims: dict[str, set[ProviderClaim]] = {}  # by payment, told of
        self.cancels: dict[str, set[str]] = {}  # by payment, by whom
        self.confirms: dict[str, set[str]] = {}
        self.amends: dict[str, list[Amend]] = {}

    # -- writing ---------------------------------------------------------------------

    def on_answer(self, source: str, at: int, seen: Snapshot) -> None:
        """The source is about to answer a call out of this snapshot."""
        snapshots = self._round(source, at).snapshots
        if not snapshots or snapshots[-1] is not seen:
            snapshots.append(seen)

    def on_status(self, source: str, at: int, status: SourceStatus) -> None:
        """The source is about to say this of itself."""
        self._round(source, at).told.append(status)

    def on_round(self, source: str, at: int, best_height: int) -> None:
        """A round begins that was planned when this was the best tip."""
        self._asked_with = best_height
        self._probed.pop(source, None)
        self._begin(source, at)

    def on_probe(self, source: str) -> None:
        """Until its next round the source is only asked how it is: what it says then
        is no round's word, though it may be of the same moment."""
        self._probed[source] = True

    def on_heard(self, source: str, at: int, *, is_probe: bool) -> None:
        """The engine hears of what the source answered at this moment."""
        told = self.probes_at if is_probe else self.rounds_at
        for answers in told(source, at):
            for status in answers.told:
                if status.doubt is None:
                    self._heard_of(status.tip)

    def _heard_of(self, tip: Tip) -> None:
        """One that was ever made, that is."""
        block = self.chain.blocks.get(tip.hash)
        if block is not None and block.header.height == tip.height:
            self.best_height = max(self.best_height, tip.height)

    def _round(self, source: str, at: int) -> Answers:
        rounds = self.rounds.setdefault(source, [])
        if self._probed.get(source) or not rounds or rounds[-1].at != at:
            return self._begin(source, at)
        return rounds[-1]

    def _begin(self, source: str, at: int) -> Answers:
        answers = Answers(source, at, self._asked_with)
        self.rounds.setdefault(source, []).append(answers)
        of_its_kind = self._by_moment
        if source in self._probed:
            of_its_kind, self._probed[source] = self._probes, False
        of_its_kind.setdefault((source, at), []).append(answers)
        return answers

    def on_tip_written(self, height: int) -> None:
        """It is committed that a chain was so high: a new process knows it too."""
        self._written = max(self._written, height)

    def on_boot(self) -> None:
        """A new process knows of the best tip what was written down."""
        self.best_height = self._asked_with = self._written
        self._shown_whole.clear()
        self._rivals.clear()

    def on_names(self, source: str, seen: Snapshot) -> None:
        """The source names its mempool, as it is in this snapshot."""
        self.rounds[source][-1].named.append(seen)

    def on_mempool(self, source: str, *, is_lost: bool) -> None:
        """The source lists its mempool, with all that others have in it or without."""
        if not is_lost:
            self._shown_whole.add(source)
        elif source in self._shown_whole:
            self.rounds[source][-1].forgot = True

    def on_read_anew(self, source: str) -> None:
        """What it had is forgotten: it cannot be told that it lost it."""
        self._shown_whole.discard(source)
        self._rivals.pop(source, None)

    def rivals(self, source: str) -> Rivals:
        """To be told of what the source shows, and asked."""
        if source not in self._rivals:
            self._rivals[source] = Rivals(self.chain)
        return self._rivals[source]

    def on_lied(self, source: str) -> None:
        self.rounds[source][-1].lied = True

    def on_unheard(self, source: str) -> None:
        self.rounds[source][-1].unheard = True

    def on_left_out(self, source: str) -> None:
        self.rounds[source][-1].left_out = True

    def on_shown(self, payment_id: str, shown: Shown) -> None:
        self.shown.setdefault(payment_id, []).append(shown)

    def on_asked(self, terms: Terms) -> None:
        """A shop is about to ask for a payment."""
        self.asked_for[terms.id] = terms

    def on_command(self, payment_id: str, command: object) -> None:
        match command:
            case ProviderClaim():
                self.claims.setdefault(payment_id, set()).add(command)
            case Cancel(by):
                self.cancels.setdefault(payment_id, set()).add(by)
            case ConfirmByHand(by):
                self.confirms.setdefault(payment_id, set()).add(by)
            case Amend():
                self.amends.setdefault(payment_id, []).append(command)

    # -- reading ---------------------------------------------------------------------

    def rounds_at(self, source: str, asked_at: int) -> Sequence[Answers]:
        """The rounds that the source answered at this moment: mostly one."""
        return self._by_moment.get((source, asked_at), ())

    def probes_at(self, source: str, asked_at: int) -> Sequence[Answers]:
        """What it answered at this moment when it was only asked how it is."""
        return self._probes.get((source, asked_at), ())

    def snapshots_of(self, source: str) -> Iterator[Snapshot]:
        """All that the source ever served, the newest first, none twice in a row."""
        last: Snapshot | None = None
        for answers in reversed(self.rounds.get(source, ())):
            for seen in reversed(answers.snapshots):
                if seen is not last:
                    last = seen
                    yield seen

    def outputs(self, seen: Snapshot, script: bytes) -> dict[Outpoint, Output]:
        """All that pays the script in this snapshot."""
        return {outpoint_of(o): o for o in self.chain.outputs(seen, script)}

    def depth_needed(self, txid: str, required: int) -> int:
        """From this depth on it counts, where so many confirmations are required."""
        return max(required, MATURITY) if txid in self.chain.rewards else required

    def is_elsewhere(self, output: Output, tip: Tip) -> bool:
        """Whether it is in a block of another branch than this tip's, and no higher:
        who reads the blocks up to this tip and the mempool does not come upon it."""
        height, block = output.block_height, output.block_hash
        if height is None or block is None or height > tip.height:
            return False
        return not self.chain.in_best(self.chain.branch(tip), block)

    def denies(self, seen: Snapshot, block: str, height: int) -> bool:
        """A positive word that the block is not in its best chain: another is there.

        That it has no block so high, or does not know this one, says nothing.
        """
        return seen.at(height) not in {block, None}


def outpoint_of(output: Output) -> Outpoint:
    return output.txid, output.vout


def depth_in(seen: Snapshot, output: Output) -> int:
    """Confirmations of an output that this snapshot lists; 0 in the mempool."""
    if output.block_height is None:
        return 0
    return seen.tip.height - output.block_height + 1
