"""What a payment keeps of the moment in which it is created."""

from functools import partial

from msgspec.structs import replace

from actors.published import SourceReport
from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView, Tip
from engine.chain.script_index import ScriptIndex
from engine.chain.witness import Best
from engine.payment.old_outputs import NO_BLOCK
from tests.unit.actors.edge.house import House
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
