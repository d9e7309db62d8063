"""What others sign: a PSBT that bdk and embit take, and sign as the plan says."""

from typing import Literal

import bdkpython as bdk
import pytest
from embit.bip32 import HDKey
from embit.finalizer import finalize_psbt
from embit.psbt import PSBT
from msgspec.structs import replace

from engine.bitcoin.signed_tx import TxIn, decode_tx, make_tx
from engine.chain.feed import TxOut
from engine.errors import CannotSpend, SigningError
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.descriptor import Descriptor, read_descriptor
from engine.wallet.plan import Plan, PlannedOutput
from engine.wallet.psbt import to_psbt
from engine.wallet.seed import account_of
from engine.wallet.signing import Signed, check_signed, is_made_by, spent_outputs
from tests.unit.engine.wallet.coins import KINDS, TIP, judge
from tests.unit.engine.wallet.plans import P2WPKH
from tests.unit.engine.wallet.test_seed import ABANDON

ROOT = "tprv8ZgxMBicQKsPe5YMU9gHen4Ez3ApihUfykaqUorj9t6FDqy3nP6eoXiAo2ssvpAjoLroQxHqr3R5nE3a5dU3DHTjTgJDd7zrbniJr6nrCzd"  # noqa: E501 - of ABANDON, by BIP 39


def watched(kind: SpendKind) -> Descriptor:
    account = account_of(ABANDON, "", kind, "regtest")
    return read_descriptor(account.descriptor, "regtest")


def refund(kind: SpendKind) -> tuple[Plan, dict[str, bytes], dict[str, Descriptor]]:
    """Two coins of a watched wallet, to somebody."""
    descriptor = watched(kind)
    coins, previous = [], {}
    for index in (0, 7):
        script = descriptor.script(index)
        tx = make_tx([TxIn("ab" * 32, index)], [TxOut(script, 60_000)])
        previous[tx.txid] = tx.raw
        coins.append(
            Coin(
                txid=tx.txid,
                vout=0,
                amount_sat=60_000,
                script=script,
                wallet="wal_1",
                index=index,
                payment_id=f"pay_{index}",
                merchant="shop",
                height=TIP,
            )
        )
    plan = Plan(
        coins=tuple(coins),
        outputs=(
            PlannedOutput(P2WPKH, 50_000),
            PlannedOutput(descriptor.script(9), 69_000),
        ),
        fee_sat=1_000,
        payers=(1,),
        change=1,
    )
    return plan, previous, {"wal_1": descriptor}


def signed_by_bdk(content: bytes, kind: SpendKind) -> bytes:
    """As a wallet of bdk signs it."""
    form = {
        "p2pkh": "pkh(",
        "p2sh-p2wpkh": "sh(wpkh(",
        "p2wpkh": "wpkh(",
        "p2tr": "tr(",
    }
    purpose = {"p2pkh": 44, "p2sh-p2wpkh": 49, "p2wpkh": 84, "p2tr": 86}[kind]
    closing = ")" * form.get(kind, "wpkh(").count("(")
    texts = [
        f"{form.get(kind, 'wpkh(')}{ROOT}/{purpose}h/1h/0h/{n}/*{closing}"
        for n in (0, 1)
    ]
    pair = [bdk.Descriptor(text, bdk.NetworkKind.TEST) for text in texts]
    wallet = bdk.Wallet(
        *pair, network=bdk.Network.REGTEST, persister=bdk.Persister.new_in_memory()
    )
    psbt = bdk.Psbt(PSBT.parse(content).to_base64())
    assert wallet.sign(psbt)
    return PSBT.from_base64(psbt.serialize()).serialize()  # type: ignore[no-any-return]


