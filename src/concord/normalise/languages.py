"""Languages, as the primary subtag of BCP 47."""

from __future__ import annotations

import gettext
import re
from functools import cache

import pycountry

from concord.normalise.text import line

__all__ = ["language"]

_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*(?:\.[A-Za-z0-9-]+)?(?:@[A-Za-z]+)?")
_REPLACED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro"}  # IANA registry
_ALIASES = {"greek": "el", "norsk": "no", "castilian": "es", "mandarin": "zh", "farsi": "fa"}


def language(value: str) -> str | None:
    """The primary language subtag in lower case, of two letters where there is one.

    Reads tags (``de-AT``, ``de_AT.UTF-8``), ISO 639 codes of three letters (``deu``, ``ger``) and
    names in English or in the language itself; anything else comes back trimmed.
    """
    trimmed = line(value)
    if trimmed is None:
        return None
    tag = _TAG.fullmatch(trimmed)
    if tag:
        code = _codes().get(tag[1].lower())
        if code:
            return code
    return _names().get(trimmed.casefold(), trimmed)


@cache
def _codes() -> dict[str, str]:
    known: dict[str, str] = {}
    for tongue in pycountry.languages:
        code = getattr(tongue, "alpha_2", None) or tongue.alpha_3
        for attribute in ("alpha_3", "bibliographic", "alpha_2"):
            spelt = getattr(tongue, attribute, None)
            if spelt:
                known[spelt] = code
    return known | _REPLACED


@cache
def _names() -> dict[str, str]:
    known: dict[str, str] = {}
    living = [one for one in pycountry.languages if hasattr(one, "alpha_2")]
    for tongue in living:
        code = _codes()[tongue.alpha_2]
        known.setdefault(_own_name(tongue.name, tongue.alpha_2).casefold(), code)
    for tongue in living:
        for english in tongue.name.split(";"):
            bare = english.partition("(")[0].strip()
            known[bare.casefold()] = _codes()[tongue.alpha_2]
    return known | _ALIASES


def _own_name(name: str, code: str) -> str:
    try:
        return gettext.translation("iso639-3", pycountry.LOCALES_DIR, languages=[code]).gettext(
            name
        )
    except OSError:
        return name
