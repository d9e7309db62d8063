"""A merchant as a row, and back. Pure; used by whoever reads or saves one."""

from collections.abc import Iterable

from engine.merchants.record import Limits, Merchant, decode_state, encode_state
from engine.store.records import MerchantRecord
from engine.store.writes import MerchantRow

__all__ = ["merchant_row", "merchants_of"]


def merchant_row(merchant: Merchant) -> MerchantRow:
    """What is kept of it."""
    state = encode_state(merchant)
    return MerchantRow(merchant.name, merchant.version, merchant.updated_at, state)


def merchants_of(records: Iterable[MerchantRecord], defaults: Limits) -> list[Merchant]:
    """The merchants of all rows; one whose row is damaged is there as damaged."""
    return [
        decode_state(
            record.name, record.version, record.updated_at, record.state, defaults
        )
        for record in records
    ]
