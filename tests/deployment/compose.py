"""What compose.yaml says, with the variables of an .env, as Docker Compose would read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

__all__ = ["Service", "env_values", "interpolated", "read_services"]

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<sign>:?[-?])(?P<other>[^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        command: as the container runs it.
        health: the health check's command.
        env_files: paths beside the file.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)


def env_values(text: str) -> dict[str, str]:
    """The variables of an .env or a file of connections."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def read_services(file: Path, values: Mapping[str, str]) -> dict[str, Service]:
    """Every service of *file*; a variable that is asked for and not there is a KeyError."""
    said = interpolated(YAML(typ="safe", pure=True).load(file), values)
    return {name: _service(name, one) for name, one in said["services"].items()}


def interpolated(said: Any, values: Mapping[str, str]) -> Any:
    """The same document with ``${…}`` filled in."""
    if isinstance(said, dict):
        return {name: interpolated(one, values) for name, one in said.items()}
    if isinstance(said, list):
        return [interpolated(one, values) for one in said]
    return _filled(said, values) if isinstance(said, str) else said


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found.group() == "$$":
            return "$"
        name, sign = found["name"], found["sign"] or ""
        known = values.get(name)
        if known is None or (not known and sign.startswith(":")):
            if sign.endswith("-"):
                return found["other"]
            raise KeyError(f"{name}: {found['other']}")
        return known

    return _VARIABLE.sub(value, text)


def _service(name: str, said: Mapping[str, Any]) -> Service:
    test = said.get("healthcheck", {}).get("test", [])
    health = ("sh", "-c", test[1]) if test[:1] == ["CMD-SHELL"] else tuple(test[1:])
    return Service(
        name,
        said["image"],
        tuple(said.get("command", ())),
        {key: str(value) for key, value in said.get("environment", {}).items()},
        health,
        tuple(one["path"] for one in said.get("env_file", ())),
        said,
    )
