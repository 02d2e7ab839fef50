"""Do two names, found behind one e-mail address or phone, name the same person?

Sharing a mailbox or a phone is how households and offices look, so a shared key alone is never
enough: the given name must agree, and nothing may speak against it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import cache

from rapidfuzz.distance import DamerauLevenshtein

__all__ = ["Named", "agree"]

_NICKNAMES = (
    "johann hans johannes hannes",
    "elisabeth lisi lisa elise sissi liesl elizabeth liz beth betty",
    "katharina kathi kathrin katrin kati catherine katherine kate cathy",
    "robert bob rob robbie bert",
    "william bill will billy willi wilhelm", "michael mike michi michel mick",
    "susanne susi susan sue",
    "thomas tom tommy", "stefan steff steffen stephan steve steven stephen",
    "daniel dan danny dani",
    "josef sepp joseph joe pepi", "franz franzl", "georg schorsch george", "maximilian max maxi",
    "alexander alex sascha xandi", "alexandra alex sandra sascha", "andreas andi andy andrew",
    "christian chris christl", "christine christl tina chris", "christoph chris christopher stoffl",
    "friedrich fritz fred freddy", "heinrich heinz heini henry harry", "ludwig luis lou",
    "margarete grete gretl greta margaret maggie meg peggy", "matthias matthew matt hias",
    "nikolaus klaus niki nicholas nick nico", "anton toni anthony tony", "barbara babsi barb",
    "benjamin ben benni", "charles charlie chuck karl", "edward ed eddie ted eduard edi",
    "gabriele gabi", "jakob jacob jake jack", "james jim jimmy jamie", "jennifer jenny jen",
    "john jack johnny jon jonathan", "patrick pat paddy", "patricia pat patty tricia", "peter pete",
    "philipp phil philip", "rebecca becky", "richard rick dick richie", "samuel sam sami",
    "theresa resi therese terry tess", "veronika vroni vera", "victoria vicky viktoria",
    "ulrike uli", "ulrich uli", "wolfgang wolfi", "gerhard gerd gerry", "helene leni helen lena",
    "magdalena leni lena magda", "sebastian wastl seb basti", "leopold poldi leo",
    "ferdinand ferdi",
)  # fmt: skip
_GENERATIONS = {"jr": "jr", "junior": "jr", "jun": "jr", "sr": "sr", "senior": "sr", "sen": "sr"}
_GENERATIONS |= {"ii": "ii", "iii": "iii", "iv": "iv"}
_TITLES = frozenset("dr prof mag dipl ing mr mrs ms herr frau dkfm msc bsc phd mba".split())
_TYPO_LENGTH = 5


@dataclass(frozen=True, slots=True)
class Named:
    """What a record says of who it is; None for what it does not say."""

    given: str | None
    family: str | None
    full: str | None
    born: date | None


def agree(one: Named, other: Named, *, by_email: bool) -> bool:
    """Whether nothing speaks against the two being one person, and the given name speaks for it.

    A side without any name agrees behind a shared e-mail address, never behind a phone. Different
    birth dates or generation words (Jr., III) speak against it, as do two different given names:
    twins, siblings, Martin and Martina.
    """
    if one.born and other.born and one.born != other.born:
        return False
    left, right = _parts(one), _parts(other)
    if _generations(one) != _generations(other) and _generations(one) and _generations(other):
        return False
    if not any(left) or not any(right):
        return by_email
    straight = _given_agrees(left[0], right[0]) and _family_agrees(left[1], right[1])
    swapped = bool(all(left) and all(right)) and left == (right[1], right[0])
    if not left[0] or not right[0]:
        return by_email and bool(left[1] and right[1]) and _family_agrees(left[1], right[1])
    return straight or swapped


def _parts(named: Named) -> tuple[str, str]:
    given, family = _words(named.given), _words(named.family)
    if not given and not family:
        words = _words(named.full)
        if named.full and "," in named.full:
            family, given = (_words(part) for part in named.full.split(",", 1))
        else:
            given, family = words[:1], words[1:]
    return " ".join(given), " ".join(family)


def _words(value: str | None) -> list[str]:
    return [w for w in _fold(value or "").split() if w not in _GENERATIONS and w not in _TITLES]


def _generations(named: Named) -> frozenset[str]:
    said = " ".join(part for part in (named.given, named.family, named.full) if part)
    return frozenset(_GENERATIONS[w] for w in _fold(said).split() if w in _GENERATIONS)


@cache
def _fold(value: str) -> str:
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", value.casefold()) if not unicodedata.combining(c)
    )
    spelt = bare.replace("ø", "o").replace("ł", "l").replace("đ", "d").replace("ı", "i")
    return "".join(c if c.isalnum() else " " for c in spelt)


def _given_agrees(one: str, other: str) -> bool:
    if one == other:
        return True
    first, second = one.split(), other.split()
    if not first or not second:
        return False
    if first[0] == second[0]:
        return True
    a, b = first[0], second[0]
    if len(a) == 1 or len(b) == 1:
        return a[0] == b[0]
    if b in _nicknames().get(a, ()):
        return True
    if a in _nicknames() and b in _nicknames():
        return False
    return _typo(a, b) and not _gendered(a, b)


def _gendered(a: str, b: str) -> bool:
    short, long = sorted((a, b), key=len)
    return long.startswith(short) or a[:-1] == b[:-1]


def _family_agrees(one: str, other: str) -> bool:
    if not one or not other or one == other:
        return True
    first, second = set(one.split()), set(other.split())
    return bool(first & second) or _typo(one, other)


def _typo(a: str, b: str) -> bool:
    return min(len(a), len(b)) >= _TYPO_LENGTH and DamerauLevenshtein.distance(a, b) <= 1


@cache
def _nicknames() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in _NICKNAMES:
        names = row.split()
        for name in names:
            found.setdefault(name, set()).update(names)
    return {name: frozenset(others) for name, others in found.items()}
