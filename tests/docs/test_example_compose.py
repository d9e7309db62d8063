"""examples/compose: no container can be run here, so the file is held against its
README, the Dockerfile, and what the node takes as settings."""

import ipaddress
import json
import re
import shlex
from typing import Any

import pytest

from engine.chain.source_url import parse_source_url
from engine.settings.table import OPTIONS
from tests.clients.schema import NODE_MODULES
from tests.tools import children
from tests.tools.paybell import paybell
from tests.unit.test_packaging import ROOT

EXAMPLE = ROOT / "examples" / "compose"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "examples/operating/Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Read by js-yaml, which openapi-typescript brings: the tests have no reader of
    YAML of their own."""
    script = (
        "const yaml = require(process.argv[1]);"
        "const text = require('fs').readFileSync(process.argv[2], 'utf8');"
        "console.log(JSON.stringify(yaml.load(text)));"
    )
    where = [str(NODE_MODULES.resolve() / "js-yaml"), str(EXAMPLE / "compose.yaml")]
    done = children.run(
        ["node", "-e", script, *where], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Of each volume where it is in the container."""
    parts = (volume.split(":") for volume in service["volumes"])
    return {name: path for name, path, *_ in parts}


def options(core: dict[str, Any]) -> dict[str, str]:
    pairs = (word.removeprefix("-").partition("=") for word in core["command"])
    return {name: value for name, _, value in pairs}


def test_every_setting_is_one_and_its_value_is_taken(compose: dict[str, Any]) -> None:
    known = {option.environ: option for option in OPTIONS}
    for name, value in compose["services"]["paybell"]["environment"].items():
        assert not known[name].secret
        known[name].parse(str(value))


def test_paybell_finds_the_cookie_where_core_writes_it(compose: dict[str, Any]) -> None:
    core, node = compose["services"]["core"], compose["services"]["paybell"]
    asked = node["environment"]["PAYBELL_SOURCES"].removeprefix("bitcoind=")
    url = parse_source_url("bitcoind", asked)
    written = options(core)["rpccookiefile"]
    there, here = mounts(core)["cookie"], mounts(node)["cookie"]
    assert url.cookie == written.replace(there, here, 1)
    assert there.startswith("/home/bitcoin/"), "what the image's entry point hands over"
    assert options(core)["rpccookieperms"] == "all"
    assert asked.startswith("http://core:8332?")
    assert f"cookie:{here}:ro" in node["volumes"]


def test_core_answers_its_own_network_and_nothing_of_it_is_exposed(
    compose: dict[str, Any],
) -> None:
    core, node = compose["services"]["core"], compose["services"]["paybell"]
    (subnet,) = compose["networks"]["inside"]["ipam"]["config"]
    allowed = ipaddress.ip_network(options(core)["rpcallowip"])
    assert allowed == ipaddress.ip_network(subnet["subnet"])
    assert core["networks"] == node["networks"] == ["inside"]
    assert "ports" not in core
    assert [it.rpartition(":")[0] for it in node["ports"]] == ["127.0.0.1:8080"]
    assert not any("user" in name or "password" in name for name in options(core))


def test_paybell_is_shut_in_and_has_its_data_where_the_image_wants_it(
    compose: dict[str, Any],
) -> None:
    node = compose["services"]["paybell"]
    assert node["read_only"] is True
    assert node["cap_drop"] == ["ALL"]
    assert node["security_opt"] == ["no-new-privileges:true"]
    assert f"VOLUME {mounts(node)['data']}\n" in DOCKERFILE
    assert (EXAMPLE / node["build"]["context"]).resolve() == ROOT
    assert (ROOT / node["build"]["dockerfile"]).is_file()
    for service in compose["services"].values():
        assert set(mounts(service)) <= set(compose["volumes"])


def test_the_commands_of_its_readme_are_of_this_file_and_of_the_command_line(
    compose: dict[str, Any],
) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    entry = ["/opt/paybell/.venv/bin/python", "/opt/paybell/run.py"]
    assert json.dumps(entry) in DOCKERFILE
    ours = []
    for line in block.splitlines():
        words = shlex.split(line)
        assert words[:2] == ["docker", "compose"]
        if words[2] in {"run", "exec"}:
            place = words.index("paybell")
            assert set(words[3:place]) <= {"--rm", "--no-deps"}
            ours.append([it for it in words[place + 1 :] if it not in entry])
        else:
            assert words[2:] in (["build"], ["up", "-d"])
    assert [words[0] for words in ours] == ["keys", "doctor"]
    for words in ours:
        flags = [it for it in words if it.startswith("--")]
        told = paybell(*words[: 2 if words[0] == "keys" else 1], "--help").stdout
        assert all(flag in told for flag in flags), (words, told)
    assert "-signet" in README
    assert "PAYBELL_NETWORK: signet" in README
