"""The client as npm packs it: its files, types and size, and its parts under Node."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.tools import children
from transport.pages.assets import CLIENT, Assets

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = ROOT / "tests" / "node" / "node_modules"
CORE_BYTES = 6_000
"""Of the plain script as it is served, comments and all, compressed by gzip -9."""


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = children.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that somebody who installs the package gets."""
    folder: Path = tmp_path_factory.mktemp("package")
    cache = str(folder / "cache")
    packed = run(
        "npm",
        "pack",
        "--json",
        "--ignore-scripts",
        "--offline",
        f"--pack-destination={folder}",
        cwd=CLIENT,
        npm_config_cache=cache,
    )
    (made,) = json.loads(packed)
    run("tar", "-xzf", str(folder / made["filename"]), "-C", str(folder), cwd=folder)
    installed = folder / "site" / "node_modules"
    installed.mkdir(parents=True)
    shutil.move(folder / "package", installed / "paybell-client")
    for name in ("react", "@types", "csstype"):
        (installed / name).symlink_to(MODULES / name)
    return installed / "paybell-client"


def test_the_package_holds_what_is_meant_to_be_shipped(package: Path) -> None:
    scripts = {"paybell.js", "paybell.mjs", "paybell-react.mjs", "paybell-salon.mjs"}
    scripts.add("paybell-checkout.js")
    types = {"paybell.d.mts", "paybell-react.d.mts", "paybell-salon.d.mts"}
    about = {"package.json", "README.md", "LICENSE"}
    assert {file.name for file in package.iterdir()} == scripts | types | about
    licence = (ROOT / "LICENSE").read_bytes()
    assert (package / "LICENSE").read_bytes() == licence
    served = Assets()
    for name in scripts:
        found = served.find(name)
        assert found is not None
        assert found[0].body == (package / name).read_bytes()


def test_its_exports_are_there(package: Path) -> None:
    said = json.loads((package / "package.json").read_text(encoding="utf-8"))
    for target in said["exports"].values():
        paths = [target] if isinstance(target, str) else target.values()
        assert all((package / path).is_file() for path in paths)
    script = (
        'import d, {watchPayment} from "paybell-client";'
        'import {usePaymentWebSocket} from "paybell-client/react";'
        'import {webSocketPaymentService} from "paybell-client/salon";'
        'import "paybell-client/paybell.js";'
        "console.log(d === watchPayment, typeof usePaymentWebSocket,"
        " webSocketPaymentService.connected)"
    )
    site = package.parents[1]
    said = run("node", "--input-type=module", "-e", script, cwd=site)
    assert said.split() == ["true", "function", "false"]


def test_the_core_is_under_6_kilobytes_compressed() -> None:
    source = (CLIENT / "paybell.js").read_bytes()
    assert len(gzip.compress(source, 9, mtime=0)) < CORE_BYTES


def test_its_types_hold_in_strict_typescript(package: Path) -> None:
    site = package.parents[1]
    shutil.copy(HERE / "client_types.mts", site)
    run(
        "node",
        MODULES / "typescript" / "bin" / "tsc",
        "--strict",
        "--noEmit",
        "--skipDefaultLibCheck",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--lib",
        "es2022,dom",
        "client_types.mts",
        cwd=site,
    )


@pytest.mark.parametrize("name", ["paybell_client", "paybell_salon"])
def test_s3_6_its_parts_hold_under_node(name: str) -> None:
    test = HERE / f"{name}.test.mjs"
    run("node", "--test", test, cwd=ROOT, CLIENT=str(CLIENT))
