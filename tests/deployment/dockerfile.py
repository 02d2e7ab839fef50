"""What a Dockerfile says, as far as it can be read without building it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Instruction", "instructions", "sources", "variables"]


@dataclass(frozen=True)
class Instruction:
    """One instruction; *stage* counts the FROMs before it, its own included."""

    stage: int
    word: str
    text: str


def instructions(file: Path) -> list[Instruction]:
    """Every instruction, continued lines joined."""
    stage, found = 0, []
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        word, _, text = line.strip().partition(" ")
        if word:
            stage += word.upper() == "FROM"
            found.append(Instruction(stage, word.upper(), " ".join(text.split())))
    return found


def sources(found: list[Instruction], stage: int | None = None) -> Iterator[tuple[str, str]]:
    """What is copied from the build's folder, and to where."""
    for one in found:
        if one.word == "COPY" and "--from=" not in one.text and stage in (None, one.stage):
            *copied, target = shlex.split(one.text)
            for source in copied:
                yield source, target


def variables(found: list[Instruction], stage: int) -> dict[str, str]:
    """The environment that a stage sets."""
    pairs = [
        pair
        for one in found
        if (one.word, one.stage) == ("ENV", stage)
        for pair in shlex.split(one.text)
    ]
    return dict(pair.split("=", 1) for pair in pairs)
