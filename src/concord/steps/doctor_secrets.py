"""Secrets in files of a project, found by their look; what is found is never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["secrets_in", "secrets_of_project"]

_LARGEST = 1 << 20
_FOLDERS = ("", "assets", "contracts", "dags", "lineage", "plugins")
_KINDS = (".yaml", ".yml", ".py", ".json", ".toml", ".cfg", ".ini", ".env", ".sh", ".md", ".csv")
_NAME = (
    r"\w*(?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|api_?key|access_?key|private_?key"
    r"|credentials?)\w*"
)
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:(?P<value>[^\s/@'\"]+)@", re.IGNORECASE)
_QUOTED = re.compile(
    rf"(?<![\w.])['\"]?{_NAME}['\"]?\s*[:=]\s*(['\"])(?P<value>[^'\"\n]+)\1", re.IGNORECASE
)
_PLAIN = re.compile(
    rf"^\s*(?:export\s+)?['\"]?{_NAME}['\"]?\s*[:=]\s*(?P<value>[^\s'\"#{{\[(,][^\s#,]*)",
    re.IGNORECASE,
)
_KEYS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "an access key of AWS"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"), "a token of GitHub"),
    (re.compile(r"\bxox[baprs]-[A-Za-z0-9-]{10,}"), "a token of Slack"),
)
_STANDS_FOR = re.compile(
    r"^(?:[$<{%].*|\**|\.+|x{3,}|null|none|~|true|false|\d{1,3})$", re.IGNORECASE
)


def secrets_of_project(root: Path) -> Iterator[tuple[str, int, str]]:
    """File, line and kind of everything in the project's own folders that looks like a secret."""
    for folder in _FOLDERS:
        place = root / folder
        found = place.iterdir() if not folder else place.rglob("*")
        for file in sorted(one for one in found if _is_looked_at(one)) if place.is_dir() else ():
            text = file.read_text(encoding="utf-8", errors="replace")
            for line, what in secrets_in(text, plain=file.suffix != ".py"):
                yield file.relative_to(root).as_posix(), line, what


def _is_looked_at(file: Path) -> bool:
    kind = file.suffix in _KINDS or file.name.startswith(".env")
    return kind and file.is_file() and not file.is_symlink() and file.stat().st_size <= _LARGEST


def secrets_in(text: str, *, plain: bool) -> Iterator[tuple[int, str]]:
    """Line and kind of what looks like a secret; never more than one a line.

    Args:
        plain: a value may stand without quotes, as in YAML; code is not read so.
    """
    for number, line in enumerate(text.splitlines(), 1):
        what = _secret(line, plain=plain)
        if what:
            yield number, what


def _secret(line: str, *, plain: bool) -> str | None:
    for pattern, what in _KEYS:
        if pattern.search(line):
            return what
    if any(_means_something(one["value"]) for one in _URL.finditer(line)):
        return "an address with a password"
    patterns = (_QUOTED, _PLAIN) if plain else (_QUOTED,)
    if any(_means_something(one["value"]) for p in patterns for one in p.finditer(line)):
        return "a value that is named like a secret"
    return None


def _means_something(value: str) -> bool:
    """Not a variable, a template, or signs that stand for a secret."""
    return _STANDS_FOR.match(value) is None
