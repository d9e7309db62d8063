"""One is taken of each line in turn, however long the lines are."""

from hypothesis import given
from hypothesis import strategies as st

from engine.policy.turns import Turns


def test_who_wants_much_does_not_make_another_wait() -> None:
    turns: Turns[int] = Turns()
    for number in range(1_000):
        turns.add("ann", number)
    turns.add("bob", -1)
    turns.add("cy", -2)
    assert [turns.take() for _ in range(5)] == [0, -1, -2, 1, 2]
    assert len(turns) == 997


def test_it_goes_on_after_the_owner_who_was_last() -> None:
    turns: Turns[str] = Turns(last="bob")
    for owner in ("ann", "bob", "cy"):
        turns.add(owner, owner)
    assert [turns.take() for _ in range(4)] == ["cy", "ann", "bob", None]
    assert turns.last == "bob"


owners = st.sampled_from(["ann", "bob", "cy", "dora"])


@given(st.lists(st.one_of(owners, st.none())))
def test_between_two_turns_of_one_owner_all_others_had_theirs(
    steps: list[str | None],
) -> None:
    turns: Turns[tuple[str, int]] = Turns()
    waiting: list[tuple[str, int]] = []
    since: dict[str, set[str]] = {}  # owner: whose turn it was while that one waited
    for number, owner in enumerate(steps):
        if owner is not None:
            turns.add(owner, (owner, number))
            waiting.append((owner, number))
            since.setdefault(owner, set())
            continue
        taken = turns.take()
        if taken is None:
            assert waiting == []
            continue
        who = taken[0]
        assert taken == next(w for w in waiting if w[0] == who), "in its own order"
        waiting.remove(taken)
        still = {w[0] for w in waiting}
        for other in still - {who}:
            assert who not in since[other], "twice, while another waited"
            since[other].add(who)
        since[who] = set()
        since = {name: seen for name, seen in since.items() if name in still}
    assert len(turns) == len(waiting)
