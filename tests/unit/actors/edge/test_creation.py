"""What a payment keeps of the moment in which it is created."""

from functools import partial

import pytest
from msgspec.structs import replace

from actors.facts.published import SourceReport
from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView, Tip
from engine.chain.script_index import ScriptIndex
from engine.chain.witness import Best
from engine.errors import WrongKey
from engine.payment.old_outputs import NO_BLOCK
from engine.secrets.vault import Vault
from engine.store.writes import Conflict
from tests.unit.actors.edge.house import House, asked
from tests.unit.payment_cases import T0, TIP, block, mempool, mined, view

NOW = Best(Tip(TIP, block(TIP)), T0)


def publish(house: House, report: SourceReport) -> None:
    house.stage.published.publish(report)


def test_the_best_tip_and_what_the_index_knows_are_kept(house: House) -> None:
    looked: list[bytes] = []

    def look(script: bytes) -> ChainView:
        looked.append(script)
        return view(mempool("pool"), mined("block", TIP - 3))

    publish(house, SourceReport(best=NOW, look=look))
    terms = house.create().terms
    assert terms.tip_height == TIP
    assert terms.ignore == (("pool", 0), ("block", 0))
    assert (terms.is_past_known, terms.tip_hash) == (True, ""), "no word is needed"
    assert looked == [parse_address(terms.address, terms.network).script]
    assert house.store.asked == [], "no query more"


def test_a_source_that_is_asked_address_by_address_is_not_waited_for(
    house: House,
) -> None:
    publish(house, SourceReport(best=NOW))
    terms = house.create().terms
    assert (terms.tip_height, terms.tip_hash) == (TIP, block(TIP))
    assert (terms.is_past_known, terms.ignore) == (False, ())


def test_an_index_that_has_just_begun_anew_holds_up_nobody(house: House) -> None:
    index = ScriptIndex()
    look = partial(index.view, source="node")
    publish(house, SourceReport(best=NOW, look=look))
    terms = house.create().terms
    assert (terms.tip_height, terms.is_past_known) == (TIP, False)


def test_before_any_source_has_answered_no_block_is_old(house: House) -> None:
    assert house.create().terms.tip_height == NO_BLOCK


def test_no_height_of_a_chain_that_ends_with_the_process_is_kept(
    house: House,
) -> None:
    """The next run of the dev chain is another chain, and lower."""
    report = SourceReport(best=NOW, look=lambda _script: view(mempool("pool")))
    publish(house, replace(report, is_made_anew=True))
    terms = house.create().terms
    assert (terms.tip_height, terms.tip_hash) == (NO_BLOCK, "")
    assert terms.ignore == (("pool", 0),)


def test_the_payers_address_is_sealed_for_its_payment_alone(house: House) -> None:
    gateway, emails = house.gateway, {"p1": "ann@example.com", "p2": "bob@example.com"}
    gateway.create([asked(1), asked(2), asked(3)], emails=emails)
    assert gateway.customer_email("p1") == "ann@example.com"
    assert gateway.customer_email("p2") == "bob@example.com"
    assert gateway.customer_email("p3") is None
    sealed = house.stage.store.customer_email("p1")
    assert sealed is not None
    assert "ann" not in sealed
    with pytest.raises(WrongKey):  # addresses cannot be swapped in the database
        Vault(bytes(32)).open(sealed, "payer of p2")


def test_of_a_payment_that_is_not_created_no_payer_is_kept(house: House) -> None:
    house.create(1)
    taken = replace(asked(1), id="p9")
    again = house.gateway.create([taken, asked(2)], emails={"p9": "x@example.com"})
    assert isinstance(again[0], Conflict)
    assert house.gateway.customer_email("p9") is None
