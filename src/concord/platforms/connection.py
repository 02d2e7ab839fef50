"""A connection as a value: what an Airflow connection holds, without Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from concord.errors import PlatformRefused

__all__ = ["Connection", "patience_s"]

_PATIENCE_S = 60.0
_LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Connection:
    """Address and secrets of one platform; its repr shows neither.

    Attributes:
        name: the connection's id in Airflow.
        kind: the connection type, for example ``postgres`` or ``http``.
        host: host name, URL or folder, as the kind of platform needs it.
        schema: database name, or URL scheme.
        extra: the connection's JSON.
    """

    name: str
    kind: str = ""
    host: str = field(default="", repr=False)
    port: int | None = field(default=None, repr=False)
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    schema: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def patience_s(platform: str, connection: Connection) -> float:
    """Seconds that one answer may take, whole: `timeout_s` of the connection's extra, else 60.

    Raises:
        PlatformRefused: what stands there is no such number.
    """
    stated = connection.extra.get("timeout_s", _PATIENCE_S)
    try:
        seconds = float(stated)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_S:
        raise PlatformRefused(
            platform, "`timeout_s` of the connection's extra must be seconds, at most a day"
        )
    return seconds
