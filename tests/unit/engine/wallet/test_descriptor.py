"""Descriptors and extended keys: what is taken, what is refused, and why."""

import os

import bdkpython as bdk
import pytest
from embit import base58
from embit.bip32 import HDKey
from embit.descriptor import Descriptor as Embit
from embit.networks import NETWORKS

from engine.bitcoin.secret_text import is_secret
from engine.errors import InvalidDescriptor
from engine.wallet.descriptor import kept_descriptor, read_descriptor
from engine.wallet.extended_key import ScriptKind, read_extended_key
from tests.unit.engine.wallet.wallet_cases import (
    MAIN,
    TPRV,
    TPUB,
    UPUB,
    VPUB,
    YPUB,
    ZPUB,
)

XPUB = MAIN[84]
COUNT = int(os.environ.get("PAYBELL_ADDRESSES", "8"))
"""Indexes that are compared; 10,000 in `make soak`."""

FORMS = {
    "pkh": "pkh({}/0/*)",
    "sh(wpkh)": "sh(wpkh({}/0/*))",
    "wpkh": "wpkh({}/0/*)",
    "tr": "tr({}/0/*)",
}


def refusal(text: str, network: str = "mainnet", kind: ScriptKind | None = None) -> str:
    with pytest.raises(InvalidDescriptor) as caught:
        read_descriptor(text, network, kind)
    said = str(caught.value)
    assert text.strip()[:30] not in said or len(text.strip()) < 30, "it is quoted"
    return said


# -- the vectors of the BIPs -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "index", "address"),
    [
        # BIP 44 has none; BIP 49, 84 and 86 have these, of the same seed.
        (UPUB, 0, "2Mww8dCYPUpKHofjgcXcBCEGmniw9CoaiD2"),
        (ZPUB, 0, "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"),
        (ZPUB, 1, "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"),
        (
            f"tr({MAIN[86]}/0/*)",
            0,
            "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
        ),
        (
            f"tr({MAIN[86]}/0/*)",
            1,
            "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh",
        ),
    ],
)
def test_vectors_of_bip_49_84_and_86(text: str, index: int, address: str) -> None:
    network = "regtest" if text == UPUB else "mainnet"
    if text == UPUB:
        network = "testnet"
    assert read_descriptor(text, network).address(index) == address


#: BIP 32, test vectors 1 and 2: the steps that are not hardened.
BIP32 = [
    (
        "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdr"
        "fp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
        1,
        "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7S"
        "yYq527Hqck2AxYysAA7xmALppuCkwQ",
    ),
    (
        "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5u"
        "Jh7n7epu4trkrX7x7DogT5Uv6fcLW5",
        2,
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACT"
        "j37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
    ),
    (
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACT"
        "j37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
        1_000_000_000,
        "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro4"
        "9S8yGasTvXEYBVPamhGW6cFJodrTHy",
    ),
    (
        "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc"
        "4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
        0,
        "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmm"
        "DznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    ),
    (
        "xpub6ASAVgeehLbnwdqV6UKMHVzgqAG8Gr6riv3Fxxpj8ksbH9ebxaEyBLZ85ySDhKiLDBrQSARLq1uNR"
        "ts8RuJiHjaDMBU4Zn9h8LZNnBC5y4a",
        1,
        "xpub6DF8uhdarytz3FWdA8TvFSvvAh8dP3283MY7p2V4SeE2wyWmG5mg5EwVvmdMVCQcoNJxGoWaU9DCW"
        "h89LojfZ537wTfunKau47EL2dhHKon",
    ),
]


@pytest.mark.parametrize(("parent", "index", "child"), BIP32)
def test_vectors_of_bip_32(parent: str, index: int, child: str) -> None:
    """A key is read and written as it is, and its child has the published key."""
    key = read_extended_key(parent)
    assert str(key) == parent
    assert key.node.child(index) == read_extended_key(child).node


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (0, "0488b21f", "no xpub"),
        (0, "02aa7ed3", "several signers"),
        (45, "00", "no public key"),
        (45, "04", "no public key"),
        (45, "02" + "00" * 31 + "07", "no point"),
        (45, "02" + "ff" * 32, "no point"),
        (5, "00000001", "has a parent"),
        (9, "00000001", "has a parent"),
    ],
)
def test_what_bip_32_calls_invalid_is_refused(at: int, value: str, why: str) -> None:
    """As its test vector 5 has them; the checksum is right each time."""
    body = base58.decode_check(BIP32[3][0])
    changed = bytes.fromhex(value)
    text = base58.encode_check(body[:at] + changed + body[at + len(changed) :])
    with pytest.raises(InvalidDescriptor, match=why):
        read_extended_key(text)


