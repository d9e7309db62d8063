"""Where other payment systems fail: rules and actors. docs/peers.md says whose fault.

Only what no other test shows; the rest of that page's lines name tests elsewhere.
"""

import logging
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.facts.published import JournalReport
from actors.live.messages import Follow
from actors.live.session import open_session
from actors.messages import Publish, Seen, Watch
from actors.sources.feed_state import FeedSpec
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from engine.chain.feed import Output
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import sync
from engine.delivery.attempt import AttemptOutcome
from engine.errors import SourceUnavailable
from engine.payment.events import CommittedEvent, encode, opening, with_offset
from engine.runtime.ref import ActorScope, Ref
from engine.store.sqlite.threads import ReaderThreads, WriterThread
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.tools.wsclient import frame
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.delivery.street import Street
from tests.unit.actors.live.wire import Wire
from transport.cli.logs import LineFormatter
from transport.inbound.dialects import read_btc
from transport.server.websocket.frames import FrameParser, Text

ALICE = b"\x00\x14" + b"a" * 20
ELSEWHERE = b"\x00\x14" + b"e" * 20


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path)
    yield Street(stage)
    stage.close()


def caught_up(feed: FakeFeed, index: ScriptIndex) -> tuple[Output, ...]:
    """What the index knows of Alice, once it is where the feed is."""
    assert any(not sync(feed, index).more for _ in range(100)), "never at its end"
    view = index.view(ALICE, "node")
    assert view.complete
    return view.outputs


def test_what_is_owed_is_sent_after_a_restart_though_nothing_more_happens(
    road: Street,
) -> None:
    """BTCPay, Bitcart and LNbits keep the first attempt in memory only."""
    road.channel("ann")
    road.shop.answer = lambda *_: AttemptOutcome.RETRY
    for name in ("p", "q"):
        road.stage.create(name)
    road.ref.kill()
    road.stage.clock.forget_timers()
    road.shop.sent.clear()
    road.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    road.ref.start()
    road.stage.pass_s(60)
    assert sorted(road.shop.to("ann")) == [("p", 1), ("q", 1)]


def test_a_crash_between_two_attempts_neither_hurries_nor_forgets_the_next(
    road: Street,
) -> None:
    """BTCPay's retries are a loop in memory: a restart ends it."""
    schedule = (0.0, 5.0, 60.0, 600.0)
    road.channel("ann", schedule_s=schedule)
    clock, made_at = road.stage.clock, list[int]()

    def refuse(*_: object) -> AttemptOutcome:
        made_at.append(clock.now())
        return AttemptOutcome.RETRY

    road.shop.answer = refuse
    road.stage.create("p")
    for attempt, wait_s in enumerate(schedule[1:], 1):
        road.stage.pass_s(wait_s / 2)
        road.ref.kill()
        clock.forget_timers()
        road.ref.start()
        road.stage.pass_s(wait_s)
        assert len(made_at) == attempt + 1
        passed_s = (made_at[-1] - made_at[-2]) / 1000
        assert 0.8 * wait_s <= passed_s <= 1.2 * wait_s + 1
    assert len(set(road.shop.ids)) == 1
    road.stage.pass_s(1)
    assert road.stage.store.outbox_counts() == {"dead": 1}


def test_one_connection_writes_and_makes_the_checkpoints(tmp_path: Path) -> None:
    """SQLite up to 3.51.2 may corrupt a WAL when two connections do."""
    path = tmp_path / "node.db"
    writer, readers = WriterThread(path), ReaderThreads(path)

    def pragma(sql: sqlite3.Connection, name: str) -> object:
        return sql.execute(f"PRAGMA {name}").fetchone()[0]

    def write(sql: sqlite3.Connection) -> None:
        sql.execute("PRAGMA query_only=OFF")  # and even then
        sql.execute("DELETE FROM payments")

    try:
        assert readers._run(pragma, "query_only") == 1
        assert readers._run(pragma, "wal_autocheckpoint") == 0
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            readers._run(write)
    finally:
        readers.close()
        writer.close()


