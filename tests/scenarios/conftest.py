"""Three real platforms and a lake, small enough to make anew for every scenario."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from concord.assets.commit import RunId
from concord.assets.table import Lake
from concord.demo.people import invent
from concord.demo.postgres import Postgres
from concord.demo.radicale import Radicale
from concord.demo.seeds import CRM_COLUMNS, CRM_TABLE, cards, crm_rows, newsletter_csv
from concord.errors import MissingConnection
from concord.platforms.connection import Connection
from concord.project import load, write_resolved
from concord.steps.context import Context
from concord.steps.deploy import Action, deploy
from concord.steps.rounds import Run, run_to_rest

sys.path.append(str(Path(__file__).parent))  # what the tests of this folder share
sys.path.append(str(Path(__file__).parents[1] / "airflow"))

from killed import Undisturbed, run_undisturbed
from receiver import Web, web

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "faults"))
sys.path.append(str(ROOT / "tests" / "airflow"))

MADE_AT = datetime(2024, 1, 1, tzinfo=UTC)
GRANTED_AT = datetime(2024, 2, 1, tzinfo=UTC)
HEADER = (
    "subscriber_id;email;first name;last name;language;status;status since;changed;crm_ref;campaign"
)
ANNA = {
    "first_name": "Anna",
    "last_name": "Gruber",
    "email": "anna@x.example",
    "phone": "+436601239876",
    "company": "Acme",
    "job_title": "Chef",
    "country": "AT",
    "opt_in": True,
    "opt_in_at": GRANTED_AT,
}
BEA = {
    "first_name": "Bea",
    "last_name": "Solo",
    "email": "bea@x.example",
    "company": "Solo KG",
    "country": "AT",
}
ANNAS_CARD = (
    "EMAIL;TYPE=WORK:anna@x.example",
    "TEL;TYPE=CELL:+436601239876",
    "ORG:Acme",
    "TITLE:Chef",
    "NOTE:likes tea",
    "X-HAT:red",
    "PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
)
BEAS_CARD = ("EMAIL;TYPE=WORK:bea@x.example", "ORG:Solo KG")
SUBSCRIBED = "N1;anna@x.example;Anna;Gruber;de;subscribed;2024-02-01T00:00:00+00:00;;;spring"


class Crm:
    """The CRM, as its users see it."""

    def __init__(self, server: Postgres) -> None:
        self._address = make_conninfo(**server.parameters)
        self.connection = Connection(
            "crm", "postgres", server.host, 5432, "postgres", "", "postgres"
        )
        self.execute("drop schema if exists crm cascade")
        self.execute(CRM_TABLE)

    def execute(self, statement: str | sql.Composed, *values: Any) -> list[Any]:
        with psycopg.connect(self._address, autocommit=True) as connection:
            found = connection.execute(statement, values or None)  # type: ignore[arg-type]
            return found.fetchall() if found.description else []

    def add(self, **values: Any) -> None:
        row = {"created_at": MADE_AT, **values}
        self.execute(
            sql.SQL("insert into crm.contact ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(sql.Placeholder() * len(row)),
            ),
            *row.values(),
        )

    def edit(self, whose: str, /, **values: Any) -> None:
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(n)) for n in values)
        statement = sql.SQL("update crm.contact set {} where email = %s").format(sets)
        self.execute(statement, *values.values(), whose)

    def value(self, column: str, **where: Any) -> Any:
        name, wanted = next(iter(where.items()))
        rows = self.execute(
            sql.SQL("select {} from crm.contact where {} = %s").format(
                sql.Identifier(column), sql.Identifier(name)
            ),
            wanted,
        )
        return rows[0][0] if rows else None

    def live(self) -> list[str]:
        """First names of the rows that nobody deleted."""
        rows = self.execute("select first_name from crm.contact where deleted_at is null")
        return sorted(row[0] for row in rows)

    def saved(self) -> str:
        """The whole table as JSON."""
        rows = self.execute("select coalesce(json_agg(c order by c.id), '[]') from crm.contact c")
        return json.dumps(rows[0][0])

    def restore(self, rows: str) -> None:
        self.execute(
            "insert into crm.contact overriding system value "
            "select * from json_populate_recordset(null::crm.contact, %s::json)",
            rows,
        )
        self.execute(
            "select setval(pg_get_serial_sequence('crm.contact', 'id'), max(id)) from crm.contact"
        )


class Book:
    """The address book, as its users see it."""

    def __init__(self, server: Radicale) -> None:
        self.cards = server.cards
        self.connection = Connection(
            "address_book", "http", server.url, None, server.login, server.password
        )
        for old in self.cards.iterdir():
            if old.name != ".Radicale.props":
                shutil.rmtree(old) if old.is_dir() else old.unlink()

    def add(self, name: str, given: str, family: str, *lines: str) -> None:
        card = ["BEGIN:VCARD", "VERSION:3.0", f"UID:{name}", f"FN:{given} {family}"]
        card += [f"N:{family};{given};;;", *lines, "END:VCARD", ""]
        (self.cards / f"{name}.vcf").write_bytes("\r\n".join(card).encode())

    def text(self, name: str) -> str:
        """The card, unfolded."""
        text = (self.cards / f"{name}.vcf").read_bytes().decode()
        return text.replace("\r\n ", "").replace("\r\n", "\n")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.cards / f"{name}.vcf").read_bytes().decode()
        assert old in text
        (self.cards / f"{name}.vcf").write_bytes(text.replace(old, new).encode())

    def remove(self, name: str) -> None:
        (self.cards / f"{name}.vcf").unlink()

    def names(self) -> list[str]:
        return sorted(one.stem for one in self.cards.glob("*.vcf"))


class Newsletter:
    """The newsletter tool's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.file = folder / "subscribers-1.csv"
        self.write()

    def write(self, *lines: str) -> None:
        text = "".join(f"{line}\r\n" for line in (HEADER, *lines))
        self.file.write_text(text, encoding="utf-8", newline="")

    def lines(self) -> list[str]:
        return self.file.read_text(encoding="utf-8").splitlines()[1:]

    def emails(self) -> list[str]:
        return sorted(line.split(";")[1] for line in self.lines())

    def status(self, email: str) -> str:
        return next(line.split(";")[5] for line in self.lines() if line.split(";")[1] == email)


