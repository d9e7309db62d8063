"""The commands beside `serve` and `demo`, which run.py has."""

from typing import Final

import click

from transport.cli import (
    backup,
    commands,
    compact,
    doctor,
    forwarding,
    keys,
    ledger,
    offline,
    wallet,
)

__all__ = ["COMMANDS"]

COMMANDS: Final[tuple[click.Command, ...]] = (
    commands.pay,
    commands.watch,
    commands.payments,
    offline.replay,
    doctor.doctor,
    backup.backup,
    backup.restore,
    compact.compact,
    keys.keys,
    wallet.wallet,
    ledger.ledger,
    ledger.export,
    forwarding.forwarding,
)
