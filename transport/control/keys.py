"""API keys over HTTP: make, list, revoke; what `paybell keys --url` speaks to.

Only a key of the whole node may: whoever makes keys decides who sees which payments.
A key is told once, in the answer that made it; only its hash is kept. A new one works
at once, one that is revoked ends at once. Runs in the request's greenlet.
"""

from typing import Annotated, Any

import bottle
import msgspec
from gevent.lock import RLock
from msgspec import UNSET, Meta, UnsetType

from engine.errors import InvalidInput
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.roles import Role, scopes_of_role
from engine.merchants.scopes import Scope, default_scopes, scopes_of
from engine.payment.events import iso
from engine.policy.defaults import MAX_KEYS
from engine.store.records import KeyRecord
from engine.store.writes import ApiKey
from transport.bodies.problem_body import FieldError
from transport.http.auth import Auth, hash_key, new_key
from transport.http.bottle_app import Api, answer, environ
from transport.http.input_values import NO_CONTROLS, Merchant
from transport.http.inputs import Request
from transport.http.new_ids import new_id
from transport.http.openapi import Operation, link
from transport.http.problems import Problem, invalid
from transport.http.request_json import json_body, typed
from transport.http.views import iso_or_none

__all__ = ["KeyPage", "KeyRequest", "KeyView", "routes"]


class KeyRequest(Request):
    """An API key to create."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            pattern=NO_CONTROLS,
            description="1 to 100 characters without control characters that name the"
            " key",
        ),
    ]
    merchant: Merchant | None = None
    scopes: Annotated[
        Annotated[list[Scope], Meta(max_length=len(Scope))] | None,
        Meta(
            description=f"a list of what the key may: {', '.join(Scope)}; null for all"
            " but refund (and operator, which only a key of the whole node has)",
        ),
    ] = None
    role: Annotated[
        Role | None,
        Meta(
            description=f"one of {', '.join(Role)}, in the place of scopes; admin only"
            " for a key of the whole node; null for none"
        ),
    ] = None


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """An API key. `key` is returned only when it is created.

    `merchant` is null for a key of the whole node.
    """

    id: str
    name: str
    merchant: str | None
    scopes: tuple[str, ...]
    created_at: str
    revoked_at: str | None
    key: str | UnsetType = UNSET


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[KeyView]


def routes(app: Api, gateway: Gateway, auth: Auth, max_keys: int = MAX_KEYS) -> None:
    """Put the key routes into `app`. `max_keys`: active ones."""
    app.add_all(_Keys(gateway, auth, max_keys))


class _Keys:
    """One method for each operation on keys."""

    def __init__(self, gateway: Gateway, auth: Auth, max_keys: int) -> None:
        self._gateway = gateway
        self._most = max_keys
        self._auth = auth
        self._counting = RLock()  # one counts and makes a key at a time

    @Operation(
        name="create_key",
        method="POST",
        path="/v1/keys",
        scope=Scope.OPERATOR,
        tag="keys",
        summary="Create an API key. `key` is returned only in this response. Needs a"
        " key of the whole node.",
        request=KeyRequest,
        answers={201: KeyView},
        problems=(409,),
        links={"revoke": link("revoke_key", "key_id")},
    )
    def create_key(self) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ()), KeyRequest)
        scopes = _scopes(asked)
        text, now, key_id = new_key(), self._gateway.now(), new_id("key_")
        with self._counting:
            active = [key for key in self._all() if key.revoked_at is None]
            if len(active) >= self._most:
                raise Problem(
                    Code.LIMIT_REACHED,
                    f"There are {self._most} active keys, which is the maximum"
                    " (max_keys). Revoke some first.",
                    limit="max_keys",
                )
            row = ApiKey(
                id=key_id,
                name=asked.name,
                merchant=asked.merchant,
                hash=hash_key(text),
                created_at=now,
                scopes=scopes,
            )
            alert = f"key {principal.key_id} made it, with the scope refund"
            self._gateway.save_key(row, alert if Scope.REFUND in scopes else None)
        self._auth.forget()
        made = KeyView(
            id=key_id,
            name=asked.name,
            merchant=asked.merchant,
            scopes=scopes,
            created_at=iso(now),
            revoked_at=None,
            key=text,
        )
        return answer(made, 201)

    @Operation(
        name="list_keys",
        method="GET",
        path="/v1/keys",
        scope=Scope.OPERATOR,
        tag="keys",
        summary="All API keys, including revoked ones. Needs a key of the whole node.",
        answers={200: KeyPage},
    )
    def list_keys(self) -> Any:
        self._auth.require(environ())
        return answer(KeyPage(data=[_view(key) for key in self._all()]))

    @Operation(
        name="revoke_key",
        method="DELETE",
        path="/v1/keys/<key_id>",
        scope=Scope.OPERATOR,
        tag="keys",
        summary="Revoke an API key. Repeating this has no effect. Needs a key of the"
        " whole node.",
        answers={204: None},
        problems=(404,),
    )
    def revoke_key(self, key_id: str) -> Any:
        self._auth.require(environ())
        if not any(key.id == key_id for key in self._all()):
            raise Problem(Code.KEY_NOT_FOUND, "There is no such key.")
        self._gateway.revoke_key(key_id)
        self._auth.forget()
        return bottle.HTTPResponse(b"", 204)

    def _all(self) -> list[KeyRecord]:
        return self._gateway.keys()


def _scopes(asked: KeyRequest) -> tuple[Scope, ...]:
    if asked.role is not None:
        if asked.scopes is not None:
            raise invalid(FieldError("/role", "is given in the place of scopes"))
        try:
            return scopes_of_role(asked.role, asked.merchant)
        except InvalidInput as error:
            raise invalid(FieldError("/role", f"is not valid: {error}")) from error
    if asked.scopes is None:
        return default_scopes(asked.merchant)
    try:
        return scopes_of(asked.scopes, asked.merchant)
    except InvalidInput as error:
        raise invalid(FieldError("/scopes", f"is not valid: {error}")) from error


def _view(key: KeyRecord) -> KeyView:
    return KeyView(
        id=key.id,
        name=key.name,
        merchant=key.merchant,
        scopes=key.scopes,
        created_at=iso(key.created_at),
        revoked_at=iso_or_none(key.revoked_at),
    )
