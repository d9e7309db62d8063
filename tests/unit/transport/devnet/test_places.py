"""Who has not all programs of a Lightning network is told which, and what to do."""

from pathlib import Path

import pytest

from transport.devnet.places import Missing, find_programs


def test_every_program_that_is_missing_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("transport.devnet.places.BITCOIN", tmp_path)
    nowhere = str(tmp_path / "none")
    environ = {"ELECTRUM": nowhere, "ELECTRUMX_PYTHON": nowhere, "NODE": nowhere}
    with pytest.raises(Missing) as failure:
        find_programs(environ)
    text = str(failure.value)
    for name in ("electrum (Debian", "node (Debian", "ElectrumX (make", "bcoin (make"):
        assert name in text
    assert text.endswith(
        "'make setup-lightning' in Paybell's folder installs all of it"
    )
    assert "\n" not in text


def test_the_environment_names_other_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "node_modules" / "bcoin").mkdir(parents=True)
    monkeypatch.setattr("transport.devnet.places.BITCOIN", tmp_path)
    environ = {}
    for variable in ("ELECTRUM", "ELECTRUMX_PYTHON", "NODE"):
        program = tmp_path / variable.lower()
        program.touch(mode=0o755)
        environ[variable] = str(program)
    found = find_programs(environ)
    assert found.electrum == environ["ELECTRUM"]
    assert found.electrumx == environ["ELECTRUMX_PYTHON"]
    assert (found.node, found.bitcoin) == (environ["NODE"], tmp_path)
