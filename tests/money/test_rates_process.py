"""`run.py` with providers of rates, as an operator runs it."""

from pathlib import Path

from tests.tools.paybell import paybell, serving
from tests.tools.rate_providers import RateServer
from tests.tools.receiver import reply
from tests.tools.wait import wait_until


def test_a_node_sells_at_the_median_and_the_doctor_says_whose_it_is(
    tmp_path: Path,
) -> None:
    names = ("coinbase", "kraken", "mempool", "blockchain")
    with RateServer() as server:
        server.quote("coinbase", {"EUR": "50000", "USD": "55000"})
        server.quote("kraken", {"EUR": "50100", "USD": "55000"})
        server.quote("mempool", {"EUR": "5", "USD": "55000"})
        server.say("blockchain", reply(500))
        asked = [f"{name}={server.url(name)}" for name in names]
        options = [part for one in asked for part in ("--rates", one)]
        with serving(tmp_path, *options) as node:
            wait_until(
                lambda: node.get("/v1/rates?currency=EUR").json()["data"][0]["rate"],
                20,
                "a rate",
            )
            priced = {"amount": "19.90", "currency": "EUR"}
            made = node.post("/v1/payments", **priced).json()
            assert made["price"]["rate"] == "50050"
            assert made["price"]["providers"] == ["coinbase", "kraken"]
            node.wait_for_log("kind=rates.disagree subject=mempool")
            metrics = node.get("/metrics").text
            assert "paybell_rates_asked_total" in metrics
        env = {"PAYBELL_RATES": ",".join(asked)}
        finished = paybell("doctor", "--port", "0", env=env, cwd=tmp_path)
    assert finished.returncode == 1
    for line in (
        "rates of coinbase: 2 currencies, EUR 50000, USD 55000",
        "rates of blockchain: blockchain: /ticker failed (500)",
        "rate of EUR: mempool is set aside: more than 5 % away from 50050",
        "rate of EUR: 50050, the median of coinbase, kraken",
        "rate of USD: 55000, the median of coinbase, kraken, mempool",
    ):
        assert line in finished.stdout + finished.stderr, finished
