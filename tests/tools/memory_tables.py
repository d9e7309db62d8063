"""The tables of the store in memory, and how a write changes them.

`written` is what the journal does with one `Write`: all of it, or nothing and a
`Conflict`. Each rule here is the port's, said without SQL.
"""

from typing import Any

import msgspec

from engine.payment.events import CommittedEvent, Event
from engine.store.records import KeyRecord, MerchantRecord, ToldAlert
from engine.store.writes import (
    MAX_BLOCKS_READ_AGAIN,
    NO_PLACE,
    AddressRow,
    ApiKey,
    ChannelRow,
    Committed,
    Conflict,
    CustomerRow,
    DeliveryResult,
    Entry,
    FillSearch,
    Forget,
    ForgetDeliveries,
    ForgetIdempotency,
    InboundWebhook,
    KeptAnswer,
    LedgerEntry,
    MerchantRow,
    MoveOutgoing,
    MoveRefund,
    MoveTill,
    NewOutgoing,
    NewTill,
    OpenRefund,
    OrdersRow,
    PauseForwarding,
    Prune,
    PurgeDeliveries,
    QueueForward,
    ReadAgain,
    Release,
    RemoveChannel,
    Requeue,
    RevokeKey,
    Row,
    ShrinkFile,
    SourceTip,
    ToldRow,
    Unqueue,
    UnqueueTill,
    UpstreamCursor,
    WalletKeyRow,
    WalletRecord,
    WalletSecretRow,
    Whole,
    Write,
)
from tests.tools import memory_rows, memory_wallets
from tests.tools.memory_history import AddHistory, ForgetHistory, write_history
from tests.tools.memory_ledger import post_event, post_row
from tests.tools.memory_lightning import note_invoice
from tests.tools.memory_outgoing import queue_events, write_outgoing
from tests.tools.memory_refunds import move_refund, open_refund
from tests.tools.memory_rows import Delivery, EventRow, PaymentRow, Refused, Tables
from tests.tools.memory_till import queue_for_till, write_till

__all__ = ["Delivery", "EventRow", "PaymentRow", "Tables", "written"]


def written(tables: Tables, write: Write) -> Committed | Conflict:
    """What became of it."""
    try:
        events = tuple(
            committed for entry in write.entries for committed in _enter(tables, entry)
        )
        changed = sum(_write(tables, row) for row in write.rows)
    except Refused as refused:
        tables.take_back()
        return refused.conflict
    tables.keep()
    return Committed(events, changed)


# -- events and payments ---------------------------------------------------------------


def _enter(tables: Tables, entry: Entry) -> list[CommittedEvent]:
    payment, terms = entry.payment, entry.payment.terms
    stored = tables.payments.get(payment.id)
    before = 0 if stored is None else stored.payment.seq
    if entry.events[0].seq != before + 1:
        raise Refused("seq", f"{payment.id} is at seq {before}")
    committed = []
    for event in entry.events:
        offset = max(tables.events, default=0) + 1  # the newest is always kept
        tables.put(tables.events, offset, EventRow(event, terms))
        post_event(tables, event, terms)
        wire = tables.wire(offset, event, terms)
        committed.append(CommittedEvent(offset, event, terms.merchant, wire))
        for channel in tables.channels.values():
            if _wants(channel, event, terms.merchant):
                owed = Delivery(payment.id, event.seq)
                tables.put(tables.outbox, (channel.id, offset), owed)
    queue_events(tables, entry)
    queue_for_till(tables, entry)
    note_invoice(tables, entry)
    if stored is not None:
        moved = PaymentRow(stored.rank, payment, stored.watched)
        tables.put(tables.payments, payment.id, moved)
        return committed
    if terms.address in tables.watched:
        raise Refused("address", f"{terms.address} is watched by another payment")
    rank = 1 + max((row.rank for row in tables.payments.values()), default=0)
    tables.put(tables.payments, payment.id, PaymentRow(rank, payment, True))
    tables.put(tables.watched, terms.address, payment.id)
    return committed


def _wants(channel: ChannelRow, event: Event, merchant: str) -> bool:
    return (
        channel.enabled
        and channel.merchant in {merchant, "*"}
        and (not channel.types or event.type.value in channel.types)
    )


