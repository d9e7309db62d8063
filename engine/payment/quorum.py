"""Above a sum, one source's word is not enough to confirm. Part of `decide`; pure.

Terms may ask for a quorum (`quorum_above_sat`): what is confirmed for more than that
must be shown as deep by two sources that are independent (of different operators) and
current, in the same block. A view is handed to the rules with what others have shown so
(`ChainView.seconded`); what is not among it waits.

Two sources contradict one another when one positively denies what the other shows as
deep: its block is off the chain, another block holds the output, or its amount is
another. That one does not list it, or not so deep yet, contradicts nothing. Of three,
the one that contradicts the two others is the odd one.
"""

from collections.abc import Iterable, Mapping

import msgspec

from engine.chain.feed import ChainView, Output
from engine.payment.model import COINBASE_MATURITY, Payment, Terms
from engine.payment.pertinent import depth_in, pertinent

__all__ = [
    "FRESH_MS",
    "SourceWord",
    "contradict",
    "key_of",
    "needs_two",
    "odd_one",
    "seconded_by",
    "word_of",
]

FRESH_MS = 600_000
"""How long what a source has shown counts beside what another shows now: 10 min."""

Key = tuple[str, int, str]
"""(txid, vout, block); no block where the payment needs none."""


class SourceWord(msgspec.Struct, frozen=True, gc=False):
    """What one current source has shown of a payment's script."""

    operator: str  # who runs it: two of one operator are one source
    source: str
    asked_at: int  # ms
    deep: frozenset[Key]  # outputs that are as deep as the payment needs
    shown: Mapping[tuple[str, int], tuple[str | None, int]]  # -> (block, satoshi)
    off_chain: frozenset[str]


def needs_two(terms: Terms, settled_sat: int) -> bool:
    """Whether this sum is confirmed only by two sources."""
    above = terms.quorum_above_sat
    return above is not None and settled_sat > above


def key_of(terms: Terms, txid: str, vout: int, block_hash: str | None) -> Key:
    """What two sources must agree on."""
    return txid, vout, (block_hash or "") if terms.confirmations_required else ""


def word_of(
    payment: Payment, view: ChainView, operator: str, asked_at: int
) -> SourceWord:
    """What this view, of a current source, says beside that of another."""
    assert view.is_current, view.source
    terms, outputs = payment.terms, pertinent(payment, view).values()
    return SourceWord(
        operator=operator,
        source=view.source,
        asked_at=asked_at,
        deep=frozenset(
            key_of(terms, o.txid, o.vout, o.block_hash)
            for o in outputs
            if o.verified_by_source and depth_in(o, view) >= _needed(terms, o)
        ),
        shown={
            (o.txid, o.vout): (o.block_hash, o.amount_sat)
            for o in outputs
            if o.verified_by_source
        },
        off_chain=frozenset(view.off_chain),
    )


def seconded_by(words: Iterable[SourceWord], operator: str, now: int) -> frozenset[Key]:
    """What others than this operator's sources have shown as deep, of late."""
    return frozenset().union(
        *(
            word.deep
            for word in words
            if word.operator != operator and now - word.asked_at < FRESH_MS
        )
    )


def contradict(one: SourceWord, other: SourceWord) -> bool:
    """Whether both cannot be true, about what one of them shows as deep."""
    return _denies(one, other) or _denies(other, one)


def odd_one(words: Iterable[SourceWord]) -> SourceWord | None:
    """Who contradicts two others that do not contradict one another; None: nobody, or
    it cannot be told."""
    said = list(words)
    for word in said:
        against = [other for other in said if contradict(word, other)]
        if len(against) > 1 and not any(
            contradict(a, b) for a in against for b in against if a is not b
        ):
            return word
    return None


def _denies(one: SourceWord, other: SourceWord) -> bool:
    """Whether `one` positively says that what `other` shows as deep is not so."""
    for txid, vout, block in other.deep:
        if block and block in one.off_chain:
            return True
        there = one.shown.get((txid, vout))
        if there is None:
            continue
        its_block, amount = other.shown[txid, vout]
        if there[1] != amount:
            return True
        if block and there[0] is not None and there[0] != its_block:
            return True
    return False


def _needed(terms: Terms, output: Output) -> int:
    required = terms.confirmations_required
    return max(required, COINBASE_MATURITY) if output.is_coinbase else required
