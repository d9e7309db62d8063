"""The URL of a mail server: what it says, and that it shows no password."""

import pytest

from engine.mail.server import MailServer, Security, parse_server


def test_the_scheme_says_how_it_is_made_private_and_which_port() -> None:
    found = parse_server("smtp+starttls://ann:s%40cret@mail.example")
    assert found.security is Security.STARTTLS
    assert (found.host, found.port) == ("mail.example", 587)
    assert (found.user, found.password) == ("ann", "s@cret")
    assert parse_server("smtps://mail.example").port == 465
    assert parse_server("smtps://[2001:db8::1]:4650").host == "2001:db8::1"
    assert parse_server("smtp://localhost").port == 25


@pytest.mark.parametrize(
    "url",
    ["smtp://localhost:2525", "smtp://127.0.0.2", "smtp://[::1]",
     "smtp://mail.lan?insecure=yes"],
)  # fmt: skip
def test_without_tls_it_is_on_this_machine_or_the_operator_says_so(url: str) -> None:
    assert parse_server(url).security is Security.PLAIN


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("smtp://mail.example", "goes to this machine only"),
        ("smtp://10.0.0.1", "goes to this machine only"),
        ("smtp://ann:secret@localhost", "takes no user and password"),
        ("smtp://ann:secret@mail.lan?insecure=yes", "takes no user and password"),
        ("smtps://mail.example?insecure=yes", "only insecure=yes"),
        ("smtps://mail.example/path", "only"),
        ("smtps://mail.example#x", "only"),
        ("https://mail.example", "must begin with"),
        ("mail.example:587", "must begin with"),
        ("smtps://", "no host"),
        ("smtps://mail.example:secret", "cannot be read"),
        ("smtps://mail.example:99999", "cannot be read"),
        ("smtps://a nn:x@mail.example", "space"),
        ("smtps://ünn:x@mail.example", "%-encoded"),
        ("smtps://%C3%BC:x@mail.example", "not ASCII"),
        ("smtps://ann:x%0D%0Ay@mail.example", "not ASCII"),
        ("smtps://mail.example/" + "x" * 1_000, "too long"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse_server(url)
    assert "secret" not in str(refused.value)


def test_nothing_that_is_shown_of_it_holds_user_or_password() -> None:
    found = parse_server("smtps://somebody:opensesame@mail.example")
    for shown in (repr(found), str(found), found.origin):
        assert "somebody" not in shown
        assert "opensesame" not in shown
    assert found.origin == "smtps://mail.example:465"
    assert isinstance(found, MailServer)
