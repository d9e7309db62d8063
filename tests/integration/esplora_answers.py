"""Answers of an Esplora explorer, for tests of the adapter."""

from typing import Any

from engine.bitcoin.address import parse_address
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request

__all__ = [
    "ADDRESS",
    "BLOCK",
    "DEADLINE_S",
    "HANGING_S",
    "SCRIPT",
    "TIP",
    "first_page",
    "pays",
    "routes",
    "tx",
    "txid",
]

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
SCRIPT = parse_address(ADDRESS, "regtest").script
BLOCK = "ab" * 32
TIP = "cd" * 32
DEADLINE_S = 60.0  # a busy machine answers in less
HANGING_S = 3.0  # costs so long


def txid(number: int) -> str:
    return f"{number:064x}"


def tx(
    number: int, *pays: tuple[str, object], height: int | None = None, **status: Any
) -> dict[str, object]:
    where: dict[str, object] = {"confirmed": height is not None}
    if height is not None:
        where |= {"block_height": height, "block_hash": BLOCK, "block_time": 1_700}
    return {
        "txid": txid(number),
        "vin": [],
        "vout": [{"scriptpubkey": s, "value": v} for s, v in pays],
        "status": where | status,
    }


def pays(value: object = 1_000) -> tuple[str, object]:
    return SCRIPT.hex(), value


def routes(answers: dict[str, object]) -> Any:
    """Answer by path below /api; what is not listed is a 404, as Esplora has it."""

    def answer(request: Request) -> Answer:
        path = request.path.removeprefix("/api")
        if path not in answers:
            return fake.text("Not found", 404)
        value = answers[path]
        if callable(value):
            return value
        return fake.text(value) if isinstance(value, str) else fake.of(value)

    return answer


def first_page(txs: list[dict[str, object]]) -> Any:
    return routes({f"/address/{ADDRESS}/txs": txs})
