"""Drawing addresses: what is drawn once, what comes back, and what is passed over."""

from typing import Any

import gevent
import pytest
from gevent.pool import Pool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.edge.gateway import ActorGateway
from actors.edge.wallets import GAP, SKIPPED
from engine.errors import EngineBusy
from engine.merchants.record import Merchant
from engine.payment.model import Payment
from engine.payment.money_terms import TO_DRAW, Derived
from engine.store.writes import AddressRow, Conflict, Release, Write
from engine.wallet.descriptor import read_descriptor
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Forwards, Signer
from engine.wallet.keyring import Keyring
from tests.tools.core_way import CoreWay
from tests.tools.wait import wait_until
from tests.unit.actors.edge.house import House, asked
from tests.unit.engine.wallet.wallet_cases import TPUB, VPUB


def give(house: House, merchant: str = "ann", descriptor: str = VPUB) -> str:
    """The id of the merchant's wallet."""
    house.gateway.save_merchant(
        Merchant(name=merchant, version=1, descriptor=descriptor)
    )
    wallet = house.gateway.wallet(merchant)
    assert wallet is not None
    return wallet.id


def draw(house: House, number: int, wallet: str, merchant: str = "ann") -> Payment:
    to_draw = Derived(wallet=wallet, index=TO_DRAW)
    (made,) = house.gateway.create(
        [asked(number, address="", derived=to_draw, merchant=merchant)]
    )
    assert isinstance(made, Payment)
    return made


def index(payment: Payment) -> int:
    assert payment.terms.derived is not None
    return payment.terms.derived.index


def drawn(house: House, number: int) -> AddressRow:
    """What the store has of that payment's address. It is let go for this: of an index
    that nobody waits for any more the store tells all."""
    house.stage.journal.commit([Write(rows=(Release(f"p{number}"),))])
    wallet = house.gateway.wallet("ann")
    assert wallet is not None
    over: list[AddressRow] = house.store.over_unpaid(wallet.identity, 1_000)
    (row,) = (one for one in over if one.payment_id == f"p{number}")
    return row


def alerts(house: House) -> set[str]:
    return {alert.kind for alert in house.gateway.alerts()}


def anew(house: House) -> None:
    """A desk as after a restart: it knows what the store has."""
    house.gateway = ActorGateway(house.node, house.store)


def settings_of(house: House, **changes: Any) -> None:
    wallets = replace(house.node.settings.wallets, **changes)
    house.node.settings = replace(house.node.settings, wallets=wallets)
    anew(house)


def test_the_row_is_there_with_the_payment_and_a_restart_goes_on_behind_it(
    house: House,
) -> None:
    wallet = give(house)
    first, second = draw(house, 1, wallet), draw(house, 2, wallet)
    assert (index(first), index(second)) == (0, 1)
    anew(house)
    assert index(draw(house, 3, wallet)) == 2
    row = drawn(house, 1)
    assert (row.index, row.address, row.wallet) == (0, first.terms.address, wallet)


