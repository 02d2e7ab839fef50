"""The record key that `concord init` made, for an Airflow that is Concord's own only.

Where the project's Airflow connection is there, that one counts. In somebody's own Airflow the
variable is not set, so a missing connection stays an error there: ids must never be made with a key
that nobody chose to keep.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from concord.airflow.environment import RECORD_KEY_FILE
from concord.errors import MissingConnection

__all__ = ["own_record_key"]

_SHORTEST = 32


def own_record_key(surroundings: Mapping[str, str] = os.environ) -> bytes | None:
    """The key; None where there is none, or where it does not count.

    Raises:
        MissingConnection: it is there, but others can read it, or it is no key.
    """
    named = surroundings.get(RECORD_KEY_FILE)
    if not named:
        return None
    try:
        with open(os.open(named, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            key = file.read(1024).strip() if stat.S_ISREG(found.st_mode) else b""
    except FileNotFoundError:
        return None
    except OSError:
        raise MissingConnection(f"{_shown(named)} cannot be read") from None
    if found.st_mode & 0o077:
        raise MissingConnection(f"{_shown(named)} can be read by others; `chmod 600` it")
    if len(key) < _SHORTEST:
        raise MissingConnection(f"{_shown(named)} is no key of {_SHORTEST} characters or more")
    return key


def _shown(named: str) -> str:
    return f"the record key {Path(*Path(named).parts[-2:])}"
