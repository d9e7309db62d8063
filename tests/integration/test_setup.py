"""`make` on a machine in any state: what is broken or half-made is made anew.

A small project stands in for Paybell: the same Makefile and scripts, locks that name
nothing, and a build back end of its own, so that nothing is fetched from anywhere.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools import children
from tests.tools.wait import PATIENCE
from tests.unit.test_packaging import ROOT

PATIENCE_S = 50 * PATIENCE
HOST_PYTHON = str(Path(sys.base_prefix) / "bin" / "python3")

BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    wheel = "small-1-py3-none-any.whl"
    info = {
        "METADATA": "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n",
        "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(f"{folder}/{wheel}", "w") as file:
        for name, text in info.items():
            file.writestr(f"small-1.dist-info/{name}", text)
    return wheel
"""


COPIES = """#!/bin/sh
if [ "$1" = -m ] && [ "$2" = venv ]; then
    cp -a {template} "$3"
else
    exec {python} "$@"
fi
"""
"""A Python that makes no new environment but copies one: the second and the third would
be the same as the first, and take as long."""


class SmallProject:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = HOST_PYTHON
        shutil.copytree(ROOT / ".ci", folder / ".ci")
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("setup.cfg", "requirements.lock", "requirements-test.lock"):
            (folder / name).write_text("# nothing\n")
        for name in ("tests/node", "bench/peers/node"):
            (folder / name).mkdir(parents=True)
            (folder / name / "package.json").write_text("{}")
            (folder / name / "package-lock.json").write_text("{}")
        (folder / "backend.py").write_text(BACKEND)
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
            'backend-path = ["."]\n'
        )
        (folder / "run.py").write_text(
            "from importlib.metadata import version\n"
            "print('it runs, version', version('small'))\n"
        )

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def make(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        return children.run(
            ["make", f"PYTHON={self.python}", *arguments],
            cwd=self.folder,
            env={**kept, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def demo(self) -> str:
        """`make demo`, which must work; what it printed."""
        done = self.make("demo")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "it runs, version 1" in done.stdout
        return done.stdout

    def would_make_an_environment(self) -> bool:
        """Whether `make demo` would begin with .venv, by what it says it would do."""
        done = self.make("--dry-run", "demo")
        assert done.returncode == 0, done.stderr
        return ".ci/venv.sh" in done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    folder = tmp_path_factory.mktemp("made")
    project = SmallProject(folder / "small")
    assert "Making .venv" in project.demo()
    template = folder / "template"
    copied(project.venv, template)
    (template / ".made-of").unlink()
    (site,) = template.glob("lib/python*/site-packages")
    shutil.rmtree(site / "small-1.dist-info")
    copies = folder / "python-that-copies"
    copies.write_text(COPIES.format(template=template, python=HOST_PYTHON))
    copies.chmod(0o755)
    project.python = str(copies)
    return project


def copied(venv: Path, to: Path) -> None:
    """The same files under another name: tests add and remove some, and change none."""
    shutil.copytree(venv, to, symlinks=True, copy_function=os.link)


def without_pip(venv: Path) -> None:
    (site,) = venv.glob("lib/python*/site-packages")
    shutil.rmtree(site / "pip")


def without_python(venv: Path) -> None:
    for file in (venv / "bin").glob("python*"):
        file.unlink()


def python_of_a_system_that_is_gone(venv: Path) -> None:
    without_python(venv)
    (venv / "bin" / "python").symlink_to("/nowhere/bin/python3.11")


def interrupted_before_it_was_whole(venv: Path) -> None:
    (venv / ".made-of").unlink()


def emptied(venv: Path) -> None:
    for path in venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


@pytest.mark.parametrize(
    "breaking",
    [
        without_pip,
        without_python,
        python_of_a_system_that_is_gone,
        interrupted_before_it_was_whole,
        emptied,
    ],
    ids=lambda breaking: breaking.__name__,
)
def test_a_broken_environment_is_seen_though_its_stamp_is_there(
    made: SmallProject, tmp_path: Path, breaking: Callable[[Path], None]
) -> None:
    assert made.would_make_an_environment() is False
    copied(made.venv, tmp_path / "whole")
    try:
        breaking(made.venv)
        assert made.would_make_an_environment() is True
    finally:
        shutil.rmtree(made.venv)
        shutil.move(tmp_path / "whole", made.venv)


def test_an_environment_of_a_folder_that_was_moved_is_seen(
    made: SmallProject, tmp_path: Path
) -> None:
    moved = SmallProject(tmp_path / "moved")
    copied(made.venv, moved.venv)
    assert moved.would_make_an_environment() is True


def test_a_link_to_the_environment_of_another_folder_is_seen(
    made: SmallProject, tmp_path: Path
) -> None:
    """Else installing here would turn the other folder's programs to this one."""
    linked = SmallProject(tmp_path / "linked")
    linked.venv.symlink_to(made.venv)
    assert linked.would_make_an_environment() is True


def test_a_half_made_environment_is_made_anew(made: SmallProject) -> None:
    """As Debian's python3 leaves it where python3-venv is not installed."""
    interrupted_before_it_was_whole(made.venv)
    without_pip(made.venv)
    assert "Making .venv" in made.demo()


def test_an_environment_of_another_lock_is_made_anew(made: SmallProject) -> None:
    (made.venv / "left-over").touch()
    (made.folder / "requirements.lock").write_text("# nothing, said otherwise\n")
    assert "Making .venv" in made.demo()
    assert not (made.venv / "left-over").exists()


def test_an_environment_that_is_whole_is_kept(made: SmallProject) -> None:
    made.demo()
    assert "Making" not in made.demo()


def test_a_changed_setup_cfg_installs_the_project_again_and_nothing_else(
    made: SmallProject,
) -> None:
    made.demo()
    (made.folder / "setup.cfg").write_text("# changed\n")
    (site,) = made.venv.glob("lib/python*/site-packages")
    shutil.rmtree(site / "small-1.dist-info")
    assert "Making" not in made.demo()


def test_what_is_missing_is_named_at_once_where_it_cannot_be_installed(
    made: SmallProject, tmp_path: Path
) -> None:
    """No root, no sudo: one line names the packages of all of them, before any work."""
    only = tmp_path / "bin"
    only.mkdir()
    for name in ("bash", "dirname", "basename", "env"):
        (only / name).symlink_to(str(shutil.which(name)))
    fake = only / "id"
    fake.write_text("#!/bin/sh\necho 1000\n")
    fake.chmod(0o755)
    kinds = ("python", "node", "chromium", "litecoind", "redis")
    done = children.run(
        [made.folder / ".ci/system.sh", *kinds],
        env={"PATH": str(only), "PYTHON": "/nowhere/python3"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "'sudo apt-get install nodejs npm chromium litecoind redis-server'" in line


def test_debians_package_for_environments_is_named_where_python_cannot_make_one(
    tmp_path: Path,
) -> None:
    project = SmallProject(tmp_path / "small")
    only = tmp_path / "bin"
    only.mkdir()
    for name in ("bash", "dirname", "basename"):
        (only / name).symlink_to(str(shutil.which(name)))
    for name, text in {"id": "echo 1000", "python3": "exit 1"}.items():
        (only / name).write_text(f"#!/bin/bash\n{text}\n")
        (only / name).chmod(0o755)
    done = children.run(
        [project.folder / ".ci/system.sh", "python"],
        env={"PATH": str(only)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "'sudo apt-get install python3-venv'" in done.stderr
