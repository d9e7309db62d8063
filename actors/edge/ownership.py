"""Whose an address is that a caller brings: who has the wallet it was drawn from.

While a payment there is watched nobody else can have the address. When that is over, a
late payer's money must not come to another merchant who asked for a payment there. What
was not drawn yet needs no owner: a wallet passes over what somebody has.
"""

from collections.abc import Sequence
from typing import Final

from actors.edge.wallets import WalletDesk
from engine.payment.model import Terms
from engine.store.port import StoreReader

__all__ = ["owned_by_others"]

AT_ONCE: Final = 200
"""Addresses in one question to the store: some ms of a reader."""


def owned_by_others(
    wallets: WalletDesk, store: StoreReader, asked: Sequence[Terms]
) -> frozenset[str]:
    """The ids of those with an address of another merchant's wallet. Merchants who have
    the same wallet own it together. Nothing is read where nobody else has one."""
    owners = wallets.owners
    is_alone: dict[str, bool] = {}  # whether only it has wallets, by merchant
    for merchant in {terms.merchant for terms in asked}:
        mine = {row.identity for row in wallets.of_merchant(merchant)}
        is_alone[merchant] = len(mine) == len(owners)
    brought = [
        terms
        for terms in asked
        if terms.has_chain and terms.derived is None and not is_alone[terms.merchant]
    ]
    found = set[str]()
    for first in range(0, len(brought), AT_ONCE):
        some = brought[first : first + AT_ONCE]
        drawn = store.drawn_of([terms.address for terms in some])
        found |= {
            terms.id
            for terms in some
            if terms.address in drawn
            and terms.merchant not in owners[drawn[terms.address]]
        }
    return frozenset(found)
