"""`concord init`: a project of one's own, which lints and runs at once."""

from __future__ import annotations

import os
import re
import secrets
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from concord.errors import UsageError
from concord.project import record_key_file, state_folder

__all__ = ["init"]

_NAME = "my-project"  # in the templates
_RENAMED = {"gitignore": ".gitignore"}  # a file of that name would rule the package's own folder


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Write a project into a new folder: two exports of invented people, ready to run.

    Asks nothing. What each folder is for stands in its README.md.

    Example: concord init contacts
    """
    _refuse_used(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(files("concord") / "templates" / "project", folder, name=_named_after(folder))
    _make_key(folder)
    print(f"{folder}: a project that runs at once; next:")
    print(f"  cd {folder}\n  concord run\n  concord sync plan newsletter")
    print(f"What each folder is for: {folder / 'README.md'}")


def _refuse_used(folder: Path) -> None:
    if folder.is_dir():
        if next(folder.iterdir(), None) is not None:
            raise UsageError(f"{folder}: the folder is not empty; name a new or an empty one")
    elif folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder}: is no folder; name a new or an empty one")


def _write(source: Traversable, target: Path, *, name: str) -> None:
    for one in source.iterdir():
        if one.name == "__pycache__":
            continue
        place = target / _RENAMED.get(one.name, one.name)
        if one.is_dir():
            place.mkdir()
            _write(one, place, name=name)
        else:
            place.write_bytes(one.read_bytes().replace(_NAME.encode(), name.encode()))


def _named_after(folder: Path) -> str:
    """The folder's name as a project may be called."""
    found = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")
    return found or "contacts"


def _make_key(root: Path) -> None:
    """Make the record key of runs on this computer, readable by its owner only."""
    state_folder(root)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(record_key_file(root), flags, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
