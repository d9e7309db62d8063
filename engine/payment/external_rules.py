"""The rules of a payment without a chain: what follows from a gateway's signed word.

    SUCCESS   it is paid, if the sum and the currency are what was asked for; a smaller
              sum, or another currency, is `underpaid` and confirms nothing
    FAILED    this attempt came to nothing; another card may yet pay
    PENDING   the gateway works on it; it does not expire while it does
    REVERSED  what was paid is taken back: all of it (`payment.reversed`, for good), or
              a part (`payment.underpaid`, the payment stays paid)
    TOKEN     nothing of money

Gateways repeat themselves, and their words overtake one another. So each word says less
than the next of PENDING, FAILED, SUCCESS, REVERSED: what says less than what is known
changes nothing, and the end is the same in any order. Two sums are not added, as two
notifications may speak of one payment: the larger counts. Whoever had it otherwise
(a chargeback that was won) says so by hand.

Pure. Called by `rules.py` only.
"""

from msgspec.structs import replace

from engine.payment.external_sums import ExternalStanding, short_minor, standing_of
from engine.payment.fold import EventBuilder
from engine.payment.model import (
    MAX_TOKENS,
    PAID,
    WAITED_FOR,
    EventType,
    External,
    Flag,
    Payment,
    SavedToken,
    Status,
)
from engine.payment.notes import LeftOut, Note
from engine.payment.observations import GatewayMeaning, GatewayWord

__all__ = ["external_deadline", "may_expire", "take_word"]


def take_word(builder: EventBuilder, word: GatewayWord) -> None:
    """See the module docstring."""
    assert builder.payment.terms.is_external, "a gateway's word of a chain's payment"
    before = builder.payment
    match word.word:
        case GatewayMeaning.PENDING:
            _announced(builder, word)
        case GatewayMeaning.FAILED:
            _failed(builder, word)
        case GatewayMeaning.SUCCESS | GatewayMeaning.REVERSED:
            said = _with(before, word)
            if said != before.external:
                _counted(builder, word, said)
        case GatewayMeaning.TOKEN:
            pass
    if word.token is not None:
        _saved(builder, word, word.token)


def may_expire(payment: Payment, now: int) -> bool:
    """Whether it is over unpaid at `now` (ms). What a gateway works on, or has paid in
    part, waits longer: as long as late money is waited for."""
    return payment.status in WAITED_FOR and now >= _expires_at(payment)


def external_deadline(payment: Payment) -> int:
    """When (ms) something follows from time alone."""
    if payment.status in WAITED_FOR:
        return _expires_at(payment)
    return payment.terms.monitor_until


def _expires_at(payment: Payment) -> int:
    terms = payment.terms
    is_worked_on = payment.status is Status.CONFIRMING and (
        Flag.UNDERPAID not in payment.flags
    )
    return terms.monitor_until if is_worked_on else terms.expires_at


def _with(payment: Payment, word: GatewayWord) -> External:
    """All that the gateway has said, with this word."""
    terms, said = payment.terms, payment.external
    unit = word.currency, word.decimals
    if word.currency and unit != (terms.asset, terms.decimals):
        if word.word is GatewayMeaning.REVERSED or said.other_currency >= word.currency:
            return said  # of what was never counted; or known already
        return replace(said, other_currency=word.currency)
    amount = word.amount_minor
    if word.word is GatewayMeaning.REVERSED:
        if amount is None:
            return replace(said, is_returned=True)
        return replace(said, returned_minor=max(said.returned_minor, amount))
    if amount is None:  # its mapping says so: the sum was agreed with the gateway
        amount = terms.amount_minor or 0
    elif amount == 0 and terms.amount_minor is None:
        return said  # a card was looked at, and no money moved
    received = max(said.received_minor, amount)
    return replace(said, is_paid=True, received_minor=received)


def _counted(builder: EventBuilder, word: GatewayWord, said: External) -> None:
    """The gateway spoke of money, and it was news."""
    match standing_of(builder.payment.terms, said):
        case ExternalStanding.ENOUGH:
            _enough(builder, word, said)
        case ExternalStanding.TAKEN_BACK:
            _taken_back(builder, word, said)
        case (
            ExternalStanding.TOO_LITTLE
            | ExternalStanding.UNCLEAR
            | ExternalStanding.NOTHING
        ):
            _not_enough(builder, word, said)


