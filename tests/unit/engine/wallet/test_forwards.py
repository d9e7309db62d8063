"""Who signs: keys are opened before the thread that signs is entered."""

import pytest

from engine.bitcoin.signed_tx import TxIn, make_tx
from engine.chain.feed import TxOut
from engine.errors import SigningError
from engine.wallet.coin import Coin
from engine.wallet.drawn_key import draw_key
from engine.wallet.forwards import Signer
from engine.wallet.keyring import Keyring
from engine.wallet.plan import Plan, PlannedOutput
from engine.wallet.sealed_wallet import new_keys_wallet
from engine.wallet.signing import Signed, spent_outputs
from tests.unit.engine.wallet.coins import TIP, judge
from tests.unit.engine.wallet.plans import P2WPKH

PASSPHRASE = "correct horse battery"


def test_the_store_is_asked_for_drawn_keys_outside_of_the_native_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.secrets.passphrase._COST", 2)
    wallet = new_keys_wallet("wal_1", "p2pkh", "regtest", PASSPHRASE)
    drawn = draw_key("wal_1", "p2pkh", wallet.sealer)
    made = make_tx([TxIn("ab" * 32, 0)], [TxOut(drawn.script, 50_000)])
    coin = Coin(
        txid=made.txid,
        vout=0,
        amount_sat=50_000,
        script=drawn.script,
        wallet="wal_1",
        index=0,
        payment_id="pay_1",
        merchant="shop",
        height=TIP,
    )
    plan = Plan(
        coins=(coin,),
        outputs=(PlannedOutput(P2WPKH, 49_000),),
        fee_sat=1_000,
        payers=(0,),
    )
    inside: list[bool] = []

    def sealed_key(name: str, script: bytes) -> bytes | None:
        assert not inside, "a store knows its own threads only"
        return drawn.sealed if (name, script) == ("wal_1", drawn.script) else None

    def in_thread(call: object) -> Signed:
        inside.append(True)
        signed = call()  # type: ignore[operator]
        assert isinstance(signed, Signed)
        return signed

    ring = Keyring(sealed_key)
    ring.add([wallet])
    ring.unlock(PASSPHRASE)
    previous = {made.txid: made.raw}
    signed = Signer(ring, in_thread).sign(plan, previous)
    assert judge(signed, spent_outputs(plan, previous))
    inside.clear()
    assert repr(ring.collected(plan.coins)) == "<1 keys>"
    with pytest.raises(SigningError, match="no key was collected"):
        ring.collected([]).key_of(coin)
