"""Whether the engine knows of its sources what it says that it knows.

- A round that begins anew is asked with all scripts that were to be watched when the
  process began: what is read then is read once.
- Silence is an answer only of a source that has finished a round and has not crashed
  since.
- A watcher that crashed gets the message that it crashed on once more.
- Clients are told that all is live only while the source shows no less than it did
  since it was read from the start.

By the record and by the messages between the source actor and its workers.
"""

from actors.messages import ReviewDue, Round, RoundDone
from engine.chain.feed import Tip
from engine.ports import Freshness
from engine.runtime.ref import Ref
from tests.simulation.broken import Broken
from tests.simulation.judges import Judges
from tests.simulation.record import Record

__all__ = ["Knowledge"]


class Knowledge:
    """See the module docstring. Of one process: a start of it makes another."""

    def __init__(self, record: Record, judges: Judges) -> None:
        self._record = record
        self._judges = judges
        self._watched = judges.watched_scripts()  # when the process began
        self._covers: str | None = None  # the source whose silence is an answer
        self._tips: dict[str, Tip] = {}  # of rounds in which a source showed one only
        self._behind: set[str] = set()  # sources that show less than they did
        self._crashed_on: dict[Ref, object] = {}
        self._owed: dict[Ref, object] = {}  # to watchers that crashed: a message again
        self._is_behind: set[str] = set()  # of them, those that the engine heard of

    # -- what happens ----------------------------------------------------------------

    def on_source_mail(self) -> None:
        """The source actor has done with all that it was told before."""
        self._is_behind = set(self._behind)

    def on_round(self, source: str, work: Round) -> None:
        """A worker is given a round."""
        if not work.reset:
            return
        self._begins_anew(source)
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
        self._begins_anew(source)

    def _begins_anew(self, source: str) -> None:
        """What it is read for is not held against what it showed before."""
        self._tips.pop(source, None)
        self._behind.discard(source)
        self._is_behind.discard(source)

    def on_done(self, source: str, done: RoundDone, *, by_block: bool) -> None:
        """A round is over, and the source actor is about to hear of it."""
        if done.error is not None:
            return
        self._covers = source if by_block else None
        if by_block:
            self._compare_tips(source, done)
            self._is_behind &= self._behind  # to say less than is so is no fault

    def _compare_tips(self, source: str, done: RoundDone) -> None:
        """Behind: its tip is lower than it was, and it does not deny the higher one."""
        rounds = self._record.rounds_at(source, done.asked_at)
        tips = {seen.tip: seen for answers in rounds for seen in answers.snapshots}
        self._behind.discard(source)
        if len(tips) != 1:
            self._tips.pop(source, None)
            return
        ((tip, seen),) = tips.items()
        before = self._tips.get(source)
        if (
            before is not None
            and tip.height < before.height
            and not self._record.denies(seen, before.hash, before.height)
        ):
            self._behind.add(source)
        elif done.more:
            self._tips.pop(source, None)
        else:
            self._tips[source] = tip

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
        if owed is None or (isinstance(message, ReviewDue) and message is not owed):
            return  # what the supervisor sends comes in front of all other mail
        del self._owed[ref]
        if owed is not message:
            raise Broken(f"{ref.name} was not given again what it crashed on")

    # -- what the engine says --------------------------------------------------------

    def check(self, complete_as_of: int | None, freshness: Freshness) -> None:
        """What it makes known, to watchers and to clients."""
        if complete_as_of is not None and self._covers is None:
            raise Broken("silence is taken for the answer of a source that has none")
        if freshness.live and freshness.source in self._is_behind:
            raise Broken(f"{freshness.source} is behind and is said to be live")
