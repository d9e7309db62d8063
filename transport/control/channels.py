"""Outbound channels over HTTP: make, change, look at deliveries, try one.

A secret is told once, in the answer that made it, and kept sealed. What is delivered
when is the notifier's business. Runs in the request's greenlet; `test_channel` waits
for the endpoint there, no longer than the channel's timeout.
"""

from typing import Any

import bottle
import msgspec
from gevent.lock import RLock
from msgspec import UnsetType

from engine.delivery.channel import SECRET_OVERLAP_S, Channel
from engine.delivery.endpoint import headers_of, kept_settings, sealed_headers
from engine.delivery.kinds import WEBHOOK, kind_named
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import EVERYBODY
from engine.merchants.scopes import Scope
from engine.payment.events import VERSION
from engine.runtime.yielding import yielding_every
from engine.secrets.vault import Vault
from transport.bodies.problem_body import FieldError
from transport.calling.trust import tls_context
from transport.control.channel_kinds import (
    checked_settings,
    kind_asked_for,
    merged_settings,
    refuse_fields_of_others,
    refuse_headers_elsewhere,
    refuse_own_redis,
)
from transport.control.channel_views import ChannelPage, ChannelView, channel_view
from transport.control.deliveries import Deliveries
from transport.control.own_headers import own_headers
from transport.control.seen import seen_channel
from transport.http.auth import Auth
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.cursors import age_cursor, read_age
from transport.http.inputs import ChannelPatch, ChannelRequest
from transport.http.new_ids import new_id
from transport.http.openapi import Operation, link
from transport.http.params import DEFAULT_LIMIT, ChannelsQuery
from transport.http.problems import Problem, invalid
from transport.http.request_json import json_body, query, typed
from transport.outbound.senders import Senders
from transport.outbound.url_fault import url_fault
from transport.outbound.webhook import new_secret, parse_secret

__all__ = ["routes"]


def routes(
    app: Api, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
) -> None:
    """Put the channel routes into `app`."""
    app.add_all(_Channels(gateway, auth, vault, settings))
    app.add_all(Deliveries(gateway, auth, vault, settings))


