"""Do two names, found behind one e-mail address or phone, name the same person?

Sharing a mailbox or a phone is how households and offices look, so a shared key alone is never
enough: the given name must agree, and nothing may speak against it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum, auto
from functools import cache, lru_cache

from rapidfuzz.distance import DamerauLevenshtein

from concord.identity.given_names import NAMES, NICKNAMES, SPELLINGS

__all__ = ["Agreement", "Named", "agree", "agreement"]

_GENERATIONS = {"jr": "jr", "junior": "jr", "jun": "jr", "sr": "sr", "senior": "sr", "sen": "sr"}
_GENERATIONS |= {"ii": "ii", "iii": "iii", "iv": "iv"}
_FILLERS = frozenset(date(year, 1, 1) for year in (1, 1900, 1901, 1970, 2000))
_TITLES = frozenset("dr prof mag dipl ing mr mrs ms herr frau dkfm msc bsc phd mba".split())
_PARTICLES = frozenset("van von der den de la le di da del dos du el al bin ben zu zum".split())
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_VOWELS = frozenset("aeiouy")
_UMLAUT = re.compile("([aou])e")
_TYPO_LENGTH = 5
_GENERATION_YEARS = 15


@dataclass(frozen=True, slots=True)
class Named:
    """What a record says of who it is; None for what it does not say."""

    given: str | None
    family: str | None
    full: str | None
    born: date | None


class _Birth(Enum):
    """How two birth dates go together."""

    SAME = auto()
    NEAR = auto()  # a slip of the keyboard apart
    OTHER = auto()
    UNKNOWN = auto()


class Agreement(IntEnum):
    """How far two names go together; the higher, the surer."""

    AGAINST = 0  # they are two people
    UNKNOWN = 1  # nothing speaks against it, too little for it
    MAILBOX = 2  # enough behind one e-mail address, not behind one phone
    INITIAL = 3
    LIKE = 4  # a nickname, a typo, names swapped
    SAME = 5
    BORN = 6  # the same name and birth date


def agree(one: Named, other: Named, *, by_email: bool) -> bool:
    """Whether nothing speaks against the two being one person, and the given name speaks for it.

    A side without a whole name agrees behind a shared e-mail address, never behind a phone.
    Different birth dates or generation words (Jr., III) speak against it (but for one slip of the
    keyboard in the birth date of two people who are called the same), as do two different given
    names: twins, siblings, Martin and Martina. A generation word on one side only is how
    father and son are told apart, so it needs the same birth date.
    """
    return agreement(one, other) >= (Agreement.MAILBOX if by_email else Agreement.INITIAL)


def agreement(one: Named, other: Named) -> Agreement:
    """How far two names go together."""
    left, right = _read(one), _read(other)
    birth = _birth(one.born, other.born)
    if birth is _Birth.OTHER or (left.generation and right.generation and _differ(left, right)):
        return Agreement.AGAINST
    names = _names_agree(left, right)
    if birth is _Birth.NEAR:
        return Agreement.LIKE if names is Agreement.SAME else Agreement.AGAINST
    born = birth is _Birth.SAME
    if born and left.given and right.given and left.family and right.family:
        names = _REASSURED.get(names, names)
    if names is not Agreement.AGAINST and _differ(left, right) and not born:
        return Agreement.UNKNOWN
    return names


_REASSURED = {Agreement.SAME: Agreement.BORN, Agreement.MAILBOX: Agreement.LIKE}


@dataclass(frozen=True, slots=True)
class _Name:
    """Folded words of a name."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    generation: str


def _differ(left: _Name, right: _Name) -> bool:
    return left.generation != right.generation


def _birth(one: date | None, other: date | None) -> _Birth:
    """A filler says nothing, nor do day and month swapped; one slip is not a generation."""
    if one is None or other is None or one in _FILLERS or other in _FILLERS:
        return _Birth.UNKNOWN
    if one == other:
        return _Birth.SAME
    if one.year == other.year and (one.month, one.day) == (other.day, other.month):
        return _Birth.UNKNOWN
    slip = DamerauLevenshtein.distance(one.isoformat(), other.isoformat()) == 1
    near = slip and abs(one.year - other.year) < _GENERATION_YEARS
    return _Birth.NEAR if near else _Birth.OTHER