@pytest.mark.parametrize("lookback", [1, LOOKBACK])
def test_money_that_came_and_was_spent_on_while_we_were_away_is_found(
    lookback: int,
) -> None:
    """BTCPay lists unspent coins when it is back, so what was spent is never seen."""
    feed = FakeFeed(20)
    index = ScriptIndex(lookback)
    index.watch(ALICE)
    assert caught_up(feed, index) == ()
    paid = make_tx("paid", [(ALICE, 5)])
    swept = make_tx("swept", [(ELSEWHERE, 4)], [(paid.txid, 0)])
    feed.mine([paid])
    feed.mine([swept])
    (output,) = caught_up(feed, index)
    assert (output.txid, output.amount_sat, output.block_height) == (paid.txid, 5, 21)


def test_money_that_is_spent_on_before_it_is_mined_is_found() -> None:
    feed = FakeFeed(20)
    index = ScriptIndex()
    index.watch(ALICE)
    paid = feed.add(make_tx("paid", [(ALICE, 5)]))
    feed.add(make_tx("swept", [(ELSEWHERE, 4)], [(paid.txid, 0)]))
    (output,) = caught_up(feed, index)
    assert (output.txid, output.block_height) == (paid.txid, None)
    feed.mine()
    (output,) = caught_up(feed, index)
    assert (output.txid, output.block_height) == (paid.txid, 21)


def test_a_branch_that_is_no_higher_than_ours_is_followed() -> None:
    """Bitcart passes over blocks at or below the height that it knows."""
    feed = FakeFeed(20)
    index = ScriptIndex()
    index.watch(ALICE)
    paid = make_tx("paid", [(ALICE, 5)])
    block = feed.mine([paid])
    assert [o.block_hash for o in caught_up(feed, index)] == [block.header.hash]
    other = make_tx("other", [(ELSEWHERE, 5)], paid.spends)
    feed.reorg(1, [[other]])
    assert feed.now.height == block.header.height
    assert caught_up(feed, index) == ()
    gone = index.view(ALICE, "node", [block.header.hash]).off_chain
    assert gone == (block.header.hash,)


class Readers:
    """A source actor on block feeds, and one that watches."""

    def __init__(self, stage: ActorStage, *feeds: FakeFeed) -> None:
        self.stage = stage
        stage.booted.publish(True)
        scope = ActorScope(
            stage.dispatcher,
            lambda _: SourceActor(stage.node, self.specs, stage.published),
        )
        self.source = stage.node.source = Ref(scope, "source")
        self.specs = [self._spec(n, feed) for n, feed in enumerate(feeds)]
        self.source.start()

    def _spec(self, number: int, feed: FakeFeed) -> FeedSpec:
        store = self.stage.store
        scope = ActorScope(
            self.stage.dispatcher,
            lambda _: BlockFeedWorker(self.stage.node, number, feed, store),
            parent=self.source,
            blocking=True,
        )
        feed.name = f"node {number}"
        worker = Ref(scope, f"feed.{number}")
        return FeedSpec(feed.name, "bitcoind", worker, True, 1.0)

    def watch(self, script: bytes) -> Inbox:
        inbox = Inbox()
        ref = self.stage.start(f"watcher of {script.hex()}", inbox)
        self.source.tell_system(Watch(script, "its address", ref))
        self.stage.pass_s(3)
        return inbox


def shown(inbox: Inbox) -> tuple[Output, ...]:
    """What the watcher was shown last."""
    seen = [message for message in inbox.got if isinstance(message, Seen)]
    return seen[-1].view.outputs


def test_a_reader_that_starts_again_watches_everything_again(road: Street) -> None:
    """satspay: after a reconnect nothing is subscribed again."""
    feed = FakeFeed(20)
    inbox = Readers(road.stage, feed).watch(ALICE)

    def crash(_call: str) -> None:
        feed.on_call = lambda _call: None
        raise KeyError("a bug")

    feed.on_call = crash
    road.stage.pass_s(60)
    feed.mine([make_tx("paid", [(ALICE, 5)])])
    road.stage.pass_s(3)
    assert [output.amount_sat for output in shown(inbox)] == [5]


