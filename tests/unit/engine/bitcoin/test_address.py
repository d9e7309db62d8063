"""Addresses: the vectors of BIP 173, BIP 350 and BIP 86, and what must not pass."""

import string
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bitcoin.address import (
    NETWORKS,
    Address,
    _checksum,
    _expanded,
    _polymod,
    parse_address,
    script_to_address,
)
from engine.errors import InvalidAddress

SECRETS = [
    "5KJvsngHeMpm884wtkJNzQGaCErckhHJBGFsvd3VyK5qMZXj3hS",
    "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1",
    "cTpB4YiyKiBcPxnefsDpbnDxFDffjqJob8wGCEDXxgQ7zQoMXJdH",
    "cTpB4YiyKiBcPxnefsDpbnDxFDffjqJob8wGCEDXxgQ7zQoMXJdJ",  # mistyped
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6L"
    "nF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35",
    "abandon " * 11 + "about",
    "abandon " * 23 + "art",
]

P2WPKH = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
GOOD = [
    # BIP 173 and BIP 350 give these with their scripts.
    (
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        "mainnet",
        "p2wpkh",
        "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    ),
    (
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "testnet",
        "p2wsh",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    ),
    (
        "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        "signet",
        "p2wsh",
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "testnet",
        "p2tr",
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "mainnet",
        "p2tr",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
    (
        "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
        "mainnet",
        "p2tr",
        "5120a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c",
    ),
    (
        "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        "mainnet",
        "p2pkh",
        "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac",
    ),
    (
        "3JvL6Ymt8MVWiCNHC7oWU6nLeHNJKLZGLN",
        "mainnet",
        "p2sh",
        "a914bcfeb728b584253d5f3f70bcb780e9ef218a68f487",
    ),
    (
        "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r",
        "regtest",
        "p2pkh",
        "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac",
    ),
    (
        "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        "regtest",
        "p2wpkh",
        "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    ),
]

BAD = [
    # The invalid addresses of BIP 350, in its order.
    ("tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", "prefix 'tc'"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "bech32m"),
    ("BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", "bech32m"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "checksum of bech32,"),
    (
        "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
        "does not occur in bech32",
    ),
    ("BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "no witness"),
    ("bc1pw5dgrnzv", "1 bytes"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
        "41 bytes",
    ),
    ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "16 bytes"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
        "padding",
    ),
    ("bc1gmk9yu", "wrong checksum"),
    # Of our own.
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3T4", "mixes upper and lower"),
    ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMh", "wrong checksum"),
    ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAM", "wrong checksum"),
    ("0BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", "does not occur in base58"),
    ("bc1", "wrong checksum"),
    ("1", "not an address"),
    ("", "none was given"),
    ("bitcoin:" + P2WPKH, "not an address"),
    (P2WPKH + " ", "letters and digits"),
    ("bc1q\u0301", "letters and digits"),
    ("1" * 129, "at most 128"),
    ("q" * 1_000_000, "at most 128"),
    ("bc1" + "q" * 97, "90"),
]


@pytest.mark.parametrize(("text", "network", "kind", "script"), GOOD)
def test_a_good_address_gives_its_kind_and_script_and_comes_back(
    text: str, network: str, kind: str, script: str
) -> None:
    address = parse_address(text, network)
    assert (address.kind, address.script.hex()) == (kind, script)
    assert address.network == network
    assert script_to_address(address.script, network) == address.text
    assert address.text == (text.lower() if kind.startswith("p2w") else text)


@pytest.mark.parametrize(("text", "because"), BAD)
def test_a_bad_address_is_refused_and_the_message_says_why(
    text: str, because: str
) -> None:
    with pytest.raises(InvalidAddress, match=because) as refused:
        parse_address(text, "testnet" if text.startswith("tb") else "mainnet")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "BC1SW50QGDZ25J",
        "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",
    ],
)
def test_what_bip350_allows_for_the_future_is_refused_today(text: str) -> None:
    with pytest.raises(InvalidAddress, match=r"witness version|40 bytes"):
        parse_address(text, "mainnet")


@pytest.mark.parametrize(
    ("text", "own", "wanted"),
    [
        (P2WPKH, "mainnet", "regtest"),
        ("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "testnet or signet", "mainnet"),
        ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "regtest", "signet"),
        ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", "mainnet", "testnet"),
        ("mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r", "testnet, signet or regtest", "mainnet"),
    ],
)
def test_an_address_of_another_network_is_refused_and_its_network_named(
    text: str, own: str, wanted: str
) -> None:
    with pytest.raises(InvalidAddress, match=f"is an address of {own}, not {wanted}"):
        parse_address(text, wanted)


@pytest.mark.parametrize("text", SECRETS)
def test_a_private_key_in_its_place_is_refused_and_never_quoted(text: str) -> None:
    """Problems are shown on pages, and kept in logs of who asked."""
    with pytest.raises(InvalidAddress, match="private key") as refused:
        parse_address(text, "regtest")
    assert not any(word in str(refused.value) for word in text.split() if len(word) > 7)
    shown = "".join(traceback.format_exception(refused.value))
    assert text not in shown.replace("\n", "")


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(InvalidAddress, match="one of mainnet, testnet"):
        parse_address(P2WPKH, "testnet4")
    with pytest.raises(InvalidAddress, match="unknown network"):
        script_to_address(b"", "")


def test_signet_and_testnet_share_their_addresses() -> None:
    text = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
    assert parse_address(text, "testnet").script == parse_address(text, "signet").script


@pytest.mark.parametrize("script", ["", "6a", "51", "0014", "5220" + "00" * 32])
def test_a_script_without_an_address_form_has_none(script: str) -> None:
    assert script_to_address(bytes.fromhex(script), "mainnet") is None


def _scripts() -> st.SearchStrategy[bytes]:
    twenty = st.binary(min_size=20, max_size=20)
    thirty_two = st.binary(min_size=32, max_size=32)
    return st.one_of(
        twenty.map(lambda d: b"\x76\xa9\x14" + d + b"\x88\xac"),
        twenty.map(lambda d: b"\xa9\x14" + d + b"\x87"),
        twenty.map(lambda d: b"\x00\x14" + d),
        thirty_two.map(lambda d: b"\x00\x20" + d),
        thirty_two.map(lambda d: b"\x51\x20" + d),
    )


@given(_scripts(), st.sampled_from(NETWORKS))
def test_every_standard_script_survives_the_way_through_its_address(
    script: bytes, network: str
) -> None:
    text = script_to_address(script, network)
    assert text is not None
    address = parse_address(text, network)
    assert address.script == script
    if address.kind.startswith("p2w") or address.kind == "p2tr":
        assert parse_address(text.upper(), network) == address


@given(
    _scripts(),
    st.sampled_from(NETWORKS),
    st.integers(min_value=0),
    st.sampled_from(string.ascii_letters + string.digits),
)
def test_a_single_changed_character_never_passes(
    script: bytes, network: str, position: int, char: str
) -> None:
    text = script_to_address(script, network)
    assert text is not None
    position %= len(text)
    changed = text[:position] + char + text[position + 1 :]
    if changed == text:
        return
    with pytest.raises(InvalidAddress):
        parse_address(changed, network)


@settings(max_examples=300)
@given(
    st.one_of(
        st.text(max_size=110),
        st.text(alphabet=string.ascii_letters + string.digits, max_size=110),
        st.text(alphabet="qpzry9x8gf2tvdw0s3jn54khce6mua7l").map(lambda t: "bc1" + t),
    ),
    st.sampled_from(NETWORKS),
)
def test_any_text_is_an_address_or_invalid_and_never_another_error(
    text: str, network: str
) -> None:
    try:
        assert isinstance(parse_address(text, network), Address)
    except InvalidAddress as error:
        assert str(error)


@given(
    st.sampled_from(["bc", "tb", "bcrt"]),
    st.binary(max_size=85).map(lambda data: bytes(byte & 31 for byte in data)),
)
def test_the_quick_checksum_is_that_of_bip_173(prefix: str, values: bytes) -> None:
    slow = _polymod((*_expanded(prefix), *values))
    assert _checksum(prefix, values) == slow
