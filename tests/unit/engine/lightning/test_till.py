"""The till's forward: its table, its sums, and a person's two words."""

import pytest
from msgspec.structs import replace

from engine.lightning.account import Account
from engine.lightning.till import (
    DOUBTFUL,
    FINISHED,
    GRACE_MS,
    NEVER,
    RESTING,
    STEPS,
    TillForward,
    TillPolicy,
    TillState,
    given_up,
    max_fee_sat,
    moved,
    offer_sat,
    policy_of,
    resumed,
    told,
)
from tests.unit.engine.lightning.till_cases import NOW, forward, invoiced

S = TillState
WITH_INVOICE = {S.INVOICED, S.PAYING, S.PENDING, S.PAID}


def test_the_table_has_every_state_and_money_is_in_doubt_only_after_it_was_tried() -> (
    None
):
    assert STEPS.keys() == set(S)
    for before, after in STEPS.items():
        assert before not in after, "to stay is no step"
        if S.PAYING in after:
            assert before in {S.INVOICED, S.WAITING}
        if before in DOUBTFUL:
            assert after.isdisjoint({S.WANTED, S.GIVEN_UP, S.LEFT})
    assert STEPS[S.PAID] == frozenset()
    assert {S.PAYING, S.PENDING} == DOUBTFUL
    assert {S.PAID, S.LEFT, S.GIVEN_UP} == FINISHED
    assert {S.STUCK, S.GIVEN_UP} == RESTING
    for before in RESTING:
        assert S.PAYING not in STEPS[before], "nothing is paid but by a person's word"


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_a_step_that_the_table_does_not_have_is_a_bug(before: S, after: S) -> None:
    one = invoiced(before)
    if after is before or after in STEPS[before]:
        assert moved(one, after, NOW + 5).state is after
    else:
        with pytest.raises(AssertionError):
            moved(one, after, NOW + 5)


def test_each_step_is_counted_and_a_state_has_its_moment() -> None:
    one = forward()
    same = moved(one, S.WANTED, NOW + 5, reason="why")
    assert (same.step, same.moved_at, same.reason) == (1, NOW, "why")
    other = moved(same, S.STUCK, NOW + 7)
    assert (other.step, other.moved_at, other.reason) == (2, NOW + 7, "why")


@pytest.mark.parametrize("state", sorted(WITH_INVOICE))
def test_what_is_to_be_paid_has_an_invoice(state: S) -> None:
    with pytest.raises(AssertionError):
        forward(state=state)


def test_an_invoice_is_there_whole_or_not_at_all() -> None:
    for changes in ({"payment_hash": ""}, {"bolt11": ""}, {"amount_sat": 0}):
        with pytest.raises(AssertionError):
            invoiced(**changes)
    with pytest.raises(AssertionError):
        forward(net_sat=-1)


@pytest.mark.parametrize("state", S)
def test_it_is_looked_after_until_it_is_over_and_told(state: S) -> None:
    assert invoiced(state).is_open is (state not in FINISHED)
    untold = invoiced(state, is_untold=True)
    assert untold.is_open
    after = told(untold)
    assert (after.is_untold, after.state, after.step) == (False, state, 1)
    with pytest.raises(AssertionError):
        told(after)


def test_one_given_up_after_it_was_to_be_paid_is_looked_after_until_it_is_over() -> (
    None
):
    gone = invoiced(S.GIVEN_UP, tried_at=NOW)
    assert gone.is_open
    assert not replace(gone, next_at=NEVER).is_open
    assert replace(gone, next_at=NEVER, is_untold=True).is_open
    assert not replace(gone, tried_at=0).is_open


def test_its_payment_may_have_heard_of_it_once_there_was_an_invoice() -> None:
    assert not forward().was_shown
    assert invoiced().was_shown
    assert forward(former=("ab" * 32,)).was_shown


def test_the_fee_is_rounded_up_and_kept_back_of_what_came() -> None:
    policy = TillPolicy()
    for net, fee in ((0, 5), (1, 6), (200, 6), (201, 7), (100_000, 505)):
        assert max_fee_sat(net, policy) == fee, net
    with pytest.raises(AssertionError):
        max_fee_sat(-1, policy)
    assert offer_sat(forward(net_sat=100_000), policy) == 99_495
    free = TillPolicy(fee_ppm=0, fee_base_sat=0)
    assert offer_sat(forward(net_sat=1), free) == 1
    assert offer_sat(forward(net_sat=0), free) == 0
    assert offer_sat(forward(net_sat=6), policy) == 0
    assert offer_sat(forward(net_sat=5), policy) == 0, "and never less than nothing"
    assert offer_sat(forward(net_sat=7), policy) == 1


