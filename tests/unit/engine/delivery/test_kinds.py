"""Kinds of channel: what is sealed, what is kept, and what old channels are."""

import msgspec
import pytest

from engine.delivery.attempt import AttemptOutcome
from engine.delivery.bodies import BODIES, no_such_version
from engine.delivery.channel import Channel
from engine.delivery.endpoint import endpoint_of, kept_settings, settings_of
from engine.delivery.kinds import KINDS, kind_named
from engine.delivery.telegram import TelegramSettings
from engine.errors import WrongKey
from engine.payment.events import VERSION
from engine.secrets.vault import Vault

VAULT = Vault(bytes(32))
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
GIVEN = {"bot_token": TOKEN, "chat_id": "-7", "message_thread_id": None}


def telegram(channel_id: str = "ch_1") -> Channel:
    kept = kept_settings(KINDS["telegram"], GIVEN, VAULT, channel_id)
    return Channel(id=channel_id, kind="telegram", created_at=0, **kept)


def test_secrets_are_sealed_and_the_rest_is_kept_in_the_clear() -> None:
    channel = telegram()
    assert channel.settings == {"chat_id": "-7", "message_thread_id": None}
    assert channel.sealed_names == ("bot_token",)
    assert TOKEN not in repr(channel)
    assert TOKEN.encode() not in msgspec.json.encode(channel)
    assert settings_of(channel, VAULT) == GIVEN


def test_a_sender_gets_the_settings_whole_and_shows_none_of_them() -> None:
    endpoint = endpoint_of(telegram(), VAULT, 0)
    assert endpoint.settings == TelegramSettings(bot_token=TOKEN, chat_id="-7")
    assert (endpoint.kind, endpoint.channel, endpoint.secrets) == (
        "telegram", "ch_1", (),
    )  # fmt: skip
    assert TOKEN not in repr(endpoint) + repr(endpoint.settings)


def test_what_is_sealed_for_one_channel_or_key_opens_nowhere_else() -> None:
    sealed = telegram().sealed_settings
    other = msgspec.structs.replace(telegram("ch_2"), sealed_settings=sealed)
    headers = msgspec.structs.replace(telegram(), sealed_headers=sealed)
    with pytest.raises(WrongKey):
        settings_of(other, VAULT)
    with pytest.raises(WrongKey):
        settings_of(telegram(), Vault(b"k" * 32))
    with pytest.raises(WrongKey):
        endpoint_of(headers, VAULT, 0)


def test_settings_that_do_not_fit_their_kind_are_as_bad_as_a_wrong_key() -> None:
    """One such row must not end those who tell all the others."""
    for broken in ({"chat_id": 7}, {"chat_id": "nobody"}, {}):
        channel = msgspec.structs.replace(telegram(), settings=broken)
        with pytest.raises(WrongKey) as raised:
            endpoint_of(channel, VAULT, 0)
        assert TOKEN not in str(raised.value)


def test_every_kinds_sealed_fields_are_fields_of_it() -> None:
    for kind in KINDS.values():
        assert kind.sealed <= set(kind.settings.__struct_fields__)
        assert kind.workers >= 1
        assert kind_named(kind.name) is kind
    counters = [kind.counter for kind in KINDS.values()]
    assert len(set(counters)) == len(counters)


def test_a_channel_of_before_there_were_kinds_is_a_webhook() -> None:
    old = (
        b'{"id":"ch_1","url":"https://shop.example/","secret":"s","created_at":7,'
        b'"types":["payment.late"],"timeout_s":3.0,"event_version":1}'
    )
    channel = msgspec.json.decode(old, type=Channel)
    assert (channel.kind, channel.url, channel.types) == (
        "webhook", "https://shop.example/", ("payment.late",),
    )  # fmt: skip
    assert (channel.settings, channel.sealed_settings) == ({}, None)


def test_a_kind_of_a_newer_version_has_no_settings_here() -> None:
    channel = Channel(id="c", kind="pigeon", created_at=0, settings={"loft": 3})
    assert type(endpoint_of(channel, VAULT, 0).settings) is kind_named("x").settings


def test_a_version_that_is_not_told_here_rests_the_channel_with_a_reason() -> None:
    assert list(BODIES) == [VERSION]
    result = no_such_version(2)
    assert result.outcome is AttemptOutcome.RESTED
    assert "version 2" in str(result.error)
