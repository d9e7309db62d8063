"""The registry against a dict, and while somebody goes through it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.registry import Registry

keys = st.text("abc", max_size=5)
steps = st.lists(st.tuples(st.sampled_from(["set", "pop", "clear"]), keys), max_size=60)


@given(steps)
def test_it_holds_what_a_dict_would_hold(script: list[tuple[str, str]]) -> None:
    registry, plain = Registry[str, int](), dict[str, int]()
    for number, (action, key) in enumerate(script):
        if action == "set":
            registry[key] = plain[key] = number
        elif action == "pop":
            assert registry.pop(key) == plain.pop(key, None)
        elif number % 10 == 0:
            registry.clear()
            plain.clear()
        assert registry.get(key) == plain.get(key)
        assert (key in registry) == (key in plain)
        assert len(registry) == len(plain)
        assert dict(registry.items()) == plain
        assert sorted(registry) == sorted(plain)
        assert sorted(registry.values()) == sorted(plain.values())
        assert all(registry[k] == v for k, v in plain.items())


def test_it_may_be_changed_while_somebody_goes_through_it() -> None:
    registry = Registry[bytes, int]()
    for number in range(300):
        registry[b"script %d" % number] = number
    met = []
    for key in registry:
        met.append(key)
        registry.pop(b"script %d" % (299 - len(met)))
        registry[b"another %d" % len(met)] = 0
    assert len(set(met)) == len(met)
    assert {key for key in registry if key.startswith(b"script")} <= set(met)


@pytest.mark.parametrize("key", ["", "x", "xy", "xyz", "wxyz", "vwxyz", b"\x00\x14ab"])
def test_a_key_of_any_length_is_found_and_removed(key: Any) -> None:
    registry = Registry[str, int]()
    registry[key] = 1
    assert key in registry
    assert (registry[key], registry.get(key)) == (1, 1)
    assert registry.pop(key) == 1
    assert key not in registry
    assert registry.pop(key) is None
    assert (len(registry), list(registry)) == (0, [])
    with pytest.raises(KeyError):
        registry[key]


def test_entries_are_spread_by_the_third_character_from_the_end() -> None:
    """The last two of a script may be opcodes, the same in all of them."""
    registry = Registry[str, int]()
    for number, letter in enumerate("abcdefgh"):
        registry[f"pay_{letter}88"] = number
    assert len(registry._shards) == 8
