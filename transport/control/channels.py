"""Outbound channels over HTTP: make, change, look at deliveries, try one. See api.md.

A secret is told once, in the answer that made it, and kept sealed. What is delivered
when is the notifier's business. Runs in the request's greenlet; `test_channel` waits
for the endpoint there, no longer than the channel's timeout.
"""

from typing import Any

import bottle
import msgspec
from gevent.lock import RLock

from engine.delivery.attempt import AttemptOutcome
from engine.delivery.channel import SECRET_OVERLAP_S, Channel, active_secrets, payload
from engine.errors import Code, UrlRefused
from engine.gateway import Gateway
from engine.payment.events import iso
from engine.secrets.vault import Vault
from transport.control.new_payment import new_id
from transport.control.operations import CHANNELS as TABLE
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.cursors import number_cursor, read_number
from transport.http.inputs import ChannelPatch, ChannelRequest, NoFields
from transport.http.params import CursorQuery
from transport.http.problems import Problem
from transport.http.request_json import json_body, query, typed
from transport.http.views import (
    AttemptEntry,
    ChannelPage,
    DeliveryPage,
    TestResult,
    channel_view,
)
from transport.outbound.guard import check_url
from transport.outbound.webhook import new_secret, parse_secret
from transport.server.refusal import FieldError

__all__ = ["routes"]

EVERYBODY = "*"


def routes(
    app: Api, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
) -> None:
    """Put the channel routes into `app`."""
    channels = _Channels(gateway, auth, vault, settings)
    for operation in TABLE:
        app.add(operation, getattr(channels, operation.name))


class _Channels:
    """One method for each operation of the table, by its name."""

    def __init__(
        self, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._settings = settings
        self._changing = RLock()  # one reads, changes and saves at a time

    def create_channel(self) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ()), ChannelRequest)
        merchant = asked.merchant or principal.merchant or EVERYBODY
        if not principal.may_see(merchant):
            raise Problem(
                Code.FORBIDDEN, "This key may only tell its own merchant's events."
            )
        self._check_url(asked.url)
        secret = asked.secret or new_secret()
        channel_id = new_id("ch_")
        channel = Channel(
            id=channel_id,
            merchant=merchant,
            url=asked.url,
            types=tuple(dict.fromkeys(asked.types)),
            secret=self._vault.seal(_secret_bytes(secret), channel_id),
            schedule_s=tuple(asked.schedule_s),
            timeout_s=asked.timeout_s,
            description=asked.description,
            created_at=self._gateway.now(),
        )
        with self._changing:
            if len(self._gateway.channels()) >= self._settings.max_channels:
                most = self._settings.max_channels
                raise Problem(
                    Code.LIMIT_REACHED, f"There are {most} channels, as many as may be."
                )
            self._gateway.save_channel(channel)
        shown = channel_view(channel, channel.created_at, secret=secret)
        return answer(shown, 201, {"Location": f"/v1/channels/{channel_id}"})

    def list_channels(self) -> Any:
        principal = self._auth.require(environ())
        now = self._gateway.now()
        return answer(
            ChannelPage(
                data=[
                    channel_view(channel, now)
                    for channel in self._gateway.channels()
                    if principal.may_see(channel.merchant)
                ]
            )
        )

    def get_channel(self, channel_id: str) -> Any:
        channel = self._seen(channel_id, self._auth.require(environ()))
        return answer(channel_view(channel, self._gateway.now()))

    def change_channel(self, channel_id: str) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ()), ChannelPatch)
        if isinstance(asked.url, str):
            self._check_url(asked.url)
        now = self._gateway.now()
        with self._changing:
            channel = self._seen(channel_id, principal)
            changes = _changes(asked)
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

    def remove_channel(self, channel_id: str) -> Any:
        principal = self._auth.require(environ())
        with self._changing:
            channel = self._seen(channel_id, principal)
            self._gateway.remove_channel(channel.id)
        return bottle.HTTPResponse(b"", 204)

    def list_deliveries(self, channel_id: str) -> Any:
        channel = self._seen(channel_id, self._auth.require(environ()))
        asked = query(environ(), CursorQuery)
        before = read_number(asked.cursor)
        found = self._gateway.attempts(channel.id, before, asked.limit + 1)
        page = found[: asked.limit]
        more = page[-1].id if len(found) > len(page) else None
        return answer(
            DeliveryPage(
                data=[
                    AttemptEntry(**{**msgspec.structs.asdict(a), "at": iso(a.at)})
                    for a in page
                ],
                next_cursor=number_cursor(more),
            )
        )

    def test_channel(self, channel_id: str) -> Any:
        principal = self._auth.require(environ())
        typed(json_body(environ(), may_be_empty=True), NoFields)
        channel = self._seen(channel_id, principal)
        now = self._gateway.now()
        told = {"channel_id": channel.id, "message": "This is a test of Paybell."}
        body = payload(msgspec.json.encode(told), "channel.test", iso(now))
        result = self._settings.sender.send(
            channel.url,
            tuple(
                self._vault.open(sealed, channel.id)
                for sealed in active_secrets(channel, now)
            ),
            new_id("evt_test_"),
            body,
            now // 1000,
            channel.timeout_s,
        )
        return answer(
            TestResult(
                delivered=result.outcome is AttemptOutcome.DELIVERED,
                status=result.status,
                error=result.error,
                latency_ms=round(result.latency_ms),
            )
        )

    def _seen(self, channel_id: str, principal: Principal) -> Channel:
        """The channel, if it is there for this caller: others' are not (404)."""
        for channel in self._gateway.channels():
            if channel.id == channel_id and principal.may_see(channel.merchant):
                return channel
        raise Problem(Code.CHANNEL_NOT_FOUND, "There is no such channel.")

    def _check_url(self, url: str) -> None:
        try:
            check_url(url, self._settings.allow_private_webhooks)
        except UrlRefused as error:
            text = f"is refused: {error}"
            if self._is_private(url):
                text += "; a node started with --allow-private-webhooks would call it"
            wrong = FieldError("/url", text)
            raise Problem(
                Code.INVALID_REQUEST, f"/url {wrong.message}", errors=(wrong,)
            ) from error

    def _is_private(self, url: str) -> bool:
        """Whether it is the option that refuses it, not the URL itself."""
        try:
            check_url(url, allow_private=True)
        except UrlRefused:
            return False
        return not self._settings.allow_private_webhooks


def _changes(asked: ChannelPatch) -> dict[str, Any]:
    """The fields that were sent. Who enables a channel clears why it was disabled."""
    sent: dict[str, Any] = {
        name: getattr(asked, name)
        for name in (
            "url",
            "types",
            "enabled",
            "timeout_s",
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


def _secret_bytes(secret: str) -> bytes:
    try:
        return parse_secret(secret)
    except ValueError as error:
        wrong = FieldError("/secret", f"is refused: {error}")
        raise Problem(
            Code.INVALID_REQUEST, f"/secret {wrong.message}", errors=(wrong,)
        ) from error
