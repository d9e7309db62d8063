"""Raw transactions and blocks: known ones are read, hostile ones refused cheaply."""

import contextlib
from collections.abc import Callable

import pytest
from bit.transaction import calc_txid
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bitcoin.merkle import merkle_root
from engine.bitcoin.transaction import (
    COINBASE_TXID,
    block_header,
    compact_size,
    double_sha256,
    header_hash,
    iter_block_txs,
    iter_packed_txs,
    pack_tx,
    parse_header,
    parse_tx,
    push_number,
)
from engine.chain.feed import ChainTx, TxOut
from engine.chain.packed_tx import pack
from engine.errors import InvalidBlock, InvalidTransaction
from tests.tools.steps import steps
from tests.tools.whole_block import parse_block

# Bitcoin's genesis block, 3 January 2009.
GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa"
    "4b1e5e4a29ab5f49ffff001d1dac2b7c0101000000010000000000000000000000000000000000"
    "000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030"
    "332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e"
    "64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0"
    "fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504"
    "e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
GENESIS_HASH = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
GENESIS_TXID = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"

# The signed P2WPKH example of BIP 143.
SEGWIT = bytes.fromhex(
    "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f"
    "00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e"
    "5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01"
    "eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a010000"
    "0000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d59"
    "88ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247"
    "304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a022057"
    "3a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e831"
    "88368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000"
)


def _plain_tx(tag: int, outputs: int = 1) -> bytes:
    return (
        b"\x01\0\0\0\x01"
        + tag.to_bytes(32, "little")
        + b"\0\0\0\0\0\xff\xff\xff\xff"
        + compact_size(outputs)
        + (b"\x10\x27\0\0\0\0\0\0\x16\x00\x14" + bytes(20)) * outputs
        + b"\0\0\0\0"
    )


def _block_of(txs: list[bytes], root: bytes | None = None) -> bytes:
    leaves = [bytes.fromhex(parse_tx(tx).txid)[::-1] for tx in txs]
    header = block_header("11" * 32, root or merkle_root(leaves), 1, 0x207FFFFF, 0, 4)
    return header + compact_size(len(txs)) + b"".join(txs)


def test_the_genesis_block_is_read_whole() -> None:
    block = parse_block(GENESIS, 0)
    assert block.header.hash == GENESIS_HASH
    assert block.header.prev_hash == "00" * 32
    assert (block.header.height, block.header.time_s) == (0, 1231006505)
    assert block.header.in_best_chain
    (coinbase,) = block.txs
    assert coinbase.txid == GENESIS_TXID
    assert coinbase.outputs[0].amount_sat == 5_000_000_000
    assert coinbase.spends == ((COINBASE_TXID, 0xFFFFFFFF),)


def test_a_segwit_transaction_has_the_txid_of_its_part_without_witness() -> None:
    tx = parse_tx(SEGWIT)
    assert tx.txid == calc_txid(SEGWIT.hex())
    assert tx.spends[0][0].startswith("9f96ade4b41d5433f4eda31e1738ec2b36f6e7d1420d94")
    assert tx.spends[1][1] == 1
    script = bytes.fromhex("76a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac")
    assert tx.outputs[0] == TxOut(script, 112_340_000)
    assert tx.outputs[1].amount_sat == 223_450_000


@pytest.mark.parametrize("raw", [SEGWIT, _plain_tx(7), _plain_tx(7, 300)])
def test_a_transaction_cut_anywhere_is_refused(raw: bytes) -> None:
    for end in range(len(raw)):
        with pytest.raises(InvalidTransaction):
            parse_tx(raw[:end])
    with pytest.raises(InvalidTransaction, match="1 bytes follow"):
        parse_tx(raw + b"\0")


def test_a_block_cut_anywhere_is_refused() -> None:
    raw = _block_of([_plain_tx(1), SEGWIT, _plain_tx(2)])
    assert len(parse_block(raw, 5).txs) == 3
    for end in range(len(raw)):
        with pytest.raises(InvalidBlock):
            parse_block(raw[:end], 5)
    with pytest.raises(InvalidBlock, match="1 bytes follow"):
        parse_block(raw + b"\0", 5)


