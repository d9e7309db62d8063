"""What a person who pays is shown: all that the page needs of one payment. Pure.

Which stage a payment is in says `stages.py`, in which words `wording.py`;
transport/pages/pages.py renders it. It is not the API's view of a payment
(`transport/http/views.py`): a checkout page is open to whoever has its link, so
merchant data such as `metadata` is never part of it.

All amounts are satoshi, all times milliseconds (UTC).
"""

import msgspec

from engine.merchants.profile import Profile
from engine.merchants.web_places import is_allowed_return, origins_of
from engine.payment.model import Payment, Status, Terms
from engine.payment.rest_rules import rest_shown
from transport.pages.brand import brand_url
from transport.pages.external import (
    external_notes,
    external_stage,
    external_sum,
    external_words,
)
from transport.pages.language import Words
from transport.pages.lightning_words import (
    lightning_steps,
    lightning_words,
    rest_words,
)
from transport.pages.stages import Stage, stage_of
from transport.pages.ways import Way, ways_of
from transport.pages.wording import (
    can_be_sent,
    fiat,
    notes_of,
    rest_sat,
    title_of,
    words_of,
)

__all__ = ["Checkout", "Step", "grouped", "look"]

ENDS = frozenset({Stage.PAID, Stage.LATE, Stage.EXPIRED, Stage.CANCELLED, Stage.FAILED})
"""Nothing more is waited for here: the way back to the shop is shown."""

_USUAL = {
    Stage.WAITING,
    Stage.ANNOUNCED,
    Stage.SEEN,
    Stage.CONFIRMING,
    Stage.PAID,
}

_SIGNS = {
    Stage.PAID: "tick",
    Stage.LATE: "clock",
    Stage.EXPIRED: "clock",
    Stage.CANCELLED: "cross",
    Stage.FAILED: "look",
    Stage.UNDERPAID: "look",
    Stage.REVERSED: "look",
}

NO_SHOP = Profile()
"""Of one that has said nothing of itself."""


