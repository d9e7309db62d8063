"""The commands beside `serve` and `demo`, which run.py has; each is loaded when it is
called, so that `paybell pay` does not wait for what only a node needs.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

from transport.cli.failures import Commands

__all__ = ["COMMANDS", "AllCommands"]

COMMANDS: Final[Mapping[str, str]] = {
    "pay": "commands",
    "watch": "commands",
    "payments": "commands",
    "listen": "listen",
    "trigger": "trigger",
    "replay": "offline",
    "doctor": "doctor",
    "backup": "backup",
    "restore": "backup",
    "compact": "compact",
    "keys": "keys",
    "wallet": "wallet",
    "ledger": "ledger",
    "export": "ledger",
    "forwarding": "forwarding",
}
"""The name of each command, and the file beside this one that has it under its name."""


class AllCommands(Commands):
    """The group of them all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        file = COMMANDS.get(cmd_name)
        if file is None:
            return super().get_command(ctx, cmd_name)
        found = getattr(import_module(f"transport.cli.{file}"), cmd_name)
        assert isinstance(found, click.Command), cmd_name
        return found
