"""What was really said in a world: by sources, to watchers, by shops and providers.

The judges (`tests/simulation/judges/`) decide by this alone. A source answers out of
snapshots of the simulated chain; each of its rounds is written down with them as it is
answered, before the engine has made anything of it. Nothing here knows a rule.

Times are those of the node's clock (ms), as in events; `true_ms` is the world's, which
never jumps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.chain.feed import Output
from engine.payment.model import Terms
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from tests.simulation.chain import SimChain, Snapshot

__all__ = ["Answers", "Outpoint", "Record", "Shown", "depth_in", "outpoint_of"]

Outpoint = tuple[str, int]


@dataclass(slots=True)
class Answers:
    """What one source served in one round; every call of a round is of one moment."""

    source: str
    at: int
    snapshots: list[Snapshot] = field(default_factory=list)
    left_out: bool = False  # it lied by silence: what is in blocks was not listed


@dataclass(frozen=True, slots=True)
class Shown:
    """A watcher takes a view in hand: whose, asked for when, and when that is."""

    source: str
    asked_at: int
    at: int
    true_ms: int


class Record:
    """See the module docstring. The world writes, the judges read."""

    def __init__(self, chain: SimChain) -> None:
        self.chain = chain
        self.rounds: dict[str, list[Answers]] = {}  # by source, in their order
        self.shown: dict[str, list[Shown]] = {}  # by payment, in their order
        self.asked_for: dict[str, Terms] = {}  # by payment id, what the shop wanted
        self.claims: dict[str, set[ProviderClaim]] = {}  # by payment, told of
        self.cancels: dict[str, set[str]] = {}  # by payment, by whom
        self.confirms: dict[str, set[str]] = {}

    # -- writing ---------------------------------------------------------------------

    def on_answer(self, source: str, at: int, seen: Snapshot) -> None:
        """The source is about to answer a call out of this snapshot."""
        rounds = self.rounds.setdefault(source, [])
        if not rounds or rounds[-1].at != at:
            rounds.append(Answers(source, at))
        snapshots = rounds[-1].snapshots
        if not snapshots or snapshots[-1] is not seen:
            snapshots.append(seen)

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

    # -- reading ---------------------------------------------------------------------

    def rounds_at(self, source: str, asked_at: int) -> Iterator[Answers]:
        """The rounds that the source answered at this moment: mostly one."""
        for answers in reversed(self.rounds.get(source, ())):
            if answers.at == asked_at:
                yield answers

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

    def denies(self, seen: Snapshot, block: str, height: int) -> bool:
        """A positive word that the block is not in its best chain.

        That it has no block so high, or does not know this one, says nothing.
        """
        there = seen.at(height)
        if there == block:
            return False
        known = self.chain.number.get(block, seen.made) < seen.made
        return there is not None or known


def outpoint_of(output: Output) -> Outpoint:
    return output.txid, output.vout


def depth_in(seen: Snapshot, output: Output) -> int:
    """Confirmations of an output that this snapshot lists; 0 in the mempool."""
    if output.block_height is None:
        return 0
    return seen.tip.height - output.block_height + 1
