"""Events as 0.1.0 wrote them: read, and written again, byte for byte.

`events_0_1_0.jsonl` holds a stored body of every type in every shape that 0.1.0 had. A
line is never changed. A new shape of an event is a new version (`VERSION`), with a
corpus of its own; endpoints that were made with this one go on getting it.
"""

import json
from pathlib import Path

import pytest

from engine.delivery.channel import Channel
from engine.payment.events import VERSION, decode, encode, with_offset
from engine.payment.model import EventType, Terms

CORPUS = Path(__file__).with_name("events_0_1_0.jsonl").read_bytes().splitlines()

NOT_TOLD_YET = {
    EventType.CREDITED,
    EventType.FORWARDING,
    EventType.FORWARDED,
    EventType.FAILED,
    EventType.TOKEN_SAVED,
    EventType.REFUNDED,
    EventType.UPDATED,
}


def terms_of(body: bytes) -> Terms:
    """Of a payment, what stands in each of its events."""
    wire = json.loads(body)
    same = "address", "external_id", "merchant", "amount_sat", "confirmations_required"
    return Terms(
        id=wire["payment_id"],
        network="regtest",
        created_at=0,
        expires_at=1,
        monitor_until=1,
        **{name: wire[name] for name in same},
    )


@pytest.mark.parametrize("body", CORPUS, ids=range(len(CORPUS)))
def test_an_event_of_0_1_0_is_read_and_written_byte_for_byte(body: bytes) -> None:
    assert encode(decode(body), terms_of(body)) == body
    old = with_offset(7, body)
    assert old == b'{"id":"evt_7","offset":7,' + body[1:]
    assert decode(old) == decode(body), "stored, or as it is on every wire"


def test_the_corpus_has_every_type_that_0_1_0_told() -> None:
    found = {json.loads(body)["type"] for body in CORPUS}
    assert found == set(EventType) - NOT_TOLD_YET


def test_an_endpoint_of_before_there_were_versions_is_of_the_first() -> None:
    channel = Channel(id="ch_1", url="https://shop.example", secret="s", created_at=0)
    assert channel.event_version == VERSION == 1
