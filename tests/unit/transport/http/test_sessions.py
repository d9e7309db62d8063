"""Sessions: what a cookie opens, for how long, and for whose pages."""

from typing import Any

import pytest

from engine.errors import EngineBusy
from engine.secrets.vault import Vault
from engine.store.records import KeyRecord
from tests.unit.transport.http.test_auth import Clock, Keys
from transport.http.auth import CACHE_S, Auth, hash_key
from transport.http.problems import Problem
from transport.http.sessions import (
    BACK_MS,
    LIFE_MS,
    MOST_ENDED,
    Session,
    Sessions,
)

NOW = 1_800_000_000_000
HOST = "pay.example"


class Written:
    """In the database's place: who has logged out."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.is_full = False

    def end_session(self, session_id: str) -> None:
        if self.is_full:
            raise EngineBusy("no space left on device")
        self.ids.add(session_id)

    def is_session_ended(self, session_id: str) -> bool:
        return session_id in self.ids


class Desk:
    """Sessions of a node, and a browser that sends what it should."""

    def __init__(
        self, public_url: str = "", seed: bytes = b"k", written: Written | None = None
    ) -> None:
        self.now = NOW
        self.vault = Vault(seed * 32)
        self.written = written or Written()
        self.sessions = Sessions(self.vault, lambda: self.now, self.written, public_url)
        self.keys, self.clock = Keys(), Clock()
        self.key = self.keys.add("ann")
        made: Any = self.keys
        self.auth = Auth(made, "boot", clock=self.clock, sessions=self.sessions)

    def begin(self, key: str | None = None) -> Session:
        session = self.auth.begin(key or self.key)
        assert session is not None
        return session

    def asked(self, session: Session, **more: Any) -> dict[str, Any]:
        environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": HOST, **more}
        cookie = self.sessions.set_cookie(environ, session).partition(";")[0]
        return {"HTTP_COOKIE": cookie, **environ}

    def changing(self, session: Session, **more: Any) -> dict[str, Any]:
        wanted = {
            "REQUEST_METHOD": "POST",
            "HTTP_ORIGIN": f"http://{HOST}",
            "HTTP_X_CSRF_TOKEN": self.sessions.csrf(session),
        }
        return self.asked(session, **{**wanted, **more})

    def status(self, environ: dict[str, Any]) -> int:
        try:
            self.auth.require(environ)
        except Problem as problem:
            return problem.status
        return 200


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_session_is_whom_its_key_is(desk: Desk) -> None:
    session = desk.begin()
    found = desk.auth.require(desk.asked(session))
    assert (found.key_id, found.merchant) == ("key_0", "ann")
    assert found.session == session
    assert found.may_see("ann")
    assert not found.may_see("bob")


def test_the_key_of_the_environment_may_log_in_and_ends_when_it_is_another(
    desk: Desk,
) -> None:
    environ = desk.asked(desk.begin("boot"))
    assert desk.auth.require(environ).merchant is None
    made: Any = desk.keys
    restarted = Auth(made, "another", sessions=desk.sessions)
    assert restarted.by_session(environ) is None


def test_a_wrong_key_begins_none(desk: Desk) -> None:
    assert desk.auth.begin("pbk_wrong") is None


def test_a_session_survives_a_restart(desk: Desk) -> None:
    environ = desk.asked(desk.begin())
    again = Desk()
    again.keys = desk.keys
    made: Any = desk.keys
    again.auth = Auth(made, "boot", sessions=again.sessions)
    assert again.status(environ) == 200


def test_a_replaced_key_of_the_node_ends_every_session(desk: Desk) -> None:
    environ = desk.asked(desk.begin())
    other = Desk(seed=b"n")
    made: Any = desk.keys
    assert Auth(made, None, sessions=other.sessions).by_session(environ) is None


def test_a_revoked_key_ends_its_sessions_and_what_they_hold_open(desk: Desk) -> None:
    session = desk.begin()
    lease = desk.auth.require(desk.asked(session)).lease
    assert desk.auth.is_active(lease)
    desk.keys.revoke(0)
    desk.auth.forget()
    assert desk.status(desk.asked(session)) == 401
    assert not desk.auth.is_active(lease)


def test_a_key_revoked_by_another_process_ends_them_within_seconds(desk: Desk) -> None:
    session = desk.begin()
    desk.keys.revoke(0)
    desk.clock.now += CACHE_S
    assert desk.status(desk.asked(session)) == 401


def test_a_key_that_took_the_id_of_another_opens_nothing_for_it(desk: Desk) -> None:
    session = desk.begin()
    old = desk.keys.records[0]
    desk.keys.records[0] = KeyRecord(
        old.id, "new", "bob", hash_key("pbk_new"), 1, None, ("read",)
    )
    desk.auth.forget()
    assert desk.status(desk.asked(session)) == 401


def test_it_ends_after_twelve_hours(desk: Desk) -> None:
    session = desk.begin()
    environ, lease = desk.asked(session), desk.auth.require(desk.asked(session)).lease
    desk.now = NOW + LIFE_MS - 1
    assert desk.status(environ) == 200
    assert desk.auth.is_active(lease)
    desk.now = NOW + LIFE_MS
    assert desk.status(environ) == 401
    assert not desk.auth.is_active(lease)


def test_a_clock_set_back_a_little_is_borne_and_a_session_of_the_future_is_not(
    desk: Desk,
) -> None:
    environ = desk.asked(desk.begin())
    desk.now = NOW - BACK_MS
    assert desk.status(environ) == 200
    desk.now = NOW - BACK_MS - 1
    assert desk.status(environ) == 401


def test_who_logs_out_leaves_no_cookie_that_opens_anything(desk: Desk) -> None:
    session, other = desk.begin(), desk.begin()
    lease = desk.auth.require(desk.asked(session)).lease
    desk.sessions.end(session)
    assert desk.status(desk.asked(session)) == 401
    assert not desk.auth.is_active(lease)
    assert desk.status(desk.asked(other)) == 200


def test_a_copied_cookie_opens_nothing_after_a_restart_either(desk: Desk) -> None:
    session, other = desk.begin(), desk.begin()
    desk.sessions.end(session)
    after = Sessions(desk.vault, lambda: desk.now, desk.written)
    assert after.read(desk.asked(session)) is None
    assert after.to_end(desk.asked(session)) is None
    assert after.read(desk.asked(other)) == other


def test_what_could_not_be_written_is_ended_all_the_same_and_can_be_tried_again(
    desk: Desk,
) -> None:
    session = desk.begin()
    desk.written.is_full = True
    for _ in range(2):
        with pytest.raises(EngineBusy):
            desk.sessions.end(session)
        assert desk.status(desk.asked(session)) == 401
        assert desk.sessions.to_end(desk.asked(session)) == session
    desk.written.is_full = False
    desk.sessions.end(session)
    assert desk.written.ids == {session.id}
    assert desk.sessions.to_end(desk.asked(session)) is None


def test_what_was_logged_out_is_remembered_up_to_a_bound(desk: Desk) -> None:
    first = desk.begin()
    desk.sessions.end(first)
    for _ in range(MOST_ENDED):
        desk.sessions.end(desk.begin())
    assert len(desk.sessions._ended) == MOST_ENDED
    desk.now += LIFE_MS
    desk.sessions.end(desk.begin())
    assert len(desk.sessions._ended) == 1, "those whose time was over are gone first"
    assert desk.sessions._unwritten == set()


def test_who_logs_in_and_out_without_an_end_opens_no_session_of_others_again(
    desk: Desk,
) -> None:
    mine = desk.begin()
    desk.sessions.end(mine)
    theirs = desk.keys.add("mallory")
    desk.auth.forget()
    for _ in range(MOST_ENDED + 1):
        desk.sessions.end(desk.begin(theirs))
    assert desk.status(desk.asked(mine)) == 401


def test_no_two_sessions_have_an_id_and_none_comes_from_outside(desk: Desk) -> None:
    assert desk.begin().id != desk.begin().id


# -- whose pages -----------------------------------------------------------------------


def test_what_changes_something_wants_origin_and_token(desk: Desk) -> None:
    session = desk.begin()
    assert desk.status(desk.changing(session)) == 200
    for missing in ("HTTP_ORIGIN", "HTTP_X_CSRF_TOKEN"):
        environ = desk.changing(session)
        del environ[missing]
        assert desk.status(environ) == 403, missing


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_every_method_that_is_not_safe_wants_the_token(desk: Desk, method: str) -> None:
    environ = desk.changing(
        desk.begin(), REQUEST_METHOD=method, HTTP_X_CSRF_TOKEN="csrf_wrong"
    )
    assert desk.status(environ) == 403


def test_a_stolen_token_fits_no_other_session(desk: Desk) -> None:
    mine, theirs = desk.begin(), desk.begin()
    stolen = desk.sessions.csrf(mine)
    assert desk.status(desk.changing(theirs, HTTP_X_CSRF_TOKEN=stolen)) == 403
    without = {"REQUEST_METHOD": "POST", "HTTP_X_CSRF_TOKEN": stolen}
    assert desk.status(without) == 401


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"HTTP_ORIGIN": "https://evil.example"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_ORIGIN": f"http://{HOST}:3000"},  # same site, other port
        {"HTTP_ORIGIN": f"http://shop.{HOST}"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_SEC_FETCH_SITE": "same-site"},
        {"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_ORIGIN": f"http://{HOST}"},
    ],
)
def test_pages_of_other_origins_neither_read_nor_change(
    desk: Desk, elsewhere: dict[str, str]
) -> None:
    session = desk.begin()
    assert desk.status(desk.asked(session, **elsewhere)) == 403
    assert desk.status(desk.changing(session, **elsewhere)) == 403
    assert desk.auth.of_own_page(desk.asked(session, **elsewhere)) is None


def test_what_a_person_typed_may_read_and_not_change(desk: Desk) -> None:
    session = desk.begin()
    assert desk.status(desk.asked(session, HTTP_SEC_FETCH_SITE="none")) == 200
    assert desk.status(desk.changing(session, HTTP_SEC_FETCH_SITE="none")) == 403
    typed = desk.changing(session, HTTP_SEC_FETCH_SITE="same-origin")
    del typed["HTTP_ORIGIN"]
    assert desk.status(typed) == 200


def test_behind_a_proxy_that_hides_the_host_the_public_url_says_who_we_are() -> None:
    desk = Desk("https://pay.example/shop")
    session = desk.begin()
    ours = desk.changing(
        session, HTTP_HOST="127.0.0.1:8080", HTTP_ORIGIN="https://pay.example"
    )
    assert desk.status(ours) == 200
    assert desk.status({**ours, "HTTP_ORIGIN": "https://evil.example"}) == 403


def test_a_bearer_header_counts_alone_and_wants_no_token(desk: Desk) -> None:
    session = desk.begin()
    bob = desk.keys.add("bob")
    desk.auth.forget()
    both = desk.asked(
        session, REQUEST_METHOD="POST", HTTP_AUTHORIZATION=f"Bearer {bob}"
    )
    assert desk.auth.require(both).merchant == "bob"
    wrong = desk.asked(session, HTTP_AUTHORIZATION="Bearer pbk_wrong")
    assert desk.status(wrong) == 401, "a wrong key is a mistake, not a visitor"


def test_a_proxys_own_password_stands_not_in_the_way(desk: Desk) -> None:
    basic = {"HTTP_AUTHORIZATION": "Basic eDp5"}
    assert desk.status(desk.asked(desk.begin(), **basic)) == 200
    assert desk.status({"REQUEST_METHOD": "GET", **basic}) == 401


# -- the cookie ------------------------------------------------------------------------


def test_the_cookie_is_for_no_script_no_other_site_and_no_sibling_host() -> None:
    plain = Desk()
    said = plain.sessions.set_cookie({}, plain.begin())
    name, _, rest = said.partition("=")
    attributes = rest.split("; ")[1:]
    assert name == "paybell_session"
    assert attributes == ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"]
    for desk, environ in (
        (Desk("https://pay.example"), {}),
        (Desk(), {"wsgi.url_scheme": "https"}),
    ):
        said = desk.sessions.set_cookie(environ, desk.begin())
        assert said.startswith("__Host-paybell_session=")
        assert said.endswith(
            "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
        )
        assert "Domain" not in said


def test_behind_https_a_cookie_of_a_sibling_host_is_not_looked_at() -> None:
    desk = Desk("https://pay.example")
    environ = desk.asked(desk.begin())
    assert desk.status(environ) == 200
    tossed = environ["HTTP_COOKIE"].removeprefix("__Host-")
    assert desk.status({**environ, "HTTP_COOKIE": tossed}) == 401


def test_of_two_cookies_none_counts(desk: Desk) -> None:
    mine, theirs = desk.asked(desk.begin()), desk.asked(desk.begin())
    both = f"{mine['HTTP_COOKIE']}; {theirs['HTTP_COOKIE']}"
    assert desk.status({**mine, "HTTP_COOKIE": both}) == 401
    beside = f"a=b; {mine['HTTP_COOKIE']}; c=d"
    assert desk.status({**mine, "HTTP_COOKIE": beside}) == 200


@pytest.mark.parametrize(
    "value",
    ["", "x", "AAAA", "=" * 1_000, "A" * 100_000, "\xff\xfe", "pbk_a-key", '"quoted"'],
)
def test_what_is_no_session_opens_nothing_and_breaks_nothing(
    desk: Desk, value: str
) -> None:
    environ = {"REQUEST_METHOD": "GET", "HTTP_COOKIE": f"paybell_session={value}"}
    assert desk.status(environ) == 401


def test_nothing_else_that_the_node_sealed_is_a_session(desk: Desk) -> None:
    other = desk.vault.seal(b"\x94\xa1a\xa1b\xc4\x00\x01", "chn_1")
    environ = {"REQUEST_METHOD": "GET", "HTTP_COOKIE": f"paybell_session={other}"}
    assert desk.status(environ) == 401


def test_an_altered_cookie_opens_nothing(desk: Desk) -> None:
    environ = desk.asked(desk.begin())
    for at in (20, 60, len(environ["HTTP_COOKIE"]) - 5):
        text = environ["HTTP_COOKIE"]
        other = "A" if text[at] != "A" else "B"
        bent = text[:at] + other + text[at + 1 :]
        assert desk.status({**environ, "HTTP_COOKIE": bent}) == 401


def test_nothing_shows_what_a_session_is(desk: Desk) -> None:
    session = desk.begin()
    shown = f"{session!r} {desk.sessions!r} {desk.auth.require(desk.asked(session))!r}"
    assert session.id not in shown
    assert desk.sessions.csrf(session) not in shown
