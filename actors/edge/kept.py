"""What the edges have kept and look up: keys, merchants, first answers, webhooks.

The rows beside the payments. A write is put before the journal and waited for; nothing
here is an actor's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from gevent.event import AsyncResult

from actors.edge.answers import good
from actors.edge.wallets import WalletDesk
from actors.node import Node
from engine.delivery.channel import Channel, channel_of, channel_row
from engine.errors import Duplicate, EngineBusy
from engine.gateway import COUNT_UP_TO
from engine.gateways.wallets import WalletReport
from engine.merchants.record import Limits, Merchant
from engine.payment.history import Sum
from engine.policy.periods import DAY_MS, HOUR_MS
from engine.runtime.yielding import yielding_every
from engine.store.merchant_rows import merchant_row
from engine.store.port import StoreReader
from engine.store.records import (
    AttemptView,
    Backlog,
    DeliveryRecord,
    IdempotentAnswer,
    KeyRecord,
)
from engine.store.wallet_rows import rows_of_descriptor
from engine.store.writes import (
    ApiKey,
    Committed,
    ForgetIdempotency,
    InboundWebhook,
    KeptAnswer,
    Outcome,
    Place,
    RemoveChannel,
    RevokeKey,
    Row,
    WalletRecord,
    Write,
)

__all__ = ["ASK_S", "KeptRows", "too_late"]

ASK_S = 10.0
"""How long an edge waits for an answer; even a slow disk commits well under 1 s."""

ENDED_SESSION: Final = "ended session"
"""No caller has this scope: theirs end in the path of what they called."""


class KeptRows:
    """Base of the gateway; see `engine.gateway.Gateway`."""

    def __init__(
        self,
        node: Node,
        store: StoreReader,
        wallets: WalletDesk,
        orders: StoreReader | None = None,
    ) -> None:
        """`orders`: where is read what a new payment needs, so that it does not wait
        behind what anybody asks for; None: where all is read."""
        self._node = node
        self._store = store
        self._orders = orders or store
        self._wallets = wallets

    def now(self) -> int:
        return self._node.clock.now()

    def idempotent_answer(
        self, scope: str, key: str, former: str | None = None
    ) -> IdempotentAnswer | None:
        since = self.replayed_since()
        return self._orders.idempotent_answer(scope, key, since, former)

    def replayed_since(self) -> int:
        """ms. Older answers are forgotten, so that a key can be used anew."""
        return self.now() - self._node.settings.keep_answers_h * HOUR_MS

    def end_session(self, session_id: str) -> None:
        # Kept as the answer to a key of its own: it is forgotten when those are, and
        # each that is written takes some of the oldest with it.
        now = self.now()
        forget = ForgetIdempotency(self.replayed_since(), ENDED_SESSION, session_id)
        ended = KeptAnswer(ENDED_SESSION, session_id, b"", 204, b"", now)
        with suppress(Duplicate):
            self._commit(Write(rows=(forget, ended)))

    def is_session_ended(self, session_id: str) -> bool:
        return self.idempotent_answer(ENDED_SESSION, session_id) is not None

    def keys(self) -> list[KeyRecord]:
        return self._store.api_keys()

    def save_key(self, key: ApiKey, alert: str | None = None) -> None:
        self._write(key)
        if alert is not None:
            self.alert_for_a_day("key.moves_money", key.id, alert, key.merchant)

    def revoke_key(self, key_id: str) -> None:
        self._write(RevokeKey(key_id, self.now()))

    def merchant(self, name: str) -> Merchant:
        return self._node.merchants.get(name)

    def at_lightning_address(self, name: str) -> Merchant | None:
        return self._node.merchants.at_lightning_address(name)

    def limits(self) -> Limits:
        return self._node.merchants.defaults

    def merchants(self) -> int:
        return len(self._node.merchants)

    def has_webhook_secret(self, provider: str) -> bool:
        return self._node.merchants.has_secret(provider)

    def takes_site_tokens(self) -> bool:
        return self._node.merchants.takes_tokens

    def identifies_without_secret(self, merchant: str | None) -> bool:
        return self._node.merchants.identifies_without_secret(merchant)

    def save_merchant(self, merchant: Merchant, alert: str | None = None) -> None:
        wallets = rows_of_descriptor(
            merchant,
            self._wallets.of_merchant(merchant.name),
            self._node.settings.network,
            self.now(),
        )
        self._commit(Write(rows=(merchant_row(merchant), *wallets)))
        self._node.merchants.put(merchant)
        self._wallets.load(wallets)
        if alert is not None:
            name = merchant.name
            self.alert_for_a_day("merchant.changed", name, alert, name)

    def alert_for_a_day(
        self, kind: str, subject: str, detail: str, merchant: str | None
    ) -> None:
        """Of what somebody did: a person looks once a day, and it is never over."""
        self._node.alerts.raise_(kind, subject, detail, self.now(), DAY_MS, merchant)

    def wallet(self, merchant: str) -> WalletRecord | None:
        return self._wallets.present(merchant)

    def wallet_reports(self, merchant: str | None, limit: int) -> list[WalletReport]:
        return self._wallets.reports(merchant, limit)

    def note_webhook(self, webhook: InboundWebhook) -> None:
        self._write(webhook)

    def channels_page(
        self, merchant: str | None, after: tuple[int, str], limit: int
    ) -> list[Channel]:
        return [
            channel_of(row) for row in self._store.channels_page(merchant, after, limit)
        ]

    def channels(self, merchant: str | None = None) -> list[Channel]:
        return [
            channel_of(row) for row in yielding_every(self._store.channels(merchant))
        ]

    def channel(self, channel_id: str) -> Channel | None:
        row = self._store.channel(channel_id)
        return None if row is None else channel_of(row)

    def save_channel(self, channel: Channel) -> None:
        self._write(channel_row(channel))

    def remove_channel(self, channel_id: str) -> bool:
        return bool(self._write(RemoveChannel(channel_id)))

    def attempts(
        self, channel_id: str, before_id: int | None, limit: int
    ) -> list[AttemptView]:
        return self._store.attempts(channel_id, before_id, limit)

    def deliveries_of(
        self, payment_id: str, merchant: str | None, after: Place, limit: int
    ) -> list[DeliveryRecord]:
        return self._store.deliveries_of(payment_id, merchant, after, limit)

    def backlog(
        self, channel_id: str, state: str, after: tuple[str, int], limit: int
    ) -> Backlog:
        return self._store.backlog(channel_id, state, after, limit, COUNT_UP_TO)

    def history_sums(
        self, step_s: int, merchant: str, series: Sequence[str], since: int, until: int
    ) -> list[Sum]:
        return self._store.history_sums(step_s, merchant, series, since, until)

    def _write(self, row: Row) -> int:
        """Commit it; how many rows that changed."""
        return self._committed(row).changed

    def _committed(self, row: Row) -> Committed:
        return self._commit(Write(rows=(row,)))

    def _commit(
        self, write: Write, then: Callable[[], object] = lambda: None
    ) -> Committed:
        """`then`: done once it is committed, also if nobody waits for it any more."""
        reply: AsyncResult[Any] = AsyncResult()

        def answered(outcome: Outcome) -> None:
            if isinstance(outcome, Committed):
                then()
            reply.set(outcome)

        self._node.append(write, answered)
        reply.wait(timeout=ASK_S)
        if not reply.ready():
            raise too_late()
        answer = good(reply.get())
        return answer if isinstance(answer, Committed) else Committed()


def too_late() -> EngineBusy:
    """Nobody knows whether it was done."""
    return EngineBusy(f"no answer within {ASK_S:.0f} s", unknown=True)
