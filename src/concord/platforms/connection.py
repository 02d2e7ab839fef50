"""A connection as a value: what an Airflow connection holds, without Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Connection"]


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
