"""Foreign exceptions, told by class and place; their text may quote records."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from concord.errors import ConcordError, StepFailed

__all__ = ["import_error", "translated"]

_HOPELESS = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError)
_PACKAGE = Path(__file__).parents[1]
_CLASS = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")


def translated(error: BaseException, step: str) -> ConcordError:
    """The error to raise instead of *error*, without anything it was chained to.

    Errors of ours pass. Raise the answer outside the ``except`` block, otherwise Python chains the
    original to it again.
    """
    if isinstance(error, ConcordError):
        ours: ConcordError = error
    else:
        kind = type(error)
        name = kind.__qualname__
        if kind.__module__ != "builtins":
            name = f"{kind.__module__}.{name}"
        ours = StepFailed(step, name, _place(error), transient=_may_pass(error))
    ours.__cause__ = ours.__context__ = None
    return ours


def _may_pass(error: BaseException) -> bool:
    """What is no `Exception` is a time limit, a signal or a panic."""
    if not isinstance(error, Exception):
        return True
    return isinstance(error, OSError) and not isinstance(error, _HOPELESS)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not frames:
        return "an unknown place"
    frame = (own or frames)[-1]
    path = Path(frame.filename)
    name = path.relative_to(_PACKAGE.parent).as_posix() if own else path.name
    return f"{name}:{frame.lineno}"


def import_error(path: str, text: str) -> str:
    """Why Airflow could not read a Dag file: its place and the error's class, nothing it quotes.

    Args:
        path: of the file, below the folder of Dags.
        text: a traceback, or Airflow's own ``Class: sentence``.
    """
    *_, last = text.rpartition("Traceback (most recent call last):\n")
    lines = re.findall(rf'^  File ".*{re.escape(path)}", line (\d+)', last, re.MULTILINE)
    unindented = next((line for line in last.splitlines() if line[:1].strip()), "")
    kind = _CLASS.match(unindented)
    place = f"dags/{path}" + (f":{lines[-1]}" if lines else "")
    return f"{place} ({kind.group().rpartition('.')[2] if kind else 'an error'})"
