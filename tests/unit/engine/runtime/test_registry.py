"""The registry against a dict, and while somebody goes through it."""

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
