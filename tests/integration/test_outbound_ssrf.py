"""No endpoint's URL, name or redirect makes us connect where we must not.

A canary listens on loopback; nothing may ever connect to it. The machine has no
public address to call, so 127.0.0.2 plays the public one: it alone is excepted from
the rules, all else is the code that runs in production. With a real name server and
real public addresses, in a network of its own: `rebinding.py`.
"""

import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from engine.delivery.attempt import AttemptOutcome
from engine.delivery.endpoint import Endpoint
from tests.integration import rebinding
from tests.tools import children
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import PATIENCE
from tests.unit.transport.outbound.test_guard import REFUSED, WRITTEN_ODDLY
from transport.outbound import guard, pinned
from transport.outbound.lookups import Lookups
from transport.outbound.pinned import DeliveryError, FailureKind, post
from transport.outbound.webhook import WebhookSender, new_secret, parse_secret

PUBLIC = "127.0.0.2"
TRIES = int(os.environ.get("PAYBELL_SSRF_TRIES", "2000"))
"""Posts in each of the two largest tests; `make soak` has 10,000."""


@pytest.fixture
def canary() -> Iterator[Receiver]:
    with Receiver() as canary:
        yield canary
        assert canary.connections == 0


@pytest.fixture
def shop(canary: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """On the port of the canary, at an address that counts as public here."""

    def refusal(
        ip: str | IPv4Address | IPv6Address, allow_private: bool = False
    ) -> str | None:
        return None if str(ip) == PUBLIC else guard.refusal(ip, allow_private)

    monkeypatch.setattr(pinned, "refusal", refusal)
    with Receiver(host=PUBLIC, port=canary.port) as shop:
        yield shop


def answering(*answers: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """A name server that answers in turn, for ever."""
    turns = itertools.cycle(answers)
    return lambda _host: next(turns)


def test_a_name_that_changes_after_the_check_reaches_what_was_checked(
    canary: Receiver, shop: Receiver
) -> None:
    """Public when it is checked, loopback for whoever would ask again."""
    url = f"http://rebind.example:{canary.port}/"
    for _ in range(TRIES):
        lookups = 0

        def rebinding(_host: str) -> list[str]:
            nonlocal lookups
            lookups += 1
            return [PUBLIC] if lookups == 1 else ["127.0.0.1"]

        assert post(url, {}, b"{}", resolver=rebinding).status == 200
        assert lookups == 1
    assert shop.connections == TRIES


def test_a_name_that_flips_at_every_lookup_is_refused_every_other_time(
    canary: Receiver, shop: Receiver
) -> None:
    flipping = answering([PUBLIC], ["127.0.0.1"])
    url = f"http://rebind.example:{canary.port}/"
    for _ in range(TRIES // 10):
        assert post(url, {}, b"{}", resolver=flipping).status == 200
        with pytest.raises(DeliveryError) as refused:
            post(url, {}, b"{}", resolver=flipping)
        assert refused.value.kind is FailureKind.REFUSED_ADDRESS
    assert shop.connections == TRIES // 10


def test_one_bad_address_refuses_the_whole_name(
    canary: Receiver, shop: Receiver
) -> None:
    url = f"http://mixed.example:{canary.port}/"
    for answer in ([PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"]):
        with pytest.raises(DeliveryError) as refused:
            post(url, {}, b"{}", resolver=answering(answer))
        assert refused.value.kind is FailureKind.REFUSED_ADDRESS
    assert shop.connections == 0


@pytest.mark.parametrize("ip", [*REFUSED, "", "localhost", "127.1", "0x7f.1", "1"])
def test_a_name_that_resolves_to_a_special_address_is_refused(ip: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        post("https://evil.example/", {}, b"{}", resolver=lambda _: [ip])
    assert refused.value.kind is FailureKind.REFUSED_ADDRESS


@pytest.mark.parametrize("url", WRITTEN_ODDLY)
def test_an_address_in_the_url_is_refused_however_it_is_written(url: str) -> None:
    def nobody_asks(_host: str) -> list[str]:
        raise AssertionError("an address is not looked up")

    with pytest.raises(DeliveryError) as refused:
        post(url, {}, b"{}", resolver=nobody_asks)
    assert refused.value.kind is FailureKind.REFUSED_ADDRESS


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "ⓛocalhost"])
def test_localhost_is_refused_by_the_systems_own_answer(
    canary: Receiver, host: str
) -> None:
    with pytest.raises(DeliveryError) as refused:
        post(f"http://{host}:{canary.port}/", {}, b"{}")
    assert refused.value.kind is FailureKind.REFUSED_ADDRESS


def test_a_name_with_a_flood_of_addresses_is_refused() -> None:
    many = [f"8.8.{n // 256}.{n % 256}" for n in range(1000)]
    with pytest.raises(DeliveryError) as refused:
        post("https://evil.example/", {}, b"{}", resolver=lambda _: many)
    assert refused.value.kind is FailureKind.DNS


def test_a_redirect_to_the_inside_is_not_followed(
    canary: Receiver, shop: Receiver
) -> None:
    sender = WebhookSender("1", lookups=Lookups(answering([PUBLIC])))
    for status in (300, 301, 302, 303, 305, 307, 308):
        shop.default = reply(
            status,
            [
                ("Location", canary.url()),
                ("Refresh", f"0; url={canary.url()}"),
                ("Content-Location", canary.url()),
                ("Alt-Svc", f'h2="127.0.0.1:{canary.port}"'),
            ],
        )
        url = f"http://evil.example:{shop.port}/"
        endpoint = Endpoint(url=url, secrets=(parse_secret(new_secret()),))
        result = sender.send(endpoint, "evt_1", b"{}", time.time())
        assert (result.outcome, result.status) == (AttemptOutcome.RETRY, status)


def test_an_unreachable_good_address_does_not_lead_to_another_lookup(
    canary: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pinned, "refusal", lambda ip, _: None if ip == PUBLIC else "not this one"
    )
    lookups: list[str] = []

    def first_good(host: str) -> list[str]:
        lookups.append(host)
        return [PUBLIC] if len(lookups) == 1 else ["127.0.0.1"]

    with pytest.raises(DeliveryError) as failed:
        post(f"http://x.example:{canary.port}/", {}, b"{}", resolver=first_good)
    assert failed.value.kind is FailureKind.CONNECT
    assert lookups == ["x.example"]


def test_no_library_below_looks_a_name_up(
    shop: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*args: object, **_: object) -> None:
        raise AssertionError(f"somebody looked up {args[0]!r}")

    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(socket, "gethostbyname", forbidden)
    url = f"http://shop.example:{shop.port}/"
    assert post(url, {}, b"{}", resolver=answering([PUBLIC])).status == 200


def in_a_network_of_its_own(*options: str) -> dict[str, Any]:
    """What `rebinding.py` tells. Skips where there can be none, which CI forbids."""
    done = children.run(
        [sys.executable, "-m", "tests.integration.rebinding", *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=50 * PATIENCE,
        check=False,
    )
    if done.returncode == rebinding.CANNOT:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_no_name_server_leads_the_systems_resolver_to_the_canary(
    record_property: Callable[[str, object], None],
) -> None:
    told = in_a_network_of_its_own("--tries", str(TRIES))
    wrong, canary = told.pop("wrong"), told.pop("canary")
    record_property(
        "figures",
        f"{told['tries']} posts, {told['questions']} questions to the name server:"
        f" {told['seen']['answered']} reached the shop,"
        f" {told['seen']['refused_address']} were refused;"
        f" {sum(canary.values())} connections to the canary",
    )
    assert canary == {}
    assert wrong == []
    assert told["seen"]["answered"] == told["shop"] > TRIES / 4
    assert told["seen"]["refused_address"] == TRIES - told["shop"]


def test_a_node_without_a_guard_would_have_found_the_canary() -> None:
    told = in_a_network_of_its_own("--tries", "600", "--unguarded")
    missed = {"localhost", *rebinding.BAD} - set(told["canary"])
    # Names for loopback that the socket itself calls by another one.
    assert missed <= {"localhost", "0.0.0.0", "::ffff:127.0.0.1"}