def finished(content: bytes, plan: Plan, previous: dict[str, bytes]) -> Signed:
    """What others have signed: the very transaction of the plan, as we check ours."""
    made = finalize_psbt(PSBT.parse(content))
    assert made is not None, "it is signed whole"
    tx = decode_tx(made.serialize())
    check_signed(tx, plan, spent_outputs(plan, previous))
    return Signed(
        txid=tx.txid,
        raw=tx.raw,
        fee_sat=plan.fee_sat,
        vsize=tx.vsize,
        inputs=tuple((txin.txid, txin.vout) for txin in tx.inputs),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_wallet_of_bdk_signs_it_and_core_takes_it(kind: SpendKind) -> None:
    plan, previous, descriptors = refund(kind)
    done = signed_by_bdk(to_psbt(plan, previous, descriptors), kind)
    signed = finished(done, plan, previous)
    assert judge(signed, spent_outputs(plan, previous))
    assert signed.inputs == tuple(coin.outpoint for coin in plan.coins)
    assert signed.fee_sat == 1_000
    assert signed.vsize <= plan.vsize


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [0, 2])
def test_each_version_tells_the_signer_all(
    kind: SpendKind, version: Literal[0, 2]
) -> None:
    plan, previous, descriptors = refund(kind)
    content = to_psbt(plan, previous, descriptors, version)
    psbt = PSBT.parse(content)
    assert psbt.verify()  # each input has the transaction that made it
    assert (psbt.version or 0) == version
    assert psbt.fee() == 1_000
    for scope, spent in zip(psbt.inputs, spent_outputs(plan, previous), strict=True):
        assert scope.sequence == 0xFFFFFFFD, "it can be bumped (BIP 125)"
        if kind == "p2pkh":
            assert scope.witness_utxo is None
        else:
            assert scope.witness_utxo.value == spent.amount_sat
            assert scope.witness_utxo.script_pubkey.data == spent.script
        if kind == "p2tr":
            (public,) = scope.taproot_bip32_derivations
            assert scope.taproot_internal_key == public  # BIP 371
    assert psbt.sign_with(HDKey.from_string(ROOT)) == 2
    signed = finished(psbt.serialize(), plan, previous)
    assert judge(signed, spent_outputs(plan, previous))


def test_a_key_without_an_origin_stands_for_itself() -> None:
    plan, previous, _ = refund("p2wpkh")
    account = HDKey.from_string(ROOT).derive("m/84h/1h/0h")
    bare = f"wpkh({account.to_public().to_base58()}/0/*)"
    descriptor = read_descriptor(bare, "regtest")
    psbt = PSBT.parse(to_psbt(plan, previous, {"wal_1": descriptor}))
    assert psbt.sign_with(account) == 2
    assert finished(psbt.serialize(), plan, previous).fee_sat == 1_000


def test_a_key_stands_where_its_origin_and_its_path_say() -> None:
    plan, previous, _ = refund("p2wpkh")
    xpub = HDKey.from_string(ROOT).derive("m/84h/1h/0h").to_public().to_base58()
    text = f"wpkh([d34db33f/84h/1/0h]{xpub}/0/*)"
    descriptor = read_descriptor(text, "regtest")
    psbt = PSBT.parse(to_psbt(plan, previous, {"wal_1": descriptor}))
    hard = 1 << 31
    for scope, index in zip(psbt.inputs, (0, 7), strict=True):
        (place,) = scope.bip32_derivations.values()
        assert place.fingerprint.hex() == "d34db33f"
        assert place.derivation == [84 + hard, 1, hard, 0, index]


def test_it_does_not_lie_about_amounts() -> None:
    plan, previous, descriptors = refund("p2wpkh")
    coin = replace(plan.coins[0], amount_sat=61_000)
    wrong = replace(plan, coins=(coin, plan.coins[1]), fee_sat=2_000)
    assert all(is_made_by(one, previous) for one in plan.coins)
    assert not is_made_by(coin, previous)
    with pytest.raises(SigningError, match="has 60000 sat, not 61000"):
        to_psbt(wrong, previous, descriptors)
    with pytest.raises(SigningError, match="is missing"):
        to_psbt(plan, {}, descriptors)


def test_a_wallet_that_does_not_fit_is_refused() -> None:
    plan, previous, descriptors = refund("p2wpkh")
    with pytest.raises(SigningError, match="descriptor of wallet wal_1 is missing"):
        to_psbt(plan, previous, {})
    moved = replace(plan, coins=(replace(plan.coins[0], index=1), plan.coins[1]))
    with pytest.raises(SigningError, match="is not at index 1 of wal_1"):
        to_psbt(moved, previous, descriptors)
    xpubs = [
        HDKey.from_string(ROOT).derive(f"m/84h/1h/{n}h").to_public().to_base58()
        for n in (0, 1)
    ]
    several = read_descriptor(f"wsh(multi(2,{xpubs[0]}/*,{xpubs[1]}/*))", "regtest")
    with pytest.raises(CannotSpend, match="of several signers") as caught:
        to_psbt(plan, previous, {"wal_1": several})
    assert caught.value.why == "script"
