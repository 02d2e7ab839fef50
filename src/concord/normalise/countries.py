"""Countries, as ISO 3166-1 alpha-2 codes."""

from __future__ import annotations

import gettext
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pycountry

from concord.normalise.text import line

__all__ = ["country"]

# What people write and ISO does not; folded as by `_fold`.
_ALIASES = {
    "uk": "GB", "u k": "GB", "great britain": "GB", "britain": "GB", "england": "GB",
    "scotland": "GB",
    "wales": "GB", "northern ireland": "GB", "grossbritannien": "GB", "grande bretagne": "GB",
    "america": "US", "u s": "US", "u s a": "US", "united states of america": "US",
    "usa": "US", "holland": "NL", "the netherlands": "NL", "turkey": "TR", "russia": "RU",
    "czech republic": "CZ", "tschechische republik": "CZ", "ivory coast": "CI", "burma": "MM",
    "swaziland": "SZ", "cape verde": "CV", "macedonia": "MK", "east timor": "TL",
    "vatican": "VA", "vatican city": "VA", "vatikan": "VA", "south korea": "KR",
    "north korea": "KP", "suedkorea": "KR", "laos": "LA", "syria": "SY", "brunei": "BN",
    "oesterreich": "AT", "rumaenien": "RO", "tuerkei": "TR", "daenemark": "DK",
    "belgie": "BE", "belgique": "BE", "suisse": "CH", "svizzera": "CH", "svizra": "CH",
    "cymru": "GB", "slovenska republika": "SK", "россия": "RU", "el": "GR", "uae": "AE",
    "prc": "CN",
}  # fmt: skip
# Languages whose translations of ISO 3166 are complete and checked; in others names are mixed up.
_LANGUAGES = (
    "de", "fr", "it", "es", "nl", "pt", "pl", "cs", "sk", "sl", "hr", "hu", "ro", "bg", "da", "sv",
    "nb_NO", "nb", "fi", "et", "lv", "lt", "el", "tr", "uk", "ru", "ja", "ko", "zh_CN", "ar", "he",
    "is", "ga", "sr",
)  # fmt: skip


def country(value: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country named by code or name, or the text trimmed.

    Codes of two and three letters in any case; names in English and, where a name means one
    country only, in the languages of Europe and some others, with or without accents.
    """
    trimmed = line(value)
    if trimmed is None:
        return None
    folded = _fold(trimmed)
    return _english().get(folded) or _translated().get(folded) or trimmed


def _fold(value: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", value) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in bare.casefold()).split()
    return " ".join(words[1:] if len(words) > 1 and words[0] == "the" else words)


@cache
def _english() -> dict[str, str]:
    known = {_fold(name): code for code, name in _names("official_name", "common_name", "name")}
    codes = {
        code.casefold(): land.alpha_2
        for land in pycountry.countries
        for code in (land.alpha_3, land.alpha_2)
    }
    return known | _ALIASES | codes


@cache
def _translated() -> dict[str, str]:
    known: dict[str, str | None] = {}
    for language in _LANGUAGES:
        attributes = ("name", "common_name", "official_name")[
            : 3 if language in ("de", "fr") else 2
        ]
        try:
            words = gettext.translation("iso3166-1", _locales(), languages=[language])
        except OSError:
            continue
        for code, name in _names(*attributes):
            folded = _fold(words.gettext(name))
            known[folded] = code if known.get(folded, code) == code else None
    return {folded: code for folded, code in known.items() if code and folded}


def _names(*attributes: str) -> Iterator[tuple[str, str]]:
    for land in pycountry.countries:
        for attribute in attributes:
            name: Any = getattr(land, attribute, None)
            if name:
                yield land.alpha_2, name


def _locales() -> Path:
    return Path(pycountry.LOCALES_DIR)