class Step(msgspec.Struct, frozen=True):
    """One line of the progress list: `done`, `now` or `next`."""

    label: str
    state: str


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows of a payment."""

    id: str
    seq: int
    stage: Stage
    status: Status
    headline: str
    sentence: str
    notes: tuple[str, ...]
    title: str  # of the document
    address: str | None  # None: of a payment without a chain
    network: str | None  # likewise
    external_id: str | None
    amount_sat: int | None  # asked; None: any
    received_sat: int
    due_sat: int | None  # what the QR code asks for; None: any amount
    uri: str | None  # of the first way; None: nothing is to be paid (any more)
    ways: tuple[Way, ...] = ()
    followed_by: str | None = (
        None  # what its live stream is named by; None: it has none
    )
    account: str | None = None  # the Lightning account that it waits for; never shown
    over_text: str = ""  # in place of the countdown when it has ended
    confirmations: int
    confirmations_required: int
    steps: tuple[Step, ...]
    txids: tuple[str, ...]
    created_at: int
    expires_at: int | None  # None: no clock is running
    confirmed_at: int | None
    due_fiat: str = ""  # the same in the currency of the price; empty: there is none
    received_fiat: str = ""
    shown_sat: int | None = None  # the sum that the page is about
    shown_fiat: str = ""
    sign: str = "wait"  # the picture where there is no way to pay
    sum_text: str | None = None  # of a payment without a chain
    shop: str = ""  # as it calls itself; empty: it has not said
    logo_url: str = ""
    brand_url: str = ""  # of the style sheet with its colour
    explorer_url: str = ""  # with {txid}
    support_url: str = ""  # where to ask, when something is unusual
    frames: tuple[str, ...] = ()  # origins of the shop: they may show it in a frame
    description: str = ""  # what is paid for, in the shop's words
    return_url: str = ""  # where to go on; empty: nowhere, or not yet
    successor_id: str = ""  # of the payment that was made in its place
    may_reorder: bool = False  # one can be made
    is_priced: bool = False  # in a currency, so that a new one has the rate of then
    may_ask_rest: bool = False  # an invoice for what is missing


def look(
    payment: Payment,
    words: Words,
    shop: Profile = NO_SHOP,
    *,
    was_confirmed: bool = False,
    now: int = 0,
    may_ask_rest: bool = False,
) -> Checkout:
    """The page's view of a payment of this merchant, in the words of a language.

    `was_confirmed`: its story tells of a `payment.reversed` (only asked for when the
    flags allow that there was one). `now`: ms; 0: nothing of it is over.
    `may_ask_rest`: an invoice for what is missing can be asked for.
    """
    if payment.terms.is_external:
        seen = _look_external(payment, words)
    else:
        seen = _look_on_chain(
            payment,
            words,
            now,
            was_confirmed=was_confirmed,
            may_ask_rest=may_ask_rest,
        )
    goes_on = seen.stage in ENDS and _may_return(payment, shop)
    return msgspec.structs.replace(
        seen,
        shop=shop.display_name,
        logo_url=shop.logo_url,
        brand_url=brand_url(shop.brand_color),
        explorer_url=shop.explorer_url,
        support_url=shop.support_url if _is_unusual(seen) else "",
        return_url=payment.terms.return_url if goes_on else "",
        description=payment.terms.description,
        frames=origins_of(shop.return_urls),
    )


def _is_unusual(seen: Checkout) -> bool:
    """Whether a payer may want to ask the shop."""
    return bool(seen.notes) or seen.stage not in _USUAL


def _may_return(payment: Payment, shop: Profile) -> bool:
    """What was allowed when the payment was made, and still is: a place that the shop
    took from its list is one that it has lost."""
    url = payment.terms.return_url
    return bool(url) and is_allowed_return(url, shop.return_urls)


def _look_on_chain(
    payment: Payment,
    words: Words,
    now: int,
    *,
    was_confirmed: bool,
    may_ask_rest: bool,
) -> Checkout:
    terms = payment.terms
    stage = stage_of(payment, was_confirmed=was_confirmed)
    rest = rest_shown(payment, now) if stage is Stage.UNDERPAID else None
    said = (
        rest_words(payment, words, rest, may_ask=may_ask_rest)
        or lightning_words(payment, stage, words)
        or words_of(payment, stage, words)
    )
    by_lightning = rest is not None or may_ask_rest
    due = _due_sat(payment, stage, by_lightning=by_lightning)
    payable = stage in {Stage.WAITING, Stage.REPLACED} or (
        stage is Stage.UNDERPAID
        and (rest is not None or can_be_sent(rest_sat(payment)))
    )
    shown = stage is Stage.ANNOUNCED  # still there, but folded away
    ways: tuple[Way, ...] = ()
    if payable or shown:
        in_part = shown or bool(payment.receipts)
        ways = ways_of(terms, due, words, is_in_part=in_part, now=now, rest=rest)
    # What was asked for stays the sum of the page, whatever came.
    any_sum = payment.received_sat if payment.counts_as_paid else None
    shown_sat = any_sum or None if due is None else due
    return Checkout(
        id=payment.id,
        seq=payment.seq,
        stage=stage,
        status=payment.status,
        headline=said[0],
        sentence=said[1],
        notes=notes_of(payment, stage, words),
        title=title_of(payment, stage, words, by_lightning=by_lightning),
        address=terms.shown_address,
        network=terms.network,
        external_id=terms.external_id,
        amount_sat=terms.amount_sat,
        received_sat=payment.received_sat,
        due_sat=due,
        due_fiat=fiat(payment, due, words),
        is_priced=terms.price is not None,
        may_ask_rest=may_ask_rest,
        received_fiat=fiat(payment, payment.received_sat, words),
        shown_sat=shown_sat,
        shown_fiat=fiat(payment, shown_sat, words),
        sign=_sign(payment, stage),
        uri=ways[0].uri if ways else None,
        ways=ways,
        followed_by=_followed_by(terms),
        account=terms.lightning.node if terms.lightning is not None and ways else None,
        over_text=words.say("over" if terms.has_chain else "over_of_lightning"),
        confirmations=min(payment.confirmations, terms.confirmations_required),
        confirmations_required=terms.confirmations_required,
        steps=_steps(payment, stage, words),
        txids=tuple(
            dict.fromkeys(r.txid for r in payment.receipts if not r.is_lightning)
        ),
        created_at=terms.created_at,
        expires_at=terms.expires_at if ways else None,
        confirmed_at=payment.confirmed_at,
    )


def _look_external(payment: Payment, words: Words) -> Checkout:
    terms, stage = payment.terms, external_stage(payment)
    headline, sentence = external_words(payment, stage, words)
    return Checkout(
        id=payment.id,
        seq=payment.seq,
        stage=stage,
        status=payment.status,
        headline=headline,
        sentence=sentence,
        notes=external_notes(payment, stage, words),
        title=words.say("title_paid") if stage is Stage.PAID else headline,
        address=None,
        network=None,
        external_id=terms.external_id,
        amount_sat=None,
        received_sat=0,
        due_sat=None,
        uri=None,
        confirmations=0,
        confirmations_required=0,
        steps=(),
        txids=(),
        created_at=terms.created_at,
        expires_at=None,
        confirmed_at=payment.confirmed_at,
        sum_text=external_sum(payment, stage, words),
        sign=_SIGNS.get(stage, "wait"),
    )


def grouped(address: str) -> tuple[str, ...]:
    """An address in fours, as it is read aloud or compared."""
    return tuple(address[i : i + 4] for i in range(0, len(address), 4))


def _due_sat(payment: Payment, stage: Stage, *, by_lightning: bool) -> int | None:
    """`by_lightning`: what is missing can be paid so, however little."""
    asked = payment.terms.amount_sat
    if asked is None or stage is not Stage.UNDERPAID:
        return asked
    rest = rest_sat(payment)
    return rest if by_lightning or can_be_sent(rest) else asked


def _sign(payment: Payment, stage: Stage) -> str:
    if stage in {Stage.SEEN, Stage.CONFIRMING} or (
        stage is Stage.REVERSED and payment.receipts
    ):
        return "depth" if payment.terms.confirmations_required else "wait"
    return _SIGNS.get(stage, "wait")


def _steps(payment: Payment, stage: Stage, words: Words) -> tuple[Step, ...]:
    """Waiting, seen, confirmations, paid: how far it is. None for what has ended, nor
    for what the shop confirmed itself: nobody saw that it was sent."""
    if stage in {Stage.EXPIRED, Stage.CANCELLED, Stage.FAILED} or payment.is_by_hand:
        return ()
    if (labels := lightning_steps(payment, stage, words)) is not None:
        at = 2 if stage in {Stage.PAID, Stage.LATE} else 0
        return _as_steps(labels, at)
    required = payment.terms.confirmations_required
    count = min(payment.confirmations, required)
    at = {
        Stage.WAITING: 0,
        Stage.REPLACED: 0,
        Stage.ANNOUNCED: 1,
        Stage.UNDERPAID: 1,
        Stage.SEEN: 2,
        Stage.CONFIRMING: 2,
        Stage.REVERSED: 2 if payment.receipts else 1,
        Stage.PAID: 4,
        Stage.LATE: 4,
    }[stage]
    seen = {Stage.UNDERPAID: "step_part", Stage.ANNOUNCED: "step_looking"}
    if at == 1:
        seen[Stage.REVERSED] = "step_looking"
    depth = {"count": required if at == 4 else count, "required": required}
    labels = (
        words.say("step_waiting" if at == 0 else "step_sent"),
        words.say(seen.get(stage, "step_seen")),
        words.count("step_confirmations", required, **depth),
        words.say("step_paid"),
    )
    return _as_steps(labels, at)


def _as_steps(labels: tuple[str, ...], at: int) -> tuple[Step, ...]:
    return tuple(
        Step(label, "done" if i < at else "now" if i == at else "next")
        for i, label in enumerate(labels)
    )


def _followed_by(terms: Terms) -> str | None:
    """An address, or the payment hash of an invoice (`find_followed`)."""
    if terms.has_chain or terms.lightning is None:
        return terms.shown_address
    return terms.lightning.payment_hash
