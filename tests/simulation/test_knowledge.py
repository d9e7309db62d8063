"""That the judge of what is known holds each answer of a source for itself."""

import pytest

from actors.messages import CoverageEnded, PollNow, ReviewDue, Round, RoundDone
from engine.chain.feed import SourceStatus
from engine.ports import Freshness
from engine.runtime.ref import ActorScope, Ref
from tests.simulation.broken import Broken
from tests.simulation.chain import SimChain
from tests.simulation.judges import Judges
from tests.simulation.knowledge import Knowledge
from tests.simulation.onlooker import is_waited_for
from tests.simulation.record import Record

AT = 1_760_000_000_000
NAME = "source0"
LIVE, NOT_LIVE = Freshness(NAME, True, AT), Freshness(NAME, False, AT)


class Lazy:
    """A dispatcher that gives no turns."""

    def schedule(self, ref: Ref) -> None: ...

    def dead_letter(self, ref: Ref, message: object) -> None: ...


class Scene:
    """A source that is read in a round, and asked how it is at the same moment."""

    def __init__(self, *, round_loaded: bool, probe_loaded: bool) -> None:
        chain = SimChain(AT // 1000)
        self.tip = chain.now.tip
        self.record = Record(chain)
        self.knowledge = Knowledge(self.record, Judges(self.record), "regtest")
        self.record.on_round(NAME, AT, 0)
        self._says(loaded=round_loaded)
        self.record.on_probe(NAME)
        self._says(loaded=probe_loaded)

    def _says(self, *, loaded: bool) -> None:
        status = SourceStatus(self.tip, mempool_loaded=loaded)
        self.record.on_status(NAME, AT, status)

    def hear(self, *, is_probe: bool) -> None:
        """The source actor is told, and then has other mail."""
        self.record.on_heard(NAME, AT, is_probe=is_probe)
        self.knowledge.on_answer(NAME, AT, is_probe=is_probe)
        if not is_probe:
            done = RoundDone(0, 1, AT, {}, self.tip, 2)
            self.knowledge.on_done(NAME, done, by_block=True)
        self.knowledge.on_source_mail()


def test_a_source_that_is_well_again_at_the_same_moment_may_be_called_live() -> None:
    """It was behind in its round, and when it was asked how it is no more (worlds 5420
    and 8318); not before that was heard."""
    scene = Scene(round_loaded=False, probe_loaded=True)
    scene.hear(is_probe=False)
    with pytest.raises(Broken, match="not loaded its mempool"):
        scene.knowledge.check(None, LIVE)
    scene.hear(is_probe=True)
    scene.knowledge.check(None, LIVE)


def test_a_source_that_is_behind_at_the_same_moment_may_not() -> None:
    scene = Scene(round_loaded=True, probe_loaded=False)
    scene.hear(is_probe=False)
    scene.knowledge.check(AT, LIVE)
    scene.hear(is_probe=True)
    with pytest.raises(Broken, match="not loaded its mempool"):
        scene.knowledge.check(AT, LIVE)
    scene.knowledge.check(AT, NOT_LIVE)  # what its round did not show stays an answer


def test_how_a_source_is_makes_no_answer_of_its_rounds_silence() -> None:
    scene = Scene(round_loaded=False, probe_loaded=True)
    scene.hear(is_probe=False)
    scene.hear(is_probe=True)
    with pytest.raises(Broken, match="of a source that was behind"):
        scene.knowledge.check(AT, LIVE)


@pytest.mark.parametrize("overtakes", [CoverageEnded(), ReviewDue()])
def test_a_watcher_that_crashed_may_get_what_overtakes_first(overtakes: object) -> None:
    """World 96825: coverage had ended while it was down."""
    knowledge = Scene(round_loaded=True, probe_loaded=True).knowledge
    watcher = Ref(
        ActorScope(Lazy(), lambda _name: pytest.fail("nobody starts it")), "p"
    )
    again, other = PollNow(), PollNow()
    knowledge.on_watcher_crash(watcher, again)
    knowledge.on_watcher_mail(watcher, overtakes)
    with pytest.raises(Broken, match="was not given again what it crashed on"):
        knowledge.on_watcher_mail(watcher, other)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (Round(7), True),
        (Round(8), False),
        (Round(7, aside=True), False),
        (None, False),
    ],
)
def test_whose_silence_is_an_answer_is_said_by_what_is_waited_for(
    work: Round | None, *, expected: bool
) -> None:
    """World 30364: a round of a life before this one was answered in between."""
    assert is_waited_for(RoundDone(0, 7, AT, {}, None, 2), work) == expected
