"""One wrong answer of an explorer, and answers that do not fit each other."""

from collections.abc import Callable, Iterator

import pytest

from engine.bitcoin.address import script_to_address
from engine.chain.feed import Tip
from engine.errors import (
    HistoryIncomplete,
    SourceBusy,
    SourceError,
    SourceGarbage,
    SourceUnavailable,
)
from tests.integration.esplora_stage import ADDRESS, SCRIPT, Stage, esplora_stage
from tests.tools import fake_upstream as fake
from tests.tools.esplora_chain import MINER, FakeChain
from tests.tools.esplora_double import EsploraDouble, Server, block_json
from transport.chain.esplora import MAX_BLOCKS, UNKNOWN_TIP_S
from transport.chain.esplora_index import INDEX_AGAIN_S


@pytest.fixture
def stage() -> Iterator[Stage]:
    with esplora_stage(EsploraDouble()) as stage:
        stage.double.chain.mine(20)
        yield stage


def tip_of(stage: Stage) -> Tip:
    block = stage.double.chain.tip
    return Tip(block.height, block.hash)


# What a poll costs.


def test_requests_are_few(stage: Stage) -> None:
    stage.esplora.status()
    assert len(stage.asked()) == 5, "tip, block, its height, two for the index"
    stage.esplora.status()
    assert stage.asked() == ["/blocks/tip/hash"]
    tx = stage.double.chain.pay(SCRIPT.hex(), 5)
    block = stage.double.chain.mine()
    stage.wait()
    assert stage.esplora.status().tip == Tip(21, block.hash)
    assert stage.asked()[:2] == ["/blocks/tip/hash", f"/block/{block.hash}"]
    assert stage.outputs()[tx.txid].block_hash == block.hash
    assert stage.asked() == [f"/address/{ADDRESS}/txs"], "the tip stands where it is"
    stage.double.chain.mine(2)
    stage.esplora.status()
    assert len(stage.asked()) == 4, "two blocks on: two heights are asked for"
    stage.outputs()
    assert stage.asked() == [f"/address/{ADDRESS}/txs"]


# A last block that cannot be.


def test_a_tip_told_too_high_once_is_not_believed(stage: Stage) -> None:
    before = stage.esplora.status()
    block = stage.double.chain.mine()
    stage.double.tell_tip(block, height=300_021)
    status = stage.esplora.status()
    assert status.tip == before.tip
    assert status.doubt is not None
    stage.double.lies.clear()
    assert stage.esplora.status().tip == tip_of(stage)
    assert stage.esplora.status().doubt is None


def test_a_tip_of_another_chain_is_not_believed(stage: Stage) -> None:
    before = stage.esplora.status()
    foreign = FakeChain(made=10_000)
    foreign.mine(40)
    stage.double.tell_tip(foreign.tip, height=300_000)
    assert stage.esplora.status().tip == before.tip
    assert "jumped" in (stage.esplora.status().doubt or "")
    stage.double.tell_tip(foreign.tip)
    assert "its own chain has not" in (stage.esplora.status().doubt or "")


def test_a_tip_that_does_not_hash_to_its_id_is_garbage(stage: Stage) -> None:
    stage.double.tell_tip(stage.double.chain.tip, timestamp=1)
    with pytest.raises(SourceGarbage, match="another block"):
        stage.esplora.status()


def test_the_first_tip_of_all_must_stand_at_its_height(stage: Stage) -> None:
    stage.double.tell_tip(stage.double.chain.tip, height=300_000)
    with pytest.raises(SourceGarbage, match="its own chain has not at height 300,000"):
        stage.esplora.status()


def test_a_tip_that_the_next_server_does_not_know_yet_is_waited_for(
    stage: Stage,
) -> None:
    before = stage.esplora.status()
    block = stage.double.chain.mine()
    stage.double.serve(Server(), Server(height=20))  # tip, and then the block
    status = stage.esplora.status()
    assert (status.tip, status.doubt) == (before.tip, None)
    stage.double.serve(Server())
    stage.wait()
    assert stage.esplora.status().tip.hash == block.hash


def test_a_tip_that_nobody_knows_is_doubted_in_the_end(stage: Stage) -> None:
    before = stage.esplora.status()
    stage.double.lies["/blocks/tip/hash"] = fake.text("ab" * 32)
    assert stage.esplora.status() == before
    stage.wait(UNKNOWN_TIP_S)
    status = stage.esplora.status()
    assert status.tip == before.tip
    assert "does not know its own last block" in (status.doubt or "")


def test_a_tip_that_goes_back_and_forth_is_told_as_it_is(stage: Stage) -> None:
    stage.esplora.status()
    stage.double.serve(Server(height=5))
    assert stage.esplora.status().tip.height == 5
    stage.double.serve(Server())
    assert stage.esplora.status().tip == tip_of(stage)
    assert stage.esplora.status().doubt is None


# A payment's block.


