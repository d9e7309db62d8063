"""Which last block of an explorer is believed, on networks of all kinds."""

import pytest

from engine.chain.feed import Tip
from transport.chain.esplora_json import Block, hashes_to_its_id
from transport.chain.explorer_tip import (
    FREE_STEP,
    LAG_S,
    MAX_JUMP,
    TWICE_S,
    TipGuard,
    TipVerdict,
)

NOW = 1_795_000_000.0
HEIGHT = 976_000  # of mainnet, about then


def name(height: int, branch: str = "a") -> str:
    return f"{height:063x}{branch}"


def block(height: int, branch: str = "a", *, time_s: float = NOW) -> Block:
    return Block(
        name(height, branch),
        height,
        previousblockhash=name(height - 1, branch),
        timestamp=int(time_s),
    )


class Explorer:
    """What a guard sees, and the clock it looks at."""

    def __init__(self, network: str) -> None:
        self.now = NOW
        self.guard = TipGuard(network, lambda: self.now)
        self.branch = "a"
        self.height = 10**9  # it has blocks so far
        self.asked: list[int] = []

    def block_at(self, height: int) -> str | None:
        self.asked.append(height)
        return None if height > self.height else name(height, self.branch)

    def tells(self, block: Block, *, proven: bool = True) -> TipVerdict:
        self.asked.clear()
        known = self.guard.known(block.id)
        return known or self.guard.judge(block, proven=proven, block_at=self.block_at)


@pytest.mark.parametrize("network", ["mainnet", "testnet", "signet", "regtest"])
def test_block_after_block_costs_nothing(network: str) -> None:
    explorer = Explorer(network)
    explorer.tells(block(HEIGHT))
    for height in range(HEIGHT + 1, HEIGHT + 10):
        verdict = explorer.tells(block(height))
        assert (verdict.tip, verdict.doubt) == (Tip(height, name(height)), None)
        assert not explorer.asked


@pytest.mark.parametrize("network", ["mainnet", "testnet", "signet", "regtest"])
def test_a_leap_is_not_believed_however_it_hangs_together(network: str) -> None:
    explorer = Explorer(network)
    explorer.tells(block(HEIGHT - 100_000))
    verdict = explorer.tells(block(HEIGHT + 200_000))
    assert verdict.tip == Tip(HEIGHT - 100_000, name(HEIGHT - 100_000))
    assert "jumped from height 876,000 to 1,176,000" in (verdict.doubt or "")
    assert explorer.tells(block(HEIGHT - 100_000)).doubt is None


def test_time_makes_room_for_blocks_on_mainnet() -> None:
    explorer = Explorer("mainnet")
    explorer.tells(block(HEIGHT))
    assert explorer.tells(block(HEIGHT + FREE_STEP)).doubt is None
    explorer.now += 10
    assert explorer.tells(block(HEIGHT + 7)).doubt is not None
    explorer.now += 600  # nobody looked, or it still says so
    assert explorer.tells(block(HEIGHT + 7)).doubt is None
    explorer.now += 86_400
    assert explorer.tells(block(HEIGHT + 7 + 200)).doubt is None


def test_an_explorer_that_was_behind_may_catch_up_at_once() -> None:
    explorer = Explorer("mainnet")
    explorer.tells(block(HEIGHT, time_s=NOW - 86_400))
    assert explorer.tells(block(HEIGHT + 150)).doubt is None


def test_on_regtest_more_than_a_thousand_must_be_told_twice() -> None:
    explorer = Explorer("regtest")
    explorer.tells(block(10))
    assert explorer.tells(block(10 + MAX_JUMP)).doubt is None
    leap = block(10_000)
    for _ in range(3):
        assert explorer.tells(leap).doubt is not None
        explorer.now += TWICE_S / 3
    assert explorer.tells(leap).doubt is None


def test_a_leap_that_was_taken_back_begins_anew() -> None:
    explorer = Explorer("regtest")
    explorer.tells(block(10))
    assert explorer.tells(block(10_000)).doubt is not None
    explorer.now += TWICE_S
    explorer.tells(block(10))
    assert explorer.tells(block(10_000)).doubt is not None


