"""One thing has one word: those that were given up are in no name and no sentence.

docs/glossary.md has the words that stay.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

from tests.unit.test_named_paths import CODE, DOCUMENTS
from tests.unit.test_packaging import ROOMS, ROOT

GIVEN_UP = {
    *(
        "Lane",
        "Lanes",
        "Story",
        "Doubts",
        "Bell",
        "Chime",
        "Noted",
        "Ear",
        "Heard",
    ),
    *("Newcomers", "_Door", "_Word", "vouched", "vouching", "bears_out"),
    *("breathe", "unhurried", "digested", "undigested", "covered_at"),
    *("FEW", "MOST", "FAR_S", "PORTION", "_flying", "_pour", "must"),
    *("tidy", "_untidy"),
}
"""Names; what they became is in the glossary."""

IN_SENTENCES = re.compile(
    r"\b(?:vouched for|bears? out|breathes?|unhurried|undigested)\b",
    re.IGNORECASE,
)

TAKEN_OVER = "engine/store/sqlite/high_water_mark.py"
CHECKED_BY_THE_DOCTOR = "transport/cli/database_checks.py"
"""These alone may name the file `.told`, which `.acked` replaced."""

ONE_OF_EACH = ("Answer", "Entry", "Lane", "Outcome", "Pump")
"""Classes of which there were two to four."""

IN_TWO_ROOMS = {
    **dict.fromkeys(
        ("Address", "Block", "BlockStatus", "Status", "Tx"),
        "Esplora's own word, in the one file that reads its JSON",
    ),
    **dict.fromkeys(
        ("Created", "Page", "PaidOut", "Probed", "Sent"),
        "Blink's own word, in the one file that asks its questions",
    ),
    **dict.fromkeys(
        ("Channel", "Failure", "Incoming", "Outgoing"),
        "a Lightning node's own word, in the one file that reads its answers",
    ),
    **dict.fromkeys(
        ("Header", "Request", "Response", "Session", "Connection"),
        "the word of HTTP (or Engine.IO), on each side of its own wire",
    ),
    **dict.fromkeys(
        ("Reorders", "Rests"), "the port, and the one class that implements it"
    ),
    **dict.fromkeys(
        ("Forwarding", "Upstreams", "Watchers"),
        "the routes of transport/control/ bear the name of what they show",
    ),
    "Admission": "who is let in, of two rooms that never meet",
    "Alarm": "a timer that is set: of all deadlines, of a socket's writes",
    "Cursor": "how far a Lightning node's payments were read, in its own terms",
    "Electrum": "the wallet as a program, and as the node that we see in it",
    "Invoice": "of Lightning; and what a Socket.IO client follows, which calls it so",
    "Notification": "what Core's ZMQ lists, and what a Redis stream carried",
    "Text": "an answer in HTTP, a message in a WebSocket: text",
}
"""Public classes of one name, and why nobody takes one for the other."""


def names(file: Path) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def classes(file: Path) -> list[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def test_no_name_in_the_code_is_one_that_was_given_up() -> None:
    found = {
        str(file.relative_to(ROOT)): both
        for file in CODE
        if (both := names(file) & GIVEN_UP)
    }
    assert found == {}


def test_no_document_and_no_comment_says_what_was_given_up() -> None:
    ours = [file for file in [*CODE, *DOCUMENTS] if file != Path(__file__)]
    found = {
        str(file.relative_to(ROOT)): words
        for file in ours
        if file.name != "CHANGELOG.md"
        and (words := IN_SENTENCES.findall(file.read_text("utf-8")))
    }
    assert found == {}


def test_the_old_file_beside_the_database_is_named_where_it_is_taken_over() -> None:
    found = [
        name
        for file in CODE
        if (name := str(file.relative_to(ROOT))).startswith(ROOMS)
        and re.search(r"""["'`]\.told\b|<db>\.told""", file.read_text("utf-8"))
    ]
    assert found == [TAKEN_OVER, CHECKED_BY_THE_DOCTOR]


def test_classes_that_were_mistaken_for_one_another_have_names_of_their_own() -> None:
    rooms = [f for f in CODE if str(f.relative_to(ROOT)).startswith(ROOMS)]
    counted = Counter(name for file in rooms for name in classes(file))
    assert [name for name in ONE_OF_EACH if counted[name] > 1] == []


def homes_of_public_classes(*tops: str) -> dict[str, list[str]]:
    homes: dict[str, list[str]] = {}
    for file in CODE:
        path = file.relative_to(ROOT)
        if path.parts[0] in tops:
            for name in classes(file):
                if not name.startswith("_"):
                    homes.setdefault(name, []).append(str(path))
    return {name: found for name, found in homes.items() if len(found) > 1}


def test_whoever_follows_a_payment_meets_no_two_classes_of_one_name() -> None:
    assert homes_of_public_classes("engine", "actors") == {}


def test_a_name_of_two_classes_has_a_reason() -> None:
    found = homes_of_public_classes(*ROOMS)
    assert {n: at for n, at in found.items() if n not in IN_TWO_ROOMS} == {}
    assert sorted(IN_TWO_ROOMS.keys() - found.keys()) == []


def test_the_gateway_speaks_of_payments_and_channels_and_not_of_rows() -> None:
    gateway = [ROOT / "engine/gateway.py", *(ROOT / "engine/gateways").glob("*.py")]
    assert len(gateway) > 5
    rows = {
        n for file in gateway for n in names(file) if re.search(r"Rows?$|^rows?$", n)
    }
    assert rows == set()
