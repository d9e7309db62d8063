"""Who is told everything of an address: who has the secret, or a key that may read."""

from typing import Any

import pytest

from engine.errors.codes import Code
from engine.merchants.scopes import Scope
from engine.payment.events import opening
from engine.secrets.vault import Vault
from tests.unit.transport.live.stage import FakeGateway, terms_of
from transport.http.auth import Principal
from transport.http.problems import Problem
from transport.live.audience import Audience
from transport.live.encoding import Frames
from transport.live.routes import LiveRoutes

VAULT = Vault(bytes(32))
FRAMES = Frames("simulate")
SECRET, OTHERS = VAULT.client_secret("pay_1"), VAULT.client_secret("pay_2")
TERMS = terms_of("pay_1", "order-1", "ann")
KEY = {"HTTP_AUTHORIZATION": "Bearer pbk_x"}


def is_insider(query: str = "", require: Any = None, **environ: str) -> bool:
    audience = Audience(FRAMES, VAULT, require)
    asked = {"QUERY_STRING": query, **environ}
    frames = audience.frames(asked, opening(TERMS)[1])
    assert frames in (FRAMES, FRAMES.for_strangers)
    return frames is FRAMES


def key_of(merchant: str | None, *scopes: Scope) -> Any:
    return lambda _environ: Principal("key", "key", merchant, scopes)


def wrong_key(_environ: dict[str, Any]) -> Principal:
    raise Problem(Code.UNAUTHORIZED, "unknown", headers={"WWW-Authenticate": "Bearer"})


@pytest.mark.parametrize(
    ("query", "is_one"),
    [
        ("", False),
        ("since=3", False),
        ("token=", False),
        (f"token={SECRET}", True),
        (f"since=3&token={SECRET}", True),
        (f"token={OTHERS}", False),  # of an earlier payment there, or a guess
        (f"token={SECRET}x", False),
        ("token=%ff%00\u00e9", False),
    ],
)
def test_a_stranger_becomes_an_insider_by_the_secret_of_the_payment(
    query: str, is_one: bool
) -> None:
    assert is_insider(query) is is_one


@pytest.mark.parametrize(
    ("require", "is_one"),
    [
        (key_of("ann", Scope.READ), True),
        (key_of(None, Scope.READ), True),
        (key_of("bob", Scope.READ), False),
        (key_of("ann", Scope.CREATE, Scope.SETTINGS), False),
    ],
)
def test_or_by_a_key_of_its_merchant_that_may_read(require: Any, is_one: bool) -> None:
    assert is_insider(require=require, **KEY) is is_one


def test_without_a_key_nobody_is_asked_for_one() -> None:
    assert not is_insider(require=wrong_key)
    # Between the client and a proxy in front, and none of our matter:
    assert not is_insider(require=wrong_key, HTTP_AUTHORIZATION="Basic dTpw")


def test_a_wrong_key_is_refused_before_the_handshake_too() -> None:
    with pytest.raises(Problem):
        is_insider(require=wrong_key, **KEY)
    gateway: Any = FakeGateway(TERMS)
    routes = LiveRoutes(gateway, VAULT, FRAMES, require=wrong_key)
    path = {"PATH_INFO": f"/ws/balance/{TERMS.address}", "QUERY_STRING": "", **KEY}
    answer: Any = routes(path)
    assert (answer.status, answer.headers) == (401, (("WWW-Authenticate", "Bearer"),))
    assert gateway.sessions == []


def test_a_query_of_too_many_fields_is_refused() -> None:
    with pytest.raises(Problem) as refused:
        is_insider("&".join(f"token={number}" for number in range(17)))
    assert refused.value.status == 422
