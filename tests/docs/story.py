"""Somebody who does what a page says, in a real shell and with the real program."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pages import Change, Shown, Step, Typed, Written

__all__ = ["Reader", "applied", "shows"]

_CONNECTION = "export AIRFLOW_CONN_"
_KEPT = '\npwd > "$STORY/folder"; env -0 > "$STORY/environment"\n'


@dataclass(slots=True)
class Reader:
    """Where somebody stands in a story.

    Attributes:
        page: named when something goes wrong.
        notes: folder that the shell leaves its folder and variables in.
        not_typed: commands that are tested elsewhere.
        connections: variable to the JSON of a real service, instead of the page's example.
    """

    page: str
    folder: Path
    environment: dict[str, str]
    notes: Path
    not_typed: Sequence[str] = ()
    connections: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""

    def follow(self, story: Sequence[Step]) -> None:
        for step in story:
            where = f"{self.page}:{step.line}"
            match step:
                case Typed():
                    self._type(step, where)
                case Shown():
                    missing = shows(self.printed, step.lines)
                    assert missing is None, f"{where}: never printed: {missing}\n{self.printed}"
                case Written():
                    place = self.folder / step.path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(step.text, encoding="utf-8")
                case Change():
                    place = self.folder / step.path
                    text = applied(place.read_text(encoding="utf-8"), step.diff, where)
                    place.write_text(text, encoding="utf-8")

    def _type(self, step: Typed, where: str) -> None:
        lines = [self._own(one, where) for one in step.lines if self._typed(one)]
        script = "\n".join(lines) + ("" if step.exit_code else _KEPT)
        done = subprocess.run(
            ["sh", "-e", "-c", script],
            cwd=self.folder,
            env={**self.environment, "STORY": str(self.notes)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        self.printed = done.stdout + done.stderr
        assert done.returncode == step.exit_code, (
            f"{where}: exit code {done.returncode}, not {step.exit_code}\n{self.printed[-3000:]}"
        )
        if not step.exit_code:
            self.folder = Path((self.notes / "folder").read_text().rstrip("\n"))
            told = (self.notes / "environment").read_text().split("\0")
            self.environment = dict(one.split("=", 1) for one in told if one)

    def _typed(self, line: str) -> bool:
        return line.split("#")[0].strip() not in self.not_typed

    def _own(self, line: str, where: str) -> str:
        """The line, with a real service's connection where the page has an example's."""
        if not line.startswith(_CONNECTION):
            return line
        name, _, example = shlex.split(line)[1].partition("=")
        if name not in self.connections:
            return line
        own = self.connections[name]
        assert json.loads(example).keys() == json.loads(own).keys(), f"{where}: other keys"
        return f"export {name}={shlex.quote(own)}"


def applied(text: str, diff: Sequence[str], where: str) -> str:
    """*text* with the change made; what the diff takes away and keeps stands in it just once."""
    old = "".join(f"{one[1:]}\n" for one in diff if one[:1] != "+")
    new = "".join(f"{one[1:]}\n" for one in diff if one[:1] != "-")
    assert ("\n" + text).count("\n" + old) == 1, f"{where}: stands {text.count(old)} times:\n{old}"
    return ("\n" + text).replace("\n" + old, "\n" + new)[1:]


def shows(printed: str, lines: Sequence[str]) -> str | None:
    """The first of *lines* that was not printed after the one before it; None if all were."""
    rest = [_words(one) for one in printed.splitlines()]
    for line in lines:
        if _words(line) == "…":
            continue
        pattern = ".*".join(re.escape(part.strip()) for part in _words(line).split("…"))
        found = next((i for i, one in enumerate(rest) if re.fullmatch(pattern, one)), None)
        if found is None:
            return line
        del rest[: found + 1]
    return None


def _words(line: str) -> str:
    return " ".join(line.split())
