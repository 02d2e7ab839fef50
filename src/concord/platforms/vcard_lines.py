"""The content lines of a vCard, each with the text it was read from.

A card is kept as the lines it came in, so that an edit can leave every line but its own as it
stands. Three things are taken here that libraries get wrong, vobject among them: a line ends at LF
or CRLF and nowhere else (`str.splitlines` and `io` also break at lone CR, form feed or U+2028), a
quoted-printable line may go on after a trailing ``=``, and in vCard 2.1 the blank that opens a
folded line belongs to the value. What cannot be read one way only is a `DamagedCardError`.

Formats: vCard 2.1 (versit, 1996), RFC 2426 (3.0), RFC 6350 (4.0).
"""

from __future__ import annotations

import base64
import binascii
import codecs
import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

__all__ = [
    "Card",
    "DamagedCardError",
    "Line",
    "Params",
    "card_text",
    "content_line",
    "parse",
    "text_of",
]

Params = tuple[tuple[str, tuple[str, ...]], ...]

_PHYSICAL = re.compile(r"[^\n]*\n|[^\n]+")
_HEAD = re.compile(
    r"(?:(?P<group>[A-Za-z0-9_-]+)\.)?(?P<name>[A-Za-z0-9_-]+)"
    r'(?P<params>(?:;(?:[^":;]|"[^"]*")*+)*+)[ \t]*:'
)
_PARAM = re.compile(r';((?:[^";]|"[^"]*")*+)')
_PARAM_VALUE = re.compile(r'(?:^|,)((?:[^",]|"[^"]*")*+)')
_BAD_QUOTED_PRINTABLE = re.compile(r"=(?![0-9A-Fa-f]{2})")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")
_FOLD_INSIDE_LETTER = re.compile(rb"\r?\n[ \t](?=[\x80-\xbf])")
_ENCODINGS = frozenset({"QUOTED-PRINTABLE", "BASE64", "B", "7BIT", "8BIT"})
_VERSIONS = frozenset({"2.1", "3.0", "4.0"})
_BOM = "\ufeff"
_MOST_LINES = 10_000  # content lines of one card, folds not counted
_LONGEST = 1 << 23  # letters of one card, photographs included


class DamagedCardError(ValueError):
    """A card that cannot be read whole; the message names the damage, never a value."""


@dataclass(frozen=True, slots=True)
class Line:
    """One content line.

    Attributes:
        raw: the text as it stands in the card, folds and line end included.
        name: the property in upper case; empty for a blank line.
        head: unfolded, from the group to the colon.
        params: names in upper case; a bare parameter of vCard 2.1 is a TYPE or an ENCODING.
        value: unfolded, still escaped and encoded.
        group: as in ``item1.TEL``; empty when there is none.
    """

    raw: str
    name: str
    head: str = ""
    params: Params = ()
    value: str = ""
    group: str = ""

    def param(self, name: str) -> tuple[str, ...]:
        """All values of one parameter, in order."""
        return tuple(value for key, values in self.params if key == name for value in values)


@dataclass(frozen=True, slots=True)
class Card:
    """One card: its version, its lines from BEGIN to END, and how its lines end."""

    version: str
    lines: tuple[Line, ...]
    newline: str


def card_text(body: bytes) -> str:
    """Decode the bytes of a card; a letter that a fold cut in two is put together again.

    Raises:
        DamagedCardError: the bytes are not UTF-8.
    """
    try:
        return body.decode()
    except UnicodeDecodeError:
        pass
    try:
        return _FOLD_INSIDE_LETTER.sub(b"", body).decode()
    except UnicodeDecodeError:
        raise DamagedCardError("not UTF-8") from None


def parse(text: str) -> Card:
    """Read one card.

    Raises:
        DamagedCardError: not exactly one card, or lines that readers would understand differently.
    """
    if len(text) > _LONGEST:
        raise DamagedCardError(f"more than {_LONGEST} letters")
    physical = list(islice(_logical(text), _MOST_LINES + 1))
    if len(physical) > _MOST_LINES:
        raise DamagedCardError(f"more than {_MOST_LINES} lines")
    keep_blank = any(_plain(lines).upper().replace(" ", "") == "VERSION:2.1" for lines in physical)
    lines = tuple(_line(lines, keep_blank=keep_blank) for lines in physical)
    named = [line for line in lines if line.name]
    _insist_on_one_card(named)
    versions = {line.value.strip() for line in named if line.name == "VERSION"}
    if len(versions) != 1 or not versions <= _VERSIONS:
        raise DamagedCardError("no version, or one that is not 2.1, 3.0 or 4.0")
    return Card(versions.pop(), lines, "\r\n" if named[0].raw.endswith("\r\n") else "\n")


