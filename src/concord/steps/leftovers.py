"""What killed tries left outside the tables: pages of readings, copies of the lake, half files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from concord.errors import ConcordError
from concord.platforms.registry import kind, open_platform
from concord.steps.context import Context
from concord.steps.platforms import connection_of

__all__ = ["DRY_RUN", "EXTRACT", "remove_leftovers"]

EXTRACT, DRY_RUN = "concord-extract-", "concord-dry-run-"
"""How folders of scratch files begin, in the system's folder for them."""

_SAFE = timedelta(days=1)


def remove_leftovers(ctx: Context, *, dry_run: bool) -> tuple[int, int]:
    """Remove scratch folders that nobody can still be using, on this machine.

    A platform whose kind can is asked to remove what a killed writer left with it.

    Returns:
        How many folders, and the bytes in them.
    """
    longest = max((one.max_reading_s for one in ctx.project.platforms.values()), default=0)
    before = ctx.now() - _SAFE - timedelta(seconds=longest)
    folders = [one for one in _scratch() if _last_used(one) < before]
    size = sum(_files_size(one) for one in folders)
    if not dry_run:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for platform in ctx.project.platforms:
            _tidy(ctx, platform)
    return len(folders), size


def _scratch() -> Iterator[Path]:
    """Ours alone: the folder is everybody's."""
    for folder in Path(tempfile.gettempdir()).iterdir():
        if folder.name.startswith((EXTRACT, DRY_RUN)) and not folder.is_symlink():
            try:
                mine = folder.stat().st_uid == os.getuid()
            except OSError:
                continue
            if mine and folder.is_dir():
                yield folder


def _last_used(folder: Path) -> datetime:
    """When anything in it last changed; now, where it changes while we look."""
    try:
        times = [one.lstat().st_mtime for one in (folder, *folder.rglob("*"))]
    except OSError:
        return datetime.now(UTC)
    return datetime.fromtimestamp(max(times), UTC)


def _files_size(folder: Path) -> int:
    return sum(one.lstat().st_size for one in folder.rglob("*") if one.is_file())


def _tidy(ctx: Context, platform: str) -> None:
    declaration = ctx.project.platform(platform)
    if not hasattr(kind(declaration.kind), "tidy"):
        return
    try:
        connection = connection_of(ctx, platform)
        with open_platform(platform, declaration, connection, ctx.project.root) as found:
            found.tidy()  # type: ignore[attr-defined]
    except ConcordError:
        return  # it is down, or somebody writes: the next time
