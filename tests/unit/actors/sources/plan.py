"""A planner with time and sources that its tests set."""

from typing import Any, cast

from actors.messages import RoundDone
from actors.sources.feed_state import FeedSpec
from actors.sources.planner import (
    Ask,
    RoundPlanner,
    Wait,
)
from engine.chain.feed import ChainView, Output, Tip
from engine.runtime.ref import Ref

__all__ = [
    "A",
    "B",
    "C",
    "EVERY_S",
    "Plan",
    "TIP",
    "ref",
    "scripts_of",
]

TIP = Tip(100, "aa" * 32)
A, B, C = b"script a", b"script b", b"script c"
EVERY_S = 7.0


def ref() -> Ref:
    """Somebody; the planner speaks to nobody."""
    return cast(Ref, object())


class Plan:
    """A planner, and the answers that a worker would send."""

    def __init__(self, *kinds: str, per_minute: float | None = None) -> None:
        self.planner = RoundPlanner(
            [
                FeedSpec(
                    name=f"{kind} {number}",
                    kind=kind,
                    worker=ref(),
                    by_block=kind == "block",
                    every_s=EVERY_S,
                    per_minute=per_minute,
                )
                for number, kind in enumerate(kinds)
            ]
        )
        self.now = 1_000.0
        self.asked_at = 5_000
        self.requests = 0
        self.under_way: Ask | None = None  # planned by the end of the one before

    def watch(
        self,
        *scripts: bytes,
        known: tuple[Output, ...] = (),
        merchant: str = "",
        since: Tip | None = None,
    ) -> None:
        for script in scripts:
            self.planner.watch(script, script.decode(), ref(), known, merchant, since)

    def plan(self) -> Ask | Wait | None:
        return self.planner.plan(self.now, ready=True)

    def ask(self) -> Ask:
        """The round that is under way, or the next one."""
        plan, self.under_way = self.under_way or self.plan(), None
        assert isinstance(plan, Ask), plan
        return plan

    def done(self, ask: Ask, *shown: bytes, **more: Any) -> Ask | Wait | None:
        """The round's end, and what follows. `shown`: scripts that got a view."""
        view = ChainView("s", TIP, ())
        self.requests += 1
        done = RoundDone(
            feed=ask.feed.number,
            number=ask.round.number,
            asked_at=more.pop("asked_at", self.asked_at),
            views=dict.fromkeys(shown, view),
            tip=TIP,
            requests=more.pop("requests", self.requests),
            **more,
        )
        self.planner.heard(done.asked_at, done.first, done.status)
        self.planner.answered(ask.feed, shown)
        self.planner.finish(done, self.now, 0.5)
        after = self.planner.plan_after(done, self.now, ready=True)
        self.under_way = after if isinstance(after, Ask) else None
        return after

    def round(self, *shown: bytes, **more: Any) -> Ask | Wait | None:
        return self.done(self.ask(), *shown, **more)


def scripts_of(pieces: tuple[tuple[bytes, ...], ...]) -> set[bytes]:
    return {script for piece in pieces for script in piece}