def test_a_source_that_is_gone_back_to_watches_what_came_meanwhile(
    road: Street,
) -> None:
    first, second = FakeFeed(20), FakeFeed(20)
    readers = Readers(road.stage, first, second)
    readers.watch(ALICE)

    def fail(_call: str) -> None:
        raise SourceUnavailable("connection refused")

    first.on_call = fail
    road.stage.pass_s(30)
    inbox = readers.watch(ELSEWHERE)
    first.on_call, second.on_call = lambda _call: None, fail
    road.stage.pass_s(300)
    for feed in (first, second):
        feed.mine([make_tx("paid", [(ELSEWHERE, 5)])])
    road.stage.pass_s(3)
    assert [output.amount_sat for output in shown(inbox)] == [5]
    assert road.stage.node.source_report.now.freshness.source == "node 0"


def test_a_story_with_a_hole_is_not_told(road: Street) -> None:
    """BTCPay 4515: events come in another order than they happened."""
    wire = Wire()
    payment = road.stage.create("p")
    session = open_session(road.stage.node, "session", wire)
    session.tell(Follow("p"))
    road.stage.run()
    event = replace(opening(payment.terms)[0], seq=3)
    told = with_offset(9, encode(event, payment.terms))
    hole = CommittedEvent(9, event, "default", told)
    road.stage.journal_report.publish(JournalReport(last_offset=9))
    road.stage.node.router.tell_system(Publish((hole,)))
    road.stage.run()
    assert (wire.of("event"), wire.closed[:1]) == ([], [1011])


SAID = '{"address":"bc1qx","amount":"0.00001000"%s}'


@pytest.mark.parametrize(
    "body",
    [
        SAID % ',"txid":null,"status":null,"value":null',
        SAID % ',"status":""',
        SAID % ',"confirmations":null,"more":{"deep":[null]}',
        '\n{\n  "amount": 0.00001,\n\t"address" : "bc1qx"\r\n}\n',
        '{"value":1000,"amount":null,"address":"bc1qx"}',
    ],
)
def test_what_a_provider_leaves_out_it_may_leave_out_in_every_way(body: str) -> None:
    heard = read_btc(body.encode())
    assert heard == read_btc((SAID % "").encode())
    assert (heard.amount_sat, heard.txid, heard.claims_money) == (1_000, None, True)


@pytest.mark.parametrize("fragment", ["a", ""])
def test_a_message_in_tiny_fragments_costs_about_its_bytes(fragment: str) -> None:
    """ws, CVE-2026-48779: an object for each fragment, sixteen thousand of them."""
    count = 16_000
    parser = FrameParser(count, count + 1)
    piece = frame(0, fragment.encode(), fin=False) * 100
    parser.feed(frame(1, fragment.encode(), fin=False))
    assert parser.next_event() is None
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(count // 100 - 1):
            parser.feed(piece)
            assert parser.next_event() is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most - before < 10 * count, "bytes"
    parser.feed(frame(0, b"z", fin=True))
    message = parser.next_event()
    assert message == Text(fragment * (count - 99) + "z")


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2K"]
)
@pytest.mark.parametrize("failed", [False, True])
def test_no_value_ends_a_line_of_the_log_or_speaks_to_the_terminal(
    end: str, *, failed: bool
) -> None:
    """OWASP ASVS 16.4.1: readers of logs end lines at more than a line feed."""
    value = f"/{end}2026-01-01T00:00:00.000Z info payment.confirmed payment=forged"
    error = ValueError(value)
    info = (ValueError, error, None) if failed else None
    record = logging.LogRecord(
        "paybell.http", logging.ERROR, "", 0, "http.crash path=%s", (value,), info
    )
    first, *trace = LineFormatter().format(record).split("\n")
    assert all(line.startswith("    ") for line in trace)
    for line in (first, *trace):
        assert line.isprintable(), line
