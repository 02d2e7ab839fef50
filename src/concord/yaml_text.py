"""YAML 1.2 as people write it: plain values, and the line that each of them stands on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from concord.errors import Fault, ProjectFaults

__all__ = ["Positions", "load_text"]

MOST_BYTES = 1_000_000
MOST_DEPTH = 40

Place = tuple[Any, ...]
# YAML 1.1 reads these as yes, no, a number to base 60
_AMBIGUOUS = re.compile(r"(?i:y|n|yes|no|on|off)|[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?")

_UNMERGED = re.compile(r"(?:<{7}|>{7}|\|{7}) |={7}$")
_PROBLEMS = (  # part of what the parser says, what is wrong, what to do
    ("'\\t'", "is indented with a tab", "indent with spaces"),
    ("duplicate key", "a key stands twice", "keep one of them"),
    (
        "mapping values are not allowed",
        "is no YAML: a key where none can stand",
        "look at the indentation of this line and of the one above; quote text with `: ` in it",
    ),
    (
        "could not find expected ':'",
        "is no YAML: a line without its colon",
        "write `key: value` on this line or the one above",
    ),
    (
        "unknown escape character",
        "is no YAML: a backslash in double quotes",
        "write patterns in single quotes",
    ),
    (
        "expected <block end>",
        "is no YAML: something stands where the block should end",
        "look at the indentation; in single quotes an apostrophe is written twice",
    ),
)


@dataclass(frozen=True, slots=True)
class Positions:
    """Where everything stands in one file.

    Attributes:
        ambiguous: places of unquoted text that tools which read YAML 1.1 take for something else.
    """

    tree: Any
    ambiguous: tuple[Place, ...] = ()

    def __call__(self, place: Place) -> int:
        """The 1-based line of *place*, or of the nearest known place above it."""
        return _line(self.tree, place)


def load_text(text: str, *, path: str) -> tuple[Any, Positions]:
    """Read one document.

    Args:
        text: the file's text.
        path: named in faults.

    Returns:
        Dicts, lists and scalars; and a function from a path of keys and positions to its 1-based
        line (the nearest line above it that is known, where the path leads nowhere).

    Raises:
        ProjectFaults: it is no YAML, too large, too deep, or uses anchors.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise _fault(path, 0, f"is larger than {MOST_BYTES // 1000} kB", "split it")
    for number, line in enumerate(text.splitlines(), 1):
        if _UNMERGED.match(line):
            hint = "keep one version of these lines and delete the marks"
            raise _fault(path, number, "holds the marks of a merge conflict", hint)
        if any(_is_control(letter) for letter in line):
            raise _fault(path, number, "holds a control character", "type the line anew")
    fault: ProjectFaults | None = None
    try:
        _refuse_traps(text, path)
        reader = YAML(typ="rt")
        reader.preserve_quotes = True
        tree = reader.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said, hint = _told(error.problem or "")
        fault = _fault(path, mark.line + 1 if mark else 0, said, hint)
    except (YAMLError, RecursionError, ValueError) as error:
        fault = _fault(path, 0, f"is no YAML ({type(error).__name__})")
    if fault is not None:
        raise fault
    return _plain(tree), Positions(tree, tuple(_ambiguous(tree, ())))


def _fault(path: str, line: int, what: str, hint: str = "") -> ProjectFaults:
    return ProjectFaults((Fault(path, line, what, hint),))


def _told(problem: str) -> tuple[str, str]:
    """A parser's complaint, and what people most often did; no text of the file is quoted."""
    for part, said, hint in _PROBLEMS:
        if part in problem:
            return said, hint
    return f"is no YAML: {problem}", "look at the indentation of this line and of the one above"


def _is_control(letter: str) -> bool:
    return letter != "\t" and unicodedata.category(letter) == "Cc"


def _refuse_traps(text: str, path: str) -> None:
    """Anchors multiply what they name, depth breaks parsers: looked at before parsing."""
    from ruamel.yaml import YAML
    from ruamel.yaml import tokens as kinds

    opens = (
        kinds.FlowMappingStartToken,
        kinds.FlowSequenceStartToken,
        kinds.BlockMappingStartToken,
        kinds.BlockSequenceStartToken,
    )
    closes = (kinds.FlowMappingEndToken, kinds.FlowSequenceEndToken, kinds.BlockEndToken)
    depth = 0
    for token in YAML(typ="rt").scan(text):
        line = token.start_mark.line + 1
        if isinstance(token, kinds.AnchorToken | kinds.AliasToken):
            raise _fault(path, line, "anchors and aliases (& and *) are not read", "write it out")
        if isinstance(token, kinds.TagToken):
            raise _fault(path, line, "tags (!) are not read", "leave it out")
        depth += isinstance(token, opens) - isinstance(token, closes)
        if depth > MOST_DEPTH:
            raise _fault(path, line, f"is nested over {MOST_DEPTH} deep")


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {_plain(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (str, int, float):
        if isinstance(node, kind):
            return kind(node)
    return node


def _ambiguous(node: Any, place: Place) -> Iterator[Place]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _ambiguous(value, (*place, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _ambiguous(value, (*place, number))
    elif type(node) is str and _AMBIGUOUS.fullmatch(node):
        yield place


def _line(tree: Any, place: tuple[Any, ...]) -> int:
    line, node = 1, tree
    for part in place:
        try:
            marks = node.lc
            found = marks.key(part) if isinstance(node, dict) else marks.item(part)
            line, node = found[0] + 1, node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line
