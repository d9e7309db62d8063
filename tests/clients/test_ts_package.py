"""What is shipped of the TypeScript client, and that its types are the document's."""

import json

import pytest

from tests.clients import schema
from tests.clients.packed import PACKAGE, Packed
from tests.unit.test_packaging import ROOT


@pytest.mark.timeout_s(240)
def test_its_schema_is_what_the_generator_makes_of_the_contract() -> None:
    """If not: `python -m tests.contract --write`."""
    assert schema.FILE.read_text(encoding="utf-8") == schema.generated()


@pytest.mark.timeout_s(240)
def test_it_is_packed_with_types_licence_and_nothing_else(packed: Packed) -> None:
    """And the compiler (strict) takes what a shop writes, and refuses its mistakes."""
    installed = packed.folder / "node_modules" / "paybell-api"
    found = {str(p.relative_to(installed)) for p in installed.rglob("*") if p.is_file()}
    modules = {p.stem for p in (PACKAGE / "src").glob("*.ts")} - {"schema.d"}
    built = {f"dist/{name}.{kind}" for name in modules for kind in ("js", "d.ts")}
    assert found == built | {
        *("package.json", "README.md", "LICENSE", "dist/schema.d.ts"),
    }
    about = json.loads((installed / "package.json").read_bytes())
    assert about["license"] == "MIT"
    assert "dependencies" not in about
    assert (ROOT / "LICENSE").read_bytes() == (PACKAGE / "LICENSE").read_bytes()
    for file in installed.glob("dist/*.js"):
        names = {
            line.split('"')[1]
            for line in file.read_text().splitlines()
            if line.startswith(("import ", "export ", "} from ")) and '"' in line
        }
        assert all(name.startswith("./") for name in names), names