def _release(tables: Tables, row: Release) -> int:
    stored = tables.payments.get(row.payment_id)
    if stored is None:
        return 0
    if stored.watched:
        tables.drop(tables.watched, stored.terms.address)
    released = PaymentRow(stored.rank, stored.payment, False)
    tables.put(tables.payments, row.payment_id, released)
    return 1


# -- rows beside them ------------------------------------------------------------------


def _write(tables: Tables, row: Row) -> int:
    """How much it changed."""
    match row:
        case KeptAnswer():
            return _insert(
                tables, tables.answers, (row.scope, row.key), row, "idempotency"
            )
        case InboundWebhook():
            key = row.provider, row.dedupe
            return _insert(tables, tables.inbound, key, row, "inbound")
        case ForgetIdempotency():
            named = row.scope, row.key
            old = [k for k, answer in tables.answers.items() if answer.at < row.before]
            old.sort(key=lambda k: (k != named, tables.answers[k].at))
            old = old[: row.limit + (named in old)]
            for answer in old:
                tables.drop(tables.answers, answer)
            return len(old)
        case CustomerRow():
            return _insert(tables, tables.customers, row.payment_id, row, "other")
        case Release():
            return _release(tables, row)
        case SourceTip():
            tables.put(tables.tips, row.source, row)
        case ReadAgain():
            return _read_again(tables, row)
        case ApiKey():
            return _add_key(tables, row)
        case RevokeKey():
            return _revoke(tables, row)
        case MerchantRow():
            kept = MerchantRecord(row.name, row.version, row.updated_at, row.state)
            tables.put(tables.merchants, row.name, kept)
        case ChannelRow():
            before = tables.channels.get(row.id)
            if row.replaces is not None and (
                before is None or before.state not in row.replaces
            ):
                return 0
            tables.put(tables.channels, row.id, row)
        case PurgeDeliveries():
            return 0  # nothing is left here of what was removed
        case RemoveChannel():
            return _remove_channel(tables, row)
        case DeliveryResult():
            _deliver(tables, row)
        case Requeue():
            return _requeue(tables, row)
        case Whole():
            return memory_rows.must_be_whole(tables, row)
        case Prune():
            return _prune(tables, row)
        case FillSearch():
            return 0
        case Forget():
            return _forget(tables, row)
        case ForgetDeliveries():
            return _forget_deliveries(tables, row)
        case ToldRow():
            return _tell(tables, row)
        case AddHistory() | ForgetHistory():
            return write_history(tables, row)
        case OrdersRow():
            _count_orders(tables, row)
        case OpenRefund():
            return open_refund(tables, row)
        case MoveRefund():
            return move_refund(tables, row)
        case WalletRecord():
            tables.put(tables.wallets, row.id, row)
        case AddressRow():
            memory_wallets.draw(tables, row)
        case WalletSecretRow():
            return _insert(tables, tables.wallet_secrets, row.wallet, row, "other")
        case WalletKeyRow():
            drawn = row.wallet, row.script
            return _insert(tables, tables.wallet_keys, drawn, row, "other")
        case LedgerEntry():
            return post_row(tables, row)
        case ShrinkFile():
            return 0
        case (
            NewOutgoing()
            | MoveOutgoing()
            | QueueForward()
            | Unqueue()
            | PauseForwarding()
        ):
            return write_outgoing(tables, row)
        case NewTill() | MoveTill() | UnqueueTill():
            return write_till(tables, row)
        case UpstreamCursor():
            tables.put(tables.upstreams, row.name, row)
    return 1


def _insert(
    tables: Tables, table: dict[Any, Any], key: Any, row: Row, what: str
) -> int:
    if key in table:
        raise Refused(what, f"{key} is there already")
    tables.put(table, key, row)
    return 1


def _tell(tables: Tables, row: ToldRow) -> int:
    key = row.channel_id, row.kind, row.subject
    if not row.is_over:
        told = ToldAlert(row.kind, row.subject, row.detail, row.since)
        tables.put(tables.told, key, told)
    elif key in tables.told:
        tables.drop(tables.told, key)
    else:
        return 0
    return 1


def _count_orders(tables: Tables, row: OrdersRow) -> None:
    for key in [k for k in tables.hours if k[0] == row.merchant]:
        if key[1] < row.keep_from:
            tables.drop(tables.hours, key)
    key = row.merchant, row.hour
    tables.put(tables.hours, key, tables.hours.get(key, 0) + row.orders)