def content_line(raw: str, version: str) -> Line:
    """The line that a reader finds in *raw*, folds and line end included."""
    return _line(_PHYSICAL.findall(raw), keep_blank=version == "2.1")


def text_of(line: Line) -> str:
    """The value with its transfer encoding undone, still escaped.

    Raises:
        DamagedCardError: the encoding, the character set or the result is not what it claims to be.
    """
    encoding = next((value.upper() for value in line.param("ENCODING")), "")
    if encoding == "QUOTED-PRINTABLE":
        if _BAD_QUOTED_PRINTABLE.search(line.value):
            raise DamagedCardError("quoted-printable text with a broken code")
        text = _decoded(quopri.decodestring(line.value.encode()), line)
    elif encoding in ("B", "BASE64"):
        text = _decoded(_from_base64(line.value), line)
    else:
        text = line.value
    text = text.replace("\r\n", "\n")
    if _NO_TEXT.search(text):
        raise DamagedCardError("control characters or letters lost in an earlier decoding")
    return text


def _logical(text: str) -> Iterator[list[str]]:
    current: list[str] = []
    for match in _PHYSICAL.finditer(text):
        piece = match.group()
        if "\r" in piece.rstrip("\r\n"):
            raise DamagedCardError("a carriage return inside a line")
        if current and (_goes_on_after(current, len(current)) or piece[0] in " \t"):
            current.append(piece)
            continue
        if current:
            yield current
        current = [piece]
    if current:
        yield current


def _goes_on_after(lines: list[str], count: int) -> bool:
    """Whether the first *count* lines end in a soft line break."""
    if not lines[count - 1].rstrip("\r\n").endswith("="):
        return False
    head = "".join(line.rstrip("\r\n") for line in lines[: min(count, 3)]).partition(":")[0]
    return "QUOTED-PRINTABLE" in head.upper()


def _plain(lines: list[str]) -> str:
    return lines[0].rstrip("\r\n").lstrip(_BOM) if len(lines) == 1 and len(lines[0]) < 40 else ""


def _line(lines: list[str], *, keep_blank: bool) -> Line:
    raw = "".join(lines)
    whole = _unfolded(lines, keep_blank=keep_blank).lstrip(_BOM)
    if not whole.strip():
        return Line(raw, "")
    head = _HEAD.match(whole)
    if head is None:
        raise DamagedCardError("a line that is no property")
    return Line(
        raw,
        head["name"].upper().replace("_", "-"),
        head.group(),
        tuple(_params(head["params"])),
        whole[head.end() :],
        head["group"] or "",
    )


def _unfolded(lines: list[str], *, keep_blank: bool) -> str:
    pieces = [lines[0].rstrip("\r\n")]
    soft = _goes_on_after(lines, 1)
    for at, line in enumerate(lines[1:], start=2):
        piece = line.rstrip("\r\n")
        if soft:
            pieces[-1] = pieces[-1][:-1]
        elif not keep_blank:
            piece = piece[1:]
        pieces.append(piece)
        soft = piece.endswith("=") and _goes_on_after(lines, at)
    if soft:
        pieces[-1] = pieces[-1][:-1]
    return "".join(pieces)


def _params(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for match in _PARAM.finditer(text):
        name, equals, value = match.group(1).strip().partition("=")
        if not equals:
            bare = name.upper()
            if bare:
                yield ("ENCODING" if bare in _ENCODINGS else "TYPE"), (name,)
            continue
        values = (found.group(1).strip() for found in _PARAM_VALUE.finditer(value))
        yield name.strip().upper(), tuple(one.replace('"', "") for one in values)


def _insist_on_one_card(lines: list[Line]) -> None:
    marks = [
        (place, line.name, line.value.strip().upper())
        for place, line in enumerate(lines)
        if line.name in ("BEGIN", "END")
    ]
    if marks != [(0, "BEGIN", "VCARD"), (len(lines) - 1, "END", "VCARD")]:
        raise DamagedCardError("not exactly one card from BEGIN to END")


def _from_base64(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise DamagedCardError("base64 text with a broken code") from None


def _decoded(body: bytes, line: Line) -> str:
    charset: Iterable[str] = line.param("CHARSET")
    try:
        return body.decode(codecs.lookup(next(iter(charset), "utf-8")).name)
    except (LookupError, ValueError):
        raise DamagedCardError("an unknown character set, or text that is not in it") from None