def test_what_is_too_little_stays_unless_a_person_sends_it() -> None:
    policy = TillPolicy(min_sat=1_000, fee_ppm=0, fee_base_sat=0)
    assert offer_sat(forward(net_sat=1_000), policy) == 1_000
    assert offer_sat(forward(net_sat=999), policy) == 0
    assert offer_sat(forward(net_sat=999, is_forced=True), policy) == 999
    assert offer_sat(forward(net_sat=1, is_forced=True), policy) == 1
    nothing = TillPolicy(min_sat=0, fee_ppm=0, fee_base_sat=0)
    assert offer_sat(forward(net_sat=0), nothing) == 0


def account(name: str, kind: str = "phoenixd") -> tuple[Account, None]:
    made = Account(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        url="x",
        forward_min_sat=7,
        forward_fee_ppm=8,
        forward_fee_base_sat=9,
    )
    return made, None


def test_the_tills_account_says_how_and_within_one_service_nothing_is_taken() -> None:
    accounts = {"till": account("till"), "own": account("own", "blink")}
    right = TillPolicy(min_sat=7, fee_ppm=8, fee_base_sat=9)
    assert policy_of(forward(), accounts) == right
    assert policy_of(forward(target="gone"), accounts) == right
    accounts = {"till": account("till", "blink"), "own": account("own")}
    assert policy_of(forward(), accounts) == right
    accounts = {name: account(name) for name in ("till", "own")}
    assert policy_of(forward(), accounts) == right
    accounts = {name: account(name, "blink") for name in ("till", "own")}
    free = TillPolicy(min_sat=7, fee_ppm=0, fee_base_sat=0)
    assert policy_of(forward(), accounts) == free


# -- a person's two words --------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(set(S) - {S.LEFT}))
def test_a_person_goes_on_with_whatever_has_not_arrived(state: S) -> None:
    one = invoiced(state, attempts=3, delays=2, reason="why", next_at=NEVER)
    after = resumed(one, NOW + 5)
    if state is S.PAID:
        assert after is None
        return
    assert after is not None
    assert after.state is (state if state in DOUBTFUL else S.INVOICED)
    assert (after.attempts, after.delays, after.reason) == (0, 0, "")
    assert after.next_at == NOW + 5
    assert after.step == one.step + 1
    assert after.is_untold is (state is S.GIVEN_UP), "its payment heard that it failed"
    assert not after.is_forced


def test_what_was_untold_or_forced_stays_so() -> None:
    after = resumed(invoiced(S.STUCK, is_untold=True, is_forced=True), NOW)
    assert after is not None
    assert after.is_untold
    assert after.is_forced


@pytest.mark.parametrize("state", sorted(set(S) - WITH_INVOICE))
def test_what_has_no_invoice_is_wanted_again(state: S) -> None:
    after = resumed(forward(state=state), NOW)
    assert after is not None
    assert after.state is S.WANTED
    assert after.is_forced is (state is S.LEFT)


@pytest.mark.parametrize("state", S)
def test_a_person_gives_up_only_what_cannot_be_on_its_way(state: S) -> None:
    after = given_up(invoiced(state, tried_at=0, delays=3), NOW + 5, "by hand")
    if state in FINISHED | DOUBTFUL:
        assert after is None
        return
    assert after is not None
    assert (after.state, after.reason, after.delays) == (S.GIVEN_UP, "by hand", 0)
    assert after.is_untold
    assert after.next_at == NOW + 5, "its payment hears of it now"
    assert after.moved_at == NOW + 5


def test_an_invoice_that_was_tried_runs_out_before_it_is_given_up() -> None:
    one = invoiced(S.STUCK, tried_at=NOW)
    over = one.expires_at + GRACE_MS
    assert given_up(one, over - 1, "by hand") is None
    assert given_up(one, over, "by hand") is not None


def test_what_is_not_said_of_a_forward_is_nothing() -> None:
    bare = TillForward(
        id="lnf_1",
        payment_id="pay_1",
        merchant="ann",
        source="till",
        target="own",
        net_sat=1,
        key="k",
        at=NOW,
    )
    given = {"id", "payment_id", "merchant", "source", "target", "net_sat", "key", "at"}
    for name in set(bare.__struct_fields__) - given - {"state"}:
        assert not getattr(bare, name), name
    assert bare.state is S.WANTED


def test_times_and_limits_are_as_the_documents_say() -> None:
    assert NEVER == 9_007_199_254_740_991
    assert GRACE_MS == 120_000
    policy = TillPolicy()
    assert (policy.min_sat, policy.fee_ppm, policy.fee_base_sat) == (1, 5_000, 5)
    assert (policy.invoice_s, policy.attempts) == (3_600, 8)
