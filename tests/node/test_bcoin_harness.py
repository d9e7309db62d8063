"""The harness of the real node does what the tests of Paybell will rely on."""

from collections.abc import Iterator

import pytest
import requests

from tests.node.bcoin import BcoinNode, RpcError
from tests.node.rawtx import Coin, address_for, script_for, signed
from tests.node.wallet import Wallet

KINDS = ["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"]


@pytest.fixture(scope="module")
def node() -> Iterator[BcoinNode]:
    with BcoinNode() as running:
        yield running


@pytest.fixture(scope="module")
def wallet(node: BcoinNode) -> Wallet:
    return node.fund(20)


@pytest.fixture(autouse=True)
def _nothing_waits(node: BcoinNode) -> Iterator[None]:
    yield
    node.generate(1)
    assert node.mempool() == frozenset()


def test_the_chain_is_bitcoin_cores_regtest(node: BcoinNode) -> None:
    info = node.rpc("getblockchaininfo")
    assert info["chain"] == "regtest"
    assert node.block_hash(0).startswith("0f9188f13cb7b2c7")
    assert node.rpc("getnetworkinfo")["connections"] == 0


def test_the_url_carries_the_credentials_and_nothing_else_gets_in(
    node: BcoinNode,
) -> None:
    call = {"method": "getblockcount", "params": [], "id": 1}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(node.url, json=[call, call], timeout=60)
        assert [item["result"] for item in answer.json()] == [node.height()] * 2
        refused = session.post(f"http://127.0.0.1:{node.port}", json=call, timeout=60)
    assert (refused.status_code, refused.content) == (401, b"")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_address_can_be_paid_and_mined(
    node: BcoinNode, wallet: Wallet, kind: str
) -> None:
    address = address_for(kind, 1)
    txid = wallet.pay(address, 123_456)
    assert node.mempool() == {txid}
    [mined] = node.generate(1)
    assert txid in node.rpc("getblock", mined)["tx"]
    output = node.rpc("gettxout", txid, 0)
    assert output["scriptPubKey"]["hex"] == script_for(address).hex()
    assert int(output["value"] * 100_000_000) == 123_456


@pytest.mark.parametrize("kind", ["p2pkh", "p2sh", "p2wpkh", "p2wsh"])
def test_the_node_reads_our_addresses_as_we_do(node: BcoinNode, kind: str) -> None:
    address = address_for(kind, 2)
    answer = node.rpc("validateaddress", address)
    assert answer["isvalid"]
    assert answer["address"] == address
    assert answer["scriptPubKey"] == script_for(address).hex()


def test_taproot_addresses_are_those_of_bip_350() -> None:
    known = "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c"
    assert script_for(known).hex() == (
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"
    )
    with pytest.raises(ValueError, match="checksum"):
        script_for(known[:-1] + "q")


def test_two_receipts_can_come_in_one_transaction_and_in_one_block(
    node: BcoinNode, wallet: Wallet
) -> None:
    address = address_for("p2wpkh", 3)
    both = wallet.pay_many([(address, 1_000), (address, 2_000)])
    other = wallet.pay(address, 3_000)
    [mined] = node.generate(1)
    assert {both, other} <= set(node.rpc("getblock", mined)["tx"])
    amounts = [node.rpc("gettxout", both, vout)["value"] for vout in (0, 1)]
    assert [int(amount * 100_000_000) for amount in amounts] == [1_000, 2_000]


def test_a_payment_in_the_mempool_can_be_replaced(
    node: BcoinNode, wallet: Wallet
) -> None:
    first = wallet.pay(address_for("p2pkh", 4), 10_000)
    second = wallet.replace(first)
    assert node.mempool() == {second}
    third = wallet.replace(second, [])
    assert node.mempool() == {third}
    with pytest.raises(RpcError, match="bad-txns-inputs-spent"):
        wallet.replace(third, fee_sat=1_000)
    assert node.mempool() == {third}


def test_a_transaction_without_its_coin_is_refused_as_by_bitcoin_core(
    node: BcoinNode, wallet: Wallet
) -> None:
    nowhere = Coin("11" * 32, 0, 10_000)
    raw = signed(wallet.key, [nowhere], [(script_for(address_for("p2tr", 5)), 9_000)])
    with pytest.raises(RpcError, match="missingorspent") as caught:
        node.send(raw)
    assert caught.value.code == -25


def test_a_miner_can_confirm_a_double_spend(node: BcoinNode, wallet: Wallet) -> None:
    seen = wallet.pay(address_for("p2wpkh", 6), 50_000)
    stolen = wallet.conflicting(seen)
    mined = node.mine_block([stolen])
    assert node.tip() == mined
    assert node.mempool() == frozenset()


def test_a_reorganisation_returns_payments_to_the_mempool(
    node: BcoinNode, wallet: Wallet
) -> None:
    txid = wallet.pay(address_for("p2sh", 7), 70_000)
    stale = node.generate(2)
    height = node.height()
    branch = node.reorg(2)
    assert node.height() == height + 1
    assert node.tip() == branch[-1]
    assert node.block_hash(height) == branch[-2] != stale[-1]
    assert node.mempool() == {txid}
    # Bitcoin Core would say -1: the adapter has to ask for the hash of the height.
    assert node.rpc("getblockheader", stale[0])["confirmations"] > 0


def test_a_reorganisation_can_bring_a_double_spend(
    node: BcoinNode, wallet: Wallet
) -> None:
    txid = wallet.pay(address_for("p2tr", 8), 80_000)
    node.generate(1)
    raw = wallet.conflicting(txid, [(address_for("p2tr", 9), 80_000)])
    branch = node.reorg(1, instead=[raw])
    assert node.mempool() == frozenset()
    assert txid not in node.rpc("getblock", branch[0])["tx"]


def test_a_reorganisation_can_forget_a_payment(node: BcoinNode, wallet: Wallet) -> None:
    other = wallet.pay(address_for("p2pkh", 10), 5_000)
    txid = wallet.pay(address_for("p2pkh", 11), 5_000)
    node.generate(1)
    node.reorg(1, drop=[txid])
    assert node.mempool() == {other}


def test_an_invalidated_block_is_unknown_and_its_payments_wait_again(
    node: BcoinNode, wallet: Wallet
) -> None:
    txid = wallet.pay(address_for("p2wpkh", 12), 12_000)
    [mined, above] = node.generate(2)
    waiting = wallet.pay(address_for("p2wpkh", 13), 13_000)
    height = node.height()
    node.invalidateblock(mined)
    assert node.height() == height - 2
    assert node.mempool() == {txid, waiting}
    for gone in (mined, above):
        with pytest.raises(RpcError, match="Block not found"):
            node.rpc("getblockheader", gone)


def test_a_frozen_node_answers_nothing_until_it_thaws(node: BcoinNode) -> None:
    call = {"method": "getblockcount", "params": [], "id": 1}
    node.freeze()
    try:
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"http://127.0.0.1:{node.port}",
                json=call,
                auth=("paybell", node.password),
                timeout=0.3,
            )
    finally:
        node.thaw()
    assert node.height() > 0


def test_the_password_is_not_in_what_the_node_writes(node: BcoinNode) -> None:
    assert node.password not in node.log