@pytest.mark.parametrize(
    ("raw", "because"),
    [
        (b"\x01\0\0\0\xfe\xff\xff\xff\xff" + bytes(100), "inputs cannot be"),
        (b"\x01\0\0\0\xff" + b"\xff" * 8 + bytes(100), "inputs cannot be"),
        (b"\x01\0\0\0\xfd\x01\0" + bytes(100), "longer than needed"),
        (_plain_tx(1)[:46] + b"\xff" + b"\xff" * 8 + bytes(9), "outputs cannot be"),
        (b"\x01\0\0\0\0" + bytes(60), "without inputs"),
        (_plain_tx(1)[:46] + bytes(60), "without outputs"),
        (_plain_tx(1)[:47] + b"\xff" * 8 + bytes(60), "cannot exist"),
        (_plain_tx(1)[:41] + b"\xfe\xff\xff\xff\xff" + bytes(60), "cut off|longer"),
    ],
)
def test_a_declared_count_or_length_is_held_against_the_bytes_at_hand(
    raw: bytes, because: str
) -> None:
    with pytest.raises(InvalidTransaction, match=because):
        parse_tx(raw)

    def again() -> None:
        with contextlib.suppress(InvalidTransaction):
            parse_tx(raw)

    assert steps(again) < 200


def test_a_block_that_declares_more_transactions_than_bytes_is_refused() -> None:
    with pytest.raises(InvalidBlock, match="transactions cannot be"):
        parse_block(GENESIS[:80] + b"\xff" + b"\xff" * 8 + bytes(200), 0)
    with pytest.raises(InvalidBlock, match="0 transactions"):
        parse_block(GENESIS[:80] + bytes(200), 0)


def test_a_block_whose_transactions_are_not_its_own_is_refused() -> None:
    txs = [_plain_tx(1), _plain_tx(2), _plain_tx(3)]
    with pytest.raises(InvalidBlock, match="merkle root"):
        parse_block(_block_of(txs, root=bytes(32)), 1)
    swapped = bytearray(_block_of(txs))
    swapped[-10] ^= 1
    with pytest.raises(InvalidBlock, match="merkle root"):
        parse_block(bytes(swapped), 1)


def test_a_block_that_repeats_its_last_transactions_is_refused() -> None:
    """CVE-2012-2459: three transactions have the root of four with the last twice."""
    txs = [_plain_tx(1), _plain_tx(2), _plain_tx(3)]
    twice = [*txs, txs[2]]
    leaves = [bytes.fromhex(parse_tx(tx).txid)[::-1] for tx in txs]
    with pytest.raises(InvalidBlock, match="repeats"):
        parse_block(_block_of(twice, root=merkle_root(leaves)), 1)


def test_transactions_come_one_by_one_before_the_block_is_read_to_its_end() -> None:
    raw = _block_of([_plain_tx(1), _plain_tx(2)])[:-1]
    txs = iter_block_txs(raw)
    assert isinstance(next(txs), ChainTx)
    with pytest.raises(InvalidBlock):
        next(txs)


def test_a_header_is_read_without_its_block() -> None:
    header = parse_header(GENESIS[:80], 0, in_best_chain=False)
    assert header.hash == header_hash(GENESIS[:80]) == GENESIS_HASH
    assert not header.in_best_chain
    with pytest.raises(InvalidBlock, match="80 bytes, not 79"):
        parse_header(GENESIS[:79], 0)


def test_a_header_is_written_as_it_was_read() -> None:
    root = bytes.fromhex(GENESIS_TXID)[::-1]
    written = block_header("00" * 32, root, 1231006505, 0x1D00FFFF, 2083236893, 1)
    assert written == GENESIS[:80]


def test_the_merkle_root_of_one_leaf_is_the_leaf_and_odd_levels_repeat_the_last() -> (
    None
):
    a, b, c = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
    assert merkle_root([a]) == a
    left, right = double_sha256(a + b), double_sha256(c + c)
    assert merkle_root([a, b, c]) == double_sha256(left + right)


