"""How a merchant's payments may be paid: by which methods, of which sums. Pure.

Lightning is offered for sums up to `lightning_max_sat`, the chain for sums from
`onchain_min_sat` on. A sum that nobody knows beforehand is of no band.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from engine.money.amount import MAX_SAT

__all__ = [
    "LIGHTNING",
    "ONCHAIN",
    "Bip321",
    "LightningMax",
    "Method",
    "Methods",
    "OnWarning",
    "OnchainMin",
    "in_bands",
    "methods_mistake",
]

ONCHAIN: Final = "onchain"
LIGHTNING: Final = "lightning"

Method = Literal["onchain", "lightning"]
Methods = Annotated[
    tuple[Method, ...],
    Meta(
        min_length=1,
        max_length=2,
        description='a list of "onchain" and "lightning", one of them or both: how'
        " payments can be paid that do not say so themselves",
    ),
]
LightningMax = Annotated[
    Annotated[int, Meta(ge=1, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi between 1 and {MAX_SAT}: Lightning is"
        " offered for sums up to it; null for any"
    ),
]
OnchainMin = Annotated[
    Annotated[int, Meta(ge=1, le=MAX_SAT)] | None,
    Meta(
        description=f"a whole number of satoshi between 1 and {MAX_SAT}: the chain is"
        " offered for sums from it on; null for any"
    ),
]
Bip321 = Annotated[
    Literal["tabs", "unified"],
    Meta(
        description='"tabs": address and invoice are shown apart; "unified": in one'
        " code for both (BIP 321)"
    ),
]
OnWarning = Annotated[
    Literal["create", "refuse"],
    Meta(
        description='"create": a payment is made also where its Lightning account or'
        ' what its money goes on to is in trouble, and the answer warns; "refuse": then'
        " it is not made"
    ),
]


def in_bands(
    methods: Sequence[str],
    amount_sat: int | None,
    lightning_max_sat: int | None,
    onchain_min_sat: int | None,
) -> tuple[str, ...]:
    """Those by which this sum can be paid, in their order; None: of any sum."""
    if amount_sat is None:
        return tuple(methods)
    out = set()
    if lightning_max_sat is not None and amount_sat > lightning_max_sat:
        out.add(LIGHTNING)
    if onchain_min_sat is not None and amount_sat < onchain_min_sat:
        out.add(ONCHAIN)
    return tuple(method for method in methods if method not in out)


def methods_mistake(
    methods: Sequence[str], lightning_max_sat: int | None, onchain_min_sat: int | None
) -> tuple[str, str] | None:
    """The field and what is wrong with it; None: nothing."""
    if len(set(methods)) < len(methods):
        return "methods", "must not name a method twice"
    if (
        lightning_max_sat is not None
        and onchain_min_sat is not None
        and onchain_min_sat > lightning_max_sat + 1
    ):
        return (
            "onchain_min_sat",
            f"leaves the sums between lightning_max_sat ({lightning_max_sat}) and"
            f" itself ({onchain_min_sat}) without a method",
        )
    return None
