"""Every signed transaction of ours, judged by Bitcoin Core's own script code."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.bitcoin.signed_tx import Digests, TxIn, decode_tx, make_tx
from engine.chain.feed import TxOut
from engine.errors import SigningError
from engine.wallet import signing
from engine.wallet.bump import plan_bump
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.fees import FeeRules
from engine.wallet.plan import Plan, PlannedOutput
from engine.wallet.secret_key import SecretKey
from engine.wallet.signing import REPLACEABLE, check_signed, sign, spent_outputs
from tests.unit.engine.wallet.coins import KINDS, TestKeys, judge, key, made_coin
from tests.unit.engine.wallet.plans import P2PKH, P2TR, P2WPKH, SCRIPTS

KEYS = TestKeys()


def planned(
    kinds: list[SpendKind] | tuple[SpendKind, ...], to: bytes = P2WPKH
) -> tuple[Plan, dict[str, bytes]]:
    """Coins of these kinds, with the transactions that made them, to one script."""
    made = [made_coin(kind, n, 50_000 + n) for n, kind in enumerate(kinds)]
    coins = tuple(coin for coin, _ in made)
    total = sum(coin.amount_sat for coin in coins)
    fee = 600 * len(coins)
    plan = Plan(
        coins=coins, outputs=(PlannedOutput(to, total - fee),), fee_sat=fee, payers=(0,)
    )
    return plan, {coin.txid: raw for coin, raw in made}


@pytest.mark.parametrize("kind", KINDS)
def test_core_takes_what_is_signed_for_each_kind(kind: SpendKind) -> None:
    plan, previous = planned([kind] * 3)
    signed = sign(plan, KEYS, previous)
    assert judge(signed, spent_outputs(plan, previous))
    assert signed.fee_sat == plan.fee_sat
    assert plan.vsize - 2 * len(plan.coins) - 1 <= signed.vsize <= plan.vsize
    tx = decode_tx(signed.raw)
    assert (signed.txid, signed.vsize) == (tx.txid, tx.vsize)
    assert signed.inputs == tuple(coin.outpoint for coin in plan.coins)
    assert {txin.sequence for txin in tx.inputs} == {REPLACEABLE}  # BIP 125
    assert (tx.version, tx.locktime) == (2, 0)
    assert repr(signed) == f"Signed({signed.txid})"


@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.sampled_from(SCRIPTS)
)
@settings(max_examples=25, deadline=None)
def test_core_takes_any_mixture_of_kinds(kinds: list[SpendKind], to: bytes) -> None:
    plan, previous = planned(kinds, to)
    spent = spent_outputs(plan, previous)
    assert judge(sign(plan, KEYS, previous), spent)
    bumped = plan_bump(plan, 20_000, FeeRules())
    again = sign(bumped, KEYS, previous)
    assert judge(again, spent)
    assert again.inputs == tuple(coin.outpoint for coin in plan.coins)


@pytest.mark.parametrize("kind", KINDS)
def test_core_refuses_it_once_anything_was_changed(kind: SpendKind) -> None:
    plan, previous = planned([kind] * 2)
    signed, spent = sign(plan, KEYS, previous), spent_outputs(plan, previous)
    tx = decode_tx(signed.raw)
    less = [TxOut(out.script, out.amount_sat - 1) for out in tx.outputs]
    swapped = [replace(tx.inputs[0], vout=0), tx.inputs[1]]
    for wrong in (make_tx(tx.inputs, less), make_tx(swapped, tx.outputs)):
        with pytest.raises(SigningError):
            check_signed(wrong, plan, spent)
        assert not judge(wrong.raw, spent)


@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_of_a_signature_is_enough(kind: SpendKind) -> None:
    plan, previous = planned([kind])
    spent = spent_outputs(plan, previous)
    tx = decode_tx(sign(plan, KEYS, previous).raw)
    (txin,) = tx.inputs
    if txin.witness:
        first = bytearray(txin.witness[0])
        first[40] ^= 1
        changed = replace(txin, witness=(bytes(first), *txin.witness[1:]))
        bare = replace(txin, witness=())
    else:
        script = bytearray(txin.script_sig)
        script[40] ^= 1
        changed, bare = (
            replace(txin, script_sig=bytes(script)),
            replace(txin, script_sig=b""),
        )
    for wrong in (changed, bare):
        with pytest.raises(SigningError, match="input 0 is not signed as it must be"):
            check_signed(make_tx([wrong], tx.outputs), plan, spent)


def test_the_bytes_must_be_the_plan() -> None:
    plan, previous = planned(["p2wpkh", "p2tr"])
    spent = spent_outputs(plan, previous)
    tx = decode_tx(sign(plan, KEYS, previous).raw)
    check_signed(tx, plan, spent)
    with pytest.raises(SigningError, match="spends something else"):
        check_signed(make_tx(tx.inputs[::-1], tx.outputs), plan, spent)
    other = [TxOut(P2TR, tx.outputs[0].amount_sat)]
    with pytest.raises(SigningError, match="pays something else"):
        check_signed(make_tx(tx.inputs, other), plan, spent)
    large = replace(tx.inputs[0], witness=(bytes(900), tx.inputs[0].witness[1]))
    with pytest.raises(SigningError, match="larger than its fee"):
        check_signed(make_tx([large, tx.inputs[1]], tx.outputs), plan, spent)


# -- what is said of a coin, and what is so --------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"amount_sat": 50_001}, "has 50000 sat, not 50001"),
        ({"amount_sat": 49_999}, "has 50000 sat, not 49999"),
        ({"script": P2WPKH}, "has another script"),
        ({"vout": 0}, "has 999 sat"),
        ({"vout": 2}, "it has 2 outputs"),
        ({"txid": "ab" * 32}, "is missing"),
        ({"script": b"\x00\x20" + bytes(32)}, "has another script"),
    ],
    ids=str,
)
def test_what_a_liar_says_of_a_coin_is_not_signed(wrong: Any, why: str) -> None:
    coin, raw = made_coin("p2wpkh", 0, 50_000)
    said = replace(coin, **wrong)
    with pytest.raises(SigningError, match=why):
        spent_outputs(_plan_of(said), {coin.txid: raw})


def _plan_of(coin: Coin) -> Plan:
    script = coin.script if len(coin.script) < 34 else P2PKH
    sat = coin.amount_sat - 1_000
    return Plan(
        coins=(replace(coin, script=script),),
        outputs=(PlannedOutput(P2WPKH, sat),),
        fee_sat=1_000,
        payers=(0,),
    )


def test_the_transaction_that_is_given_must_be_the_one_that_is_named() -> None:
    coin, _ = made_coin("p2wpkh", 0, 50_000)
    _, other = made_coin("p2wpkh", 0, 50_001)
    for raw, why in ((other, "is [0-9a-f]{64}"), (b"\x01", "is no transaction")):
        with pytest.raises(SigningError, match=f"what was given for .* {why}"):
            sign(_plan_of(coin), KEYS, {coin.txid: raw})


def test_a_coinbase_is_known_by_its_transaction() -> None:
    script = key("wal_test", 3).script("p2wpkh")
    made = make_tx([TxIn("00" * 32, 0xFFFFFFFF, b"\x03abc")], [TxOut(script, 50_000)])
    coin = replace(made_coin("p2wpkh", 3, 50_000)[0], txid=made.txid, vout=0)
    previous = {coin.txid: made.raw}
    with pytest.raises(SigningError, match="of a coinbase"):
        sign(_plan_of(coin), KEYS, previous)
    mined = _plan_of(replace(coin, is_coinbase=True))
    assert judge(sign(mined, KEYS, previous), spent_outputs(mined, previous))


def test_a_key_that_does_not_guard_the_coin_signs_nothing() -> None:
    class Wrong:
        def key_of(self, coin: Coin) -> SecretKey:
            return key("wal_test", coin.index + 1)

    for kind in KINDS:
        plan, previous = planned([kind])
        with pytest.raises(SigningError, match="does not guard"):
            sign(plan, Wrong(), previous)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({}, "input 0 of 1 was not signed"),
        ({0: {"witness": (bytes(71), bytes(33))}}, "is not signed as it must be"),
    ],
    ids=["nothing", "something else"],
)
def test_nothing_goes_out_that_a_library_signed_wrong(
    made: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, previous = planned(["p2wpkh"])
    monkeypatch.setattr(signing, "_signed_by_embit", lambda *_: made)
    with pytest.raises(SigningError, match=why):
        sign(plan, KEYS, previous)


def test_a_script_that_nobody_here_signs_is_refused() -> None:
    coin, _ = made_coin("p2wpkh", 0, 50_000)
    script = b"\x00\x20" + bytes(32)
    tx = make_tx([TxIn("ab" * 32, 0)], [TxOut(script, 50_000)])
    said = replace(coin, txid=tx.txid, vout=0, script=script)
    with pytest.raises(AssertionError, match="not a coin of ours"):
        replace(_plan_of(coin), coins=(said,))


def test_a_key_must_be_one() -> None:
    for wrong in (bytes(32), b"\xff" * 32, b"", bytes(33)):
        with pytest.raises(ValueError, match="no private key"):
            SecretKey(wrong)


# -- BIP 341, wallet-test-vectors.json, keyPathSpending --------------------------------

BIP341 = bytes.fromhex(
    "02000000097de20cbff686da83a54981d2b9bab3586f4ca7e48f57f5b55963115f3b334e9c010000"
    "000000000000d7b7cab57b1393ace2d064f4d4a2cb8af6def61273e127517d44759b6dafdd990000"
    "000000fffffffff8e1f583384333689228c5d28eac13366be082dc57441760d957275419a4184200"
    "00000000fffffffff0689180aa63b30cb162a73c6d2a38b7eeda2a83ece74310fda0843ad604853b"
    "0100000000feffffffaa5202bdf6d8ccd2ee0f0202afbbb7461d9264a25e5bfd3c5a52ee1239e0ba"
    "6c0000000000feffffff956149bdc66faa968eb2be2d2faa29718acbfe3941215893a2a3446d32ac"
    "d050000000000000000000e664b9773b88c09c32cb70a2a3e4da0ced63b7ba3b22f848531bbb1d5d"
    "5f4c94010000000000000000e9aa6b8e6c9de67619e6a3924ae25696bb7b694bb677a632a74ef7ea"
    "dfd4eabf0000000000ffffffffa778eb6a263dc090464cd125c466b5a99667720b1c110468831d05"
    "8aa1b82af10100000000ffffffff0200ca9a3b000000001976a91406afd46bcdfd22ef94ac122aa1"
    "1f241244a37ecc88ac807840cb0000000020ac9a87f5594be208f8532db38cff670c450ed2fea8fc"
    "defcc9a663f78bab962b0065cd1d"
)
BIP341_SPENT = [
    ("512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343", 420),
    ("5120147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3", 462),
    ("76a914751e76e8199196d454941c45d1b3a323f1433bd688ac", 294),
    ("5120e4d810fd50586274face62b8a807eb9719cef49c04177cc6b76a9a4251d5450e", 504),
    ("512091b64d5324723a985170e4dc5a0f84c041804f2cd12660fa5dec09fc21783605", 630),
    ("00147dd65592d0ab2fe0d0257d571abf032cd9db93dc", 378),
    ("512075169f4001aa68f15bbed28b218df1d0a62cbbcf1188c6665110c293c907b831", 672),
    ("5120712447206d7a5238acc7ff53fbe94a3b64539ad291c7cdbc490b7577e4b17df5", 546),
    ("512077e30a5522dd9f894c3f8b8bd4c4b2cf82ca7da8a3ea6a239655c39c050ab220", 588),
]


def test_what_taproot_signs_is_what_bip341_says() -> None:
    spent = [TxOut(bytes.fromhex(s), n * 1_000_000) for s, n in BIP341_SPENT]
    assert Digests(decode_tx(BIP341), spent).taproot(4).hex() == (
        "4f900a0bae3f1446fd48490c2958b5a023228f01661cda3496a11da502a7f7ef"
    )


def test_the_key_of_a_taproot_output_is_what_bip341_says() -> None:
    # scriptPubKey, the first: an internal key without scripts. Its private key is that
    # of keyPathSpending's input 0, whose merkle root is null.
    secret = "6b973d88838f27366ed61c9ad6367663045cb456e28335c109e30717ae0c6baa"
    script = SecretKey(bytes.fromhex(secret)).script("p2tr")
    assert script.hex() == BIP341_SPENT[0][0]
