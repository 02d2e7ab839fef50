"""WebDAV's XML: the bodies Concord sends and the multistatus answers it reads.

Answers are parsed by defusedxml without DTD, one `response` at a time, under limits of depth and
size. Formats: RFC 4918 (WebDAV), RFC 6352 (CardDAV), RFC 6578 (collection synchronisation).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from concord.errors import UnreadableInput

__all__ = [
    "CARD",
    "DAV",
    "Multistatus",
    "Response",
    "error_code",
    "multiget",
    "multistatus",
    "propfind",
    "sync_collection",
]

DAV = "{DAV:}"
CARD = "{urn:ietf:params:xml:ns:carddav}"

_DEEPEST = 40
_BLOCK = 1 << 20
_MOST_IN_ONE_RESPONSE = 5_000
_STATUS = re.compile(r"HTTP/\S+ +(\d{3})")
_NAMESPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"'
_CODES = frozenset(
    {
        "max-resource-size",
        "need-privileges",
        "no-uid-conflict",
        "number-of-matches-within-limits",
        "quota-not-exceeded",
        "supported-address-data",
        "supported-report",
        "sufficient-disk-space",
        "valid-address-data",
        "valid-sync-token",
    }
)


@dataclass(frozen=True, slots=True)
class Response:
    """What a multistatus says of one address.

    Attributes:
        href: as the server wrote it; may hold a login.
        status: of the whole address; None when only its properties have one.
        props: the properties that were found, by Clark name.
    """

    href: str
    status: int | None
    props: Mapping[str, Element]

    def text(self, prop: str) -> str | None:
        """The text of a property; None when it was not found."""
        found = self.props.get(prop)
        return None if found is None else found.text or ""

    def href_in(self, prop: str) -> str | None:
        """The first address inside a property."""
        found = self.props.get(prop)
        return None if found is None else (found.findtext(f"{DAV}href") or "").strip() or None


@dataclass(frozen=True, slots=True)
class Multistatus:
    """A parsed answer; *token* is the new sync token of a sync-collection report."""

    responses: tuple[Response, ...]
    token: str | None


def propfind(*props: str) -> bytes:
    """A PROPFIND for properties given with prefix, as in ``D:resourcetype``."""
    return _document("D:propfind", _wanted(props))


def sync_collection(token: str) -> bytes:
    """A report of what changed since *token*; everything when it is empty."""
    told = f"<D:sync-token>{escape(token)}</D:sync-token><D:sync-level>1</D:sync-level>"
    return _document("D:sync-collection", told + _wanted(("D:getetag",)))


def multiget(hrefs: Iterable[str]) -> bytes:
    """A report of these cards, whole."""
    listed = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    wanted = _wanted(("D:getetag", "C:address-data"))
    return _document("C:addressbook-multiget", wanted + listed)


def multistatus(body: bytes, where: str) -> Multistatus:
    """Read an answer.

    Args:
        where: the platform, for the error.

    Raises:
        UnreadableInput: not well-formed, a DTD, or over the limits.
    """
    try:
        return _multistatus(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise UnreadableInput(where, "the server's answer is not the XML it should be") from None


def error_code(body: bytes) -> str:
    """The precondition that a refusal names (RFC 4918 16), if it is a known one; else empty."""
    try:
        for _, element in iterparse(io.BytesIO(body[:100_000]), ("start",), forbid_dtd=True):
            name = str(element.tag).rpartition("}")[2]
            if name in _CODES:
                return name
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        pass
    return ""


def _document(root: str, inside: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?><{root} {_NAMESPACES}>{inside}</{root}>'.encode()


def _wanted(props: Iterable[str]) -> str:
    return f"<D:prop>{''.join(f'<{prop}/>' for prop in props)}</D:prop>"


def _multistatus(body: bytes) -> Multistatus:
    responses: list[Response] = []
    token = None
    stack: list[Element] = []
    started = 0
    for event, element in iterparse(_Blocks(body), ("start", "end"), forbid_dtd=True):
        if event == "start":
            stack.append(element)
            started += 1
            if len(stack) > _DEEPEST or started > _MOST_IN_ONE_RESPONSE:
                raise ValueError("too deep or too many")
            continue
        stack.pop()
        if len(stack) != 1:
            continue
        if element.tag == f"{DAV}response":
            responses.append(_response(element))
        elif element.tag == f"{DAV}sync-token":
            token = (element.text or "").strip() or None
        stack[0].clear()
        started = 0
    return Multistatus(tuple(responses), token)


class _Blocks(io.BytesIO):
    """Bytes in large blocks: expat before 2.6 reads an unfinished token again with every block."""

    def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002
        return super().read(_BLOCK)


def _response(element: Element) -> Response:
    props: dict[str, Element] = {}
    for propstat in element.findall(f"{DAV}propstat"):
        if _status(propstat) == 200:
            props |= {prop.tag: prop for prop in propstat.iterfind(f"{DAV}prop/*")}
    href = (element.findtext(f"{DAV}href") or "").strip()
    return Response(href, _status(element), props)


def _status(element: Element) -> int | None:
    found = _STATUS.match((element.findtext(f"{DAV}status") or "").strip())
    return int(found.group(1)) if found else None
