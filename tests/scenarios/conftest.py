"""Three real platforms and a lake, small enough to make anew for every scenario."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
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
from concord.demo.postgres import Postgres
from concord.demo.radicale import Radicale
from concord.demo.seeds import CRM_TABLE
from concord.platforms.connection import Connection
from concord.project import load
from concord.steps.context import Context
from concord.steps.deploy import deploy
from concord.steps.rounds import Run, run_to_rest

ROOT = Path(__file__).parents[2]
MADE_AT = datetime(2024, 1, 1, tzinfo=UTC)
HEADER = (
    "subscriber_id;email;first name;last name;language;status;status since;changed;crm_ref;campaign"
)


class Crm:
    """The CRM, as its users see it."""

    def __init__(self, server: Postgres) -> None:
        self._address = make_conninfo(**server.parameters)
        self.execute("drop schema if exists crm cascade")
        self.execute(CRM_TABLE)

    def execute(self, statement: str | sql.Composed, *values: Any) -> list[Any]:
        with psycopg.connect(self._address, autocommit=True) as connection:
            found = connection.execute(statement, values or None)  # type: ignore[arg-type]
            return found.fetchall() if found.description else []

    def add(self, **values: Any) -> None:
        row = {"created_at": MADE_AT, "updated_at": MADE_AT, **values}
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

    def count(self) -> int:
        return int(self.execute("select count(*) from crm.contact where deleted_at is null")[0][0])


class Book:
    """The address book, as its users see it."""

    def __init__(self, server: Radicale) -> None:
        self._server = server

    def add(self, name: str, given: str, family: str, *lines: str) -> None:
        card = ["BEGIN:VCARD", "VERSION:3.0", f"UID:{name}", f"FN:{given} {family}"]
        card += [f"N:{family};{given};;;", *lines, "END:VCARD", ""]
        (self._server.cards / f"{name}.vcf").write_bytes("\r\n".join(card).encode())

    def text(self, name: str) -> str:
        return (self._server.cards / f"{name}.vcf").read_text(encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.text(name)
        assert old in text
        (self._server.cards / f"{name}.vcf").write_text(text.replace(old, new), encoding="utf-8")

    def remove(self, name: str) -> None:
        (self._server.cards / f"{name}.vcf").unlink()

    def names(self) -> list[str]:
        return sorted(one.stem for one in self._server.cards.glob("*.vcf"))


class Newsletter:
    """The newsletter tool's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.write()

    def write(self, *lines: str) -> None:
        text = "".join(f"{line}\r\n" for line in (HEADER, *lines))
        (self.folder / "subscribers-1.csv").write_text(text, encoding="utf-8", newline="")

    def lines(self) -> list[str]:
        return (self.folder / "subscribers-1.csv").read_text(encoding="utf-8").splitlines()[1:]


class World:
    """Everything that a scenario touches."""

    def __init__(self, folder: Path, postgres: Postgres, radicale: Radicale) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        for part in ("assets", "contracts", "lineage"):
            shutil.copytree(ROOT / part, self.root / part)
        shutil.copy(ROOT / "concord.yaml", self.root)
        shutil.rmtree(self.root / "contracts" / "subscriptions", ignore_errors=True)
        self.edit_file("lineage/processing.yaml", ", 'subscription:billing'", "")
        self.crm, self.book = Crm(postgres), Book(radicale)
        self.newsletter = Newsletter(folder / "newsletter")
        self.connections = {
            "crm": Connection("crm", "postgres", postgres.host, 5432, "postgres", "", "postgres"),
            "address_book": Connection(
                "address_book", "http", radicale.url, None, radicale.login, radicale.password
            ),
            "newsletter": Connection(
                "newsletter", "fs", extra={"path": str(self.newsletter.folder)}
            ),
        }
        self.record_key = b"k" * 32
        self._runs = 0

    def deploy(self, environment: str = "demo") -> Context:
        self.ctx = Context(
            project=load(self.root, environment),
            run=RunId("deploy", "deploy"),
            lake=Lake(str(self.root / "lake")),
            record_key=self.record_key,
            connect=self.connections.__getitem__,
            now=lambda: datetime.now(UTC),
            tell=lambda _: None,
        )
        deploy(self.ctx)
        return self.ctx

    def edit_file(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def run(self, **options: Any) -> Run:
        self._runs += 1
        return run_to_rest(self.ctx, f"run{self._runs}", **options)

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        return self.ctx.open(dataset).frame().collect().to_dicts()

    def golden(self, given_name: str) -> dict[str, Any]:
        return next(row for row in self.rows("golden/contacts") if row["given_name"] == given_name)

    def versions(self) -> Mapping[str, int]:
        return {
            name: self.ctx.open(name).version
            for name in self.ctx.project.datasets
            if not name.startswith("ops/")
        }

    def frame(self, dataset: str) -> pl.DataFrame:
        return self.ctx.open(dataset).frame().collect()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture
def world(tmp_path: Path, postgres: Postgres) -> Iterator[World]:
    """Empty platforms and an empty, deployed lake."""
    with Radicale(tmp_path / "radicale") as radicale:
        made = World(tmp_path, postgres, radicale)
        made.deploy()
        yield made