@pytest.mark.parametrize(
    ("number", "pushed"),
    [
        (0, "00"),
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),
        (32_768, "03008000"),
        (840_000, "0340d10c"),
    ],
)
def test_heights_are_pushed_as_bip34_wants_them(number: int, pushed: str) -> None:
    assert push_number(number).hex() == pushed


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "00"),
        (252, "fc"),
        (253, "fdfd00"),
        (0x10000, "fe00000100"),
        (1 << 32, "ff0000000001000000"),
    ],
)
def test_counts_are_written_in_their_shortest_form(number: int, written: str) -> None:
    assert compact_size(number).hex() == written


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_transaction_or_invalid_and_never_another_error(
    raw: bytes,
) -> None:
    try:
        parse_tx(raw)
    except InvalidTransaction as error:
        assert str(error)
    try:
        parse_block(raw, 1)
    except InvalidBlock as error:
        assert str(error)


@settings(max_examples=200)
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_a_changed_byte_never_gives_the_same_transaction_or_another_error(
    position: int, byte: int
) -> None:
    position %= len(SEGWIT)
    changed = bytearray(SEGWIT)
    if changed[position] == byte:
        return
    changed[position] = byte
    try:
        parse_tx(bytes(changed))
    except InvalidTransaction as error:
        assert str(error)


def test_the_work_for_a_block_is_in_proportion_to_its_transactions() -> None:
    few, many = (
        _block_of([_plain_tx(number, 2) for number in range(count)])
        for count in (300, 3_000)
    )
    assert len(parse_block(many, 1).txs) == 3_000
    work = steps(lambda: parse_block(many, 1))
    assert work < 11 * steps(lambda: parse_block(few, 1))
    assert work < 100 * 3_000  # some 70 lines each: 35 ms in all


def _or_why(read: Callable[[], object]) -> object:
    try:
        return read()
    except (InvalidTransaction, InvalidBlock) as error:
        return str(error)


def _output(script: bytes) -> bytes:
    return b"\x10\x27\0\0\0\0\0\0" + compact_size(len(script)) + script


@pytest.mark.parametrize("lengths", [(0, 22, 100), (101, 22, 252), (253, 70_000, 1)])
def test_a_packed_transaction_is_the_same_but_for_scripts_of_no_address(
    lengths: tuple[int, ...],
) -> None:
    outputs = b"".join(_output(bytes([7]) * length) for length in lengths)
    raw = _plain_tx(1, 0)[:-5] + compact_size(len(lengths)) + outputs + b"\0\0\0\0"
    assert pack_tx(raw) == pack(parse_tx(raw))
    assert pack_tx(SEGWIT) == pack(parse_tx(SEGWIT))


@settings(max_examples=300)
@given(st.integers(min_value=0), st.integers(0, 255), st.integers(0, 400))
def test_whatever_is_no_transaction_is_none_packed_either_and_for_the_same_reason(
    position: int, byte: int, length: int
) -> None:
    changed = bytearray(SEGWIT[:length])
    if changed:
        changed[position % len(changed)] = byte
    raw = bytes(changed)
    assert _or_why(lambda: pack_tx(raw)) == _or_why(lambda: pack(parse_tx(raw)))
    block = _block_of([_plain_tx(1)])[:81] + raw
    assert _or_why(lambda: list(iter_packed_txs(block))) == _or_why(
        lambda: list(map(pack, iter_block_txs(block)))
    )


def test_a_block_is_packed_only_with_the_merkle_root_of_its_header() -> None:
    txs = [_plain_tx(number) for number in range(5)]
    whole = _block_of(txs)
    assert list(iter_packed_txs(whole)) == list(map(pack, iter_block_txs(whole)))
    with pytest.raises(InvalidBlock, match="merkle root"):
        list(iter_packed_txs(_block_of(txs, root=b"\1" * 32)))


@pytest.mark.parametrize("inputs", [1, 2])
def test_a_length_beyond_all_memory_is_a_transaction_that_is_cut_off(
    inputs: int,
) -> None:
    """2^63 and more is no offset that C knows."""
    huge = b"\xff" * 9  # of the script of an input, then of an output
    padding = bytes(200)
    for raw in (
        b"\x01\0\0\0" + bytes([inputs]) + bytes(36) + huge + padding,
        _plain_tx(1, 0)[:-5] + bytes([inputs]) + bytes(8) + huge + padding,
    ):
        for read in (parse_tx, pack_tx):
            with pytest.raises(InvalidTransaction):
                read(raw)
