"""The doctor's look at the sources: who answers is not yet who proves anything."""

import time

import pytest
from msgspec.structs import replace

from engine.chain.feed import SourceStatus, Tip
from engine.config import load
from engine.errors import SourceUnavailable
from transport.cli import source_checks
from transport.cli.source_checks import Check, check_sources

LOW, HIGH = Tip(870_000, "aa" * 32), Tip(870_003, "bb" * 32)


class Source:
    """A source that says this of itself, or fails so."""

    def __init__(self, answer: SourceStatus | Exception) -> None:
        self.answer = answer

    def status(self) -> SourceStatus:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def young(tip: Tip) -> SourceStatus:
    return SourceStatus(tip, round(time.time()) - 600)


def checked(
    monkeypatch: pytest.MonkeyPatch, *answers: SourceStatus | Exception
) -> list[Check]:
    waiting = list(answers)
    sources = ",".join("esplora=https://explorer.example/api" for _ in answers)
    config = load({"sources": sources, "network": "mainnet"}, {}, {})
    monkeypatch.setattr(
        source_checks, "make_feed", lambda _source, _config: Source(waiting.pop(0))
    )
    return list(check_sources(config))


def test_sources_that_are_current_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s)
    found = checked(monkeypatch, young(HIGH), young(HIGH))
    assert all(well for well, _ in found)
    assert found[0][1] == "source esplora: height 870003"
    assert found[1][1].startswith("clock: the newest block is from 60")


def test_one_that_is_behind_another_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [
        text for well, text in checked(monkeypatch, young(LOW), young(HIGH)) if not well
    ]
    (text,) = found
    assert "behind: at block 870,000; block 870,003 was seen" in text


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"tip_time_s": round(time.time()) - 778_215}, "is 9 days old"),
        ({"initial_download": True, "headers": 880_000}, "first download"),
        ({"mempool_loaded": False}, "mempool is not loaded"),
        ({"doubt": "its index is at block 5"}, "its index is at block 5"),
    ],
)
def test_what_a_source_says_of_itself_is_told(
    monkeypatch: pytest.MonkeyPatch, says: dict[str, object], words: str
) -> None:
    found = checked(monkeypatch, replace(young(HIGH), **says))
    assert (found[0][0], words in found[0][1]) == (False, True), found[0]


def test_one_that_fails_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = checked(monkeypatch, SourceUnavailable("esplora failed (502)"), young(HIGH))
    assert [well for well, _ in found] == [False, True, True]
    assert "esplora failed (502); check --source" in found[0][1]


def test_a_clock_that_is_behind_is_found_by_the_newest_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = SourceStatus(HIGH, round(time.time()) + 9_000)
    found = checked(monkeypatch, late)
    assert found[-1][0] is False
    assert "set it (NTP)" in found[-1][1]
