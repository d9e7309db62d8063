"""Every signed transaction of ours, judged by Bitcoin Core's own script code."""

import pytest

from engine.wallet.coin import SpendKind
from engine.wallet.fees import FeeRules
from engine.wallet.signing import sign, spent_outputs
from engine.wallet.spend import plan_sweep
from tests.unit.engine.wallet.coins import KINDS, TIP, TestKeys, judge, made_coin

TO = b"\x00\x14" + bytes(20)


@pytest.mark.parametrize("kind", KINDS)
def test_core_takes_what_is_signed_for_each_kind(kind: SpendKind) -> None:
    made = [made_coin(kind, index, 50_000 + index) for index in range(3)]
    previous = {coin.txid: raw for coin, raw in made}
    plan = plan_sweep([c for c, _ in made], TO, 2_000, FeeRules(), TIP).plan
    assert plan is not None
    signed = sign(plan, TestKeys(), previous)
    assert judge(signed, spent_outputs(plan, previous))
    assert signed.fee_sat == plan.fee_sat
    assert plan.vsize - 3 <= signed.vsize <= plan.vsize
