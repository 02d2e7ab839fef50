"""What is installed, against what Concord is pinned to, and what hides it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from concord.steps.finding import Finding, Level

__all__ = ["shadows", "versions"]

_OWN = "concord-contacts"
_FORBIDDEN = {
    "openlineage-airflow": "it must not be used with this Airflow; its successor "
    "apache-airflow-providers-openlineage is installed"
}
_IMPORTED_AS = {"apache-airflow": "airflow", "open-data-contract-standard": "", "ruamel-yaml": ""}


def versions() -> Iterator[Finding]:
    """Python and every library that is outside its pin or missing."""
    wanted = metadata(_OWN)["Requires-Python"]
    if not SpecifierSet(wanted).contains(platform.python_version()):
        yield Finding(
            Level.ERROR,
            "versions",
            "Python",
            f"{platform.python_version()} is outside {wanted}",
            "make the environment with a Python of that range",
        )
    for one in _requirements():
        yield from _version(one)
    for name, why in _FORBIDDEN.items():
        if _installed(name) is not None:
            yield Finding(Level.ERROR, "versions", name, why, f"pip uninstall {name}")


def _requirements() -> Iterator[Requirement]:
    """What Concord needs always, without its extras."""
    for text in requires(_OWN) or ():
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            yield one


def _version(one: Requirement) -> Iterator[Finding]:
    found = _installed(one.name)
    fix = "install the locked versions: pip install --require-hashes -r requirements.lock"
    if found is None:
        yield Finding(Level.ERROR, "versions", one.name, "is not installed", fix)
    elif not one.specifier.contains(found, prereleases=True):
        what = f"{found} is outside the pin {one.specifier}"
        yield Finding(Level.ERROR, "versions", one.name, what, fix)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def shadows(root: Path, path: Iterable[str]) -> Iterator[Finding]:
    """Files that Python would import in place of a library of the same name.

    Args:
        root: of the project; Airflow puts its ``dags`` in front of everything.
        path: where Python looks, in order.
    """
    names = {_module(one.name) for one in _requirements()} | {"concord"} - {""}
    names |= sys.stdlib_module_names
    own = {root / "dags": "dags", root / "plugins": "plugins", root: "."}
    own |= {Path(one): Path(one).name for one in path if one and _is_loose(Path(one))}
    for folder, shown in own.items():
        readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        for found in sorted(folder.iterdir()) if readable else ():
            if _imported_as(found) in names:
                yield Finding(
                    Level.ERROR,
                    "packages",
                    f"{shown}/{found.name}",
                    f"hides the package {_imported_as(found)}, which Python then never finds",
                    "give it another name",
                )


def _module(name: str) -> str:
    return _IMPORTED_AS.get(name.lower(), name.lower().replace("-", "_"))


def _is_loose(folder: Path) -> bool:
    """Neither an installation of libraries nor Python's own, nor where Concord itself lies."""
    here = Path(__file__).parents[2]
    installed = "site-packages" in folder.parts or "dist-packages" in folder.parts
    return not installed and folder != here and not folder.is_relative_to(sys.base_prefix)


def _imported_as(found: Path) -> str | None:
    if found.suffix == ".py":
        return found.stem
    return found.name if (found / "__init__.py").is_file() else None
