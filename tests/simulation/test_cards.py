"""What a gateway says is told once, whatever its order: worlds of payments by card.

`PAYBELL_CARD_WORLDS=1000` runs more.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.payment import external_rules
from engine.payment.events import Event
from engine.payment.fold import EventBuilder
from engine.payment.model import EventType, External, Flag, Payment, SavedToken, Status
from engine.payment.observations import GatewayMeaning, GatewayWord
from engine.store.sqlite.ledger_check import findings
from tests.simulation.card_world import ASKED, Card, CardWorld, Said
from tests.simulation.plant import Plant

WORLDS = int(os.environ.get("PAYBELL_CARD_WORLDS", "10"))
PLANTED_IN = 60


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def judged(seed: int, folder: Path) -> Counter[str]:
    """What a world came to. Raises `AssertionError`: something is not as it must be."""
    world = CardWorld(seed, folder)
    try:
        world.run()
        seen: Counter[str] = Counter()
        for card in world.cards:
            events = [one.event for one in world.stage.store.history(card.terms.id)]
            _judge(card, world.payment(card), events)
            seen[card.plan] += 1
            seen.update(event.type.removeprefix("payment.") for event in events)
        assert list(findings(world.journal.connection)) == []
        seen["crash"], seen["repeat"] = world.crashes, world.repeats
        return seen
    finally:
        world.close()


def _judge(card: Card, payment: Payment, events: list[Event]) -> None:
    assert [event.seq for event in events] == [*range(1, len(events) + 1)]
    assert len(card.heard) == len(card.said), "a word was lost"
    _judge_tokens(card, payment, events)
    _judge_paid(card, payment, events)
    _judge_sums(card, payment, events)
    _judge_end_of_time(card, events)


def _judge_tokens(card: Card, payment: Payment, events: list[Event]) -> None:
    """Each card that was saved is told of once, and nothing else is."""
    saved = [said.word.token.id for said in card.heard if said.word.token is not None]
    told = [e.data.token.id for e in _of(events, EventType.TOKEN_SAVED) if e.data.token]
    assert told == saved
    assert set(payment.tokens) == set(saved)


def _judge_paid(card: Card, payment: Payment, events: list[Event]) -> None:
    """Confirmed once, with the word that says so, and taken back once, after it."""
    paid, back = _paid_with(card), _first(card, GatewayMeaning.REVERSED, None)
    confirmed = _of(events, EventType.CONFIRMED)
    reversed_ = _of(events, EventType.REVERSED)
    is_late = card.cancelled_at is not None and (
        paid is None or card.cancelled_at <= paid.heard_at
    )
    if paid is None or is_late or _is_before(card, back, paid):
        assert confirmed == reversed_ == []
    else:
        assert len(confirmed) == 1
        assert confirmed[0].at <= paid.heard_at  # less, if the process died meanwhile
        assert confirmed[0].data.reference == paid.word.reference
        assert confirmed[0].data.settled_minor == paid.word.amount_minor
        assert len(reversed_) == (0 if back is None else 1)
        assert payment.status is (Status.CONFIRMED if back is None else Status.FAILED)
    if is_late:
        assert payment.status is Status.CANCELLED
        if paid is not None and not _is_before(card, back, paid):
            assert len(_of(events, EventType.LATE)) == 1


def _judge_sums(card: Card, payment: Payment, events: list[Event]) -> None:
    best = max((s.word.amount_minor or 0 for s in _successes(card)), default=0)
    other = any(s.word.currency == "USD" for s in card.heard)
    parts = max(
        (
            s.word.amount_minor or 0
            for s in card.heard
            if s.word.word is GatewayMeaning.REVERSED
        ),
        default=0,
    )
    is_back = _first(card, GatewayMeaning.REVERSED, None) is not None
    is_short = not is_back and ((best or other) and best - parts < ASKED)
    assert (Flag.UNDERPAID in payment.flags) == bool(is_short)
    assert (Flag.OVERPAID in payment.flags) == (not is_back and best > ASKED)
    assert payment.external.received_minor == best
    if best > ASKED and _of(events, EventType.CONFIRMED):
        (too_much,) = _of(events, EventType.OVERPAID)
        assert too_much.data.excess_minor == best - ASKED


def _judge_end_of_time(card: Card, events: list[Event]) -> None:
    """It expires once and unpaid, not before its time; and not before the end of all
    waiting while its gateway works on it."""
    expired, failed = _of(events, EventType.EXPIRED), _of(events, EventType.FAILED)
    assert len(expired) <= 1
    for event in expired:
        assert event.at >= card.terms.expires_at
        heard = [s for s in card.heard if s.heard_at < event.at]
        kinds = {s.word.word for s in heard}
        if GatewayMeaning.PENDING in kinds and not kinds & {
            GatewayMeaning.SUCCESS,
            GatewayMeaning.FAILED,
        }:
            assert event.at >= card.terms.monitor_until
        enough = [s for s in heard if _is_enough(s)]
        assert not enough, "expired though it was paid"
    for event in failed:
        assert any(
            said.word.word in {GatewayMeaning.FAILED, GatewayMeaning.REVERSED}
            and said.heard_at >= event.at
            for said in card.heard
        )
    is_quiet = not {s.word.word for s in card.heard} - {
        GatewayMeaning.PENDING,
        GatewayMeaning.TOKEN,
    }
    if is_quiet and card.cancelled_at is None:
        assert len(expired) == 1, "it waits for ever"


def _successes(card: Card) -> list[Said]:
    return [
        said
        for said in card.heard
        if said.word.word is GatewayMeaning.SUCCESS and said.word.currency == "EUR"
    ]


def _is_enough(said: Said) -> bool:
    word = said.word
    return (
        word.word is GatewayMeaning.SUCCESS
        and word.currency == "EUR"
        and (word.amount_minor or 0) >= ASKED
    )


def _paid_with(card: Card) -> Said | None:
    return next((said for said in card.heard if _is_enough(said)), None)


def _first(card: Card, kind: GatewayMeaning, amount: int | None) -> Said | None:
    return next(
        (
            said
            for said in card.heard
            if said.word.word is kind and said.word.amount_minor == amount
        ),
        None,
    )


def _is_before(card: Card, one: Said | None, other: Said) -> bool:
    return one is not None and card.heard.index(one) < card.heard.index(other)


def _of(events: list[Event], kind: EventType) -> list[Event]:
    return [event for event in events if event.type is kind]


def test_what_a_gateway_says_is_told_once_whatever_its_order(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(WORLDS):
        try:
            seen += judged(seed, tmp_path)
        except Exception as error:  # noqa: BLE001 - each world is a case
            pytest.fail(f"world {seed}: {error!r}")
    for what in (
        "confirmed", "expired", "failed", "underpaid", "overpaid", "late", "reversed",
        "token_saved", "crash", "repeat",
    ):  # fmt: skip
        assert seen[what] > 1, (what, seen)


def _token_again(patch: pytest.MonkeyPatch) -> None:
    """A saved card is told of as often as its gateway speaks of it."""

    def saved(builder: EventBuilder, word: GatewayWord, token: SavedToken) -> None:
        builder.emit(EventType.TOKEN_SAVED, source=word.gateway, token=token)

    patch.setattr(external_rules, "_saved", saved)


def _token_unsaid(patch: pytest.MonkeyPatch) -> None:
    """What comes with the end of a payment is told, a saved card is not."""
    patch.setattr(external_rules, "_saved", lambda *_word: None)


def _added(patch: pytest.MonkeyPatch) -> None:
    """Two words about one payment are two sums."""
    as_it_is = external_rules._with

    def with_(payment: Payment, word: GatewayWord) -> External:
        said = as_it_is(payment, word)
        if said is payment.external or word.word is not GatewayMeaning.SUCCESS:
            return said
        both = payment.external.received_minor + (word.amount_minor or 0)
        return replace(said, received_minor=both)

    patch.setattr(external_rules, "_with", with_)


def _by_time(patch: pytest.MonkeyPatch) -> None:
    """What a gateway works on expires like all else."""
    patch.setattr(
        external_rules, "_expires_at", lambda payment: payment.terms.expires_at
    )


def _kept(patch: pytest.MonkeyPatch) -> None:
    """What was taken back stays paid."""
    patch.setattr(external_rules, "_taken_back", external_rules._told)


def _failed_later(patch: pytest.MonkeyPatch) -> None:
    """A card that was refused ends a payment that another one had paid."""

    def failed(builder: EventBuilder, word: GatewayWord) -> None:
        builder.emit(EventType.FAILED, status=Status.FAILED, source=word.gateway)

    patch.setattr(external_rules, "_failed", failed)


def _any_currency(patch: pytest.MonkeyPatch) -> None:
    """A dollar is as good as a euro."""
    as_it_is = external_rules._with

    def with_(payment: Payment, word: GatewayWord) -> External:
        return as_it_is(payment, replace(word, currency=""))

    patch.setattr(external_rules, "_with", with_)


@pytest.mark.parametrize(
    "plant",
    [
        _token_again,
        _token_unsaid,
        _added,
        _by_time,
        _kept,
        _failed_later,
        _any_currency,
    ],
)
def test_a_bug_planted_in_the_rules_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch)
    for seed in range(PLANTED_IN):
        try:
            judged(seed, tmp_path)
        except Exception:  # noqa: BLE001 - it was noticed, one way or another
            return
    pytest.fail(f"{PLANTED_IN} worlds and nobody noticed")
