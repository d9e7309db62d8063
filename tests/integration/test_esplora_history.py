"""Addresses with much history, as explorers of both kinds page, count and refuse it."""

from collections.abc import Iterator

import pytest

from engine.bitcoin.address import script_to_address
from engine.errors import HistoryIncomplete, SourceUnavailable
from tests.integration.esplora_stage import ADDRESS, SCRIPT, Stage, esplora_stage
from tests.tools import fake_upstream as fake
from tests.tools.esplora_double import TOO_MANY, EsploraDouble
from transport.chain.esplora_history import FEWER_S, MAX_TXS, TOO_LONG_S

BASE = f"/address/{ADDRESS}"


@pytest.fixture(params=[False, True], ids=["blockstream", "mempool.space"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with esplora_stage(EsploraDouble(together=request.param)) as stage:
        yield stage


def pay(stage: Stage, times: int, *, mined: bool = True) -> None:
    for amount in range(1, times + 1):
        stage.double.chain.pay(SCRIPT.hex(), amount)
        if mined and amount % 7 == 0:
            stage.double.chain.mine()
    if mined:
        stage.double.chain.mine()
    stage.wait()
    stage.esplora.status()
    stage.asked()


@pytest.mark.parametrize("count", [0, 9, 10, 24, 25, 26, 50, 60])
def test_all_of_a_history_is_read(stage: Stage, count: int) -> None:
    pay(stage, count)
    waiting = stage.double.chain.pay(SCRIPT.hex(), 7_000)
    outputs = stage.outputs()
    assert len(outputs) == count + 1
    assert outputs.pop(waiting.txid).block_hash is None
    assert all(output.block_hash for output in outputs.values())
    amounts = sorted(output.amount_sat for output in outputs.values())
    assert amounts == list(range(1, count + 1))


def test_a_long_history_is_read_once(stage: Stage) -> None:
    pay(stage, 200)
    stage.warm_up()
    assert len([path for path in stage.asked() if "/txs" in path]) <= 10
    for more in range(3):
        stage.double.chain.pay(SCRIPT.hex(), 9_000 + more)
        assert len(stage.outputs()) == 201 + more
        assert stage.asked() == [f"{BASE}/txs"]
    stage.double.chain.mine()
    stage.esplora.status()
    stage.asked()
    outputs = stage.outputs()
    assert len(outputs) == 203
    assert all(output.block_hash for output in outputs.values())
    assert stage.asked() == [f"{BASE}/txs"]


def test_what_was_read_is_read_again_after_a_reorg(stage: Stage) -> None:
    pay(stage, 60)
    stage.outputs()
    chain = stage.double.chain
    chain.undo(5)
    gone = chain.mempool.pop()
    chain.mine(7)
    stage.wait()
    stage.esplora.status()
    stage.asked()
    outputs = stage.outputs()
    assert gone.txid not in outputs
    assert len(outputs) == 59
    heights = {tx.txid: b.height for b in chain.best for tx in b.txs}
    assert all(o.block_height == heights[o.txid] for o in outputs.values())


def test_what_comes_between_two_looks_is_not_missed(stage: Stage) -> None:
    pay(stage, 60)
    stage.outputs()
    pay(stage, 40)
    assert len(stage.outputs()) == 100


def test_more_unconfirmed_ones_than_a_server_lists_are_told_as_incomplete(
    stage: Stage,
) -> None:
    pay(stage, 5)
    pay(stage, 60, mined=False)
    with pytest.raises(HistoryIncomplete, match="lists fewer") as caught:
        stage.outputs()
    assert len(caught.value.outputs) >= 50
    stage.asked()
    with pytest.raises(HistoryIncomplete, match="lists fewer"):
        stage.outputs()
    assert stage.asked() == [f"{BASE}/txs"]
    stage.double.chain.mine()
    stage.wait(FEWER_S)
    stage.esplora.status()
    assert len(stage.outputs()) == 65


def test_too_much_history_costs_no_more_than_any_other_and_shows_new_money(
    stage: Stage,
) -> None:
    chain = stage.double.chain
    for _ in range(MAX_TXS + 1):
        chain.pay(SCRIPT.hex(), 1)
    chain.mine()
    stage.esplora.status()
    stage.asked()
    with pytest.raises(HistoryIncomplete, match="too many transactions") as caught:
        stage.outputs()
    assert len(caught.value.outputs) == 25
    assert stage.asked() == [f"{BASE}/txs", BASE]
    new = chain.pay(SCRIPT.hex(), 50_000)
    for depth in range(3):
        with pytest.raises(HistoryIncomplete, match="too many") as caught:
            stage.outputs()
        shown = {output.txid: output for output in caught.value.outputs}
        assert (shown[new.txid].block_hash is not None) == (depth > 0)
        assert stage.asked() == [f"{BASE}/txs"]
        chain.mine()
        stage.esplora.status()
        stage.asked()
    stage.wait(TOO_LONG_S)
    with pytest.raises(HistoryIncomplete):
        stage.outputs()
    assert stage.asked() == [f"{BASE}/txs", BASE], "now and then it is tried again"


@pytest.mark.parametrize(
    "answer",
    [
        fake.text(TOO_MANY, 400),
        fake.text("Too many history transactions (>500). Contact support.", 400),
        fake.of({"error": "Too many history transactions (>500)."}, 500),
        fake.text("Address history is too long", 413),
    ],
)
def test_a_history_that_is_refused_shows_what_waits(
    stage: Stage, answer: fake.Answer
) -> None:
    pay(stage, 3)
    new = stage.double.chain.pay(SCRIPT.hex(), 50_000)
    stage.double.lies[f"{BASE}/txs"] = answer
    for paths in ([f"{BASE}/txs", f"{BASE}/txs/mempool"], [f"{BASE}/txs/mempool"]):
        with pytest.raises(HistoryIncomplete, match="refuses to list") as caught:
            stage.outputs()
        assert [output.txid for output in caught.value.outputs] == [new.txid]
        assert stage.asked() == paths
    stage.double.lies.clear()
    stage.wait(TOO_LONG_S)
    assert len(stage.outputs()) == 4


def test_a_server_that_refuses_everything_of_an_address_says_nothing_of_others(
    stage: Stage,
) -> None:
    stage.double.too_many = 10
    pay(stage, 11)
    stage.double.lies[f"{BASE}/txs/mempool"] = fake.text(TOO_MANY, 400)
    with pytest.raises(HistoryIncomplete) as caught:
        stage.outputs()
    assert caught.value.outputs == ()
    other = bytes.fromhex("0014" + "41" * 20)
    address = script_to_address(other, "regtest") or ""
    assert stage.esplora.outputs(address, other) == ()


@pytest.mark.parametrize(
    "answer", [fake.html(500), fake.text("missing tx", 500), fake.html(504)]
)
def test_what_fails_is_the_server_once_and_then_the_address(
    stage: Stage, answer: fake.Answer
) -> None:
    pay(stage, 3)
    stage.double.lies[f"{BASE}/txs"] = answer
    with pytest.raises(SourceUnavailable, match=r"failed \(50[04]\)"):
        stage.outputs()
    with pytest.raises(HistoryIncomplete, match="and not for its last block"):
        stage.outputs()
    waiting = stage.double.chain.pay(SCRIPT.hex(), 50_000)
    stage.asked()
    with pytest.raises(HistoryIncomplete, match="not for its last block") as caught:
        stage.outputs()
    assert [output.txid for output in caught.value.outputs] == [waiting.txid]
    assert stage.asked() == [f"{BASE}/txs/mempool"], "nobody waits for it again soon"
    stage.wait(TOO_LONG_S)
    with pytest.raises(HistoryIncomplete):
        stage.outputs()
    stage.double.lies.clear()
    stage.wait(TOO_LONG_S)
    assert len(stage.outputs()) == 4
    stage.double.lies[f"{BASE}/txs"] = answer
    with pytest.raises(SourceUnavailable):
        stage.outputs()


def test_a_count_that_takes_too_long_leaves_the_newest_page(stage: Stage) -> None:
    pay(stage, 30)
    stage.double.lies[BASE] = fake.html(504)
    for paths in ([f"{BASE}/txs", BASE], [f"{BASE}/txs"]):
        with pytest.raises(HistoryIncomplete, match="beyond the first page") as caught:
            stage.outputs()
        assert len(caught.value.outputs) == 25
        assert [path for path in stage.asked() if path.startswith(BASE)] == paths
    stage.double.lies.clear()
    stage.wait(FEWER_S)
    assert len(stage.outputs()) == 30


def test_transactions_listed_twice_count_once(stage: Stage) -> None:
    pay(stage, 4)
    chain = stage.double.chain
    chain.best[-1].txs = chain.best[-1].txs * 2
    assert len(stage.outputs()) == 4
