"""E-mail addresses."""

from __future__ import annotations

import re

import idna

from concord.normalise.text import line

__all__ = ["email"]

_PLAIN = re.compile(r"[A-Za-z0-9_%+-][A-Za-z0-9._%+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_LONGEST_DOMAIN = 253  # RFC 1035, 2.3.4
_HIDDEN = re.compile("[\u00ad\u200c\u200d]")
_NAMED = re.compile(r"[^<>]*<([^<>]*)>[ .,;]*")
_SCHEME = re.compile("mailto:", re.IGNORECASE)
_OUTSIDE = " .,;:<>()[]\"'"
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def email(value: str) -> str | None:
    """The address in lower case, its domain as ASCII (IDNA 2008), without what surrounds it.

    ``mailto:``, a name before ``<…>``, brackets, quotes and full stops at the ends go. Only ASCII
    letters of the local part are lowered: more would join different mailboxes (s and the long s).
    Plus tags and dots stay, they belong to the address. What is no address comes back
    trimmed, so that the contract's pattern names it.
    """
    if _PLAIN.fullmatch(value):
        return value.lower()
    trimmed = line(_HIDDEN.sub("", value))
    if trimmed is None:
        return None
    local, at, domain = _bare(trimmed).rpartition("@")
    host = _host(domain)
    if not at or not local or host is None or " " in local or "@" in local:
        return trimmed
    return f"{local.translate(_LOWER)}@{host}"


def _bare(value: str) -> str:
    before = ""
    while value != before:
        before = value
        named = _NAMED.fullmatch(value)
        value = (named[1] if named else value).strip(_OUTSIDE)
        scheme = _SCHEME.match(value)
        if scheme:
            value = value[scheme.end() :].partition("?")[0]
    return value


def _host(domain: str) -> str | None:
    if not domain or " " in domain or len(domain) > _LONGEST_DOMAIN:
        return None
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii").rstrip(".")
    except UnicodeError:
        return None
