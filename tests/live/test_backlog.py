"""A story of thousands of events, read from its beginning: more than a page, more than
a client's queue holds. Fast, slow and dropped readers all get it whole.
"""

from collections.abc import Iterator
from random import Random

import gevent
import pytest

from engine.payment.model import Terms
from tests.live.followers import KINDS, Follower, chain_of, read_to_the_end
from tests.live.shop import bury, long_story
from tests.tools.livenode import KEY, LiveNode, live_node
from tests.tools.proxy import Proxy, Toxic
from tests.tools.sseclient import SseClient
from tests.tools.wait import PATIENCE, wait_until

EVENTS = 3_000
"""Six pages of a session, three full queues of a client."""

SLOW = Toxic(bytes_per_s=2_000_000)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("backlog")) as running:
        yield running


@pytest.fixture(scope="module")
def payment(node: LiveNode) -> Terms:
    return long_story(node, EVENTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fast_reader_gets_a_long_story_in_one_connection(
    node: LiveNode, payment: Terms, kind: type[Follower]
) -> None:
    follower = kind(node, Random(1))
    journal = read_to_the_end([follower], node, node.server.port, [payment])
    assert follower.visits == 1
    assert follower.codes == []
    assert len(journal[payment.id]) >= EVENTS
    assert chain_of(follower.received) == chain_of(journal)


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_reader_gets_it_in_one_connection_with_what_happens_meanwhile(
    node: LiveNode, payment: Terms, kind: type[Follower]
) -> None:
    with Proxy(node.server.port, lambda: SLOW) as proxy:
        follower = kind(node, Random(1))
        reading = gevent.spawn(read_to_the_end, [follower], node, proxy.port, [payment])
        wait_until(lambda: follower.events > 500, 10, "it to read")
        before = follower.events
        node.chain.reorg(1, remine=False)
        bury(node, payment)
        journal = reading.get(timeout=60 * PATIENCE)
        assert before < EVENTS
        # Behind its goal there was more; nothing closed it in between.
        assert follower.visits <= 2
        assert follower.codes == []
        assert chain_of(follower.received) == chain_of(journal)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_that_is_dropped_goes_on_where_it_was(
    node: LiveNode, payment: Terms, kind: type[Follower]
) -> None:
    random = Random(2)

    def cut() -> Toxic:
        return Toxic(random.randint(60_000, 400_000))

    with Proxy(node.server.port, cut) as proxy:
        follower = kind(node, random)
        journal = read_to_the_end([follower], node, proxy.port, [payment])
        assert follower.visits > 5
        assert follower.codes == []
        assert chain_of(follower.received) == chain_of(journal)


def test_many_subscriptions_on_one_socket_share_its_pace(
    node: LiveNode, payment: Terms
) -> None:
    """Five long stories at once: together they are more than one queue holds."""
    others = [long_story(node, 600) for _ in range(4)]
    subscriber = KINDS[1](node, Random(3))
    journal = read_to_the_end([subscriber], node, node.server.port, [payment, *others])
    assert subscriber.codes == []
    assert subscriber.visits == 1
    assert chain_of(subscriber.received) == chain_of(journal)


def test_it_is_the_waiting_for_the_wire_that_does_it(
    node: LiveNode, payment: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a reader is closed with 1013 half-way: the tests above do test it."""
    monkeypatch.setattr(
        "transport.live.sinks.WebSocketSink.has_room", lambda _self, _again: True
    )
    with Proxy(node.server.port, lambda: SLOW) as proxy:
        follower = KINDS[0](node, Random(4), silence_s=60.0)
        follower.visit(proxy.port, [payment])
        assert follower.codes == [1013]


def test_whoever_follows_the_whole_journal_gets_it_whole(
    node: LiveNode, payment: Terms
) -> None:
    with Proxy(node.server.port, lambda: SLOW) as proxy:
        offsets = _journal(node, proxy.port, node.gateway.health().last_offset)
        assert offsets == list(range(1, len(offsets) + 1))
        assert len(offsets) > EVENTS


def _journal(node: LiveNode, port: int, last: int) -> list[int]:
    headers = {"Authorization": f"Bearer {KEY}"}
    stream = SseClient("127.0.0.1", port, "/v1/events", headers)
    offsets: list[int] = []
    while not offsets or offsets[-1] < last:
        offsets.append(int((stream.next().id or "").rpartition("-")[2]))
    stream.close()
    return offsets
