"""What is pushed, taken down: losses are noticed, and nothing is misread."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bitcoin.transaction import pack_tx
from engine.chain.packed_tx import PackedTx, scripts
from engine.chain.push import MAX_CHANGES, MAX_FRAMES, MAX_READ, MAX_TX, PushLog
from tests.integration.bitcoind_node import ALICE, raw_tx, txid

BOB = b"\x00\x14" + b"b" * 20
BLOCK = "0f" * 32


class Wire:
    """A log, and messages to it as Core numbers them."""

    def __init__(self) -> None:
        self.log = PushLog(pack_tx)
        self.log.concerns = lambda tx: ALICE in scripts(tx.body)
        self.counters: dict[bytes, int] = {}
        self.number = 1

    def publish(self, topic: bytes, body: bytes) -> bool:
        counter = self.counters.get(topic, 0)
        self.counters[topic] = counter + 1
        return self.log.message(1, [topic, body, counter.to_bytes(4, "little")])

    def skip(self, topic: bytes, count: int = 1) -> None:
        self.counters[topic] = self.counters.get(topic, 0) + count

    def change(self, kind: bytes, name: str) -> bool:
        self.number += 1
        body = bytes.fromhex(name) + kind + (self.number - 1).to_bytes(8, "little")
        return self.publish(b"sequence", body)

    def add(self, raw: bytes) -> bool:
        return self.publish(b"rawtx", raw) or self.change(b"A", txid(raw))


@pytest.fixture
def wire() -> Wire:
    """After the first comparison, of a node that is known to tell its sequence."""
    wire = Wire()
    wire.log.has_sequence = True
    wire.log.connected(b"sequence", 1)
    assert wire.log.take().is_lost, "what was published before is not known"
    return wire


def changes(wire: Wire) -> list[tuple[str, bool, bool]]:
    """(txid, whether it was added, whether its bytes are there)."""
    news = wire.log.take()
    assert not news.is_lost
    return [(c.txid, c.is_added, c.tx is not None) for c in news.changes]


def test_what_pays_somebody_who_is_watched_is_a_reason_to_look(wire: Wire) -> None:
    mine, other = raw_tx(1), raw_tx(2, (BOB, 5))
    assert not wire.add(other)
    assert wire.add(mine)
    assert changes(wire) == [(txid(other), True, True), (txid(mine), True, True)]
    assert changes(wire) == [], "it was taken"


def test_what_leaves_is_a_reason_to_look_if_somebody_waits_for_it(wire: Wire) -> None:
    wire.log.awaits = lambda name: name == "aa" * 32
    assert wire.change(b"R", "aa" * 32)
    assert not wire.change(b"R", "bb" * 32)
    assert changes(wire) == [("aa" * 32, False, False), ("bb" * 32, False, False)]


def test_the_order_of_topics_does_not_matter(wire: Wire) -> None:
    """They may come from different sockets."""
    first, second = raw_tx(1), raw_tx(2)
    assert not wire.change(b"A", txid(first))
    assert not wire.change(b"A", txid(second))
    assert wire.log.is_waiting
    assert wire.publish(b"rawtx", second)
    assert wire.publish(b"rawtx", first)
    assert not wire.log.is_waiting
    assert changes(wire) == [(txid(first), True, True), (txid(second), True, True)]


def test_bytes_that_never_come_are_told_without(wire: Wire) -> None:
    wire.skip(b"rawtx")
    assert not wire.change(b"A", "ab" * 32)
    assert wire.log.is_waiting
    assert changes(wire) == [("ab" * 32, True, False)]
    assert not wire.log.is_waiting


def test_a_block_is_a_reason_to_look_once(wire: Wire) -> None:
    body = bytes.fromhex(BLOCK)
    assert not wire.publish(b"rawtx", raw_tx(1)), "of the block, and no news"
    assert wire.publish(b"sequence", body + b"C")
    assert not wire.publish(b"hashblock", body)
    assert wire.publish(b"hashblock", b"\1" * 32)
    assert changes(wire) == []


def test_a_block_that_left_is_a_loss_as_its_transactions_come_back(wire: Wire) -> None:
    wire.add(raw_tx(1))
    assert wire.publish(b"sequence", bytes.fromhex(BLOCK) + b"D")
    news = wire.log.take()
    assert (news.is_lost, news.changes) == (True, ())


def test_a_gap_in_the_sequence_is_a_loss_and_what_follows_is_known(wire: Wire) -> None:
    wire.add(raw_tx(1))
    wire.skip(b"sequence")
    assert wire.change(b"A", txid(raw_tx(2)))
    news = wire.log.take()
    assert news.is_lost
    assert [change.txid for change in news.changes] == [txid(raw_tx(2))]
    assert wire.log.gaps == 1


def test_a_gap_in_the_bytes_of_transactions_is_none(wire: Wire) -> None:
    """A block's transactions come again, more than a publisher's queue holds."""
    wire.add(raw_tx(1, (BOB, 5)))
    wire.skip(b"rawtx", 3_000)
    wire.add(raw_tx(2, (BOB, 5)))
    assert len(changes(wire)) == 2
    assert wire.log.gaps == 1


def test_a_gap_in_the_blocks_is_a_reason_to_look(wire: Wire) -> None:
    wire.publish(b"hashblock", b"\1" * 32)
    wire.skip(b"hashblock")
    assert wire.publish(b"hashblock", b"\1" * 32)


def test_what_came_before_the_first_message_is_not_known(wire: Wire) -> None:
    """A connection takes a moment to be heard, and the publisher runs already."""
    wire.skip(b"sequence", 5)
    assert wire.change(b"A", "aa" * 32)
    news = wire.log.take()
    assert news.is_lost
    assert [change.txid for change in news.changes] == ["aa" * 32]
    assert wire.log.gaps == 0


def test_a_counter_goes_round_without_a_gap(wire: Wire) -> None:
    wire.counters[b"sequence"] = 2**32 - 1
    wire.change(b"A", "aa" * 32)
    wire.log.take()
    wire.counters[b"sequence"] = 0
    wire.change(b"A", "bb" * 32)
    assert not wire.log.take().is_lost


def test_a_publisher_that_was_restarted_has_lost_what_it_did_not_tell(
    wire: Wire,
) -> None:
    for _ in range(3):
        wire.change(b"A", "aa" * 32)
    wire.counters.clear()
    wire.change(b"A", "bb" * 32)
    assert wire.log.take().is_lost


def test_a_connection_that_breaks_is_a_loss_and_so_is_a_new_one(wire: Wire) -> None:
    wire.change(b"A", "aa" * 32)
    wire.log.disconnected(b"sequence", 1)
    assert not wire.log.is_live
    assert wire.log.take().is_lost
    wire.log.disconnected(b"rawtx", 2)
    assert not wire.log.take().is_lost
    assert wire.log.connected(b"sequence", 1)
    assert not wire.log.connected(b"rawtx", 2)
    assert wire.log.is_live
    assert wire.log.take().is_lost


def test_without_the_sequence_transactions_are_hints_to_ask_for() -> None:
    wire = Wire()
    wire.log.take()
    assert not wire.publish(b"rawtx", raw_tx(1, (BOB, 5)))
    assert wire.publish(b"rawtx", raw_tx(2))
    assert not wire.log.is_live
    assert changes(wire) == [(txid(raw_tx(2)), True, False)]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\1" * 31, b"\1" * 32, b"\1" * 32 + b"A", b"\1" * 32 + b"A" + b"\0" * 7,
        b"\1" * 32 + b"R" + b"\0" * 9, b"\1" * 32 + b"C\0", b"\1" * 32 + b"X",
        b"\1" * 5_000,
    ],
)  # fmt: skip
def test_a_sequence_that_cannot_be_read_is_a_loss(wire: Wire, body: bytes) -> None:
    wire.change(b"A", "aa" * 32)
    assert wire.publish(b"sequence", body)
    news = wire.log.take()
    assert (news.is_lost, news.changes, wire.log.malformed) == (True, (), 1)


@given(st.lists(st.lists(st.binary(max_size=50), max_size=4), max_size=20))
def test_anything_may_come_and_only_what_is_whole_is_told(
    messages: list[list[bytes]],
) -> None:
    log = PushLog(pack_tx)
    log.take()
    for number, parts in enumerate(messages):
        log.message(number, parts)
        if parts and number % 2:
            log.message(number, [(b"rawtx", b"sequence")[number % 4 > 1], *parts[1:]])
    for change in log.take().changes:
        assert len(change.txid) == 64


def test_foreign_topics_and_odd_parts_are_passed_over(wire: Wire) -> None:
    wire.change(b"A", "aa" * 32)
    for parts in ([], [b"rawblock", b"x", bytes(4)], [b"rawtx", b"x"], [b"hashtx"]):
        assert not wire.log.message(1, parts)
    assert wire.log.malformed == 4
    assert not wire.log.message(1, [b"sequence", b"cut"])
    assert wire.log.take().is_lost, "it was of the one topic that counts"


def test_raw_bytes_that_are_no_transaction_are_as_if_they_had_not_come(
    wire: Wire,
) -> None:
    raw = raw_tx(1)
    wire.publish(b"rawtx", raw[:-1])
    wire.publish(b"rawtx", raw + b"\0" * MAX_TX)
    assert not wire.change(b"A", txid(raw))
    assert changes(wire) == [(txid(raw), True, False)]
    assert wire.log.malformed == 1


def test_a_transaction_that_is_spoken_of_under_another_name_is_not_that_one(
    wire: Wire,
) -> None:
    wire.publish(b"rawtx", raw_tx(1))
    wire.change(b"A", txid(raw_tx(2)))
    assert changes(wire) == [(txid(raw_tx(2)), True, False)]


def test_what_nobody_takes_is_bounded(wire: Wire) -> None:
    for number in range(MAX_CHANGES):
        wire.change(b"R", f"{number:064x}")
    assert len(wire.log._changes) == MAX_CHANGES
    assert wire.change(b"R", "ff" * 32)
    news = wire.log.take()
    assert (news.is_lost, news.changes) == (True, ())


def test_bytes_that_nobody_speaks_of_are_bounded(wire: Wire) -> None:
    read: list[int] = []

    def counted(raw: bytes) -> PackedTx:
        read.append(len(raw))
        return pack_tx(raw)

    wire.change(b"R", "aa" * 32)
    wire.log._read_tx = counted
    raws = [raw_tx(number, (BOB, 1)) for number in range(1_000)]
    for raw in raws:
        wire.publish(b"rawtx", raw)
    assert read == [], "a block's transactions are not read"
    wire.change(b"A", "bb" * 32)
    assert len(read) == MAX_FRAMES
    for _ in range(10):
        for raw in raws[:100]:
            wire.publish(b"rawtx", raw)
        wire.change(b"A", "bb" * 32)
    assert len(wire.log._read) <= MAX_READ
    assert len(wire.log._unread) <= MAX_FRAMES


def test_what_went_wrong_is_counted_once() -> None:
    log, counts = PushLog(pack_tx), Counter[str]()

    def add(name: str, times: int) -> None:
        counts[name] += times

    log.message(1, [b"sequence"])
    for counter in (0, 1, 5, 6):
        log.message(1, [b"hashblock", b"h" * 32, counter.to_bytes(4, "little")])
    log.count(add)
    log.count(add)
    assert counts == {"source.push_malformed": 1, "source.push_gaps": 1}
