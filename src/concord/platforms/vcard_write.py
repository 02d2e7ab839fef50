"""Lines of a vCard as they are written: escaped, encoded for the card's version, folded.

A line that is edited keeps its group, its place and every parameter that is not about its old
value. vobject does the escaping of vCard 3.0 and 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vobject.base import backslashEscape

from concord.platforms.vcard_lines import Card, Line, Params, content_line
from concord.platforms.vcard_values import is_uri, location

__all__ = ["element_line", "escaped", "line_with", "put", "text_line"]

_OCTETS = 75  # of one physical line, its end not counted (RFC 2426 2.6, RFC 6350 3.2)
_ABOUT_ENCODING = frozenset({"CHARSET", "ENCODING"})
_ABOUT_VALUE = frozenset({"VALUE", "X-APPLE-OMIT-YEAR"})
_TEL_URI = re.compile(r"\+?[0-9().-]+(;ext=[0-9]+)?")
_TYPE = re.compile(r"[A-Za-z0-9-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")


def escaped(text: str, version: str) -> str:
    """Escape one text or one part.

    Raises:
        ValueError: control characters, which no vCard can hold.
    """
    if _CONTROL.search(text):
        raise ValueError("control characters cannot be written into a card")
    if version == "2.1":
        return text.replace("\\", "\\\\").replace(";", "\\;")
    return str(backslashEscape(text))


def put(lines: list[Line], old: Line | None, new: Line) -> list[Line]:
    """Lines with *new* in the place of *old*, else after its kind, else before the end."""
    if old is not None:
        return [new if line is old else line for line in lines]
    kin = [place for place, line in enumerate(lines) if line.name in (new.name, "END")]
    place = kin[-2] + 1 if len(kin) > 1 else kin[-1]
    return [*lines[:place], new, *lines[place:]]


def text_line(card: Card, old: Line | None, prop: str, text: str) -> Line:
    """A line with one text; what was said about the form of its old value goes."""
    params = tuple(one for one in (old.params if old else ()) if one[0] not in _ABOUT_VALUE)
    bare = Line("", prop, params=params)
    value = _uri(text) if is_uri(old or bare) else escaped(text, card.version)
    kept = old if old and (params == old.params or is_uri(old)) else None
    return line_with(card, kept or _rebuilt(old, bare, card), value)


def element_line(
    card: Card,
    old: Line | None,
    prop: str,
    value: str,
    *,
    kind: str | None = None,
    preferred: bool | None = None,
) -> Line:
    """An EMAIL or TEL in the place of *old*, which may be of the same value.

    Args:
        kind: the type to state; None leaves the one that is there.
        preferred: None leaves it as it is.
    """
    params = old.params if old else ()
    if kind is not None:
        params = _with_kind(params, kind)
    if preferred is not None:
        params = _with_preference(params, preferred, card.version)
    as_uri = old is not None and is_uri(old) and bool(_TEL_URI.fullmatch(value)) and prop == "TEL"
    if not as_uri:
        params = tuple(one for one in params if one[0] != "VALUE")
    text = f"tel:{value}" if as_uri else escaped(value, card.version)
    if old is not None and params == old.params:
        return line_with(card, old, text)
    return line_with(card, _rebuilt(old, Line("", prop, params=params), card), text)


def line_with(card: Card, old: Line, text: str) -> Line:
    """The line *old* with another value, which is escaped already."""
    if any(name in _ABOUT_ENCODING for name, _ in old.params):
        params = tuple(one for one in old.params if one[0] not in _ABOUT_ENCODING)
        old = _rebuilt(old, Line("", old.name, params=params), card)
    if card.version != "2.1":
        raw = _folded(old.head + text, card.newline)
    elif text.isascii() and "\n" not in text:
        raw = old.head + text + card.newline
    else:
        head = f"{old.head[:-1]};CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:"
        raw = _quoted_printable(head, text, card.newline)
    return content_line(raw, card.version)


def _rebuilt(old: Line | None, new: Line, card: Card) -> Line:
    group = f"{old.group}." if old and old.group else ""
    params = "".join(_param(name, values, card.version) for name, values in new.params)
    return Line(
        "", new.name, f"{group}{new.name}{params}:", new.params, "", old.group if old else ""
    )


def _param(name: str, values: tuple[str, ...], version: str) -> str:
    if name == "TYPE" and version == "2.1":
        return "".join(f";{value}" for value in values)
    return f";{name}=" + ",".join(f'"{one}"' if set(one) & set(",;:") else one for one in values)


def _with_kind(params: Params, kind: str) -> Params:
    """TYPE with another place or device; what else it says (VOICE, INTERNET, PREF) stays."""
    place = location(kind) or (kind if _TYPE.fullmatch(kind) else None)
    stays = [one for one in _types(params) if location(one) is None]
    return _with_types(params, ([place.upper()] if place else []) + stays)


def _with_preference(params: Params, preferred: bool, version: str) -> Params:
    types = [one for one in _types(params) if one.lower() != "pref"]
    params = tuple(one for one in params if one[0] != "PREF")
    if preferred and version == "4.0":
        return (*_with_types(params, types), ("PREF", ("1",)))
    return _with_types(params, [*types, "PREF"] if preferred else types)


def _types(params: Params) -> list[str]:
    found = (one for name, values in params if name == "TYPE" for one in values)
    return [one.strip() for value in found for one in value.split(",") if one.strip()]


def _with_types(params: Params, types: list[str]) -> Params:
    others = tuple(one for one in params if one[0] != "TYPE")
    return (("TYPE", tuple(types)), *others) if types else others


def _uri(text: str) -> str:
    if _CONTROL.search(text) or "\n" in text:
        raise ValueError("control characters cannot be written into a card")
    return text


def _folded(line: str, newline: str) -> str:
    return "".join(f"{piece}{newline}" for piece in _pieces(line))


def _pieces(line: str) -> Iterator[str]:
    piece, octets = "", 0
    for letter in line:
        size = len(letter.encode())
        if octets + size > _OCTETS:
            yield piece
            piece, octets = " ", 1
        piece, octets = piece + letter, octets + size
    yield piece


def _quoted_printable(head: str, text: str, newline: str) -> str:
    line, lines = head, []
    for code in _codes(text.replace("\n", "\r\n").encode()):
        if len(line) + len(code) >= _OCTETS:
            lines.append(f"{line}={newline}")
            line = ""
        line += code
    return "".join([*lines, line, newline])


def _codes(body: bytes) -> Iterable[str]:
    return (chr(one) if 33 <= one <= 126 and one != 61 else f"={one:02X}" for one in body)