def paid(stage: Stage) -> str:
    """A payment in a block that is three deep; its transaction id."""
    tx = stage.double.chain.pay(SCRIPT.hex(), 700)
    stage.double.chain.mine(3)
    stage.wait()
    stage.esplora.status()
    return tx.txid


@pytest.mark.parametrize(
    "lie",
    [
        {"block_height": 7},
        {"block_hash": "ab" * 32},
        {"block_hash": "ab" * 32, "block_height": 3},
    ],
)
def test_a_block_that_does_not_stand_at_its_height_counts_for_nothing(
    stage: Stage, lie: dict[str, object]
) -> None:
    txid = paid(stage)
    (tx,) = (tx for tx in stage.double.chain.best[21].txs if tx.txid == txid)
    tx.lie = lie
    with pytest.raises(HistoryIncomplete, match="does not have it there") as caught:
        stage.outputs()
    (output,) = caught.value.outputs
    assert (output.txid, output.amount_sat) == (txid, 700)
    assert not output.verified_by_source, "no news, and it confirms nothing"
    tx.lie = {}
    assert stage.outputs()[txid].block_height == 21


def test_of_two_heights_of_a_block_the_higher_is_believed(stage: Stage) -> None:
    txid, lies = paid(stage), stage.double.lies
    block = stage.double.chain.best[21]
    tx, lie = block.txs[1], {"/block-height/15": fake.text(block.hash)}
    tx.lie = {"block_height": 15}
    lies |= lie
    assert stage.outputs()[txid].block_height == 15
    tx.lie = {}
    assert stage.outputs()[txid].block_height == 21
    tx.lie = {"block_height": 15}
    with pytest.raises(HistoryIncomplete, match="does not have it there"):
        stage.outputs()


def test_a_block_above_the_end_of_the_next_servers_chain_is_not_seen_yet(
    stage: Stage,
) -> None:
    stage.esplora.status()
    tx = stage.double.chain.pay(SCRIPT.hex(), 700)
    stage.double.chain.mine()
    stage.double.serve(Server(), Server(height=20))
    with pytest.raises(HistoryIncomplete, match="does not have it there") as caught:
        stage.outputs()
    assert [o.verified_by_source for o in caught.value.outputs] == [False]
    stage.double.serve(Server())
    assert stage.outputs()[tx.txid].block_height == 21


def test_an_address_paid_in_many_blocks_has_them_looked_for_bit_by_bit(
    stage: Stage,
) -> None:
    for _ in range(2 * MAX_BLOCKS + 5):
        stage.double.chain.pay(SCRIPT.hex(), 1)
        stage.double.chain.mine()
    stage.wait()
    stage.esplora.status()
    for left in (MAX_BLOCKS + 4, 4):  # the tip is known to stand
        stage.asked()
        with pytest.raises(HistoryIncomplete, match="more blocks") as caught:
            stage.outputs()
        outputs = caught.value.outputs
        heights = [o.block_height or 0 for o in outputs if not o.verified_by_source]
        assert len(heights) == left
        assert max(heights) == stage.double.chain.tip.height - len(outputs) + left
        heights_asked = [path for path in stage.asked() if "block-height" in path]
        assert len(heights_asked) == MAX_BLOCKS
    assert len(stage.outputs()) == 2 * MAX_BLOCKS + 5


def test_blocks_are_looked_for_again_after_a_reorg(stage: Stage) -> None:
    txid = paid(stage)
    before = stage.outputs()[txid]
    stage.double.chain.undo(4)
    moved = stage.double.chain.mine(6)
    stage.wait()
    assert stage.esplora.status().tip == Tip(25, moved.hash)
    after = stage.outputs()[txid]
    assert after.block_hash != before.block_hash
    assert stage.esplora.in_best_chain(before.block_hash or "", 21) is False
    assert f"/block-height/{after.block_height}" in stage.asked()


def test_a_miners_reward_is_told_as_one(stage: Stage) -> None:
    stage.double.chain.mine(to=SCRIPT.hex())
    tx = stage.double.chain.pay(SCRIPT.hex(), 700)
    stage.esplora.status()
    outputs = stage.outputs()
    assert not outputs.pop(tx.txid).is_coinbase
    assert [output.is_coinbase for output in outputs.values()] == [True]


def test_the_tips_time_is_told(stage: Stage) -> None:
    block = stage.double.chain.tip
    assert stage.esplora.status().tip_time_s == block.time_s


# An index of addresses that is older than the tip.


def test_an_old_index_under_a_new_tip_is_a_doubt(stage: Stage) -> None:
    stage.double.servers[0].indexed = 12
    status = stage.esplora.status()
    assert status.tip == tip_of(stage)
    assert status.doubt == "its index of addresses is older than its last block"
    stage.asked()
    assert stage.esplora.status().doubt is not None
    assert stage.asked() == ["/blocks/tip/hash"], "it is looked at now and then"
    stage.double.servers[0].indexed = None
    stage.wait()
    assert stage.esplora.status().doubt is None


