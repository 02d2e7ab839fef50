"""Phone numbers."""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import PhoneNumberFormat

from concord.normalise.text import line

__all__ = ["phone"]

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_LONGEST = 60
_GERMAN_EXTENSION = re.compile(r"(?i)[\s,/-]*\b(?:DW|Durchwahl|Kl|Klappe|Nst|Nebenstelle)\b[.:]?")
_EXTENSION = re.compile(r"(?i)[\s,;]*(?:ext(?:n|ension)?|x|int|anexo)[\s.:=]*[0-9]{1,9}#?$")
_WORD_AMID = re.compile(r"[0-9][^0-9]*[^\W\d_][^0-9]*[0-9]")


def phone(value: str, region: str | None = None) -> str | None:
    """The number as E.164, or the text trimmed when it cannot be read as one number.

    A number with a country code (``+``, or ``00`` where nothing national fits) must be possible,
    a national one must be valid in *region*, because the region is only our assumption. An
    extension is dropped: E.164 has none, and the row would be lost for it; the platform keeps it,
    since equal values are never written. Text with words amid the digits is two numbers, not one.

    Args:
        value: as a person typed it, or a ``tel:`` URI.
        region: ISO country that national numbers belong to; None reads international ones only.
    """
    trimmed = line(value)
    if trimmed is None:
        return None
    written = _GERMAN_EXTENSION.sub(" ext ", trimmed)
    if len(written) > _LONGEST or _WORD_AMID.search(_EXTENSION.sub("", written)):
        return trimmed
    return _read(written, region) or _without_exit_code(written) or trimmed


def _read(value: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    stated = value.removeprefix("tel:").lstrip(" (").startswith(("+", "\uff0b"))
    sound = phonenumbers.is_possible_number if stated else phonenumbers.is_valid_number
    if not sound(number):
        return None
    number.extension = None
    found: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return found if _E164.fullmatch(found) and _stable(found) else None


def _stable(found: str) -> bool:
    try:
        again = phonenumbers.parse(found, None)
    except phonenumbers.NumberParseException:
        return False
    return bool(
        phonenumbers.is_possible_number(again)
        and phonenumbers.format_number(again, PhoneNumberFormat.E164) == found
    )


def _without_exit_code(value: str) -> str | None:
    digits = value.lstrip(" (")
    return _read("+" + digits[2:], None) if digits.startswith("00") else None