def test_a_last_block_must_stand_at_its_height() -> None:
    explorer = Explorer("regtest")
    explorer.tells(block(10))
    explorer.height = 10
    verdict = explorer.tells(block(13), proven=False)
    assert (verdict.tip.height, explorer.asked) == (10, [13])
    assert "its own chain has not at height 13" in (verdict.doubt or "")
    wrong = block(12)
    wrong.previousblockhash = name(10)  # the next one, says its header
    assert "height 12" in (explorer.tells(wrong).doubt or "")
    assert not explorer.asked


def test_a_header_that_proves_nothing_is_no_link() -> None:
    explorer = Explorer("regtest")
    explorer.tells(block(10))
    assert explorer.tells(block(11), proven=False).doubt is None
    assert explorer.asked == [11, 10]


def test_a_reorg_is_told_by_what_stands_at_the_old_height() -> None:
    explorer = Explorer("regtest")
    explorer.tells(block(10))
    assert not explorer.tells(block(12)).reorg
    explorer.branch = "b"
    verdict = explorer.tells(block(13, "b"))
    assert verdict.reorg
    assert verdict.doubt is None
    assert explorer.asked == [13, 12]
    explorer.branch = "c"
    assert explorer.tells(block(13, "c")).reorg, "as high, and another one"


def test_one_that_goes_back_says_so_of_itself() -> None:
    explorer = Explorer("mainnet")
    explorer.tells(block(HEIGHT))
    verdict = explorer.tells(block(37))
    assert (verdict.tip.height, verdict.doubt) == (37, None)
    assert explorer.tells(block(500)).doubt is None
    assert explorer.tells(block(HEIGHT)).doubt is None
    assert explorer.tells(block(HEIGHT + 1)).doubt is None


def test_a_server_that_has_the_last_block_later_is_waited_for() -> None:
    explorer = Explorer("mainnet")
    explorer.tells(block(HEIGHT))
    explorer.tells(block(HEIGHT + 1))
    for _ in range(5):  # in turns
        assert explorer.tells(block(HEIGHT)).tip.height == HEIGHT + 1
        assert explorer.tells(block(HEIGHT + 1)).tip.height == HEIGHT + 1
        explorer.now += LAG_S
    assert explorer.tells(block(HEIGHT)).tip.height == HEIGHT + 1
    explorer.now += LAG_S
    assert explorer.tells(block(HEIGHT)).tip.height == HEIGHT


def test_one_that_is_far_lower_again_is_told_at_once() -> None:
    explorer = Explorer("mainnet")
    for height in range(HEIGHT, HEIGHT + FREE_STEP + 2):
        explorer.tells(block(height))
    assert explorer.tells(block(HEIGHT)).tip.height == HEIGHT


def test_the_first_one_is_held_against_itself_and_the_calendar() -> None:
    explorer = Explorer("mainnet")
    with pytest.raises(ValueError, match="not reached yet"):
        explorer.tells(block(HEIGHT + 300_000))
    explorer.height = HEIGHT - 1
    with pytest.raises(ValueError, match="its own chain has not"):
        explorer.tells(block(HEIGHT))
    assert explorer.guard.kept("x") is None
    explorer.height = HEIGHT
    assert explorer.tells(block(HEIGHT)).doubt is None


def test_a_block_without_work_is_none_of_mainnet() -> None:
    made_up = block(HEIGHT + 1)
    made_up.id = "0" * 17 + "4" + made_up.id[18:]  # 69 zero bits
    explorer = Explorer("mainnet")
    with pytest.raises(ValueError, match="nobody has worked for"):
        explorer.tells(made_up)
    explorer.tells(block(HEIGHT))
    assert "nobody has worked for" in (explorer.tells(made_up).doubt or "")
    made_up.id = "0" * 17 + "3" + made_up.id[18:]
    assert explorer.tells(made_up).doubt is None


def test_a_block_is_the_hash_of_its_header() -> None:
    """Mainnet's first block, as everybody knows it."""
    first = Block(
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        0,
        version=1,
        merkle_root="4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
        timestamp=1_231_006_505,
        bits=0x1D00FFFF,
        nonce=2_083_236_893,
    )
    assert hashes_to_its_id(first) is True
    first.timestamp = 1_231_006_506
    assert hashes_to_its_id(first) is False
    first.nonce = None
    assert hashes_to_its_id(first) is None
