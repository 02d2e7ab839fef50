"""The reference project on a lake of its own, and people to fill it with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from concord.assets.commit import RunId
from concord.assets.table import Lake
from concord.errors import MissingConnection
from concord.platforms.base import Record
from concord.platforms.connection import Connection
from concord.project import Project, load
from concord.steps.context import Context
from concord.steps.deploy import deploy

__all__ = ["AT", "GIVEN", "card", "context", "customer", "deployed", "family", "project"]

AT = datetime(2026, 1, 1, tzinfo=UTC)
GIVEN = "Anna Johann Maria Michael Petra Thomas Katharina Robert Susanne Milan".split()
_LETTERS = "bcdfghklmnprstvz"
_VOWELS = "aeiou"


def project() -> Project:
    """The reference project, as the demo has it."""
    return load(Path(__file__).parents[1], "demo")


@contextmanager
def deployed() -> Iterator[Context]:
    """Its tables, empty, in a folder that goes at the end."""
    with tempfile.TemporaryDirectory() as folder:
        ctx = context(folder)
        deploy(ctx, resolved=False)
        yield ctx


def context(lake: str | Path) -> Context:
    """The reference project on the tables in a folder."""
    return Context(
        project=project(),
        run=RunId("bench", "bench"),
        lake=Lake(str(lake)),
        record_key=b"k" * 32,
        connect=_nowhere,
        now=lambda: AT,
        tell=lambda _: None,
    )


def _nowhere(name: str) -> Connection:
    raise MissingConnection(name)


def family(number: int) -> str:
    """A family name for each number, unlike its neighbours'."""
    syllables = []
    for _ in range(4):
        number, consonant = divmod(number, len(_LETTERS))
        number, vowel = divmod(number, len(_VOWELS))
        syllables.append(_LETTERS[consonant] + _VOWELS[vowel])
    return "".join(syllables).capitalize()


def customer(number: int, **edited: Any) -> Record:
    """A row of the CRM; every third person has granted marketing."""
    granted = number % 3 == 0
    fields = {
        "first_name": GIVEN[number % len(GIVEN)],
        "last_name": family(number),
        "email": f"p{number}@mail.example",
        "phone": f"+43660{number:07}",
        "company": f"Firma {number % 500}",
        "job_title": "Einkauf",
        "street": f"Gasse {number % 90}",
        "city": "Wien",
        "zip": "1070",
        "country": "AT",
        "born_on": f"{1950 + number % 50}-{1 + number % 12:02}-{1 + number % 28:02}",
        "language": "de",
        "created_at": "2024-01-01T00:00:00+00:00",
        "opt_in": "true" if granted else None,
        "opt_in_at": "2024-02-01T00:00:00+00:00" if granted else None,
    }
    return Record(f"c{number}", {**fields, **edited}, version="1", modified_at=AT)


def card(number: int, **edited: Any) -> Record:
    """The same person's card in the address book."""
    given, last = GIVEN[number % len(GIVEN)], family(number)
    fields = {
        "N.given": given,
        "N.family": last,
        "FN": f"{given} {last}",
        "EMAIL": [{"value": f"p{number}@mail.example", "type": "work", "preferred": True}],
        "TEL": [{"value": f"+43660{number:07}", "type": "work", "preferred": True}],
        "ORG": f"Firma {number % 500}",
        "TITLE": "Einkauf",
        "ADR.street": f"Gasse {number % 90}",
        "ADR.locality": "Wien",
        "ADR.region": None,
        "ADR.postal_code": "1070",
        "ADR.country": "AT",
        "BDAY": f"{1950 + number % 50}-{1 + number % 12:02}-{1 + number % 28:02}",
    }
    return Record(f"b{number}", {**fields, **edited}, version="1", modified_at=AT)
