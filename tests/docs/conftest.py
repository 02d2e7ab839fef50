"""A wheel of this tree in an environment of its own, and what a reader's shell begins with."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

ROOT = Path(__file__).parents[2]


def fresh_environment(folder: Path, wheel: Path) -> Path:
    """A virtual environment with the wheel; it sees the others' packages, and no editable one.

    The path in a .pth file is searched, while the .pth files found there (an editable package is
    one) are not read: https://docs.python.org/3/library/site.html
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    own = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"]
    subprocess.run([*command, "--no-index", "--quiet", wheel], check=True)
    (Path(own) / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return fresh_environment(folder / "fresh", wheel)


@pytest.fixture(scope="session")
def shell(installed: Path) -> dict[str, str]:
    """The variables of somebody who has Concord installed, and none of this test's own."""
    foreign = ("AIRFLOW", "CONCORD", "PYTHON", "VIRTUAL_ENV")
    kept = {n: v for n, v in os.environ.items() if not n.startswith(foreign)}
    found = [str(installed / "bin"), str(Path(sys.executable).parent), kept["PATH"]]
    return {**kept, "PATH": os.pathsep.join(found), "COLUMNS": "120"}
