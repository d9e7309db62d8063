"""What is particular to a channel's kind when it is made or changed over HTTP.

Checks what a request says against the table of kinds (`engine/delivery/kinds.py`) and
the senders of this node. Raises `Problem` 422 that names each field. Runs in the
request's greenlet; no I/O.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from engine.delivery.channel import Channel
from engine.delivery.endpoint import kept_settings, settings_of
from engine.delivery.kinds import KINDS, WEBHOOK, Kind
from engine.errors.codes import Code
from engine.merchants.scopes import Scope
from engine.secrets.vault import Vault
from transport.bodies.problem_body import FieldError
from transport.control.own_headers import AUTHORIZATION
from transport.http.auth import Principal
from transport.http.inputs import ChannelPatch, ChannelRequest
from transport.http.problems import Problem, invalid
from transport.http.request_json import check
from transport.outbound.guard import origin_of
from transport.outbound.senders import Senders

__all__ = [
    "checked_settings",
    "kind_asked_for",
    "merged_settings",
    "refuse_fields_of_others",
    "refuse_headers_elsewhere",
    "refuse_own_redis",
]

_OF_WEBHOOKS = ("url", "secret", "headers", "basic_auth", "ca_pem", "rotate_secret")


def kind_asked_for(asked: ChannelRequest, senders: Senders) -> Kind:
    """The kind, if this node has it and the request names nothing of another's."""
    if asked.kind not in senders.kinds or asked.kind not in KINDS:
        allowed = " or ".join(kind for kind in KINDS if kind in senders.kinds)
        raise invalid(FieldError("/kind", f"must be {allowed}"))
    kind = KINDS[asked.kind]
    if kind.name == WEBHOOK and asked.url is UNSET:
        raise invalid(FieldError("/url", "is required: where the events are sent"))
    refuse_fields_of_others(kind, asked)
    return kind


def refuse_fields_of_others(kind: Kind, asked: ChannelRequest | ChannelPatch) -> None:
    """A webhook has fields of its own; every other kind has settings."""
    if kind.name == WEBHOOK:
        if asked.settings not in (UNSET, {}):
            text = "must be absent or empty: a webhook has none"
            raise invalid(FieldError("/settings", text))
        return
    given = [
        name
        for name in _OF_WEBHOOKS
        if getattr(asked, name, None) not in (UNSET, None, False, {})
    ]
    if given:
        text = f"must be absent: it is of webhooks, not of the kind {kind.name}"
        raise invalid(*(FieldError(f"/{name}", text) for name in given))


def refuse_own_redis(kind: Kind, kept: Mapping[str, Any], principal: Principal) -> None:
    """Only an operator's key makes a channel into the node's own Redis: it is not the
    merchants', and they could write into one another's streams. `kept`: the fields of
    a channel that keep its settings."""
    is_own = kind.in_order and "url" not in kept.get("sealed_names", ("url",))
    if is_own and not principal.may(Scope.OPERATOR):
        raise Problem(
            Code.FORBIDDEN,
            "Only a key with the scope operator may make a channel into the node's own"
            " Redis. Name your own in settings.url.",
        )


def checked_settings(
    kind: Kind, given: Mapping[str, Any], senders: Senders
) -> dict[str, Any]:
    """Settings of this kind, whole, as they are kept."""
    found = check(dict(given), kind.settings, pointer="/settings/")
    if isinstance(found, tuple):
        raise invalid(*found)
    if faults := senders.faults(kind.name, found):
        raise invalid(*faults)
    kept: dict[str, Any] = msgspec.to_builtins(found)
    return kept


def merged_settings(
    channel: Channel, given: Mapping[str, Any], vault: Vault, senders: Senders
) -> dict[str, Any]:
    """The fields of `channel` that change when these of its settings do.

    What is absent keeps its value, secrets too; null takes the default again.
    """
    kind = KINDS[channel.kind]
    before = settings_of(channel, vault)
    merged = {
        name: value for name, value in {**before, **given}.items() if value is not None
    }
    after = checked_settings(kind, merged, senders)
    _refuse_elsewhere(
        str(before.get(kind.place, "")),
        str(after.get(kind.place, "")),
        [
            f"/settings/{name}"
            for name in channel.sealed_names
            if name not in given and name != kind.place
        ],
    )
    if after == before:
        return {}
    return kept_settings(kind, after, vault, channel.id)


def refuse_headers_elsewhere(channel: Channel, asked: ChannelPatch) -> None:
    """A webhook's headers are its sealed settings, and `url` is where they are sent."""
    if not isinstance(asked.url, str) or asked.headers is not UNSET:
        return
    kept = dict.fromkeys(
        "/basic_auth" if name.lower() == AUTHORIZATION.lower() else "/headers"
        for name in channel.header_names
    )
    if asked.basic_auth is not UNSET:
        kept.pop("/basic_auth", None)
    _refuse_elsewhere(channel.url, asked.url, kept)


def _refuse_elsewhere(before: str, after: str, kept: Iterable[str]) -> None:
    """What is sealed cannot be read out by having it sent to somebody else. `kept`:
    the fields with secrets that the request leaves as they are."""
    origin = origin_of(after)
    if origin == origin_of(before):
        return
    text = f"must be given anew, or dropped, when it is to be sent to {origin}"
    if faults := [FieldError(path, text) for path in kept]:
        raise invalid(*faults)
