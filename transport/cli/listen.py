"""`paybell listen`: a node's events on a developer's machine, as its webhooks would be.

It follows `/v1/events` by long polls and posts each event to a URL of this machine or
network, signed as Standard Webhooks are. No channel is made, and nothing of the node is
changed. With `--cursor-file` it goes on where it was, at least once.
"""

import contextlib
import ipaddress
import os
import socket
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import msgspec

from engine.store.epochs import Position
from transport.cli.client import CallFailed, NodeClient
from transport.cli.failures import plain_errors
from transport.cli.hook_forwarder import Forwarder, WireEvent
from transport.cli.options import api_key_option, url_option
from transport.cli.words import say, style
from transport.outbound.webhook import new_secret, parse_secret

__all__ = ["listen"]

WAIT_S: Final = 20.0
PAGE: Final = 100
TIMEOUT_S: Final = WAIT_S + 15.0
LONGEST_PAUSE_S: Final = 30.0
GIVE_UP_AFTER: Final = 8
"""Failed calls of the node in a row: about two minutes."""

MAX_CURSOR: Final = 100

_NOT_OURS: Final = "what answers is not Paybell, or an older one"


def _place(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> str | None:
    if text is not None and text != "newest" and Position.parse(text) is None:
        raise click.BadParameter(f"{text!r} is no cursor, and not the word newest")
    return text


@click.command()
@click.option(
    "--forward-to",
    required=True,
    metavar="URL",
    help="Where to post events, like http://localhost:3000/hook.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Forward only events of this type, like payment.confirmed; may be repeated.",
)
@click.option(
    "--cursor-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Keep in this file how far it came, and go on from there. Without it, it"
    " begins with the next event.",
)
@click.option(
    "--cursor",
    callback=_place,
    metavar="CURSOR",
    help="Begin after this cursor (0: with the first event that is kept), if the file"
    " does not say otherwise.",
)
@click.option(
    "--public",
    is_flag=True,
    help="Allow a URL that is on neither this machine nor a private network.",
)
@api_key_option
@url_option
def listen(
    forward_to: str,
    types: tuple[str, ...],
    cursor_file: Path | None,
    cursor: str | None,
    public: bool,
    api_key: str | None,
    url: str,
) -> None:
    """Forward a node's events to a URL of this machine, signed; Ctrl-C ends it.

    The secret is made anew at each start and printed once; to keep one, set
    PAYBELL_LISTEN_SECRET. Events of a payment come in order, one at a time, and again
    until they are answered with 2xx (about a minute). Events may come twice after a
    restart, as webhooks may: their webhook-id is the same.

    \b
    Examples:
      paybell listen --forward-to http://localhost:3000/hook
      paybell listen --forward-to http://localhost:3000/hook --cursor-file cursor
    """
    if not api_key:
        raise click.UsageError(
            "a key is needed: PAYBELL_KEY or --api-key; make one with `keys create`"
        )
    _check_place(forward_to, public=public)
    secret = _secret()
    start = _kept(cursor_file) or cursor or "newest"
    node = NodeClient(url, api_key, timeout_s=TIMEOUT_S)
    follower = _Follower(node, forward_to, secret, frozenset(types), cursor_file)
    with contextlib.suppress(KeyboardInterrupt):
        follower.run(start)


def _check_place(url: str, *, public: bool) -> None:
    """Of this machine or a private network, as far as its name says today."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if not host or scheme not in {"http", "https"}:
        raise click.UsageError("--forward-to is no http or https URL")
    if public:
        return
    try:
        found = socket.getaddrinfo(host, port or 80, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise click.UsageError(f"{host} has no address: {error}") from error
    for *_, place in found:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        if not (address.is_loopback or address.is_private):
            raise click.UsageError(
                f"{host} is neither this machine nor of a private network: events"
                " hold what your customers do. Say --public if you mean it"
            )


def _secret() -> str:
    kept = os.environ.get("PAYBELL_LISTEN_SECRET", "")
    if not kept:
        secret = new_secret()
        say("signing secret: ", style(secret, bold=True), "  (not shown again)")
        return secret
    try:
        parse_secret(kept)
    except ValueError as error:
        raise click.UsageError(f"PAYBELL_LISTEN_SECRET: {error}") from error
    return kept


def _kept(file: Path | None) -> str | None:
    """The cursor in the file; None: there is none yet."""
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_CURSOR).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from error
    if Position.parse(text) is None:
        raise click.ClickException(f"{file} holds no cursor: remove it to begin anew")
    return text


class _Follower:
    """Reads the node's events and hands them on."""

    def __init__(
        self,
        node: NodeClient,
        forward_to: str,
        secret: str,
        types: frozenset[str],
        file: Path | None,
    ) -> None:
        self._node, self._types, self._file = node, types, file
        self._epoch = ""  # in which the cursor counts
        self._read_to = 0  # offset of the last event that was read
        self._written = ""
        self._forwarder = Forwarder(forward_to, secret, self._keep)

    def run(self, cursor: str) -> None:
        """Until it is interrupted. Raises `ClickException` if the node is away for
        long, or does not know the cursor."""
        failures = 0
        try:
            while True:
                try:
                    cursor = self._step(cursor)
                    failures = 0
                except CallFailed as error:
                    failures += 1
                    if failures >= GIVE_UP_AFTER or not error.may_pass:
                        raise click.ClickException(_advice(error)) from error
                    say(style(f"again soon: {error}", "yellow"), err=True)
                    time.sleep(min(0.5 * 2**failures, LONGEST_PAUSE_S))
        finally:
            self._forwarder.stop()
            with plain_errors():
                self._keep()

    def _step(self, cursor: str) -> str:
        page = self._node.get(
            "/v1/events", cursor=cursor, limit=str(PAGE), wait_s=f"{WAIT_S:g}"
        )
        try:
            after = str(page["next_cursor"])
            told = [WireEvent(_encoded(one), one) for one in page["data"]]
            position = Position.parse(after)
        except (TypeError, KeyError, ValueError) as error:
            raise CallFailed(_NOT_OURS, 200) from error
        if position is None:
            raise CallFailed(_NOT_OURS, 200)
        if not self._epoch:
            say(f"listening from {after}; Ctrl-C ends it", err=True)
        self._epoch = position.epoch or self._epoch
        for one in told:
            if not self._types or one.event["type"] in self._types:
                self._forwarder.put(one)
        self._read_to = position.number
        self._keep()
        return after

    def _keep(self) -> None:
        """Write down how far all came, in place of what was written."""
        if self._file is None or not self._epoch:
            return
        done = self._forwarder.done_up_to
        if not self._forwarder.is_busy:
            done = max(done, self._read_to)
        cursor = str(Position(self._epoch, done))
        if done == 0 or cursor == self._written:
            return
        beside = self._file.with_name(f".{self._file.name}.new")
        try:
            with beside.open("w", encoding="ascii") as opened:
                opened.write(cursor + "\n")
                opened.flush()
                os.fsync(opened.fileno())
            beside.replace(self._file)
        except OSError as error:
            say(style(f"cannot write {self._file}: {error.strerror}", "red"), err=True)
            return
        self._written = cursor


def _encoded(event: Any) -> bytes:
    if not isinstance(event, dict):
        raise TypeError("event")
    return msgspec.json.encode(event)


def _advice(error: CallFailed) -> str:
    if error.status == 410:
        return f"{error}. Remove the --cursor-file to begin with the next event"
    return str(error)
