"""The tables `[lightning.<name>]` of the file: read, and what is wrong told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import load, read_file, read_lightning, unknown_names
from engine.errors import ConfigError
from engine.lightning.account import Account
from engine.lightning.account_tables import (
    BLINK_URL,
    account_of,
    read_account_tables,
    secret_name,
    unused_secrets,
    whsec_name,
)

SECRET = "canary-secret"

FILE = f"""
port = 9000

[lightning.till]
kind = "blink"
secret = "{SECRET}"
forward_to = "user"
merchants = ["rose", "default"]

[lightning.user]
kind = "blink"
secret = "{SECRET}-2"
wallet = "0b8d3f7e"

[lightning.node]
kind = "phoenixd"
url = "http://127.0.0.1:9740/"
secret = "{SECRET}-3"
poll_s = 5
forward_min_sat = 7
forward_fee_ppm = 8
forward_fee_base_sat = 9
silence_s = 4

[lightning.dev]
kind = "electrum"
url = "http://electrum:7777"
user = "user"
secret = "{SECRET}-4"
merchants = ["dev"]
"""


def read(*tables: tuple[str, dict[str, Any]], **environ: str) -> dict[str, Account]:
    return read_account_tables(dict(tables), "/etc/paybell.toml", environ)


def phoenixd(**changes: Any) -> dict[str, Any]:
    table = {"kind": "phoenixd", "url": "http://127.0.0.1:9740", "secret": SECRET}
    return {key: value for key, value in (table | changes).items() if value is not None}


def test_accounts_stand_beside_the_settings() -> None:
    config = load(
        {}, {}, read_file(FILE, "f"), "f", lightning=read_lightning(FILE, "f", {})
    )
    assert config.port == 9000
    assert list(config.lightning) == ["till", "user", "node", "dev"]
    till, node = config.lightning["till"], config.lightning["node"]
    assert (till.url, till.forward_to, till.secret) == (BLINK_URL, "user", SECRET)
    assert (node.url, node.poll_s, node.silence_s) == ("http://127.0.0.1:9740", 5, 4)
    assert (node.forward_min_sat, node.forward_fee_ppm) == (7, 8)
    assert node.forward_fee_base_sat == 9
    assert "canary" not in repr(config.lightning) + repr(config)
    assert read_lightning("port = 1", "f", {}) == {}


def test_who_makes_a_merchants_invoices() -> None:
    accounts = read_lightning(FILE, "f", {})

    def of(merchant: str) -> str:
        found = account_of(accounts, merchant)
        return found.name if found else ""

    assert of("rose") == of("default") == "till"  # it names them
    assert of("dev") == "dev"
    assert of("anybody") == "node"  # not `user`, which only takes what is passed on
    assert account_of({}, "rose") is None
    only = {"dev": accounts["dev"]}
    assert account_of(only, "rose") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": 1}, "unknown field `colour`; there are: kind, url, secret, "),
        ({"kind": None}, "lightning.node: Object missing required field `kind`"),
        ({"kind": SECRET}, "lightning.node.kind: must be phoenixd, blink or electrum"),
        ({"kind": 7}, "lightning.node.kind: "),
        ({"url": None}, "lightning.node.url: is missing"),
        ({"url": "ftp://127.0.0.1"}, "lightning.node.url: must begin with https://"),
        ({"url": "127.0.0.1:9740"}, "or with http:// to this machine"),
        ({"url": "https://"}, "lightning.node.url: its URL has no valid host"),
        ({"url": "https://a:x"}, "lightning.node.url: its URL cannot be read"),
        ({"url": f"https://:{SECRET}@a.example"}, "lightning.node.url: has a user"),
        ({"url": f"https://{SECRET}@a.example"}, "lightning.node.url: has a user"),
        ({"url": "https://a.example/?key=1"}, "lightning.node.url: has more than"),
        ({"url": "https://a.example/#x"}, "lightning.node.url: has more than"),
        ({"url": "https://a.example/?"}, "lightning.node.url: has more than"),
        ({"url": "http://node.example.com"}, "lightning.node.url: http:// is for this"),
        ({"url": "http://8.8.8.8:9740"}, "lightning.node.url: http:// is for this"),
        ({"url": "http://0.0.0.0:9740"}, "lightning.node.url: http:// is for this"),
        ({"url": "http://[2001:4860::1]"}, "lightning.node.url: http:// is for this"),
        ({"secret": None}, "may stand in PAYBELL_LIGHTNING_NODE_SECRET, too"),
        ({"secret": "canary\n"}, "lightning.node.secret: has over 500 letters, or"),
        ({"secret": "canäry"}, "lightning.node.secret (or PAYBELL_LIGHTNING_NODE_"),
        ({"secret": 7}, "lightning.node.secret: Expected `str`, got `int`"),
        ({"user": "ann"}, "lightning.node.user: phoenixd has none"),
        ({"wallet": "x"}, "lightning.node.wallet: phoenixd has none"),
        ({"stream_url": "wss://x"}, "lightning.node.stream_url: phoenixd has none"),
        ({"kind": "electrum"}, "lightning.node.user: is missing"),
        ({"kind": "blink"}, "lightning.node.stream_url: is missing"),
        (
            {"kind": "blink", "stream_url": "https://a.example"},
            "lightning.node.stream_url: must begin with wss://",
        ),
        (
            {"kind": "blink", "stream_url": "ws://a.example"},
            "lightning.node.stream_url: ws:// is for this machine",
        ),
        ({"merchants": "rose"}, "lightning.node.merchants: Expected `array`"),
        ({"forward_to": "nobody"}, "lightning.node.forward_to: names no account"),
        ({"forward_to": "node"}, "money would go round: node → node"),
        ({"poll_s": 0}, "lightning.node.poll_s: Expected `int` >= 1"),
        (
            {"forward_min_sat": 0},
            "lightning.node.forward_min_sat: Expected `int` >= 1",
        ),
        (
            {"forward_fee_ppm": 100_001},
            "lightning.node.forward_fee_ppm: Expected `int` <= 100000",
        ),
        (
            {"forward_fee_base_sat": -1},
            "lightning.node.forward_fee_base_sat: Expected `int` >= 0",
        ),
        ({"poll_s": True}, "lightning.node.poll_s: Expected `int`, got `bool`"),
        ({"silence_s": 1}, "lightning.node.silence_s: Expected `int` >= 2"),
    ],
)
def test_what_is_wrong_is_told_with_its_key_and_without_its_value(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(("node", phoenixd(**changes)))
    text = str(caught.value)
    assert text.startswith("/etc/paybell.toml: lightning.node")
    assert said in text
    assert "canary" not in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9740",
        "http://127.0.0.5",
        "http://[::1]:9740",
        "http://10.1.2.3:9740",
        "http://192.168.1.20:9740",
        "http://[fd00::7]:9740",
        "http://phoenixd:9740",  # a container's
        "http://umbrel.local",
        "http://abcdefghijklmnop.onion",
        "https://node.example.com",
        "https://8.8.8.8:9740",
    ],
)
def test_where_a_node_may_be(url: str) -> None:
    assert read(("node", phoenixd(url=url)))["node"].url == url


@pytest.mark.parametrize("name", ["", "Node", "a b", "-a", "x" * 33, "ä", "a.b"])
def test_names_that_no_account_has(name: str) -> None:
    with pytest.raises(ConfigError, match="an account's name has 1 to 32"):
        read((name, phoenixd()))


def test_money_never_goes_round() -> None:
    ring = {"a": "b", "b": "c", "c": "a"}
    tables = [(name, phoenixd(forward_to=to)) for name, to in ring.items()]
    with pytest.raises(ConfigError, match="a → b → c → a"):
        read(*tables)
    straight = read(("a", phoenixd(forward_to="b")), ("b", phoenixd()))
    assert straight["a"].forward_to == "b"


def test_nobody_guesses_to_which_of_two_accounts_money_comes() -> None:
    with pytest.raises(ConfigError, match="a takes the money of every merchant"):
        read(("a", phoenixd()), ("b", phoenixd()))
    shared = [(name, phoenixd(merchants=["rose", name])) for name in ("a", "b")]
    with pytest.raises(ConfigError, match="a takes the money of merchant rose"):
        read(*shared)
    one = read(("a", phoenixd(merchants=["rose", "rose"])), ("b", phoenixd()))
    assert account_of(one, "rose") is one["a"]


def test_the_secret_may_stand_in_the_environment_and_comes_first_there() -> None:
    name = "PAYBELL_LIGHTNING_MY_NODE_SECRET"
    assert secret_name("my-node") == name
    table = phoenixd(secret=None)
    assert read(("my-node", table), **{name: "there"})["my-node"].secret == "there"
    both = read(("my-node", phoenixd()), **{name: "there"})
    assert both["my-node"].secret == "there"
    assert read(("my-node", phoenixd()), **{name: ""})["my-node"].secret == SECRET
    with pytest.raises(ConfigError) as caught:
        read(("my-node", table), **{name: "canary\nline"})
    assert "canary" not in str(caught.value)


def test_two_accounts_never_share_a_variable() -> None:
    two = [("a-b", phoenixd(merchants=["x"])), ("a_b", phoenixd(merchants=["y"]))]
    with pytest.raises(ConfigError, match="has the same variable"):
        read(*two)


def test_a_variable_of_no_account_is_told_by_its_name() -> None:
    environ = {"PAYBELL_LIGHTNING_NODE_SECRET": SECRET, "PAYBELL_PORT": "1"}
    assert unknown_names(environ) == []
    assert unused_secrets(environ, ["node"]) == []
    (line,) = unused_secrets(environ, ["nodes"])
    assert "PAYBELL_LIGHTNING_NODE_SECRET" in line
    assert SECRET not in line


WHSEC = "whsec_" + "QUJD" * 8


def blink(**changes: Any) -> dict[str, Any]:
    return {"kind": "blink", "secret": SECRET, **changes}


def test_secrets_of_webhooks_stand_in_the_file_or_in_the_environment() -> None:
    name = "PAYBELL_LIGHTNING_MY_TILL_WHSEC"
    assert whsec_name("my-till") == name
    assert read(("my-till", blink()))["my-till"].webhook_secrets == ()
    filed = read(("my-till", blink(webhook_secrets=[WHSEC])))["my-till"]
    assert filed.webhook_secrets == (WHSEC,)
    assert WHSEC not in repr(filed)
    other = "whsec_" + "REVG" * 8
    two = read(("my-till", blink()), **{name: f"{WHSEC}, {other}"})["my-till"]
    assert two.webhook_secrets == (WHSEC, other)
    assert unknown_names({name: WHSEC}) == []
    assert unused_secrets({name: WHSEC}, ["my-till"]) == []
    assert len(unused_secrets({name: WHSEC}, ["till"])) == 1


@pytest.mark.parametrize(
    "secret", ["canary", "whsec_canary", "whsec_", "whsec_" + "QUJD" * 40, "QUJD" * 8]
)
def test_a_secret_of_webhooks_that_is_none_is_told_without_it(secret: str) -> None:
    with pytest.raises(ConfigError, match="webhook_secrets") as caught:
        read(("till", blink(webhook_secrets=[secret])))
    assert secret not in str(caught.value).replace("whsec_ followed", "")
    with pytest.raises(ConfigError, match="phoenixd has none"):
        read(("node", phoenixd(webhook_secrets=[WHSEC])))


def test_what_is_no_table_and_too_many_of_them() -> None:
    with pytest.raises(ConfigError, match="must be tables"):
        read_lightning("lightning = 1", "f", {})
    with pytest.raises(
        ConfigError, match=r"node: must be a table.*\[lightning.<name>\]"
    ):
        read_lightning("[lightning]\nnode = 1", "f", {})
    many = [(f"n{n}", phoenixd(merchants=[f"m{n}"])) for n in range(21)]
    with pytest.raises(ConfigError, match="at most 20"):
        read(*many)


def test_a_merchant_that_cannot_be_is_told() -> None:
    text = FILE.replace('"rose"', '"ro se"')
    with pytest.raises(ConfigError, match=r"lightning\.till\.merchants: the name of"):
        read_lightning(text, "f", {})


VALUES: st.SearchStrategy[Any] = st.one_of(
    st.text(max_size=20), st.integers(), st.booleans(), st.lists(st.text(max_size=5))
)


@given(
    st.dictionaries(
        st.sampled_from([*phoenixd(), "merchants", "forward_to", "x"]), VALUES
    )
)
def test_no_table_does_more_than_a_config_error(table: dict[str, Any]) -> None:
    try:
        read(("node", phoenixd() | table))
    except ConfigError as error:
        assert str(error).startswith("/etc/paybell.toml: lightning.node")