def _names_agree(left: _Name, right: _Name) -> Agreement:
    if left == right and left.given and left.family:
        return Agreement.SAME
    swapped = (left.given, left.family) == (right.family, right.given)
    if swapped and left.given and left.family:
        return Agreement.LIKE
    families = _family_agrees(left.family, right.family)
    if not left.given or not right.given:
        nameless = not (left.given or left.family) or not (right.given or right.family)
        known = bool(left.family and right.family) and families
        return Agreement.MAILBOX if nameless or known else Agreement.UNKNOWN
    given = _given_agrees(left.given, right.given)
    if given is Agreement.AGAINST or not families:
        return given if given is Agreement.AGAINST else Agreement.UNKNOWN
    if not left.family or not right.family:
        return Agreement.MAILBOX
    return min(given, Agreement.SAME if left.family == right.family else Agreement.LIKE)


@lru_cache(maxsize=65_536)
def _read(named: Named) -> _Name:
    given, family = _fold(named.given or "").split(), _fold(named.family or "").split()
    if not given and not family:
        if named.full and "," in named.full:
            family, given = (_fold(part).split() for part in named.full.split(",", 1))
        else:
            words = [word for word in _fold(named.full or "").split() if word not in _TITLES]
            given, family = words[:1], words[1:]
    said: set[str] = set()
    return _Name(
        _without_generation(_bare(given), said),
        _without_generation(_bare(family), said),
        "".join(sorted(said)),
    )


def _bare(words: list[str]) -> list[str]:
    """Without titles, unless the name is nothing else."""
    return [word for word in words if word not in _TITLES] or words


def _without_generation(words: list[str], said: set[str]) -> tuple[str, ...]:
    """Without a generation word at the end; one that is the whole name (Sen, Jun) is a name."""
    while len(words) > 1 and words[-1] in _GENERATIONS:
        said.add(_GENERATIONS[words[-1]])
        words = words[:-1]
    return tuple(words)


@lru_cache(maxsize=65_536)
def _fold(value: str) -> str:
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", value.casefold()) if not unicodedata.combining(c)
    )
    spelt = bare.translate(_LETTERS)
    return "".join(c if c.isalnum() else " " for c in spelt)


def _given_agrees(first: tuple[str, ...], second: tuple[str, ...]) -> Agreement:
    calling = _word_agrees(first[0], second[0])
    if calling is Agreement.AGAINST:
        whole = set(first) <= set(second) or set(second) <= set(first)
        return Agreement.MAILBOX if whole else Agreement.AGAINST
    further = [_word_agrees(a, b) for a, b in zip(first[1:], second[1:], strict=False)]
    if Agreement.AGAINST in further:
        return Agreement.AGAINST
    return min(calling, Agreement.SAME if first == second else Agreement.LIKE)


def _word_agrees(a: str, b: str) -> Agreement:
    if a == b:
        return Agreement.SAME if len(a) > 1 else Agreement.INITIAL
    if len(a) == 1 or len(b) == 1:
        return Agreement.INITIAL if a[0] == b[0] else Agreement.AGAINST
    if b in _nicknames().get(a, ()):
        return Agreement.LIKE
    if _spelt_alike(a, b) and not (a in NAMES and b in NAMES):
        return Agreement.LIKE
    known = [name in _nicknames() or name in NAMES for name in (a, b)]
    if all(known) or not _typo(a, b) or _gendered(a, b):
        return Agreement.AGAINST
    return Agreement.LIKE if any(known) else Agreement.MAILBOX


def _gendered(a: str, b: str) -> bool:
    """Whether the two differ by a last letter that is a vowel, as Martin and Martina do."""
    if len(a) == len(b):
        return a[:-1] == b[:-1] and (a[-1] in _VOWELS or b[-1] in _VOWELS)
    short, long = sorted((a, b), key=len)
    return long.startswith(short) and long[-1] in _VOWELS


def _family_agrees(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other or one == other:
        return True
    shared = {word for word in set(one) & set(other) if word not in _PARTICLES}
    left, right = " ".join(one), " ".join(other)
    return bool(shared) or _spelt_alike(left, right) or _typo(left, right)


def _spelt_alike(a: str, b: str) -> bool:
    """Jürgen, Juergen and Jurgen."""
    return _UMLAUT.sub(r"\1", a) == _UMLAUT.sub(r"\1", b)


def _typo(a: str, b: str) -> bool:
    return min(len(a), len(b)) >= _TYPO_LENGTH and DamerauLevenshtein.distance(a, b) <= 1


@cache
def _nicknames() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in (*NICKNAMES, *SPELLINGS):
        names = row.split()
        for name in names:
            found.setdefault(name, set()).update(names)
    return {name: frozenset(others) for name, others in found.items()}
