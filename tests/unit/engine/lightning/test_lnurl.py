"""What wallets are told of a Lightning Address, and how what they say is read."""

import hashlib
import json

import msgspec
import pytest
from embit import bech32

from engine.lightning.lnurl import (
    LnurlRefusal,
    LocalPart,
    MessageAction,
    PayAnswer,
    PayRequest,
    VerifyAnswer,
    description_hash,
    encode_lnurl,
    metadata_of,
    read_amount_sat,
    read_comment,
    read_local_part,
)

# The example of LUD-01.
URL = "https://service.com/api?q=3fc3645b439ce8e7f2553a69e5267081d96dcd340693afabe04be7b0ccd178df"
LNURL = (
    "LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZ"
    "D3EV56NYD3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS"
)


def test_a_url_is_written_as_the_document_has_it() -> None:
    assert encode_lnurl(URL) == LNURL


@pytest.mark.parametrize("url", ["https://a.example/", "https://a.example/" + "x" * 99])
def test_what_is_written_is_read_back_by_another_decoder(url: str) -> None:
    hrp, _, words = encode_lnurl(url).lower().rpartition("1")
    values = [bech32.CHARSET.index(letter) for letter in words]
    assert bech32.bech32_verify_checksum(hrp, values) == bech32.Encoding.BECH32
    assert bytes(bech32.convertbits(values[:-6], 5, 8, False)).decode() == url


def test_the_hash_is_of_the_text_as_it_is_served() -> None:
    metadata = metadata_of('Café "Lisboa"\u2028', "cafe@shop.example")
    assert json.loads(metadata) == [
        ["text/plain", 'Café "Lisboa"\u2028'],
        ["text/identifier", "cafe@shop.example"],
    ]
    # What a wallet does: the string out of our JSON, and SHA-256 over its UTF-8.
    served = msgspec.json.encode(
        PayRequest(
            callback="https://shop.example/x",
            max_sendable=2_000,
            min_sendable=1_000,
            metadata=metadata,
            comment_allowed=0,
        )
    )
    read = json.loads(served)
    assert description_hash(metadata) == (
        hashlib.sha256(read["metadata"].encode("utf-8")).hexdigest()
    )
    assert read == {
        "tag": "payRequest",
        "callback": "https://shop.example/x",
        "minSendable": 1_000,
        "maxSendable": 2_000,
        "metadata": metadata,
        "commentAllowed": 0,
    }


def test_a_tag_stands_in_the_metadata() -> None:
    entries = json.loads(metadata_of("Tea", "cafe+table7@shop.example", "table7"))
    assert entries[-1] == ["text/tag", "table7"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cafe", LocalPart("cafe", "")),
        ("CaFe", LocalPart("cafe", "")),
        ("a.b_c-d", LocalPart("a.b_c-d", "")),
        ("cafe+table7", LocalPart("cafe", "table7")),
        ("x" * 64, LocalPart("x" * 64, "")),
        *((bad, None) for bad in ("", ".", "..", "-a", "a-", "x" * 65, "+a", "a+")),
        *((bad, None) for bad in ("a+b+c", "a b", "a/b", "a@b", "a\n", "a%62")),
        *((bad, None) for bad in ("café", "\N{KELVIN SIGN}afe", "a+" + "x" * 33)),
    ],
)
def test_the_name_before_the_at_sign(text: str, read: LocalPart | None) -> None:
    assert read_local_part(text) == read
    if read is not None:
        assert str(read) == text.lower()


def test_an_amount_is_whole_satoshi_within_its_limits() -> None:
    assert read_amount_sat("10000", 10, 20) == 10
    assert read_amount_sat("20000", 10, 20) == 20
    most = 21_000_000 * 10**8
    assert read_amount_sat(f"{most}000", 1, most) == most


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "9999", "9000", "20001", "21000", "0", "-10000", "+10000", "1e4"),
        *("10000.0", "10_000", " 10000", "\u0661\u0660\u0660\u0660\u0660", "10001"),
        *("9" * 20, "9" * 5_000, "NaN"),
    ],
)
def test_another_amount_is_refused_in_words(text: str | None) -> None:
    with pytest.raises(ValueError, match=r"^amount .*\.$") as refused:
        read_amount_sat(text, 10, 20)
    assert text is None or len(text) < 6 or text not in str(refused.value)


def test_a_comment_is_text_of_some_length() -> None:
    assert read_comment("", 0) == ""
    assert read_comment("Danke 🙏\nfür alles", 20) == "Danke 🙏\nfür alles"


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        *(("x", 0), ("x" * 21, 20), ("x" * 10_240, 500), ("a\x00", 20)),
        ("a\u061c", 20),
        *(("a\u202eb", 20), ("a\x1b[2J", 20), ("a\rb", 20), ("a\x85b", 20)),
    ],
)
def test_another_comment_is_refused_in_words(text: str, longest: int) -> None:
    with pytest.raises(ValueError, match=r"\.$") as refused:
        read_comment(text, longest)
    assert len(str(refused.value)) < 100


def test_answers_have_the_names_of_the_documents() -> None:
    pay = PayAnswer(
        pr="lnbcrt1…",
        routes=[],
        disposable=False,
        verify="https://shop.example/v",
        successAction=MessageAction(message="Thanks"),
    )
    assert msgspec.to_builtins(pay) == {
        "pr": "lnbcrt1…",
        "routes": [],
        "disposable": False,
        "verify": "https://shop.example/v",
        "successAction": {"tag": "message", "message": "Thanks"},
    }
    without = msgspec.structs.replace(pay, successAction=None)
    assert "successAction" not in msgspec.to_builtins(without)
    verify = VerifyAnswer(settled=False, preimage=None, pr="lnbcrt1…")
    assert msgspec.to_builtins(verify) == {
        "status": "OK",
        "settled": False,
        "preimage": None,
        "pr": "lnbcrt1…",
    }
    refusal = LnurlRefusal(reason="No.")
    assert msgspec.to_builtins(refusal) == {"status": "ERROR", "reason": "No."}
