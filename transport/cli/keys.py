"""`paybell keys`: make, list and revoke keys of the control API.

Without --url they open the database themselves, which no node may hold meanwhile;
with --url a running node does it, for whoever shows it a key of the whole node.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from engine.errors import DatabaseInUse, InvalidInput
from engine.merchants.name import merchant_name
from engine.merchants.roles import Role, scopes_of_role
from engine.merchants.scopes import Scope, default_scopes, scopes_of
from engine.store.writes import ApiKey, Committed, RevokeKey, Write
from transport.cli.client import NodeClient
from transport.cli.database import open_database
from transport.cli.failures import plain_errors
from transport.cli.options import api_key_option
from transport.cli.settings import database_settings, load_config
from transport.cli.words import say
from transport.http.auth import hash_key, new_key

__all__ = ["keys"]

MAX_NAME = 100

Command = TypeVar("Command", bound=Callable[..., Any])


def _where(command: Command) -> Command:
    """A running node, or else the database."""
    option = click.option(
        "--url",
        envvar="PAYBELL_URL",
        metavar="URL",
        help="Ask the node at this URL, with a key of the whole node, instead of"
        " opening the database; also PAYBELL_URL.",
    )
    return option(api_key_option(database_settings(command)))


@click.group()
def keys() -> None:
    """Create, list and revoke keys of the control API.

    Without --url, the command opens the database itself; stop the node first. To ask
    a running node, give --url and put a key of the whole node (one created without
    --merchant) in PAYBELL_KEY.

    \b
    Examples:
      paybell keys create shop
      paybell keys create till --merchant cafe --url http://127.0.0.1:8080
      paybell keys create board --merchant cafe --role viewer
      paybell keys list
      paybell keys revoke key_1a2b3c4d5e6f
    """


@keys.command("create")
@click.argument("name")
@click.option(
    "--merchant",
    metavar="NAME",
    help="Limit the key to one merchant's payments; without this, the key opens the"
    " whole node.",
)
@click.option(
    "--scope",
    "words",
    multiple=True,
    metavar="SCOPE",
    help=f"What the key may: {', '.join(Scope)}. Repeat it for several. Without it: all"
    " but refund (and operator, which only a key of the whole node has).",
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="What its owner is, in the place of scopes: a viewer looks; a cashier also"
    " creates payments; an operator also confirms, refunds and keeps the settings; an"
    " admin has the whole node.",
)
@_where
def create_key(
    name: str,
    merchant: str | None,
    words: tuple[str, ...],
    role: str | None,
    url: str | None,
    api_key: str | None,
    **settings: Any,
) -> None:
    """Create a key called NAME and print it.

    The key is printed only once, on standard output; the node stores only its hash.
    Example: PAYBELL_KEY=$(paybell keys create shop)
    """
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise click.UsageError(f"NAME must be 1 to {MAX_NAME} printable characters")
    if role is not None and words:
        raise click.UsageError("give --role or --scope, not both")
    scopes = _scopes(words, role, merchant)
    made_db = None
    if url is not None:
        with plain_errors():
            body = {"name": name, "merchant": merchant, "scopes": list(scopes)}
            made = _node(url, api_key).post("/v1/keys", body)
            key_id, text = str(made["id"]), str(made["key"])
    else:
        db = load_config(settings).db
        made_db = None if Path(db).exists() else db
        key_id, text = _create_in_database(settings, name, merchant, scopes)
    whose = f"merchant: {merchant or 'all'}  scopes: {','.join(scopes)}"
    say(f"{key_id}  {name}  {whose}", err=True)
    if made_db is not None:
        say(
            f"made {made_db}, a new database: this key opens a node with --db {made_db}"
            " and no other",
            err=True,
        )
    say(text)


def _scopes(
    words: tuple[str, ...], role: str | None, merchant: str | None
) -> tuple[Scope, ...]:
    try:
        if merchant is not None:
            merchant_name(merchant)
        if role is not None:
            return scopes_of_role(role, merchant)
        return scopes_of(words, merchant) if words else default_scopes(merchant)
    except InvalidInput as error:
        raise click.UsageError(str(error)) from error


def _create_in_database(
    settings: dict[str, Any],
    name: str,
    merchant: str | None,
    scopes: tuple[Scope, ...],
) -> tuple[str, str]:
    text = new_key()
    row = ApiKey(
        id=f"key_{secrets.token_hex(6)}",
        name=name,
        merchant=merchant,
        hash=hash_key(text),
        created_at=time.time_ns() // 1_000_000,
        scopes=scopes,
    )
    with _database(settings) as database:
        _must(database.commit(Write(rows=(row,))))
    return row.id, text


@keys.command("list")
@_where
def list_keys(url: str | None, api_key: str | None, **settings: Any) -> None:
    """List the keys. The keys themselves are not stored and cannot be shown."""
    if url is not None:
        with plain_errors():
            data = _node(url, api_key).get("/v1/keys")["data"]
            found = [
                (k["id"], k["revoked_at"], k["merchant"], k["name"], k["scopes"])
                for k in data
            ]
    else:
        with _database(settings, must_exist=True) as database:
            rows = database.api_keys()
        found = [(k.id, k.revoked_at, k.merchant, k.name, k.scopes) for k in rows]
    for key_id, revoked_at, merchant, name, scopes in found:
        state = "revoked" if revoked_at else "active"
        whose = f"{state:<8} {merchant or 'all':<16}"
        say(f"{key_id}  {whose} {name}  [{','.join(scopes)}]")
    if not found:
        say("no keys; create one with `paybell keys create NAME`")


@keys.command("revoke")
@click.argument("key_id")
@_where
def revoke_key(
    key_id: str, url: str | None, api_key: str | None, **settings: Any
) -> None:
    """Revoke the key with the id KEY_ID (see `keys list`). It stops working at once."""
    if url is not None:
        with plain_errors():
            _node(url, api_key).delete(f"/v1/keys/{quote(key_id, safe='')}")
    else:
        row = RevokeKey(key_id, time.time_ns() // 1_000_000)
        with _database(settings, must_exist=True) as database:
            outcome = _must(database.commit(Write(rows=(row,))))
        if not outcome.changed:
            raise click.ClickException(f"no active key {key_id}; see `keys list`")
    say(f"revoked {key_id}")


def _node(url: str, api_key: str | None) -> NodeClient:
    if not api_key:
        raise click.UsageError(
            "with --url a key of the whole node is needed: PAYBELL_KEY or --api-key"
        )
    return NodeClient(url, api_key)


def _database(settings: dict[str, Any], *, must_exist: bool = False) -> Any:
    return open_database(load_config(settings).db, must_exist, _ask_the_node)


def _ask_the_node(error: DatabaseInUse) -> str:
    url = error.url or "http://127.0.0.1:8080"
    return (
        f"{error}, or let it do this itself: add --url {url}, with a key of the whole"
        " node (one of --role admin) in PAYBELL_KEY"
    )


def _must(outcome: object) -> Committed:
    if not isinstance(outcome, Committed):
        raise click.ClickException(getattr(outcome, "detail", str(outcome)))
    return outcome
