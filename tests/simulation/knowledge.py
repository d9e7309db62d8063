"""Whether the engine knows of its sources what it says that it knows.

- A round that begins anew is asked with all scripts that were to be watched when the
  process began: what is read then is read once.
- Silence is an answer only of a source that has finished a round and has not crashed
  since.
- A watcher that crashed gets the message that it crashed on once more.
- What a source that was behind did not show is nobody's answer.
- Clients are told that all is live only while the source that is asked is a witness.

By the record and by the messages between the source actor and its workers.
"""

from actors.messages import CoverageEnded, ReviewDue, Round, RoundDone
from engine.ports import Freshness
from engine.runtime.clock import TimersDue
from engine.runtime.ref import Ref
from tests.simulation.broken import Broken
from tests.simulation.judges import Judges
from tests.simulation.judges.witnesses import ON_ITS_WAY, why_no_witness
from tests.simulation.record import Record

__all__ = ["Knowledge"]


_OVERTAKES = CoverageEnded, ReviewDue, TimersDue
"""What the supervisor and the clock send comes in front of all other mail."""


class Knowledge:
    """See the module docstring. Of one process: a start of it makes another."""

    def __init__(self, record: Record, judges: Judges, network: str) -> None:
        self._record = record
        self._judges = judges
        self._network = network
        self._watched = judges.watched_scripts()  # when the process began
        self._covers: str | None = None  # the source whose silence is an answer
        self._behind: dict[str, str] = {}  # sources that are no witnesses, and why
        self._no_answer: set[tuple[str, int]] = set()  # they, and when they were asked
        self._crashed_on: dict[Ref, object] = {}
        self._owed: dict[Ref, object] = {}  # to watchers that crashed: a message again
        self._is_behind: dict[str, str] = {}  # those that the engine heard of

    # -- what happens ----------------------------------------------------------------

    def on_source_mail(self) -> None:
        """The source actor has done with all that it was told before."""
        self._is_behind = self._behind.copy()

    def on_round(self, source: str, work: Round) -> None:
        """A worker is given a round."""
        if not work.reset:
            return
        self._record.on_read_anew(source)
        given = {script for piece in work.watch for script in piece}
        missing = [
            payment_id
            for payment_id, script in self._watched.items()
            if script not in given and payment_id not in self._judges.released
        ]
        if missing:
            raise Broken(f"{source} is read from the start without {missing}")

    def on_worker_start(self, source: str) -> None:
        """It has crashed, or is new: what it said before covers nothing."""
        if self._covers == source:
            self._covers = None
        self._record.on_read_anew(source)

    def on_done(self, source: str, done: RoundDone, *, by_block: bool) -> None:
        """A round is over, and the source actor is about to hear of it."""
        if done.error is not None:
            return
        self._covers = source if by_block else None

    def on_answer(self, source: str, at: int, *, is_probe: bool) -> None:
        """What the source answered then, in a round or beside one, is told now."""
        record, network = self._record, self._network
        told = (record.probes_at if is_probe else record.rounds_at)(source, at)
        if not told or not told[-1].told:
            return
        self._behind.pop(source, None)
        if not is_probe:  # which is asked for nothing that could be missing
            self._no_answer.discard((source, at))
            if all(why_no_witness(answers, network) for answers in told):
                self._no_answer.add((source, at))
        why = why_no_witness(told[-1], network, ON_ITS_WAY)
        if why is not None:
            self._behind[source] = why
        else:  # to say less than is so is no fault
            self._is_behind.pop(source, None)

    # -- watchers that crash ---------------------------------------------------------

    def on_watcher_crash(self, ref: Ref, message: object) -> None:
        """It is given that message once more; not when it crashes on it again."""
        again = self._crashed_on.get(ref) is message
        self._crashed_on[ref] = message
        if again:
            self._owed.pop(ref, None)
        else:
            self._owed[ref] = message

    def on_watcher_mail(self, ref: Ref, message: object) -> None:
        owed = self._owed.get(ref)
        if owed is None or (isinstance(message, _OVERTAKES) and message is not owed):
            return
        del self._owed[ref]
        if owed is not message:
            raise Broken(f"{ref.name} was not given again what it crashed on")

    # -- what the engine says --------------------------------------------------------

    def check(self, complete_as_of: int | None, freshness: Freshness) -> None:
        """What it makes known, to watchers and to clients."""
        if complete_as_of is not None and self._covers is None:
            raise Broken("silence is taken for the answer of a source that has none")
        if (self._covers, complete_as_of) in self._no_answer:
            raise Broken("silence is taken for the answer of a source that was behind")
        why = self._is_behind.get(freshness.source or "")
        if freshness.live and why is not None:
            raise Broken(f"{freshness.source} is said to be live: {why}")
