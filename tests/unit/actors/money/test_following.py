"""What is looked at in which round, and what becomes of those that gave way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.bitcoin.signed_tx import decode_tx
from engine.chain.broadcast import Sighting
from engine.errors import SourceUnavailable
from tests.unit.actors.money.sweep_stage import SweepStage

ROUND_S = 11.0
LOOK_S = 31.0
HOUR_S = 3_601.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SweepStage]:
    stage = SweepStage(tmp_path)
    yield stage
    stage.close()


# -- which are asked for in one round --------------------------------------------------


def asked_at(
    stage: SweepStage, silent: set[int], monkeypatch: pytest.MonkeyPatch
) -> list[tuple[int, int]]:
    """Five sweeps are on their way, of some of which the source says nothing: which of
    them it is asked about, and how many ms after the first question."""
    for number in range(1, 6):
        stage.paid(f"pay_{number}", 50_000, index=number)
        stage.pass_s(ROUND_S)
    stage.pass_s(LOOK_S)
    txids = [one.txid for one in stage.outgoing()]
    assert len(txids) == 5
    found: list[tuple[int, int]] = []
    sighting = stage.way.sighting

    def see(raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        number = txids.index(decode_tx(raw).txid) + 1
        found.append((number, stage.clock.now()))
        if number in silent:
            raise SourceUnavailable(f"nothing is known of {number}")
        return sighting(raw, after_height, block_hash)

    monkeypatch.setattr(stage.way, "sighting", see)
    stage.mine()
    stage.pass_s(2 * ROUND_S)
    return [(number, at - found[0][1]) for number, at in found]


@pytest.mark.parametrize("silent", [{1, 2}, {1, 3, 4}, {2, 3, 5}])
def test_two_in_a_row_without_an_answer_keep_no_other_waiting(
    stage: SweepStage, silent: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_at(stage, silent, monkeypatch)
    assert asked[:5] == [(number, 0) for number in range(1, 6)]


def test_three_in_a_row_end_the_round_and_the_next_begins_behind_them(
    stage: SweepStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_at(stage, {1, 2, 3}, monkeypatch)
    assert asked[:3] == [(1, 0), (2, 0), (3, 0)]
    (fourth, then), (fifth, also) = asked[3:5]
    assert (fourth, fifth) == (4, 5)
    assert 0 < then == also <= 1_000 * ROUND_S


# -- those that gave way ---------------------------------------------------------------


def bumped(stage: SweepStage) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.pass_s(HOUR_S)
    assert stage.states() == ["replaced", "seen"]


def test_a_bump_that_gave_way_wins_when_the_block_of_the_other_is_lost(
    stage: SweepStage,
) -> None:
    bumped(stage)
    first, bump = stage.outgoing()
    stage.mine_raw(first.raw)
    stage.pass_s(4 * ROUND_S)
    assert stage.states() == ["confirmed", "replaced"]
    stage.way.lose_blocks(1)
    stage.mine_raw(bump.raw)
    stage.way.estimate = 30_000  # the first one is bumped once more, otherwise
    stage.pass_s(8 * ROUND_S)
    assert stage.states() == ["replaced", "confirmed", "replaced"]
    payment = stage.payment("pay_1")
    assert payment.forward is not None
    assert [part.txid for part in payment.forward.parts] == [bump.txid]
    assert stage.status("pay_1") == "forwarded"


def test_one_that_gave_way_in_this_round_is_not_told_as_it_was_read(
    tmp_path: Path,
) -> None:
    """Nobody heard whether the bump was taken; the first one is mined while the node is
    down. In its first round the table was read before the bump gave way."""
    stage = SweepStage(tmp_path)
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    stage.way.loses_answers = True
    stage.pass_s(HOUR_S)
    assert stage.states() == ["replaced", "broadcast"]
    first, _ = stage.outgoing()
    stage.forwarder.stop()
    stage.run()
    stage.way.loses_answers = False
    stage.mine_raw(first.raw)
    again = SweepStage(tmp_path, stage.policy, stage.way, stage.journal)
    again.clock.jump_wall(stage.clock.now() - again.clock.now())
    told = len(again.told("pay_1"))
    again.pass_s(4 * ROUND_S)
    assert again.states() == ["confirmed", "replaced"]
    assert again.told("pay_1")[told:] == ["forwarded"]
    assert again.status("pay_1") == "forwarded"
    again.close()