class _Channels:
    """One method for each operation on channels."""

    def __init__(
        self, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._settings = settings
        self._senders = Senders.of(settings.sender)
        self._changing: dict[str, RLock] = {}  # by merchant

    @Operation(
        name="create_channel",
        method="POST",
        path="/v1/channels",
        scope=Scope.SETTINGS,
        tag="channels",
        summary="Send events to a webhook endpoint, or to a channel of another kind,"
        " from now on. A webhook's `secret` is returned only in this response.",
        request=ChannelRequest,
        answers={201: ChannelView},
        answer_headers={201: ("Location",)},
        problems=(409,),
        links={
            "get": link("get_channel", "channel_id"),
            "change": link("change_channel", "channel_id"),
            "deliveries": link("list_deliveries", "channel_id"),
            "test": link("test_channel", "channel_id"),
            "remove": link("remove_channel", "channel_id"),
        },
    )
    def create_channel(self) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ()), ChannelRequest)
        merchant = asked.merchant or principal.merchant or EVERYBODY
        if not principal.may_see(merchant):
            raise Problem(
                Code.FORBIDDEN,
                "This key may create channels only for its own merchant.",
            )
        kind = kind_asked_for(asked, self._senders)
        types = kind.default_types
        if not isinstance(asked.types, UnsetType):
            types = tuple(dict.fromkeys(asked.types))
        channel_id = new_id("ch_")
        secret: str | None = None
        if kind.name == WEBHOOK:
            secret = asked.secret or new_secret()
            own = self._of_a_webhook(asked, secret, channel_id)
        else:
            given = asked.settings or {}
            settings = checked_settings(kind, given, self._senders)
            own = kept_settings(kind, settings, self._vault, channel_id)
            refuse_own_redis(kind, own, principal)
        channel = Channel(
            id=channel_id,
            kind=kind.name,
            merchant=merchant,
            types=types,
            **own,
            schedule_s=tuple(asked.schedule_s),
            timeout_s=asked.timeout_s,
            refused_attempts=asked.refused_attempts,
            refused_s=asked.refused_s,
            description=asked.description,
            event_version=VERSION,
            created_at=self._gateway.now(),
        )
        most = self._gateway.merchant(merchant).limits.channels
        with self._one_at_a_time(merchant):
            if len(self._gateway.channels(merchant)) >= most:
                raise Problem(
                    Code.LIMIT_REACHED,
                    f"This merchant has {most} channels, which is the maximum"
                    " (channels_per_merchant). Remove some first.",
                    limit="channels_per_merchant",
                )
            self._gateway.save_channel(channel)
        shown = channel_view(channel, channel.created_at, secret=secret)
        return answer(shown, 201, {"Location": f"/v1/channels/{channel_id}"})

    @Operation(
        name="list_channels",
        method="GET",
        path="/v1/channels",
        scope=Scope.READ,
        tag="channels",
        summary="The channels that the key may see, oldest first: all, or with `limit`"
        " so many, and where to go on.",
        query=ChannelsQuery,
        answers={200: ChannelPage},
        links={"next": link("list_channels", "cursor", "/next_cursor")},
    )
    def list_channels(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), ChannelsQuery)
        now, mine, after = self._gateway.now(), principal.merchant, (0, "")
        if asked.cursor is not None:
            after = read_age(asked.cursor)
        elif asked.limit is None:
            seen = self._gateway.channels(mine)
            all_ = [channel_view(channel, now) for channel in yielding_every(seen, 200)]
            return answer(ChannelPage(data=all_, next_cursor=None))
        limit = asked.limit or DEFAULT_LIMIT
        found = self._gateway.channels_page(mine, after, limit + 1)
        page, more = found[:limit], len(found) > limit
        last = (page[-1].created_at, page[-1].id) if more else None
        return answer(
            ChannelPage(
                data=[channel_view(channel, now) for channel in page],
                next_cursor=None if last is None else age_cursor(last),
            )
        )

    @Operation(
        name="get_channel",
        method="GET",
        path="/v1/channels/<channel_id>",
        scope=Scope.READ,
        tag="channels",
        summary="A channel, without its secret.",
        answers={200: ChannelView},
        problems=(404,),
    )
    def get_channel(self, channel_id: str) -> Any:
        channel = seen_channel(self._gateway, channel_id, self._auth.require(environ()))
        return answer(channel_view(channel, self._gateway.now()))

    @Operation(
        name="change_channel",
        method="PATCH",
        path="/v1/channels/<channel_id>",
        scope=Scope.SETTINGS,
        tag="channels",
        summary="Change the given fields. Events that occur while a channel is disabled"
        " are not delivered later.",
        request=ChannelPatch,
        answers={200: ChannelView},
        problems=(404,),
    )
    def change_channel(self, channel_id: str) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ()), ChannelPatch)
        if isinstance(asked.url, str):
            self._check_url(asked.url)
        if isinstance(asked.ca_pem, str):
            _check_ca(asked.ca_pem)
        now = self._gateway.now()
        merchant = seen_channel(self._gateway, channel_id, principal).merchant
        with self._one_at_a_time(merchant):
            channel = seen_channel(self._gateway, channel_id, principal)
            refuse_fields_of_others(kind_named(channel.kind), asked)
            refuse_headers_elsewhere(channel, asked)
            changes = _changes(asked)
            changes |= self._headers(channel, asked)
            of_kind = self._kind_settings(channel, asked)
            refuse_own_redis(kind_named(channel.kind), of_kind, principal)
            changes |= of_kind
            secret = new_secret() if asked.rotate_secret else None
            if secret is not None:
                sealed = self._vault.seal(_secret_bytes(secret), channel.id)
                changes["old_secret"] = channel.secret
                changes["old_secret_until"] = now + SECRET_OVERLAP_S * 1000
                changes["secret"] = sealed
            changed = msgspec.structs.replace(channel, **changes)
            if changed != channel:
                self._gateway.save_channel(changed)
        return answer(channel_view(changed, now, secret=secret))

    @Operation(
        name="remove_channel",
        method="DELETE",
        path="/v1/channels/<channel_id>",
        scope=Scope.SETTINGS,
        tag="channels",
        summary="Remove a channel and its pending deliveries.",
        answers={204: None},
        problems=(404,),
    )
    def remove_channel(self, channel_id: str) -> Any:
        principal = self._auth.require(environ())
        channel = seen_channel(self._gateway, channel_id, principal)
        with self._one_at_a_time(channel.merchant):
            self._gateway.remove_channel(channel.id)
        return bottle.HTTPResponse(b"", 204)

    def _one_at_a_time(self, merchant: str) -> RLock:
        """To read, change and save: of each merchant one, and nobody waits for others'.

        There are as many locks as merchants have changed channels since the start."""
        return self._changing.setdefault(merchant, RLock())

    def _of_a_webhook(
        self, asked: ChannelRequest, secret: str, channel_id: str
    ) -> dict[str, Any]:
        """The fields of a channel that are a webhook's."""
        assert isinstance(asked.url, str), "kind_asked_for has seen to it"
        self._check_url(asked.url)
        headers = own_headers({}, asked.headers, asked.basic_auth)
        _check_ca(asked.ca_pem)
        return {
            "url": asked.url,
            "secret": self._vault.seal(_secret_bytes(secret), channel_id),
            "sealed_headers": sealed_headers(headers, self._vault, channel_id),
            "header_names": tuple(headers),
            "ca_pem": asked.ca_pem,
        }

    def _kind_settings(self, channel: Channel, asked: ChannelPatch) -> dict[str, Any]:
        """Its kind's settings, if they change."""
        if isinstance(asked.settings, UnsetType) or channel.kind == WEBHOOK:
            return {}
        return merged_settings(channel, asked.settings, self._vault, self._senders)

    def _headers(self, channel: Channel, asked: ChannelPatch) -> dict[str, Any]:
        """Its own headers, if they change."""
        if asked.headers is msgspec.UNSET and asked.basic_auth is msgspec.UNSET:
            return {}
        before = headers_of(channel, self._vault)
        after = own_headers(before, asked.headers, asked.basic_auth)
        if after == before:
            return {}
        return {
            "sealed_headers": sealed_headers(after, self._vault, channel.id),
            "header_names": tuple(after),
        }

    def _check_url(self, url: str) -> None:
        fault = url_fault(
            url,
            self._settings.allow_private_webhooks,
            self._settings.allow_webhook_ports,
        )
        if fault is not None:
            raise invalid(FieldError("/url", fault))


def _changes(asked: ChannelPatch) -> dict[str, Any]:
    """The fields that were sent. Who enables a channel clears why it was disabled."""
    sent: dict[str, Any] = {
        name: getattr(asked, name)
        for name in (
            "url",
            "types",
            "enabled",
            "ca_pem",
            "timeout_s",
            "refused_attempts",
            "refused_s",
            "schedule_s",
            "description",
        )
        if getattr(asked, name) is not msgspec.UNSET
    }
    if "types" in sent:
        sent["types"] = tuple(dict.fromkeys(sent["types"]))
    if "schedule_s" in sent:
        sent["schedule_s"] = tuple(sent["schedule_s"])
    if sent.get("enabled"):
        sent["disabled_reason"] = None
    elif "enabled" in sent:
        sent["disabled_reason"] = "disabled over the API"
    return sent


def _check_ca(ca_pem: str | None) -> None:
    if ca_pem is None:
        return
    try:
        tls_context(ca_pem)
    except ValueError as error:
        raise invalid(FieldError("/ca_pem", f"is not valid: {error}")) from error


def _secret_bytes(secret: str) -> bytes:
    try:
        return parse_secret(secret)
    except ValueError as error:
        raise invalid(FieldError("/secret", f"is not valid: {error}")) from error