class World:
    """Everything that a scenario touches."""

    def __init__(self, folder: Path, template: Context, crm: Crm, book: Book) -> None:
        self.root = folder / "project"
        shutil.copytree(template.project.root, self.root)
        self.crm, self.book = crm, book
        self.newsletter = Newsletter(folder / "newsletter")
        self.connections = {
            "crm": crm.connection,
            "address_book": book.connection,
            "newsletter": Connection(
                "newsletter", "fs", extra={"path": str(self.newsletter.folder)}
            ),
        }
        self.record_key = template.record_key
        self.ctx = dataclasses.replace(
            template,
            project=dataclasses.replace(template.project, root=self.root),
            lake=Lake(str(self.root / "lake")),
            connect=self.connections.__getitem__,
        )

    def deploy(self) -> list[Action]:
        """Read the project's files again and bring the lake up to them."""
        self.ctx = dataclasses.replace(
            self.ctx, project=load(self.root, "demo"), record_key=self.record_key
        )
        return deploy(self.ctx, resolved=False)

    def for_airflow(self, dag_file: str) -> None:
        """Make it a project that Airflow can run."""
        self.edit_file("concord.yaml", "lake: .concord/demo/lake", "lake: lake")
        self.edit_file("concord.yaml", "first_delay_s: 2", "first_delay_s: 0.2")
        self.deploy()
        write_resolved(self.root)
        (self.root / "dags").mkdir(exist_ok=True)
        (self.root / "dags" / "contact_sync.py").write_text(dag_file)

    def variables(self) -> dict[str, str]:
        """The environment that gives an Airflow its connections."""
        known: dict[str, Any] = {
            name: {
                "conn_type": one.kind,
                "host": one.host,
                "port": one.port,
                "login": one.login,
                "password": one.password,
                "schema": one.schema,
                "extra": dict(one.extra),
            }
            for name, one in self.connections.items()
        }
        key = {"conn_type": "generic", "password": self.record_key.decode()}
        known["concord_record_key"] = key
        told = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in known.items()}
        return {**told, "CONCORD_ENV": "demo"}

    def edit_file(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def run(self, **options: Any) -> Run:
        return run_to_rest(self.ctx, f"run-{datetime.now(UTC).timestamp()}", **options)

    def settle_down(self) -> None:
        """One run that finds everything as it should be."""
        run = self.run()
        assert (run.failed, run.writes, self.published(run)) == ({}, 0, [])

    @staticmethod
    def published(run: Run) -> list[str]:
        """Datasets that got a snapshot, without the journals of operations."""
        return sorted({name for name in run.snapshots if not name.startswith("ops/")})

    def frame(self, dataset: str) -> pl.DataFrame:
        return self.ctx.open(dataset).frame().collect()

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        return self.frame(dataset).to_dicts()

    def golden(self, given_name: str) -> dict[str, Any]:
        return next(row for row in self.rows("golden/contacts") if row["given_name"] == given_name)

    def versions(self) -> Mapping[str, int]:
        return {
            name: self.ctx.open(name).version
            for name in self.ctx.project.datasets
            if not name.startswith("ops/")
        }


@pytest.fixture
def alerted() -> Iterator[Web]:
    """Whoever hears of incidents."""
    with web() as server:
        yield server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture(scope="session")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    with Radicale(tmp_path_factory.mktemp("radicale")) as server:
        yield server


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """The reference project, deployed once; every world is a copy of it."""
    root = tmp_path_factory.mktemp("template") / "project"
    root.mkdir()
    for part in ("assets", "contracts", "lineage"):
        shutil.copytree(ROOT / part, root / part)
    shutil.copy(ROOT / "concord.yaml", root)
    ctx = Context(
        project=load(root, "demo"),
        run=RunId("deploy", "deploy"),
        lake=Lake(str(root / "lake")),
        record_key=b"k" * 32,
        connect=_nowhere,
        now=lambda: datetime.now(UTC),
        tell=lambda _: None,
    )
    deploy(ctx, resolved=False)
    return ctx


def _nowhere(name: str) -> Connection:
    raise MissingConnection(name)


@pytest.fixture(scope="session")
def empty_world(
    template: Context, postgres: Postgres, radicale: Radicale
) -> Callable[[Path], World]:
    """Makes a world in a folder, with empty platforms; the last one made has the servers."""
    return lambda folder: World(folder, template, Crm(postgres), Book(radicale))


@pytest.fixture
def world(tmp_path: Path, empty_world: Callable[[Path], World]) -> World:
    """Empty platforms and an empty, deployed lake."""
    return empty_world(tmp_path)


@dataclasses.dataclass(frozen=True)
class _Rest:
    """A world at rest, to be copied: its lake, and what its platforms hold."""

    ctx: Context
    crm: str
    cards: Path
    newsletter: list[str]


@pytest.fixture(scope="session")
def _rest(
    tmp_path_factory: pytest.TempPathFactory,
    template: Context,
    postgres: Postgres,
    radicale: Radicale,
) -> _Rest:
    folder = tmp_path_factory.mktemp("rest")
    made = World(folder, template, Crm(postgres), Book(radicale))
    made.crm.add(**ANNA)
    made.crm.add(**BEA)
    made.book.add("a", "Anna", "Gruber", *ANNAS_CARD)
    made.book.add("b", "Bea", "Solo", *BEAS_CARD)
    made.newsletter.write(SUBSCRIBED)
    assert not made.run().failed
    made.settle_down()
    cards = folder / "cards"
    shutil.copytree(made.book.cards, cards)
    return _Rest(made.ctx, made.crm.saved(), cards, made.newsletter.lines())


@pytest.fixture(scope="session")
def people_in(
    _rest: _Rest, postgres: Postgres, radicale: Radicale
) -> Callable[[Path, Context | None], World]:
    """Makes `people` in a folder, with the lake of another context if one is given; the last one
    made has the servers."""

    def make(folder: Path, ctx: Context | None = None) -> World:
        made = World(folder, ctx or _rest.ctx, Crm(postgres), Book(radicale))
        made.crm.restore(_rest.crm)
        shutil.copytree(_rest.cards, made.book.cards, dirs_exist_ok=True)
        made.newsletter.write(*_rest.newsletter)
        return made

    return make


@pytest.fixture
def people(tmp_path: Path, people_in: Callable[..., World]) -> World:
    """Anna on all three platforms, Bea in the CRM and the address book, everything at rest."""
    return people_in(tmp_path)


@pytest.fixture(scope="session")
def sixty(
    tmp_path_factory: pytest.TempPathFactory,
    template: Context,
    postgres: Postgres,
    radicale: Radicale,
) -> Callable[[], World]:
    """Makes a world with sixty people a platform; the last one made has the servers."""
    crowd = invent(60)
    crm = Crm(postgres)
    for row in crm_rows(crowd):
        crm.add(**dict(zip(CRM_COLUMNS, row, strict=True)))
    rows = crm.saved()

    def made() -> World:
        folder = tmp_path_factory.mktemp("sixty")
        world = World(folder, template, Crm(postgres), Book(radicale))
        world.crm.restore(rows)
        for name, text in cards(crowd).items():
            (world.book.cards / name).write_bytes(text.encode())
        world.newsletter.file.write_bytes(newsletter_csv(crowd))
        return world

    return made


@pytest.fixture(scope="session")
def undisturbed(sixty: Callable[[], World]) -> Undisturbed:
    """A run with sixty people that nobody kills."""
    return run_undisturbed(sixty())
