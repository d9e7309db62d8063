"""S3.7: a live stream that an API key opened ends when the key is revoked."""

from collections.abc import Iterator

import pytest

from tests.tools.node import RunningNode, running_node
from tests.tools.sseclient import Ended, SseClient
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect
from transport.http import auth
from transport.live import leases


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with pytest.MonkeyPatch.context() as quick, running_node() as started:
        quick.setattr(auth, "CACHE_S", 0.1)
        quick.setattr(leases, "LOOK_S", 0.05)
        quick.setattr(leases, "LOOKS_PER_KEYS", 2)
        yield started


def key_of(node: RunningNode) -> tuple[str, dict[str, str]]:
    made = node.post("/v1/keys", {"name": "live", "scopes": ["read"]}).json()
    return made["id"], {"Authorization": f"Bearer {made['key']}"}


def held(node: RunningNode) -> int:
    count: int = node.live.salon.leases.held
    return count


def test_s3_7_a_websocket_ends_with_its_key_and_others_stay(node: RunningNode) -> None:
    address = node.create(amount_sat=1_000)["address"]
    key_id, header = key_of(node)
    _, other_header = key_of(node)
    port = node.server.port
    opened = [
        connect("127.0.0.1", port, f"/ws/balance/{address}", headers)
        for headers in (header, other_header, {})
    ]
    states = [client.recv_json() for client in opened]
    assert ["metadata" in state for state in states] == [True, True, False]
    assert held(node) == 2
    assert node.call("DELETE", f"/v1/keys/{key_id}").status_code == 204
    first, *others = opened
    assert first.expect_close() == 1_008
    assert first.close_reason == "the API key was revoked"
    node.chain.pay(address, 1_000)
    for client in others:
        while client.recv_json()["type"] != "payment.detected":
            pass
        client.close()
    wait_until(lambda: not held(node), 10, "what was open to be forgotten")


@pytest.mark.parametrize("path", ["/events/balance/{address}", "/events/payment/{id}"])
def test_s3_7_an_event_stream_ends_with_its_key(node: RunningNode, path: str) -> None:
    payment = node.create(amount_sat=1_000)
    key_id, header = key_of(node)
    stream = SseClient("127.0.0.1", node.server.port, path.format(**payment), header)
    assert stream.status == 200, stream.body
    stream.next()
    assert held(node) == 1
    assert node.call("DELETE", f"/v1/keys/{key_id}").status_code == 204
    with pytest.raises(Ended):
        list(stream.events())
    wait_until(lambda: not held(node), 10, "what was open to be forgotten")
