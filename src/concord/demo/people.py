"""Invented people, the same for the same seed: overlapping, dirty, and none of them real.

Every person is known to one, two or three platforms under spellings of their own: nicknames,
typos, other phone formats. Some share a household's phone, some a role mailbox, most never gave
consent. Each platform also holds bad rows, one for every kind of fault that a contract names.
E-mail addresses end in reserved domains (RFC 2606); Austrian and German numbers are taken from
ranges set aside for drama where there are any.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

__all__ = ["Person", "invent", "known_to"]

_GIVEN = (
    "Anna|Johann|Maria|Michael|Elisabeth|Thomas|Katharina|Robert|Susanne|William|Aylin|Milan|"
    "Zoë|Jürgen|Chloé|Łukasz|Sándor|Nuño|Ingrid|Björn|Fatima|Dmytro|Siobhán|Mehmet|Ana|Pál|"
    "Renée|Håkon|Giulia|Tomáš|Eva|Georg|Hannah|Oliver|Petra|Felix|Laura|Stefan|Julia|Daniel|"
    "Lena|Markus|Nina|Patrick|Sofia|Viktor|Clara|Emil|Rosa|Simon"
).split("|")
_FAMILY = (
    "Gruber|Huber|Wagner|Müller|Pichler|Steiner|Moser|Mayer|Hofer|Leitner|Berger|Fuchs|Eder|"
    "Schmidt|Winkler|Weber|Schwarz|Maier|Schneider|Reiter|O'Brien|van der Berg|de la Cruz|"
    "Nowak|Yılmaz|Kovács|Novák|Petrović|Lindqvist|Ødegård|García|Rossi|Dubois|Ní Dhomhnaill|"
    "Szabó|Horvat|Çelik|Popescu|Andersson|Jensen|Nakamura|Haddad|Öztürk|Silva|Marino|Brandstätter|"
    "Kaltenbrunner|Auer|Binder|Lang|Wolf|Haas|Lechner|Koller|Strasser|Aigner|Wimmer|Ebner"
).split("|")
_NICKNAMES = {
    "Johann": "Hans",
    "Elisabeth": "Lisi",
    "Katharina": "Kathi",
    "Robert": "Bob",
    "William": "Bill",
    "Michael": "Mike",
    "Susanne": "Susi",
    "Thomas": "Tom",
    "Stefan": "Steff",
    "Daniel": "Dan",
}
_PLACES = (
    ("AT", "Wien", "1070", "Neubaugasse"),
    ("AT", "Graz", "8010", "Sporgasse"),
    ("AT", "Linz", "4020", "Landstraße"),
    ("DE", "München", "80331", "Sendlinger Straße"),
    ("DE", "Köln", "50667", "Hohe Straße"),
    ("CH", "Zürich", "8001", "Rennweg"),
    ("FR", "Lyon", "69002", "Rue de la République"),
    ("IT", "Bozen", "39100", "Laubengasse"),
    ("GB", "Leeds", "LS1 4AP", "Park Row"),
)
_PREFIX = {
    "AT": "+43660",
    "DE": "+49151",
    "CH": "+4179",
    "FR": "+336",
    "IT": "+39347",
    "GB": "+4477009",
}
_DIGITS = {"AT": 7, "DE": 8, "CH": 7, "FR": 8, "IT": 7, "GB": 5}
_LANGUAGES = {"AT": "de", "DE": "de", "CH": "de", "FR": "fr", "IT": "it", "GB": "en"}
_COMPANIES = (
    "Alpen Druck|Nordlicht Optik|Bäckerei Huber|Muster & Söhne|Acme Café|Weinhof Leitner|"
    "Studio Ö|Pixel Werft|Blumen Rosi|Kanzlei Auer|Holzbau Eder|Praxis am Park"
).split("|")
_TITLES = ("Einkauf", "CEO", "Office Manager", "Buchhaltung", "Vertrieb", "Technik")
_START = datetime(2021, 3, 1, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person as she really is.

    Attributes:
        number: unique, from 0.
        platforms: those that know her.
        consent: granted, withdrawn or None; stated by the platforms that keep it.
        shaky: platforms hold her under another spelling.
    """

    number: int
    given: str
    family: str
    email: str
    second_email: str | None
    phone: str
    organisation: str | None
    job_title: str | None
    street: str
    locality: str
    postal_code: str
    country: str
    birth_date: date
    language: str
    consent: str | None
    consent_at: datetime
    created_at: datetime
    platforms: frozenset[str]
    shaky: bool

    @property
    def nickname(self) -> str:
        """What friends call her."""
        return _NICKNAMES.get(self.given, self.given)

    @property
    def national_phone(self) -> str:
        """The number as written at home, with blanks; Austrian numbers only."""
        rest = self.phone.removeprefix("+43")
        return f"0{rest[:3]} {rest[3:6]} {rest[6:]}" if rest != self.phone else self.phone