@pytest.mark.parametrize("asked", ["its tip", "an address", "a block"])
def test_one_that_comes_back_with_an_old_index_is_noticed_at_once(
    stage: Stage, asked: str
) -> None:
    ways: dict[str, Callable[[], object]] = {
        "its tip": stage.esplora.status,
        "an address": stage.outputs,
        "a block": lambda: stage.esplora.in_best_chain("ab" * 32, 5),
    }
    assert stage.esplora.status().doubt is None
    stage.double.serve(Server(down=fake.reset()))
    with pytest.raises(SourceUnavailable):
        ways[asked]()
    stage.double.serve(Server(indexed=12))
    assert stage.esplora.status().doubt is not None


def test_a_server_that_lacks_only_the_last_block_has_a_moment(stage: Stage) -> None:
    stage.esplora.status()
    stage.double.chain.mine()
    stage.double.servers[0].indexed = 20
    stage.wait()
    assert stage.esplora.status().doubt is None
    assert stage.esplora.status().doubt is None
    stage.wait()
    assert stage.esplora.status().doubt is not None


def test_what_cannot_be_told_of_the_index_is_no_doubt(stage: Stage) -> None:
    tip = stage.double.chain.tip
    for lie in (
        fake.text("Block not found", 404),
        fake.of([]),
        fake.of([{"vout": [{"scriptpubkey": "6a00"}, {"scriptpubkey": "no hex"}]}]),
        fake.of([{"vout": [{"scriptpubkey": None}]}]),
        fake.of([{"vout": [{"scriptpubkey": "21" + "02" * 33 + "ac"}]}]),
        fake.endless(),
        fake.html(),
    ):
        stage.double.lies[f"/block/{tip.hash}/txs"] = lie
        with esplora_stage(EsploraDouble(chain=stage.double.chain)) as again:
            again.double.lies = stage.double.lies
            assert again.esplora.status().doubt is None


# What stands before the server.


@pytest.mark.parametrize(("retry_after", "wait_s"), [(None, None), ("17", 17.0)])
def test_a_rate_limit_is_told_as_one(
    stage: Stage, retry_after: str | None, wait_s: float | None
) -> None:
    stage.esplora.status()
    stage.double.left, stage.double.retry_after = 0, retry_after
    with pytest.raises(SourceBusy) as caught:
        stage.esplora.status()
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "a web page instead of a hash"),
        (403, r"refuses us \(403\): it may bar"),
        (404, "must end where the API begins"),
        (451, "refuses us"),
        (503, "failed"),
    ],
)
def test_a_page_for_people_is_no_answer(stage: Stage, status: int, words: str) -> None:
    stage.esplora.status()
    stage.double.servers[0].down = fake.html(status)
    with pytest.raises((SourceGarbage, SourceUnavailable), match=words) as caught:
        stage.esplora.status()
    assert "moment" not in caught.value.detail


WRONG = [
    fake.html(),
    fake.text(""),
    fake.text("-1"),
    fake.text("null"),
    fake.text("[{"),
    fake.of({"id": 5, "height": -1}),
    fake.of({"id": "ab" * 32, "height": 10**30}),
    fake.of([[]]),
    fake.text("x" * 10**6),
    fake.text("", 301, Location="http://127.0.0.1:1/"),
    fake.text("Block not found", 404),
    fake.text("Service Unavailable", 503),
    fake.cut_off("ab" * 32),
    fake.reset(),
]


@pytest.mark.parametrize("where", ["hash", "block", "height", "txs", "address"])
def test_nothing_is_misread_in_any_answer_about_the_tip(
    stage: Stage, where: str
) -> None:
    """An error, or what it said before, or the truth."""
    miner = script_to_address(bytes.fromhex(MINER), "regtest")
    for answer in WRONG:
        before = stage.esplora.status()
        stage.double.chain.mine(2)
        stage.wait()
        true = tip_of(stage)
        block = f"/block/{true.hash}"
        path = {
            "hash": "/blocks/tip/hash",
            "block": block,
            "height": f"/block-height/{true.height}",
            "txs": f"{block}/txs",
            "address": f"/address/{miner}/txs/chain",
        }[where]
        stage.double.lies[path] = answer
        try:
            status = stage.esplora.status()
        except SourceError as error:
            assert "\n" not in error.detail
        else:
            assert status.tip in {before.tip, true}
        stage.double.lies.clear()
        stage.wait()
        status = stage.esplora.status()
        assert (status.tip, status.doubt) == (true, None)


def test_nulls_for_what_an_unconfirmed_one_has_not_are_taken(stage: Stage) -> None:
    stage.double.nulls = True
    tx = stage.double.chain.pay(SCRIPT.hex(), 700)
    assert stage.outputs()[tx.txid].block_hash is None


def test_the_double_tells_blocks_as_electrs_does() -> None:
    chain = FakeChain()
    chain.mine()
    assert block_json(chain.tip)["previousblockhash"] == chain.best[0].hash
    assert block_json(chain.best[0])["previousblockhash"] is None
    assert INDEX_AGAIN_S < UNKNOWN_TIP_S
