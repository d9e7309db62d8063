"""Paybell's command line.

What runs a node is in `installation.py`, which puts its parts together; it is loaded by
the commands that run one, as each other command loads what it needs alone.
"""

import gc

gc.disable()  # what is loaded stays: looking at it takes a tenth of the time

from transport.cli import standard_streams

standard_streams.open_closed()  # before gevent opens files of its own

from transport.cli.patched import patch

patch()

import os
from typing import Any

import click
import gevent

# Who spawned whom is for debugging; noting it is a quarter of what a spawn costs.
gevent.config.track_greenlet_tree = False

from transport.cli.all_commands import AllCommands
from transport.cli.process import ignore_hangups
from transport.cli.settings import all_settings, config_path, load_config
from transport.cli.version import VERSION


@click.group(cls=AllCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="paybell")
def main() -> None:
    """Tells a shop, the moment it happens, that it has been paid in bitcoin.

    \b
    See it first:   paybell demo
    Then for real:  paybell keys create shop     creates an API key for your shop
                    paybell serve                runs the node, on regtest at first
                    paybell doctor               says what is wrong, and how to fix it

    See --help of each command.
    """
    os.umask(0o077)  # database, its -wal and keys are for their owner only
    gc.freeze()
    gc.enable()


@main.command()
@all_settings
def serve(**options: Any) -> None:
    """Run a node until SIGTERM or Ctrl-C.

    Without any option it listens on this machine only, keeps its data in paybell.db
    and simulates a chain (regtest, devchain) on which `paybell pay` pays.

    Every option is also an environment variable (PAYBELL_HOST, PAYBELL_DB,
    PAYBELL_SOURCES …) and a key of the --config file. Options override environment
    variables, which override the file. Secrets are no options: set them in the
    environment or in the file (PAYBELL_API_KEY, PAYBELL_NODE_KEY,
    PAYBELL_WEBHOOK_BTC_SECRET).

    \b
    Examples:
      paybell serve
      paybell serve --network mainnet --db /var/lib/paybell/paybell.db
      PAYBELL_SOURCES=bitcoind=http://user:pass@127.0.0.1:8332 \\
          paybell serve --network mainnet
    """
    ignore_hangups()
    config = load_config(options)  # what is wrong is told before a node is loaded
    gc.disable()  # what a start makes stays; put_aside() takes it out of sight
    from installation import serve as serve_node

    raise SystemExit(serve_node(config, config_path(options)))


@main.command("demo")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    metavar="PORT",
    help="Port to listen on; if it is in use, a free one.",
)
@click.option("--once", is_flag=True, help="Exit when the payment has been delivered.")
@click.option(
    "--lightning",
    is_flag=True,
    help="Over a real Lightning network, which it starts (make demo ARGS=--lightning).",
)
def demo_command(port: int, once: bool, lightning: bool) -> None:
    """Show one payment in half a minute: created, paid, confirmed, delivered.

    It needs nothing and keeps nothing: the chain is simulated, the database is
    temporary. Afterwards it goes on serving and prints the checkout page's address.
    """
    from installation import show

    raise SystemExit(show(port, once=once, lightning=lightning))


if __name__ == "__main__":
    main()
