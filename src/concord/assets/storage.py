"""What a disk or an object store said when it refused, out of the texts that wrap it.

delta-rs and polars raise one class for everything; only the system's own number tells a full disk
from a mistake, and it quotes no row.
"""

from __future__ import annotations

import errno
import re

from concord.errors import NotWritten

__all__ = ["refusal"]

_OS_ERROR = re.compile(r"\(os error (\d{1,4})\)")


def refusal(where: str, error: Exception) -> NotWritten | None:
    """The error to raise when the system refused a write; None when it was something else.

    Args:
        where: a dataset, or what was to be written.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        found = _OS_ERROR.search(str(error))
        number = int(found[1]) if found else None
    return None if number is None else NotWritten(where, errno.errorcode.get(number, str(number)))
