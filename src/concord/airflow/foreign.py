"""Foreign exceptions, told by class and place; their text may quote records."""

from __future__ import annotations

import traceback
from pathlib import Path

from concord.errors import ConcordError, StepFailed

__all__ = ["translated"]

_HOPELESS = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError)
_PACKAGE = Path(__file__).parents[1]


def translated(error: Exception, step: str) -> ConcordError:
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


def _may_pass(error: Exception) -> bool:
    return isinstance(error, OSError) and not isinstance(error, _HOPELESS)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not frames:
        return "an unknown place"
    frame = (own or frames)[-1]
    path = Path(frame.filename)
    name = path.relative_to(_PACKAGE.parent).as_posix() if own else path.name
    return f"{name}:{frame.lineno}"
