"""The Dockerfile and the compose file, as far as they can be tried without Docker: the
files that are copied are enough for a node, and what is set are settings."""

import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.settings.table import OPTIONS
from tests.tools import children
from tests.tools.paybell import READY, ROOT
from tests.tools.ports import free_ports
from tests.tools.wait import Process, wait_until

EXAMPLES = ROOT / "examples" / "operating"


def instructions() -> list[tuple[str, str]]:
    """(word, rest) of each, with its lines put together."""
    text = (EXAMPLES / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    words = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in words]


def variables() -> dict[str, str]:
    (said,) = [rest for word, rest in instructions() if word == "ENV"]
    return dict(pair.split("=", 1) for pair in said.split())


def copied_into(folder: Path) -> None:
    """What the first stage copies from the repository."""
    for word, rest in instructions():
        if word != "COPY" or rest.startswith("--from"):
            continue
        *sources, target = rest.split()
        for source in sources:
            place = folder / (target if len(sources) == 1 else f"{target}/{source}")
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / source, place)


def settings_of(environment: Mapping[str, str]) -> set[str]:
    return {name for name in environment if name.startswith("PAYBELL_")}


def test_a_node_runs_from_the_files_that_the_image_has_and_is_asked_as_it_asks(
    tmp_path: Path,
) -> None:
    image, data = tmp_path / "image", tmp_path / "data"
    data.mkdir()
    copied_into(image)
    (port,) = free_ports(1)
    environ = {
        **variables(),
        "PAYBELL_HOST": "127.0.0.1",
        "PAYBELL_PORT": str(port),
        "PAYBELL_DB": str(data / "paybell.db"),
    }
    said = dict(instructions())
    entry, more = json.loads(said["ENTRYPOINT"]), json.loads(said["CMD"])
    program = Path(entry[1]).relative_to("/opt/paybell")
    command = [sys.executable, "-P", str(image / program), *more]
    environ["PYTHONPATH"] = str(image)  # before the editable one of this environment
    with Process(command, ready=READY.pattern, env=environ, cwd=data) as node:
        asked = json.loads(said["HEALTHCHECK"].partition(" CMD ")[2])[1:]
        asked[-1] = asked[-1].replace("8080", str(port))
        check = [sys.executable, *asked]
        # As Docker does: one that took too long is no verdict.
        wait_until(
            lambda: children.run(check, timeout=60).returncode == 0, 20, "its health"
        )
        loaded = Path(f"/proc/{node.pid}/cmdline").read_bytes().split(b"\0")
        assert str(image / program).encode() in loaded
        assert node.stop() == 0
        unwell = children.run(check, stderr=-3, timeout=60)
        assert unwell.returncode != 0
    assert (data / "paybell.db").is_file()


def test_what_is_not_copied_is_not_sent_and_the_copied_is() -> None:
    ignored = (EXAMPLES / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    sent = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert sent == copied


def compose() -> str:
    """Without its comments. No reader of YAML is among our dependencies."""
    text = (EXAMPLES / "compose.yaml").read_text(encoding="utf-8")
    return re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)


def test_what_the_image_and_the_compose_file_set_are_settings() -> None:
    set_there = set(re.findall(r"^ +(PAYBELL_\w+):", compose(), re.MULTILINE))
    assert "PAYBELL_PUBLIC_URL" in set_there
    names = settings_of(variables()) | set_there
    assert names <= {option.environ for option in OPTIONS}
    assert not names & {option.environ for option in OPTIONS if option.secret}


def test_the_compose_file_shuts_the_node_in_and_names_what_is_there() -> None:
    node, _, proxy = compose().partition("\n  caddy:\n")
    for line in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true"):
        assert line in node
    assert "ports:" not in node  # only the proxy reaches it
    assert "ports:" in proxy
    context = re.search(r"context: (\S+)", node)
    dockerfile = re.search(r"dockerfile: (\S+)", node)
    assert context
    assert dockerfile
    assert (EXAMPLES / context[1]).resolve() == ROOT
    assert (ROOT / dockerfile[1]).is_file()
    assert "- ./Caddyfile:" in proxy
