"""Secrets that the processes of one embedded Airflow share."""

from __future__ import annotations

import base64
import binascii
import errno
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from concord.errors import UnreadableInput

__all__ = ["shared_keys", "told_from"]

_FERNET = "AIRFLOW__CORE__FERNET_KEY"
_NAMES = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", _FERNET)
_ANEW = (
    "it keys no contact: delete it and run again, then connections made in Airflow's pages have to "
    "be made again"
)


def shared_keys(state: Path, root: Path) -> dict[str, str]:
    """The secrets as Airflow's variables; made once for each state folder.

    Raises:
        UnreadableInput: the file that holds them is damaged, or another account's.
    """
    place = state / "keys.json"
    if not place.exists():
        _make(place)
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, "")
        what = f"cannot be read [{code}]; run as the account that made it, or give it the right"
        raise UnreadableInput(told_from(place, root), what) from None
    except (ValueError, RecursionError):
        raise UnreadableInput(told_from(place, root), f"is damaged; {_ANEW}") from None
    lacking = [name for name in _NAMES if not _sound(name, found)]
    if lacking:
        what = f"lacks {len(lacking)} of {len(_NAMES)} secrets of this Airflow; {_ANEW}"
        raise UnreadableInput(told_from(place, root), what)
    return {name: found[name] for name in _NAMES}


def told_from(place: Path, root: Path) -> str:
    """A file of the state folder as errors tell it."""
    inside = place.is_relative_to(root)
    return (place.relative_to(root) if inside else Path(place.parent.name, place.name)).as_posix()


def _make(place: Path) -> None:
    made = {name: secrets.token_urlsafe(64) for name in _NAMES}
    made[_FERNET] = base64.urlsafe_b64encode(os.urandom(32)).decode()
    scratch = place.with_name(f"keys.{os.getpid()}.tmp")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(made, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(place)


def _sound(name: str, found: Mapping[str, object] | object) -> bool:
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or len(value) < 32:
        return False
    try:
        return name != _FERNET or len(base64.urlsafe_b64decode(value)) == 32
    except (binascii.Error, ValueError):
        return False