def test_what_was_surely_not_committed_comes_back_and_what_may_be_does_not(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = give(house)

    def fail(error: EngineBusy) -> None:
        def refuse(*_: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(house.gateway, "_ask", refuse)
            with pytest.raises(EngineBusy):
                draw(house, 9, wallet)

    fail(EngineBusy("no room"))
    assert index(draw(house, 1, wallet)) == 0
    fail(EngineBusy("too late", unknown=True))
    assert index(draw(house, 2, wallet)) == 2


@given(st.lists(st.sampled_from(["ann", "bob", "busy", "late"]), max_size=50))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_fifty_concurrent_creators_of_two_merchants_never_share_an_address(
    tmp_path_factory: pytest.TempPathFactory, who: list[str]
) -> None:
    """Some of them fail, surely or perhaps."""
    house = House(tmp_path_factory.mktemp("creators"))
    try:
        wallets = {
            "ann": give(house, "ann", f"wpkh({TPUB}/5/*)"),
            "bob": give(house, "bob", f"wpkh([00000000/1/2/3]{TPUB}/5/*)"),
        }
        ask = house.gateway._ask
        failing = {n for n, name in enumerate(who) if name in {"busy", "late"}}

        def maybe(ref: Any, build: Any) -> Any:
            number = gevent.getcurrent().args[0]  # type: ignore[attr-defined]
            if number in failing:
                raise EngineBusy("not now", unknown=who[number] == "late")
            return ask(ref, build)

        house.gateway._ask = maybe  # type: ignore[method-assign]

        def create(number: int) -> Payment | None:
            merchant = who[number] if who[number] in wallets else "ann"
            try:
                return draw(house, number, wallets[merchant], merchant)
            except EngineBusy:
                return None

        pool = Pool(50)
        jobs = [pool.spawn(create, number) for number in range(len(who))]
        gevent.joinall(jobs, raise_error=True)
        made = [job.value for job in jobs if job.value is not None]
        assert len(made) == len(who) - len(failing)
        assert len({one.terms.address for one in made}) == len(made)
        indexes = {index(one) for one in made}
        assert len(indexes) == len(made)
        assert max(indexes, default=-1) < len(who), "what comes back is drawn first"
        expected = read_descriptor(f"wpkh({TPUB}/5/*)", "regtest")
        assert all(expected.address(index(p)) == p.terms.address for p in made)
    finally:
        house.close()


def test_an_index_that_the_database_knows_to_be_drawn_is_passed_over(
    house: House,
) -> None:
    """Whatever the memory says: nobody is told an address, and the next one is good."""
    wallet = give(house)
    draw(house, 1, wallet)
    row = house.gateway.wallet("ann")
    assert row is not None
    addresses = read_descriptor(VPUB, "regtest").addresses(0, 3)
    epoch = house.store.epochs().present
    foreign = AddressRow(row.identity, 1, addresses[1], wallet, "x", epoch)
    house.stage.journal.commit([Write(rows=(foreign,))])
    with pytest.raises(EngineBusy):
        draw(house, 2, wallet)
    assert index(draw(house, 3, wallet)) == 2


def test_what_a_caller_brought_is_passed_over_also_after_a_restart(
    house: House,
) -> None:
    wallet = give(house)
    ahead = read_descriptor(VPUB, "regtest").addresses(0, 4)
    house.create(1, address=ahead[0])
    anew(house)
    assert index(draw(house, 2, wallet)) == 1
    house.create(3, address=ahead[2])
    house.stage.journal.commit([Write(rows=(Release("p3"),))])
    house.node.watchers.remove("p3", ahead[2])  # type: ignore[attr-defined]
    assert index(draw(house, 4, wallet)) == 3


def test_an_address_of_a_merchants_wallet_is_nobody_elses_even_when_it_is_over(
    house: House,
) -> None:
    """A late payer's money must not come to who asked for a payment there."""
    wallet = give(house)
    first = draw(house, 1, wallet)
    address = first.terms.address
    house.stage.journal.commit([Write(rows=(Release(first.id),))])
    house.node.watchers.remove(first.id, address)  # type: ignore[attr-defined]
    anew(house)
    batch = [
        asked(2, address=address, merchant="bob"),
        asked(3, merchant="bob"),
        asked(4, address=address, merchant="ann"),
    ]
    refused, made, own = house.gateway.create(batch)
    assert isinstance(refused, Conflict)
    assert refused.what == "address"
    assert refused.detail == f"address {address} is of another merchant's wallet"
    assert isinstance(made, Payment)
    assert isinstance(own, Payment), "whose it is may have it again"


def test_who_has_the_same_wallet_may_bring_its_addresses(house: House) -> None:
    wallet = give(house)
    give(house, "bob")
    first = draw(house, 1, wallet)
    house.stage.journal.commit([Write(rows=(Release(first.id),))])
    house.node.watchers.remove(first.id, first.terms.address)  # type: ignore[attr-defined]
    house.create(2, address=first.terms.address, merchant="bob")


def test_where_nobody_else_has_a_wallet_no_address_is_asked_for(house: House) -> None:
    house.gateway.create([asked(1)])
    assert "drawn_of" not in house.store.asked
    give(house)
    house.gateway.create([asked(2, merchant="ann")])
    assert "drawn_of" not in house.store.asked
    house.gateway.create([asked(3, merchant="bob")])
    assert "drawn_of" in house.store.asked


def test_after_a_restore_what_may_have_been_given_out_is_passed_over_once(
    house: House,
) -> None:
    wallet = give(house)
    unused = give(house, "bob", f"tr({TPUB}/0/*)")
    draw(house, 1, wallet)
    house.stage.clock.advance(1_000)
    begin_epoch(house)
    settings_of(house, restore_skip=70)
    assert index(draw(house, 2, wallet)) == 71
    assert SKIPPED in alerts(house)
    assert index(draw(house, 3, unused, "bob")) == 70, "it may have been used since"
    anew(house)
    assert index(draw(house, 4, wallet)) == 72, "only once"


def begin_epoch(house: House) -> None:
    house.stage.journal.begin_epoch()
    house.stage.store._epochs = None  # a node never lives to see it


def test_a_wallet_that_is_added_after_a_restore_begins_at_its_beginning(
    house: House,
) -> None:
    begin_epoch(house)
    house.stage.clock.advance(10**12)  # later than the epoch's beginning
    assert index(draw(house, 1, give(house))) == 0


def test_a_start_asks_for_no_address_however_many_were_drawn(house: House) -> None:
    wallet = give(house)
    for number in range(40):
        draw(house, number, wallet)
    house.store.asked.clear()
    anew(house)
    assert house.store.asked == ["wallets"]


def test_too_many_unpaid_in_a_row_are_an_alert(house: House) -> None:
    settings_of(house, gap=3)
    wallet = give(house)
    for number in range(3):
        house.stage.clock.advance(20_000)
        draw(house, number, wallet)
        assert number == 2 or GAP not in alerts(house)
    wait_until(lambda: GAP in alerts(house), 10, "the alert")


def test_only_by_setting_what_is_over_and_never_paid_is_drawn_again(
    house: House,
) -> None:
    settings_of(house, gap=3, reuse=True)
    wallet = give(house)
    made = [draw(house, number, wallet) for number in range(4)]
    for payment in made[1:3]:
        house.stage.journal.commit([Write(rows=(Release(payment.id),))])
        house.node.watchers.remove(payment.id, payment.terms.address)  # type: ignore[attr-defined]
    anew(house)
    draw(house, 10, wallet)  # opens the stock; what is unpaid is found behind it
    wait_until(lambda: "over_unpaid" in house.store.asked, 10, "the search")
    gevent.sleep(0)
    again = [index(draw(house, number, wallet)) for number in (11, 12, 13)]
    assert again[:2] == [1, 2], "the lowest first"
    assert again[2] == 5
    assert drawn(house, 11).address == made[1].terms.address


def test_after_a_restore_nothing_of_before_it_is_drawn_again(house: House) -> None:
    """The lost node may have given it out once more, after the backup."""
    settings_of(house, gap=3, reuse=True, restore_skip=10)
    wallet = give(house)
    for number in range(4):
        over(house, draw(house, number, wallet))
    begin_epoch(house)
    anew(house)
    made = [draw(house, number, wallet) for number in (10, 11, 12)]
    assert [index(one) for one in made] == [14, 15, 16]
    for one in made:
        over(house, one)
    anew(house)
    draw(house, 13, wallet)
    wait_until(lambda: "over_unpaid" in house.store.asked, 10, "the search")
    gevent.sleep(0)
    again = [index(draw(house, number, wallet)) for number in (14, 15, 16, 17)]
    assert again == [14, 15, 16, 18]


def over(house: House, payment: Payment) -> None:
    """Nobody waits for it any more."""
    house.stage.journal.commit([Write(rows=(Release(payment.id),))])
    house.node.watchers.remove(payment.id, payment.terms.address)  # type: ignore[attr-defined]


def test_where_money_is_sent_on_to_is_nobodys_address_for_an_order(
    house: House,
) -> None:
    """The owner's wallet may be the one that is watched, with its first address as the
    destination: what is sent there would pay for whose order has it."""
    wallet = give(house)
    ahead = read_descriptor(VPUB, "regtest").addresses(0, 5)
    policy = ForwardPolicy(destinations=frozenset({ahead[0]}))
    ways = CoreWay(1)
    house.node.forwards = Forwards(ways, Signer(Keyring(lambda _w, _s: None)), policy)
    assert index(draw(house, 1, wallet)) == 1
    sends_on = Merchant(name="bob", version=1, forward_to=ahead[2].upper())
    house.gateway.save_merchant(sends_on)
    assert index(draw(house, 2, wallet)) == 3
    house.gateway.save_merchant(replace(sends_on, version=2, forward_to=""))
    house.create(3, forward_to=ahead[4])
    assert index(draw(house, 4, wallet)) == 5
    anew(house)
    assert index(draw(house, 5, wallet)) == 6