def _enough(builder: EventBuilder, word: GatewayWord, said: External) -> None:
    payment = builder.payment
    terms, status = payment.terms, payment.status
    short = short_minor(terms, said)
    excess = max(said.received_minor - (terms.amount_minor or said.received_minor), 0)
    if status is Status.CANCELLED:
        _told(builder, word, said)
        if Flag.LATE not in builder.payment.flags:
            builder.emit(EventType.LATE, source=word.gateway)
        return
    if status not in PAID:
        # First of all: a page may follow a payment until its first news.
        builder.emit(
            EventType.CONFIRMED,
            status=Status.CONFIRMED,
            source=word.gateway,
            reference=word.reference,
            external=said,
            settled_minor=said.received_minor,
        )
        if status is Status.EXPIRED:
            builder.emit(EventType.LATE, source=word.gateway)
        is_news = True
    else:
        is_news = said.received_minor > payment.external.received_minor
    if word.word is GatewayMeaning.REVERSED or (short and status not in PAID):
        builder.emit(
            EventType.UNDERPAID,
            source=word.gateway,
            reference=word.reference,
            external=said,
            short_minor=short,
            reason="the gateway took a part of it back",
        )
    elif excess and is_news:
        builder.emit(
            EventType.OVERPAID,
            source=word.gateway,
            reference=word.reference,
            external=said,
            excess_minor=excess,
        )
    elif builder.payment.external != said:
        _told(builder, word, said)


def _taken_back(builder: EventBuilder, word: GatewayWord, said: External) -> None:
    status = builder.payment.status
    if status not in PAID and status not in WAITED_FOR:
        _told(builder, word, said)  # nobody was told of it as paid: only remembered
        return
    if status in PAID and word.word is not GatewayMeaning.REVERSED:
        _told(builder, word, said)  # a hand confirmed it since it was taken back
        return
    builder.emit(
        EventType.REVERSED if status in PAID else EventType.FAILED,
        status=Status.FAILED,
        source=word.gateway,
        reference=word.reference,
        external=said,
        reason="the gateway took it back",
    )


def _not_enough(builder: EventBuilder, word: GatewayWord, said: External) -> None:
    """Too little, in another currency, or taken back before it is known to have come:
    somebody has to look at it."""
    payment = builder.payment
    # Once it was let go nobody would end the waiting.
    may_wait = builder.now < payment.terms.monitor_until
    waits = payment.status in WAITED_FOR or (
        payment.status is Status.FAILED and may_wait
    )
    _told(builder, word, said, Status.CONFIRMING if waits else None)
    if standing_of(payment.terms, said) is ExternalStanding.UNCLEAR:
        return
    if waits or payment.status is Status.EXPIRED:
        reason = None
        if said.other_currency and not said.is_paid:
            reason = (
                f"paid in {said.other_currency}, asked for in {payment.terms.asset}"
            )
        builder.emit(
            EventType.UNDERPAID,
            source=word.gateway,
            short_minor=short_minor(payment.terms, said),
            reason=reason,
        )


def _told(
    builder: EventBuilder,
    word: GatewayWord,
    said: External,
    status: Status | None = None,
) -> None:
    builder.emit(
        EventType.DETECTED,
        status=status,
        source=word.gateway,
        reference=word.reference,
        external=said,
    )


def _announced(builder: EventBuilder, word: GatewayWord) -> None:
    if builder.payment.status is Status.PENDING:
        _told(builder, word, builder.payment.external, Status.CONFIRMING)


def _failed(builder: EventBuilder, word: GatewayWord) -> None:
    payment = builder.payment
    standing = standing_of(payment.terms, payment.external)
    if payment.status in WAITED_FOR and standing is ExternalStanding.NOTHING:
        builder.emit(
            EventType.FAILED,
            status=Status.FAILED,
            source=word.gateway,
            reference=word.reference,
            reason="the gateway says that it failed",
        )


def _saved(builder: EventBuilder, word: GatewayWord, token: SavedToken) -> None:
    payment = builder.payment
    if token.id in payment.tokens:
        return
    if len(payment.tokens) >= MAX_TOKENS:
        detail = f"{word.gateway} saved more than {MAX_TOKENS} of them"
        builder.notes.append(Note(LeftOut.TOKEN, "", detail))
        return
    builder.emit(
        EventType.TOKEN_SAVED,
        source=word.gateway,
        reference=word.reference,
        token=token,
    )