# -- two libraries ---------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("network", ["mainnet", "testnet", "signet", "regtest"])
def test_addresses_are_those_of_bdk_and_of_embit(form: str, network: str) -> None:
    agree(FORMS[form].format(XPUB if network == "mainnet" else TPUB), network, COUNT)


@pytest.mark.parametrize("form", ["wsh({})", "sh({})", "sh(wsh({}))"])
@pytest.mark.parametrize(
    "multi",
    ["multi(2,{0}/0/*,{0}/1/*,{1}/5/*)", "sortedmulti(1,{0}/0/*,{1}/9/*)"],
)
def test_addresses_of_several_signers_are_those_of_bdk_and_of_embit(
    form: str, multi: str
) -> None:
    agree(form.format(multi.format(XPUB, MAIN[86])), "mainnet", 6)


def agree(text: str, network: str, count: int) -> None:
    ours = read_descriptor(text, network)
    assert kept_descriptor(ours.text, network) == ours
    kind = bdk.NetworkKind.MAIN if network == "mainnet" else bdk.NetworkKind.TEST
    theirs = bdk.Descriptor(ours.text, kind)
    third = Embit.from_string(ours.text)
    names = {"mainnet": ("BITCOIN", "main"), "testnet": ("TESTNET", "test")}
    names |= {"signet": ("SIGNET", "signet"), "regtest": ("REGTEST", "regtest")}
    bdk_name, embit_name = names[network]
    for index, address in enumerate(ours.addresses(0, count)):
        other = theirs.derive_address(index, bdk.Network[bdk_name])
        assert address == str(other)
        derived = third.derive(index)
        assert address == derived.address(NETWORKS[embit_name])
        assert ours.script(index) == derived.script_pubkey().data


# -- the same wallet -------------------------------------------------------------------


def test_the_same_addresses_have_the_same_identity_however_they_are_written() -> None:
    same = [
        VPUB,
        f"wpkh({TPUB}/0/*)",
        f"wpkh({VPUB}/0/*)",
        f"wpkh([73c5da0a/84'/1'/0']{TPUB}/0/*)",
        f"wpkh([73c5da0a/84h/1H/0h]{TPUB}/0/*)",
    ]
    read = [read_descriptor(text, "regtest") for text in same]
    assert len({one.identity for one in read}) == 1
    assert {one.address(7) for one in read} == {read[0].address(7)}
    others = [f"wpkh({TPUB}/1/*)", f"wpkh({TPUB}/*)", f"tr({TPUB}/0/*)", UPUB]
    found = {read_descriptor(text, "regtest").identity for text in others}
    assert len(found) == 4
    assert read[0].identity not in found
    several = "wsh({0}(1,{1}/0/*,{1}/1/*))", "wsh({0}(1,{1}/1/*,{1}/0/*))"
    ordered, turned = (
        [read_descriptor(t.format(kind, TPUB), "regtest").identity for t in several]
        for kind in ("sortedmulti", "multi")
    )
    assert ordered[0] == ordered[1]
    assert turned[0] != turned[1]


def test_a_path_is_shown_from_the_master_key_where_it_is_known() -> None:
    def path(text: str) -> str:
        return read_descriptor(text, "regtest").path(5)

    assert path(VPUB) == "m/84'/1'/0'/0/5"
    assert path(UPUB) == "m/49'/1'/0'/0/5"
    assert path(f"wpkh([d34db33f/7h/8/9]{TPUB}/3/4/*)") == "m/7'/8/9/3/4/5"
    assert path(f"wpkh({TPUB}/3/*)") == "3/5"


def test_an_xpub_alone_is_taken_if_it_is_said_what_it_is_for() -> None:
    assert "does not say which addresses" in refusal(XPUB)
    found = {read_descriptor(XPUB, "mainnet", kind).form for kind in ("pkh", "tr")}
    assert found == {"pkh", "tr"}
    assert "it is for wpkh" in refusal(ZPUB, kind="tr")
    assert read_descriptor(YPUB, "mainnet").form == "sh(wpkh)"