_SHARES = (
    (("crm", "address_book", "newsletter"), 0.60),
    (("crm", "address_book"), 0.15),
    (("crm", "newsletter"), 0.14),
    (("address_book", "newsletter"), 0.09),
    (("crm",), 0.07),
    (("address_book",), 0.12),
    (("newsletter",), 0.13),
)


def invent(people: int, seed: int = 1) -> list[Person]:
    """Invent so many people that every platform knows about *people* of them."""
    dice = random.Random(seed)
    found: list[Person] = []
    for platforms, share in _SHARES:
        for _ in range(round(people * share)):
            found.append(_person(len(found), frozenset(platforms), dice))
    return _in_households(found, dice)


def _person(number: int, platforms: frozenset[str], dice: random.Random) -> Person:
    given, family = dice.choice(_GIVEN), dice.choice(_FAMILY)
    country, locality, postal_code, street = dice.choice(_PLACES)
    ascii_name = f"{given}.{family}".encode("ascii", "ignore").decode().lower()
    local = "".join(c for c in ascii_name if c.isalnum() or c == ".").strip(".") or "kontakt"
    digits = "".join(dice.choice("0123456789") for _ in range(_DIGITS[country] - 4))
    granted = dice.random()
    return Person(
        number=number,
        given=given,
        family=family,
        email=f"{local}.{number}@example.org",
        second_email=f"{local}{number}@mail.example.com" if dice.random() < 0.2 else None,
        phone=f"{_PREFIX[country]}{digits}{number % 10000:04d}",
        organisation=dice.choice(_COMPANIES) if dice.random() < 0.6 else None,
        job_title=dice.choice(_TITLES) if dice.random() < 0.4 else None,
        street=f"{street} {dice.randint(1, 99)}",
        locality=locality,
        postal_code=postal_code,
        country=country,
        birth_date=date(1940, 1, 2) + timedelta(days=dice.randint(0, 365 * 60)),
        language=_LANGUAGES[country],
        consent="granted" if granted < 0.45 else "withdrawn" if granted < 0.55 else None,
        consent_at=_START + timedelta(days=dice.randint(400, 1200), minutes=dice.randint(0, 600)),
        created_at=_START + timedelta(days=dice.randint(0, 400), minutes=dice.randint(0, 600)),
        platforms=platforms,
        shaky=dice.random() < 0.12,
    )


def _in_households(people: list[Person], dice: random.Random) -> list[Person]:
    """Every twelfth shares family name, address and phone with the one before."""
    found = list(people)
    for number in range(1, len(found)):
        one, other = found[number - 1], found[number]
        if dice.random() < 1 / 12 and one.given != other.given:
            found[number] = replace(
                other,
                family=one.family,
                phone=one.phone,
                street=one.street,
                locality=one.locality,
                postal_code=one.postal_code,
                country=one.country,
                language=one.language,
            )
    return found


def known_to(people: Sequence[Person], platform: str) -> list[Person]:
    """The people that *platform* knows."""
    return [person for person in people if platform in person.platforms]
