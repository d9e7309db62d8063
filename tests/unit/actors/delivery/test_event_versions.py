"""An endpoint is told events in the version it was made with, whatever comes later.

Today there is one version, so that a second one is made up here.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.delivery import bodies
from engine.delivery.channel import channel_row, payload
from engine.payment.events import VERSION
from engine.store.writes import Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.street import Street

LATER = VERSION + 1


def in_the_later_form(
    event: bytes, kind: str, at: str, skipped: tuple[int, ...]
) -> bytes:
    return payload(event, kind, at, skipped)[:-1] + b',"form":"later"}'


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    monkeypatch.setitem(bodies.BODIES, LATER, in_the_later_form)
    stage = ActorStage(tmp_path)
    yield Street(stage)
    stage.close()


def forms(street: Street, host: str) -> list[str]:
    """Of each body that this host was sent."""
    told = zip(street.shop.sent, street.shop.bodies, strict=True)
    mine = [json.loads(body) for (name, _, _), body in told if name == host]
    return [body.get("form", "first") for body in mine]


def test_each_endpoint_is_told_in_the_version_that_it_was_made_with(
    street: Street,
) -> None:
    old = street.channel("old")
    street.channel("new", event_version=LATER)
    street.stage.create("p")
    street.stage.run()
    changed = msgspec.structs.replace(old, schedule_s=(0.0, 1.0))
    street.change(Write(rows=(channel_row(changed),)))
    street.ref.kill()
    street.stage.clock.forget_timers()
    street.ref.start()
    street.stage.run()
    street.grow("p")
    told = len(street.story("p"))
    assert told > 1
    assert forms(street, "old") == ["first"] * told
    assert forms(street, "new") == ["later"] * told