@pytest.mark.parametrize("seed", [4, 278, 524])
def test_a_key_may_end_in_a_digit_and_an_h(seed: int) -> None:
    """One in some 300 does, and looked like a hardened step until this test."""
    account = HDKey.from_seed(seed.to_bytes(16, "big")).derive("m/84h/0h/0h")
    xpub = account.to_public().to_base58()
    assert xpub[-1] in "hH"
    for text in (f"wpkh({xpub}/0/*)", f"wpkh([d34db33f/84h/0h/0h]{xpub}/0/*)"):
        made = read_descriptor(text, "mainnet")
        assert made.address(0) == Embit.from_string(text).derive(0).address()
    assert read_descriptor(f"wsh(multi(1,{xpub}/*))", "mainnet").needed == 1


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "none was given"),
        ("x" * 5_000, "longer than"),
        ("nonsense", "no extended public key"),
        (f"wpkh({XPUB}/0/*)#aaaaaaaa", "checksum (behind #)"),
        (f"wpkh({XPUB}/0/*)#", "checksum (behind #)"),
        (XPUB[:-1] + ("4" if XPUB[-1] != "4" else "5"), "checksum of its key"),
        (f"wpkh({XPUB}/0'/*)", "hardened steps"),
        (f"wpkh({XPUB}/0h/*)", "hardened steps"),
        (f"wpkh({XPUB}/0/*')", "hardened steps"),
        (f"wpkh({XPUB}/0/*h)", "hardened steps"),
        (f"wpkh({XPUB}/<0;1>/*)", "several paths"),
        (f"wpkh({XPUB}/0)", "one address only"),
        (f"wpkh({XPUB})", "one address only"),
        (f"wpkh({XPUB}/2147483648/*)", "2^31"),
        (f"wpkh([d34db33f/2147483648/1/2]{XPUB}/0/*)", "2^31"),
        (f"wpkh([d34db33f/1]{XPUB}/0/*)", "depth 3"),
        (f"wpkh({XPUB}/*/0)", "/* at the end"),
        (f"wpkh({XPUB}/00/*)", "/* at the end"),
        (f"pk({XPUB}/0/*)", "none that is taken"),
        (f"combo({XPUB}/0/*)", "none that is taken"),
        (f"sh(sh({XPUB}/0/*))", "none that is taken"),
        (f"tr({XPUB}/0/*,pk({XPUB}/1/*))", "none that is taken"),
        (f"wpkh({XPUB}/0/*))", "brackets"),
        (f"sh(wpkh({XPUB}/0/*)", "brackets"),
        (f"wsh(multi(3,{XPUB}/0/*,{XPUB}/1/*))", "3 of 2"),
        (f"sh(multi(1,{','.join([XPUB + '/0/*'] * 16)}))", "of 15 at most"),
        (f"pkh({ZPUB}/0/*)", "it is for wpkh"),
        (f"{XPUB}/0/*", "written in a descriptor"),
        (f"wpkh({XPUB}/0/*) \x00", "letters, digits"),
    ],
)
def test_what_is_no_wallet_of_ours_is_refused_with_the_reason(
    text: str, why: str
) -> None:
    assert why in refusal(text)


@pytest.mark.parametrize(
    ("text", "network"),
    [(VPUB, "mainnet"), (ZPUB, "regtest"), (f"tr({TPUB}/0/*)", "mainnet")],
)
def test_a_key_of_another_network_is_refused(text: str, network: str) -> None:
    assert f"this node is on {network}" in refusal(text, network)


def test_an_account_of_another_depth_is_refused() -> None:
    master = BIP32[3][0]
    assert "depth 0" in refusal(master, kind="wpkh")
    assert read_descriptor(f"wpkh({master}/0/*)", "mainnet").form == "wpkh"
    seeded = HDKey.from_seed(bytes(64), version=NETWORKS["regtest"]["xprv"])
    soft = seeded.derive("m/84h/1h/0").to_public().to_base58()
    assert "depth 3, and" in refusal(soft, "regtest", kind="wpkh")


def test_a_descriptor_says_itself_what_it_is_for() -> None:
    text = f"wpkh({XPUB}/0/*)"
    assert "and not pkh" in refusal(text, kind="pkh")
    assert read_descriptor(text, "mainnet", "wpkh").form == "wpkh"


@pytest.mark.parametrize(
    "text",
    [
        TPRV,
        f" {TPRV} ",
        f"wpkh({TPRV}/0/*)",
        f"wpkh([d34db33f/1h]{TPRV}/0/*)#abcdefgh",
        "zprv" + ZPUB[4:],
        "wpkh(L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1)",
        "5KJvsngHeMpm884wtkJNzQGaCErckhHJBGFsvd3VyK5qMZXj3hS",
        "cTpB4YiyKiBcPxnefsDpbnDxFDffjqJob8wGCEDXxgQ7zQoMXJdH",
        "abandon " * 11 + "about",
        "\n".join(["Abandon"] * 23 + ["art"]),
        "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35",
    ],
)
def test_a_private_key_is_refused_loudly_and_never_quoted(text: str) -> None:
    assert is_secret(text)
    said = refusal(text, "regtest")
    assert "private key" in said
    assert not any(word in said for word in text.split() if len(word) > 7)


def test_a_public_key_is_not_taken_for_a_private_one() -> None:
    for text in (XPUB, f"wpkh({XPUB}/0/*)", XPUB[:50] + "xprv" + XPUB[54:]):
        assert not is_secret(text)