def _read_again(tables: Tables, row: ReadAgain) -> int:
    further = [
        name
        for name, tip in tables.tips.items()
        if row.height < tip.height <= row.height + MAX_BLOCKS_READ_AGAIN
        and name not in NO_PLACE
    ]
    for name in further:
        tables.put(tables.tips, name, SourceTip(name, row.height, row.hash))
    return len(further)


def _add_key(tables: Tables, row: ApiKey) -> int:
    if row.id in tables.keys or row.hash in {k.hash for k in tables.keys.values()}:
        raise Refused("other", f"the key {row.id} is there already")
    made = KeyRecord(
        row.id, row.name, row.merchant, row.hash, row.created_at, None, row.scopes
    )
    tables.put(tables.keys, row.id, made)
    return 1


def _revoke(tables: Tables, row: RevokeKey) -> int:
    key = tables.keys.get(row.id)
    if key is None or key.revoked_at is not None:
        return 0
    revoked = msgspec.structs.replace(key, revoked_at=row.at)
    tables.put(tables.keys, row.id, revoked)
    return 1


def _remove_channel(tables: Tables, row: RemoveChannel) -> int:
    for key in [key for key in tables.outbox if key[0] == row.id]:
        tables.drop(tables.outbox, key)
    for told in [key for key in tables.told if key[0] == row.id]:
        tables.drop(tables.told, told)
    if row.id not in tables.channels:
        return 0
    tables.drop(tables.channels, row.id)
    return 1


def _deliver(tables: Tables, row: DeliveryResult) -> None:
    number = max(tables.attempts, default=0) + 1
    tables.put(tables.attempts, number, row)
    key = row.channel_id, row.offset
    owed = tables.outbox.get(key)
    if owed is not None:
        after = Delivery(
            owed.payment_id,
            owed.seq,
            row.state,
            row.attempt,
            row.next_at,
            row.refusals,
            row.refused_at,
        )
        tables.put(tables.outbox, key, after)


def _requeue(tables: Tables, row: Requeue) -> int:
    again = [
        (key, owed)
        for key, owed in tables.outbox.items()
        if _is_meant(tables, row, key, owed)
    ]
    for key, owed in again:
        pending = Delivery(owed.payment_id, owed.seq, next_at=row.at)
        tables.put(tables.outbox, key, pending)
    return len(again)


def _is_meant(
    tables: Tables, row: Requeue, key: tuple[str, int], owed: Delivery
) -> bool:
    channel, at = tables.channels[key[0]], tables.events[key[1]].event.at
    return (
        channel.enabled
        and row.merchant in {None, channel.merchant}
        and row.channel_id in {None, channel.id}
        and row.payment_id in {None, owed.payment_id}
        and row.offset in {None, key[1]}
        and (row.since is None or at >= row.since)
        and (row.until is None or at < row.until)
        and (not row.dead_only or owed.state == "dead")
    )


# -- retention -------------------------------------------------------------------------


def _prune(tables: Tables, row: Prune) -> int:
    stored = tables.payments.get(row.payment_id)
    if stored is None or stored.watched or stored.payment.seq != row.seq:
        return 0
    events = [o for o, e in tables.events.items() if e.terms.id == row.payment_id]
    if max(tables.events) in events:
        return 0
    for key in [key for key in tables.outbox if key[1] in events]:
        tables.drop(tables.outbox, key)
    if row.payment_id in tables.customers:
        tables.drop(tables.customers, row.payment_id)
    for offset in events:
        tables.drop(tables.events, offset)
        tables.put(tables.pruned, offset, stored)
    return len(events)


def _forget(tables: Tables, row: Forget) -> int:
    log: dict[Any, Any] = tables.attempts if row.log == "attempts" else tables.inbound
    oldest = list(log)[: row.limit]
    old = [key for key in oldest if log[key].at < row.before]
    for key in old:
        tables.drop(log, key)
    return len(old)


def _forget_deliveries(tables: Tables, row: ForgetDeliveries) -> int:
    told = [
        key
        for key, owed in tables.outbox.items()
        if key[0] == row.channel_id
        and row.after < key[1] <= row.up_to
        and owed.state == "delivered"
    ]
    for key in told:
        tables.drop(tables.outbox, key)
    return len(told)
