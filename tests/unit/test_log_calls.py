"""Every line of the log says whose it is: who looks for a payment, a channel, a source
or a merchant finds all its lines, by text and as a field of an object.

The calls are read from the code's syntax, as many of them are met in no test."""

import ast
import re

import pytest

from engine.alerts.subjects import SUBJECTS
from tests.tools.log_lines import documented
from tests.unit.log_calls import Call, calls, calls_in
from tests.unit.test_packaging import ROOT

CALLS = calls()

AT_HAND = {
    "payment": {"payment", "payment_id", ".payment_id", ".payment"},
    "channel": {"channel", "channel_id", ".channel_id", "._channel"},
    "source": {"feed", "._feed"},
    "merchant": {"merchant"},
}
"""Who has this at hand, names it: field, and the names that hold one."""

ALSO = {
    "payment": {"payments", "which()", "_which()", "who()", "_about()"},
    "channel": {"who()", "_about()"},
    "source": {"_which()", "from"},
    "merchant": {"merchants", "names", "which()", "_about()", "payment", "channel"},
    "stream": {"channel"},
}
"""What says it as well: a payment's merchant is found by the payment. `name()`: the
function that makes the fields."""

ABOUT = {
    "payment": "payment view watcher till refund",
    "channel": "channel sender notifier",
    "source": "source view",
    "merchant": "merchant",
    "outgoing": "forward",
    "upstream": "upstream",
    "stream": "redis",
    "wallet": "wallet",
    "provider": "rates",
    "actor": "actor slow core",
}
"""Whatever is at hand: lines whose event begins so."""

EXCEPT = {
    ("channel", "actors/alerting/notifier.py _on_answer"): "none can be read",
    ("merchant", "actors/facts/alerts.py raise_"): "there are too many",
    ("outgoing", "actors/money/rounds.py _go_on"): "a round of all",
    ("outgoing", "actors/money/telling.py _done"): "a round of all",
    ("payment", "actors/lightning/deliveries.py _found"): "its row cannot be read",
    ("source", "actors/sources/source.py _on_best_read"): "the best tip of all sources",
    ("wallet", "actors/edge/wallets.py _fill_up"): "of all wallets with these keys",
    ("wallet", "transport/cli/unlocking.py keyring_of"): "of all wallets",
}
"""By field and place: who has it at hand and speaks of something else, and of what."""

SECRET = re.compile(
    r"(?i)(?!is_|key_id|why$).*(?:secret|passphrase|password|token|cookie|bearer|csrf"
    r"|preimage|macaroon|mnemonic|seed_words|private|xprv|authorization)s?|body|raw"
)
"""Names of what must be in no line; bodies and raw bytes can hold them."""

NOUNS = {
    "a payment": "payment",
    "a source": "source",
    "a channel": "channel",
    "a merchant": "merchant",
    "a wallet": "wallet",
    "a refund": "refund",
    "a transaction of ours": "outgoing",
    "a Lightning account": "account",
    "a forward of a till": "forward",
    "a provider of rates": "provider",
    "an API key": "key",
}
"""A subject in the documentation's table, up to the first comma, and its field."""

FORM = re.compile(
    r"[a-z_.%]+"  # the event; a word of it may be put in
    r"(?: (?:[a-z_]+=(?:[^ =%]|%[-0-9.]*[sdrfo])*|%s))*"  # fields
    r"(?: (?:detail|reason|error|text)=.*)?",  # what may have spaces, to the end
    re.DOTALL,
)


def missing(call: Call) -> list[str]:
    """Fields that a line of this call lacks."""
    first = call.event.partition(".")[0]
    found = []
    for name, held in AT_HAND.items():
        is_at_hand = bool(held & call.at_hand)
        if is_at_hand and not call.fields & (ALSO[name] | {name}):
            found.append(name)
    for name, events in ABOUT.items():
        if first in events.split() and not call.fields & (
            ALSO.get(name, {"which()", "who()"}) | {name}
        ):
            found.append(name)
    return found


def unnamed(call: Call) -> list[str]:
    return [one for one in missing(call) if (one, call.place) not in EXCEPT]


def secrets(call: Call) -> list[str]:
    names = {
        name for value in call.values for name in re.findall(r"\w+", ast.unparse(value))
    }
    return [name for name in names if SECRET.fullmatch(name)]


def test_every_line_names_what_it_is_about() -> None:
    assert len(CALLS) > 120
    assert [
        (call.event, call.place, fault) for call in CALLS for fault in unnamed(call)
    ] == []


def test_every_event_is_in_the_documentation() -> None:
    there = {name.partition("<")[0] for name in documented()}
    there |= {f"{name.partition('.')[0]}." for name in there}
    assert {call.event.partition("%")[0] for call in CALLS} <= there


def test_each_exception_is_still_one() -> None:
    faults = {(name, call.place) for call in CALLS for name in missing(call)}
    assert set(EXCEPT) <= faults


def test_every_line_is_an_event_and_fields() -> None:
    """So that an object has them as fields, and one with words in it has them whole."""
    assert [
        (call.place, call.text) for call in CALLS if not FORM.fullmatch(call.text)
    ] == []


def test_no_line_writes_a_value_that_is_a_secret() -> None:
    assert [(call.place, name) for call in CALLS for name in secrets(call)] == []
    planted = "def f(self, one): log.info('a.b k=%s p=%s', one.secret, one.key_id)"
    assert [secrets(call) for call in calls_in(planted, "x.py")] == [["secret"]]


@pytest.mark.parametrize(
    ("body", "lacks"),
    [
        ("def f(payment): log.info('a.b k=%s', 1)", ["payment"]),
        ("def f(row): log.info('a.b k=%s', row.payment_id)", ["payment"]),
        ("def f(self): log.info('a.b k=%s', self._channel.kind)", ["channel"]),
        ("def f(self): log.info('a.b k=%s', self._feed.kind)", ["source"]),
        ("def f(merchant): log.info('a.b')", ["merchant"]),
        ("def f(): log.error('watcher.lost address=%s', 1)", ["payment"]),
        ("def f(payment): log.info('a.b payment=%s', payment.id)", []),
        ("def f(payment):\n  def g(): log.info('a.b')\n  return g", []),
    ],
)
def test_the_reader_of_calls_sees_what_is_at_hand(body: str, lacks: list[str]) -> None:
    assert [
        fault for call in calls_in(body, "x.py") for fault in unnamed(call)
    ] == lacks


def test_what_an_alert_is_about_is_as_the_documentation_says() -> None:
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    table = text.partition("## Alerts")[2]
    rows = re.findall(r"^\| `([a-z._]+)` \| ([^|]*) \|", table, re.MULTILINE)
    assert len(rows) > 30
    assert {
        kind: NOUNS[noun.split(",")[0]]
        for kind, noun in rows
        if noun.split(",")[0] in NOUNS
    } == SUBJECTS
