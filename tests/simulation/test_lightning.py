"""Paid once is confirmed once, and nothing is lost: worlds of payments by Lightning.

`PAYBELL_LIGHTNING_WORLDS=1000` runs more.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.watching import invoice
from engine.payment import lightning_rules, losses, review, rules
from engine.payment.events import Event
from engine.payment.model import EventType, Flag, Invoice, Payment, Status
from engine.store.sqlite.ledger_check import findings
from tests.simulation.lightning_world import ASKED_SAT, LightningWorld, Payer
from tests.simulation.plant import Plant

WORLDS = int(os.environ.get("PAYBELL_LIGHTNING_WORLDS", "6"))
PLANTED_IN = 40


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def judged(seed: int, folder: Path) -> Counter[str]:
    """What a world came to. Raises `AssertionError`: something is not as it must be."""
    world = LightningWorld(seed, folder)
    try:
        world.run()
        seen: Counter[str] = Counter()
        for payer in world.payers:
            _judge(world, payer, seen)
        assert list(findings(world.journal.connection)) == []
        seen["crash"], seen["silence"] = world.crashes, world.silences
        seen["word"] = world.repeats
        return seen
    finally:
        world.close()


def _judge(world: LightningWorld, payer: Payer, seen: Counter[str]) -> None:
    store, name = world.stage.store, payer.terms.id
    events = [one.event for one in store.history(name)]
    payment = store.payment(name)
    assert payment is not None
    assert [event.seq for event in events] == [*range(1, len(events) + 1)]
    seen.update(event.type.removeprefix("payment.") for event in events)
    for payment_hash in (payer.payment_hash, *payer.rests):
        _judge_invoice(payer, payment_hash, events)
    sat = sum(msat // 1_000 for msat in payer.paid.values())
    deep = sum(s for s, height in payer.coins if world.tip - height + 1 >= 2)
    assert payment.received_sat == sat + sum(s for s, _ in payer.coins)
    _judge_end(payer, payment, events, sat, deep)
    seen["rest"] += len(payer.rests)
    seen["rest paid"] += len(payer.rests_paid)
    if payer.rests_paid and payer.paid_msat:
        seen["rest and whole"] += 1
    first_sat = payer.paid_msat // 1_000
    if payer.paid_msat and not payer.is_cancelled and first_sat >= ASKED_SAT:
        for event in _of(events, EventType.EXPIRED):
            assert event.at < payer.paid_at, "expired though its node had been paid"
    if sat >= ASKED_SAT and deep >= ASKED_SAT and not payer.is_cancelled:
        assert Flag.OVERPAID in payment.flags
        assert _of(events, EventType.OVERPAID)
        seen["both in full"] += 1
    if first_sat == ASKED_SAT // 2 and deep == ASKED_SAT // 2:
        seen["half by each way"] += 1


def _judge_invoice(payer: Payer, payment_hash: str, events: list[Event]) -> None:
    told = [e for e in _of(events, EventType.DETECTED) if e.txid == payment_hash]
    msat = payer.paid.get(payment_hash)
    assert len(told) == (0 if msat is None else 1), "told once, and not lost"
    for event in told:
        assert msat is not None
        assert event.data.receipt is not None
        assert event.data.receipt.amount_sat == msat // 1_000
    if payment_hash in payer.rests_paid:  # it made the payment's sum full
        for event in _of(events, EventType.EXPIRED):
            assert event.at < payer.rests_paid[payment_hash], "expired, though paid"


def _judge_end(
    payer: Payer, payment: Payment, events: list[Event], sat: int, deep: int
) -> None:
    confirmed = _of(events, EventType.CONFIRMED)
    assert not _of(events, EventType.REVERSED)
    assert not _of(events, EventType.REPLACED)
    if payer.is_cancelled:
        assert payment.status is Status.CANCELLED
        assert confirmed == []
        return
    is_enough = sat + deep >= ASKED_SAT
    assert len(confirmed) == (1 if is_enough else 0), (sat, deep, payment.status)
    wanted = Status.CONFIRMED if is_enough else Status.EXPIRED
    assert payment.status is wanted, (payment.status, sat, deep)
    for event in confirmed:
        assert event.data.settled_sat is not None
        assert event.data.settled_sat >= ASKED_SAT


def _of(events: list[Event], kind: EventType) -> list[Event]:
    return [event for event in events if event.type is kind]


def test_paid_once_is_confirmed_once_and_nothing_is_lost(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(WORLDS):
        try:
            seen += judged(seed, tmp_path)
        except Exception as error:  # noqa: BLE001 - each world is a case
            pytest.fail(f"world {seed}: {error!r}")
    for what in ("confirmed", "expired", "overpaid", "crash", "silence", "word"):
        assert seen[what] > 1, (what, seen)
    assert seen["half by each way"] + seen["both in full"] > 1, seen
    assert seen["rest paid"] > 1, seen


def _twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A settled invoice counts each time that its node says so."""
    monkeypatch.setattr(lightning_rules, "was_paid", lambda *_invoice: False)


def _by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payment expires by time alone."""
    monkeypatch.setattr(rules, "has_open_invoice", lambda _payment: False)


def _gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view takes a settled invoice away that it does not list."""
    monkeypatch.setattr(losses, "is_unconfirmed", lambda r: r.block_hash is None)


def _silent_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much is told to nobody."""
    monkeypatch.setattr(lightning_rules, "emit_sums", lambda _builder: None)


def _rest_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payment expires though only its first invoice was asked about."""

    def first(payment: Payment) -> tuple[Invoice, ...]:
        return open_invoices(payment)[:1]

    open_invoices = lightning_rules.open_invoices
    monkeypatch.setattr(review, "open_invoices", first)
    monkeypatch.setattr(invoice, "open_invoices", first)
    monkeypatch.setattr(lightning_rules, "open_invoices", first)


@pytest.mark.parametrize("plant", [_twice, _by_time, _gone, _silent_sum, _rest_unasked])
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
