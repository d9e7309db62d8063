"""Merchants over HTTP: what is kept of one, and put in its place.

A PUT says all of it: what it leaves out is gone. Secrets are the exception, as nobody
can repeat one that is never shown: `true`, as GET shows it, keeps one. A merchant's own
key changes its own record, but not its limits. Runs in the request's greenlet.
"""

import logging
from typing import Any

from gevent.lock import RLock

from engine.errors import InvalidMerchant
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import ALLOWED, merchant_name
from engine.merchants.profile import Profile
from engine.merchants.record import PROVIDERS, Limits, Merchant, OwnLimits
from engine.merchants.rules import (
    address_name,
    is_sensitive,
    replaced,
    unknown_secrets,
    wants_operator,
    wrong_profile,
    wrong_secret,
)
from engine.merchants.scopes import Scope
from engine.merchants.token_rules import TokenRules, mistake
from engine.secrets.vault import Vault
from transport.bodies.problem_body import FieldError
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.inputs import MerchantRequest
from transport.http.openapi import Header, Operation
from transport.http.problems import Problem, invalid
from transport.http.request_json import json_body, typed
from transport.http.views import iso_or_none

__all__ = ["MerchantView", "routes"]

log = logging.getLogger("paybell.merchants")

IF_MATCH = Header(
    name="If-Match",
    description="the ETag of the record that is to be replaced; if it is another by"
    " now, nothing is done (412)",
    schema={"type": "string"},
)


class MerchantView(Profile, frozen=True, kw_only=True):
    """A merchant. `limits` are its own, null where the node's applies;
    `limits_that_apply` is what comes of both. A secret is never shown: true, it is set.
    """

    name: str
    limits: OwnLimits
    limits_that_apply: Limits
    webhook_secrets: dict[str, bool]
    jwt: TokenRules | None
    version: int
    updated_at: str | None


def routes(
    app: Api, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
) -> None:
    """Put the routes of merchants into `app`."""
    app.add_all(_Merchants(gateway, auth, vault, settings))


class _Merchants:
    """One method for each operation."""

    def __init__(
        self, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._settings = settings
        self._changing = RLock()  # one reads, changes and saves at a time

    @Operation(
        name="get_merchant",
        method="GET",
        path="/v1/merchants/<merchant>",
        scope=Scope.READ,
        tag="merchants",
        summary="A merchant: what is kept of it, and the limits that apply. One of whom"
        " nothing is kept has version 0.",
        answers={200: MerchantView},
        answer_headers={200: ("ETag",)},
        problems=(404,),
    )
    def get_merchant(self, merchant: str) -> Any:
        principal = self._auth.require(environ())
        return _shown(self._gateway.merchant(_seen(merchant, principal)))

    @Operation(
        name="put_merchant",
        method="PUT",
        path="/v1/merchants/<merchant>",
        scope=Scope.SETTINGS,
        tag="merchants",
        summary="Replace what is kept of a merchant. What is left out is gone; a secret"
        " stays where `true` stands for it. Limits, descriptor and forward_to need the"
        " scope operator, and so does a Lightning Address of another name than the"
        " merchant's.",
        request=MerchantRequest,
        headers=(IF_MATCH,),
        answers={200: MerchantView},
        answer_headers={200: ("ETag",)},
        problems=(404, 409, 412),
    )
    def put_merchant(self, merchant: str) -> Any:
        principal = self._auth.require(environ())
        name = _seen(merchant, principal)
        asked = typed(json_body(environ()), MerchantRequest).settings()
        with self._changing:
            before = self._gateway.merchant(name)
            _must_match(environ().get("HTTP_IF_MATCH"), before)
            if missing := unknown_secrets(before, asked):
                raise invalid(
                    FieldError(
                        "/webhook_secrets",
                        f"has true for {missing[0]}, and there is no secret to keep",
                    )
                )
            if wrong_name := wrong_secret(
                asked.webhook_secrets, self._settings.gateways
            ):
                raise invalid(FieldError("/webhook_secrets", wrong_name))
            if wrong := wrong_profile(asked, self._settings.network):
                raise invalid(FieldError(f"/{wrong[0]}", wrong[1]))
            holder = self._gateway.at_lightning_address(address_name(asked))
            if holder is not None and holder.name != name:
                wrong_name = "is the name of another merchant's Lightning Address"
                raise invalid(FieldError("/lightning_address/name", wrong_name))
            if asked.jwt is not None and (wrong := mistake(before.jwt, asked.jwt)):
                raise invalid(FieldError(f"/jwt/{wrong[0]}", wrong[1]))
            defaults = self._gateway.limits()
            now = self._gateway.now()
            after = replaced(before, asked, self._vault.seal, defaults, now)
            if after is not before:
                self._save(before, after, principal)
        return _shown(after)

    def _save(self, before: Merchant, after: Merchant, principal: Principal) -> None:
        if wants_operator(before, after) and not principal.may(Scope.OPERATOR):
            raise Problem(
                Code.FORBIDDEN,
                "A merchant's limits, its descriptor, where its money is forwarded to,"
                " a Lightning Address of another name than the merchant's, and a"
                " damaged record are changed with the scope operator, of a key of the"
                " whole node.",
            )
        most = self._settings.max_merchants
        if before.version == 0 and self._gateway.merchants() >= most:
            raise Problem(
                Code.LIMIT_REACHED,
                f"{most} merchants have records, which is the maximum (max_merchants).",
                limit="max_merchants",
            )
        alert = None
        if changed := is_sensitive(before, after):
            alert = f"{changed} were changed by key {principal.key_id}"
        self._gateway.save_merchant(after, alert)
        log.info(
            "merchant.saved merchant=%s version=%d key=%s",
            after.name,
            after.version,
            principal.key_id,
        )


def _seen(name: str, principal: Principal) -> str:
    """The name, if it is one and the caller's business. Raises `Problem` 404."""
    try:
        if principal.may_see(merchant_name(name)):
            return name
    except InvalidMerchant:
        pass
    raise Problem(
        Code.MERCHANT_NOT_FOUND,
        f"There is no such merchant here. A name is {ALLOWED}.",
    )


def _must_match(wanted: str | None, merchant: Merchant) -> None:
    """RFC 9110, 13.1.1. Raises `Problem` 412."""
    if wanted is None:
        return
    tags = [tag.strip() for tag in wanted.split(",")]
    if _etag(merchant) in tags or ("*" in tags and merchant.version):
        return
    raise Problem(
        Code.MERCHANT_CHANGED,
        f"The record has the ETag {_etag(merchant)} by now. Read it again, and change"
        " that.",
    )


def _etag(merchant: Merchant) -> str:
    return f'"{merchant.version}"'


def _shown(merchant: Merchant) -> Any:
    view = MerchantView(
        name=merchant.name,
        limits=merchant.own,
        limits_that_apply=merchant.limits,
        webhook_secrets={
            one: one in merchant.webhook_secrets
            for one in dict.fromkeys((*PROVIDERS, *sorted(merchant.webhook_secrets)))
        },
        jwt=merchant.jwt.shown() if merchant.jwt is not None else None,
        version=merchant.version,
        updated_at=iso_or_none(merchant.updated_at or None),
        **merchant.profile(),
    )
    return answer(view, headers={"ETag": _etag(merchant)})
