"""The contract with clients beside the committed copy: part of `make lint`.

python -m tests.contract            what differs, a line each; exit status 1 if anything
python -m tests.contract --write    take what there is as the contract; and write the
                                    types of the TypeScript client anew from it

`openapi.json` is what the node serves, `event.json` the schema of an event in its
version, both without their wording. Behaviour only grows: what goes or changes stands
first in CHANGELOG.md, and for events it is a new version.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec

from engine.payment import events
from engine.secrets.vault import Vault
from engine.settings.values import SEEDS
from engine.store.epochs import Epochs, EpochStart
from tests.clients import schema
from transport.http import openapi
from transport.web_app import WebParts, web_parts

__all__ = ["differences", "main", "present"]

FOLDER = Path(__file__).parent
_WORDING = {"description", "summary", "title", "tags"}


def present() -> dict[str, Any]:
    """The contract as the code has it, by the name of its file."""
    gateway = Mock()
    gateway.epochs.return_value = Epochs([EpochStart(1, "contract")])
    app, _ = web_parts(
        WebParts(
            gateway=gateway,
            vault=Vault(bytes(32)),
            sender=Mock(),
            version="",
            network="regtest",
            api_key=None,
            webhook_btc_secret="contract",
            seeds=dict.fromkeys(SEEDS, "default"),
        )
    )
    document = openapi.document(app.operations, "")
    event = {"version": events.VERSION, **msgspec.json.schema(events._Wire)}
    found = {"openapi.json": document, "event.json": event}
    return {
        name: _plain(json.loads(msgspec.json.encode(v))) for name, v in found.items()
    }


def _plain(value: Any, *, are_names: bool = False) -> Any:
    """Without wording. `are_names`: the keys are names of ours, not JSON Schema's."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {"properties", "schemas", "responses", "headers", "paths", "mapping"}
    return {
        key: _plain(each, are_names=key in named and not are_names)
        for key, each in value.items()
        if are_names or key not in _WORDING
    }


def differences(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """A line for each place where they differ: `-` what went, `+` what came."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            place = f"{at}/{key}"
            if key not in new:
                yield f"- {place}"
            elif key not in old:
                yield f"+ {place}"
            else:
                yield from differences(old[key], new[key], place)
    elif old != new:
        yield f"- {at}: {_short(old)}"
        yield f"+ {at}: {_short(new)}"


def _short(value: Any) -> str:
    return json.dumps(value)[:200]


def main(arguments: list[str]) -> int:
    found = present()
    if "--write" in arguments:
        for name, value in found.items():
            text = json.dumps(value, indent=1, sort_keys=True)
            (FOLDER / name).write_text(text + "\n", encoding="utf-8")
        if not schema.write():
            sys.stdout.write(f"{schema.FILE} was not written: run `make setup-node`.\n")
        return 0
    wrong = 0
    for name, value in found.items():
        kept = json.loads((FOLDER / name).read_text(encoding="utf-8"))
        for line in differences(kept, value):
            wrong += 1
            sys.stdout.write(f"{name}: {line}\n")
    if wrong:
        sys.stdout.write(
            "The contract with clients differs from tests/contract/. If that is meant,"
            " say what went or changed first in CHANGELOG.md, and run"
            " `python -m tests.contract --write`.\n"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
