"""A page of the documentation, read as a story: what to type, what to write, what is shown.

- ``sh``: typed in order, one fence at a time. A paragraph before it that speaks of *exit code 3*
  says so of the fence's end; without one it ends with 0.
- ``text`` after a ``sh`` fence: printed by it, line after line; an ellipsis stands for anything.
- ``diff``: a change of the file that the paragraph before names last.
- any other named language: the whole of the file that the paragraph before names last.
- no language, or ``mermaid``: for the reader only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["Change", "Shown", "Typed", "Written", "code_spans", "console_lines", "links", "steps"]

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_FOR_READERS = ("", "mermaid", "console")


@dataclass(frozen=True, slots=True)
class Typed:
    line: int
    lines: tuple[str, ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Shown:
    line: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    line: int
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    line: int
    path: str
    diff: tuple[str, ...]


Step = Typed | Shown | Written | Change


def steps(page: Path) -> list[Step]:
    """What a reader of *page* does, and is shown, in order."""
    return list(_steps(_tokens(page)))


def _tokens(page: Path) -> list[Token]:
    return _MARKDOWN.parse(page.read_text(encoding="utf-8"))


def _steps(tokens: Sequence[Token]) -> Iterator[Step]:
    before: Token | None = None
    for token in tokens:
        if token.type == "inline":
            before = token
        if token.type == "fence" and token.info not in _FOR_READERS:
            yield _step(token, before)
            before = None if token.info == "sh" else before


def _step(fence: Token, before: Token | None) -> Step:
    line = (fence.map or [0])[0] + 1
    lines = tuple(fence.content.splitlines())
    if fence.info == "sh":
        code = re.search(r"exit code (\d+)", before.content if before else "")
        return Typed(line, lines, int(code[1]) if code else 0)
    if fence.info == "text":
        return Shown(line, lines)
    named = [one.content for one in (before.children or [] if before else []) if _is_code(one)]
    assert named, f"line {line}: the paragraph before names no file that this is to be written to"
    if fence.info == "diff":
        return Change(line, named[-1], lines)
    return Written(line, named[-1], fence.content)


def _is_code(token: Token) -> bool:
    return token.type == "code_inline"


def console_lines(page: Path) -> list[str]:
    """Commands that are shown after a prompt: they need what no test has, a container engine."""
    fences = (token for token in _tokens(page) if token.type == "fence" and token.info == "console")
    lines = (line for fence in fences for line in fence.content.splitlines())
    return [line.removeprefix("$ ").partition(" #")[0].strip() for line in lines]


def code_spans(page: Path) -> list[tuple[int, str]]:
    """Line and content of every piece of code inside a sentence or a table."""
    return [
        ((token.map or [0])[0] + 1, one.content)
        for token in _tokens(page)
        for one in token.children or []
        if _is_code(one)
    ]


def links(page: Path) -> list[str]:
    """Where the page's links lead."""
    inner = [one for token in _tokens(page) for one in token.children or []]
    return [str(one.attrs["href"]) for one in inner if one.type == "link_open"]
