"""The demo's three platforms, running: a CRM, an address book, a newsletter tool's folder."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from concord.demo.people import Person
from concord.demo.postgres import Postgres
from concord.demo.radicale import Radicale
from concord.demo.seeds import CRM_COLUMNS, CRM_TABLE, cards, crm_rows, newsletter_csv

__all__ = ["Platforms", "fresh_state", "platforms"]

BOOK = "contacts"


@dataclass(frozen=True, slots=True)
class Platforms:
    """Where the running platforms are.

    Attributes:
        connections: Airflow connection id to its JSON.
        crm: what psycopg connects with.
        newsletter: the folder of CSV files.
    """

    connections: Mapping[str, str] = field(repr=False)
    crm: Mapping[str, str]
    radicale: Radicale
    newsletter: Path

    def environment(self) -> dict[str, str]:
        """The connections as the variables that Airflow reads."""
        return {f"AIRFLOW_CONN_{name.upper()}": value for name, value in self.connections.items()}

    def write_exports(self, place: Path) -> None:
        """Write the connections for a shell to read; they hold passwords, so only for the owner."""
        place.unlink(missing_ok=True)
        place.touch(mode=0o600)
        lines = (f"export {name}={shlex.quote(v)}\n" for name, v in self.environment().items())
        place.write_text("".join(lines), encoding="utf-8")


def fresh_state(state: Path) -> Path:
    """An empty folder for everything the demo makes, readable by its owner only."""
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(mode=0o700, parents=True)
    return state


@contextmanager
def platforms(state: Path, people: list[Person]) -> Iterator[Platforms]:
    """Start the servers; seed them with *people* where their folders are new."""
    newsletter = state / "newsletter"
    new_book = not (state / "radicale").exists()
    with (
        Postgres(state / "postgres") as postgres,
        Radicale(state / "radicale", cards=cards(people) if new_book else {}) as radicale,
    ):
        _seed_crm(postgres.parameters, people)
        _seed_newsletter(newsletter, people)
        crm = {**postgres.parameters}
        connections = {
            "crm": {
                "conn_type": "postgres",
                "host": crm["host"],
                "login": crm["user"],
                "schema": crm["dbname"],
            },
            "address_book": {
                "conn_type": "http",
                "host": radicale.url,
                "login": radicale.login,
                "password": radicale.password,
            },
            "newsletter": {"conn_type": "fs", "extra": {"path": str(newsletter)}},
            "concord_record_key": {"conn_type": "generic", "password": _record_key(state)},
        }
        yield Platforms(
            {name: json.dumps(value) for name, value in connections.items()},
            crm,
            radicale,
            newsletter,
        )


def _record_key(state: Path) -> str:
    place = state / "record.key"
    if not place.exists():
        place.touch(mode=0o600)
        place.write_text(secrets.token_urlsafe(48), encoding="ascii")
    return place.read_text(encoding="ascii")


def _seed_crm(parameters: Mapping[str, str], people: list[Person]) -> None:
    import psycopg
    from psycopg import sql
    from psycopg.conninfo import make_conninfo

    with psycopg.connect(make_conninfo(**parameters)) as connection:
        there = connection.execute("select to_regclass('crm.contact')").fetchone()
        if there and there[0]:
            return
        connection.execute(CRM_TABLE.encode())
        statement = sql.SQL("copy crm.contact ({}) from stdin").format(
            sql.SQL(", ").join(map(sql.Identifier, CRM_COLUMNS))
        )
        with connection.cursor().copy(statement) as copy:
            for row in crm_rows(people):
                copy.write_row(row)


def _seed_newsletter(folder: Path, people: list[Person]) -> None:
    if folder.exists():
        return
    folder.mkdir(mode=0o700)
    (folder / "subscribers-2026-11.csv").write_bytes(newsletter_csv(people))
