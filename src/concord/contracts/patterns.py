r"""Patterns: ODCS means ECMA-262, Polars has Rust's regex; here is what both understand alike.

A pattern is searched for, not matched whole: ``^`` and ``$`` say where it must stand. ``\d`` and
``\w`` are ASCII in ECMA-262 and Unicode in Rust; ``[`` inside a class is a letter in one and opens
a class in the other.
"""

from __future__ import annotations

import re
import warnings

__all__ = ["pattern_fault", "rust_pattern"]

_CLASSES = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]",
    "/": "/",
}
_LINE_ENDS = r"[^\n\r\u2028\u2029]"
_TOKEN = re.compile(r"\\.|.", re.S)
_FORBIDDEN = (
    (re.compile(r"\(\?(?!:)"), "uses (?…); of these only (?:…) can be enforced"),
    (re.compile(r"\\[1-9k]"), "refers back to a group"),
)


def rust_pattern(pattern: str) -> str:
    """*pattern* for Polars, with ECMA-262's meaning."""
    return "".join(_translated(pattern))


def _translated(pattern: str) -> list[str]:
    inside = False
    parts = []
    for token in _TOKEN.findall(pattern):
        if token.startswith("\\"):
            parts.append(_escape(token, inside))
        elif inside:
            inside = token != "]"
            parts.append(f"\\{token}" if token in "[&~" else token)
        else:
            inside = token == "["
            parts.append(_LINE_ENDS if token == "." else token)
    return parts


def _escape(token: str, inside: bool) -> str:
    if token in (r"\b", r"\B"):
        return token if inside else f"(?-u:{token})"
    return _CLASSES.get(token[1:], token)


def pattern_fault(pattern: str) -> str | None:
    """Why *pattern* cannot be enforced; None when nothing speaks against it so far.

    Rust's own word, which needs Polars, is asked by `concord.contracts.rules.lift_faults`.
    """
    for forbidden, reason in _FORBIDDEN:
        if forbidden.search(pattern):
            return reason
    if _has_empty_class(pattern):
        return "has an empty class []"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error:
        return "is no regular expression"
    return None


def _has_empty_class(pattern: str) -> bool:
    """Whether a class ends where it begins: nothing in ECMA-262, a class with ``]`` elsewhere."""
    inside = False
    tokens = _TOKEN.findall(pattern)
    for at, token in enumerate(tokens):
        if inside:
            inside = token != "]"
        elif token == "[":
            inside = True
            if "".join(tokens[at + 1 : at + 3]).removeprefix("^").startswith("]"):
                return True
    return False
