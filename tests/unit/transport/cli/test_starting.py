"""What is refused before a node starts, and which limits follow from its settings."""

from dataclasses import dataclass
from typing import cast

import pytest

from engine.config import load
from engine.store.port import StoreReader
from engine.store.records import KeyRecord
from transport.cli.starting import (
    CannotStart,
    asking_limits,
    cannot_listen,
    key_limits,
    refuse_narrower_key,
    refuse_unknown_seeds,
    server_limits,
    webhook_limits,
)
from transport.http.asking_limits import AskingLimits
from transport.http.auth import hash_key

KEY = "pbk_" + "a" * 43


@dataclass
class Keys:
    """The part of a store that is asked for keys."""

    kept: list[KeyRecord]
    asked: int = 0

    def api_keys(self) -> list[KeyRecord]:
        self.asked += 1
        return self.kept


def key(merchant: str | None = None, revoked_at: int | None = None) -> KeyRecord:
    return KeyRecord("key_1", "till", merchant, hash_key(KEY), 1, revoked_at, ("read",))


def refuse(api_key: str | None, keys: Keys) -> None:
    refuse_narrower_key(api_key, cast(StoreReader, keys))


@pytest.mark.parametrize(
    ("kept", "what"),
    [
        (key(merchant="cafe"), "merchant cafe's"),
        (key(revoked_at=2), "revoked"),
        (key(merchant="cafe", revoked_at=2), "revoked"),
    ],
)
def test_a_key_that_is_narrower_does_not_open_the_whole_node(
    kept: KeyRecord, what: str
) -> None:
    with pytest.raises(CannotStart, match=f"key_1, which is {what}; .*unset it") as no:
        refuse(KEY, Keys([kept]))
    assert no.value.code == 1


def test_a_key_of_the_node_and_one_that_is_none_of_its_own_are_taken() -> None:
    refuse(KEY, Keys([key()]))
    refuse(KEY.upper(), Keys([key(merchant="cafe")]))


def test_without_a_key_in_the_environment_no_keys_are_read() -> None:
    keys = Keys([key(merchant="cafe")])
    refuse(None, keys)
    assert keys.asked == 0


def test_limits_follow_from_the_settings() -> None:
    given = {
        "calls_shared_percent": "25",
        "wrong_keys_per_minute": "120",
        "webhooks_per_s": "7",
        "wrong_signatures_per_minute": "6",
        "searches_waiting": "8",
        "connections_per_address": "9",
        "keep_alive_s": "11",
    }
    config = load(given, {}, {})
    assert key_limits(config).shared == 0.25
    assert key_limits(config).failure_rate_per_s == 2
    assert webhook_limits(config).rate_per_s == 7
    assert webhook_limits(config).burst == 35
    assert webhook_limits(config).failure_rate_per_s == 0.1
    assert asking_limits(config) == AskingLimits(searches_waiting=8)
    limits = server_limits(config)
    assert (limits.connections_per_address, limits.idle_timeout_s) == (9, 11.0)


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    config = load({"host": "::1", "port": "8080"}, {}, {})
    said = str(cannot_listen(config, OSError(98, "Address already in use: (x)")))
    assert said == (
        "cannot listen on [::1]:8080: Address already in use;"
        " choose another with --host or --port"
    )


def test_routes_of_a_seed_act_for_a_merchant_that_is_known() -> None:
    config = load({"seeds": "paybutton=default,salon=rose"}, {}, {})
    refuse_unknown_seeds(config, {"rose"})
    with pytest.raises(
        CannotStart, match=r"--seed: salon=rose: .*merchants\.rose"
    ) as no:
        refuse_unknown_seeds(config, {"default", "cafe"})
    assert no.value.code == 2
