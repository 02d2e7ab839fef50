"""Kind *sql*, against a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fault_proxy import Fault, FaultProxy, down, half, hangs, says
from psycopg import sql as compose

from concord.demo.postgres import Postgres
from concord.errors import CursorExpired, PlatformDown, PlatformRefused
from concord.platforms import sql_session
from concord.platforms.base import (
    CreateKey,
    Operation,
    Outcome,
    Record,
    Verb,
)
from concord.platforms.conformance import (
    Bench,
    SourceSinkConformance,
    Trouble,
    assert_tells_nothing,
)
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.sql import Sql

_TABLE = """
CREATE SCHEMA crm;
CREATE TABLE crm.contact (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    first_name text CHECK (first_name <> 'poison'),
    last_name varchar(200),
    "E-Mail" text UNIQUE,
    born date, active boolean, score numeric(6, 2), seen_at timestamptz,
    note text,
    external_ref text UNIQUE,
    updated_at timestamptz DEFAULT clock_timestamp(),
    deleted_at timestamptz
)
"""
_SECRET = "correct horse battery"


def failure(state: str) -> bytes:
    """An ErrorResponse of PostgreSQL's protocol."""
    fields = f"SFATAL\0C{state}\0Mpassword authentication failed for canary\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


_TROUBLES: dict[Trouble, tuple[Fault, bytes]] = {
    Trouble.DOWN: (down, b""),
    Trouble.HANGS: (hangs, b" FROM "),
    Trouble.HALF: (half(40), b" FROM "),
    Trouble.FAILS: (says(failure("57P01"), often=False), b" FROM "),
    Trouble.REFUSES: (says(failure("28P01"), often=False), b""),
    Trouble.BABBLES: (says(b"HTTP/1.1 400 No\r\n\r\n"), b""),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def database(server: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**server.parameters, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS crm CASCADE")
        connection.execute(_TABLE)
        yield connection


def declaration(**changes: Any) -> PlatformDeclaration:
    base: dict[str, Any] = {
        "kind": "sql",
        "connection": "crm",
        "table": "crm.contact",
        "id": "id",
        "updated_at": "updated_at",
        "deleted_at": "deleted_at",
        "external_id": "external_ref",
        "overlap_s": 0,
        "purpose": "customer_care",
        "fields": {"given_name": "first_name", "family_name": "last_name"},
    }
    merged = {key: value for key, value in {**base, **changes}.items() if value is not None}
    return PlatformDeclaration.model_validate(merged)


def connection_to(server: Postgres) -> Connection:
    return Connection(
        "crm", "postgres", server.host, 5432, "postgres", _SECRET, "postgres", {"cursor": "ignored"}
    )


class SqlBench(Bench):
    first, second = "first_name", "last_name"
    poison: Mapping[str, Any] | None = {"first_name": "poison"}
    secret = _SECRET
    forgotten = "tomorrow"

    def __init__(self, server: Postgres, database: psycopg.Connection[Any], **changes: Any) -> None:
        self.database = database
        self.soft = declaration(**changes).options.deleted_at is not None
        self.server, self.declared = server, declaration(**changes)
        self.open = ExitStack()
        self.connector = self.open.enter_context(Sql("crm", self.declared, connection_to(server)))

    def add(self, fields: Mapping[str, str | None]) -> str:
        statement = "INSERT INTO crm.contact (first_name, last_name) VALUES (%s, %s) RETURNING id"
        row = self.database.execute(statement, list(fields.values())).fetchone()
        assert row is not None
        return str(row[0])

    def edit(self, remote_id: str, fields: Mapping[str, str | None]) -> None:
        for name, value in fields.items():
            statement = compose.SQL(
                "UPDATE crm.contact SET {} = %s, updated_at = clock_timestamp() WHERE id = %s"
            ).format(compose.Identifier(name))
            self.database.execute(statement, [value, remote_id])

    def remove(self, remote_id: str) -> None:
        statement = "DELETE FROM crm.contact WHERE id = %s"
        if self.soft:
            statement = "UPDATE crm.contact SET deleted_at = clock_timestamp() WHERE id = %s"
        self.database.execute(statement, [remote_id])

    def annotate(self, remote_id: str, text: str) -> None:
        self.database.execute("UPDATE crm.contact SET note = %s WHERE id = %s", [text, remote_id])

    def annotation(self, remote_id: str) -> str | None:
        query = "SELECT note FROM crm.contact WHERE id = %s"
        row = self.database.execute(query, [remote_id]).fetchone()
        return None if row is None else row[0]

    def spoil(self) -> str:
        self.add({"first_name": "x" * 70_000, "last_name": None})
        return "record.damaged"

    def through(self, proxy: FaultProxy, **extra: Any) -> Sql:
        extra = {"sslmode": "disable", "connect_timeout": 2, **extra}
        address = ("crm", "postgres", "127.0.0.1", proxy.port, "postgres", _SECRET, "postgres")
        return self.open.enter_context(Sql("crm", self.declared, Connection(*address, extra)))

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[Sql | None]:
        if trouble not in _TROUBLES:
            yield None
            return
        proxy = self.open.enter_context(FaultProxy(f"{self.server.host}/.s.PGSQL.5432"))
        connector = self.through(proxy, timeout_s=0.8 if trouble is Trouble.HANGS else 60)
        fault, when = _TROUBLES[trouble]
        if when:
            connector.check()  # connected, and so in trouble in the middle of its work
        with proxy.doing(fault, when=when):
            yield connector

    def broken(self) -> Sql:
        nowhere = Connection("crm", "postgres", "/nowhere", 1, "postgres", _SECRET, "postgres")
        return Sql("crm", declaration(), nowhere)

    def fill(self, count: int) -> None:
        self.database.execute(
            "INSERT INTO crm.contact (first_name, updated_at) "
            "SELECT 'first ' || n, statement_timestamp() FROM generate_series(1, %s) AS n",
            [count],
        )


class TestSqlConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, server: Postgres, database: psycopg.Connection[Any]) -> Iterator[Bench]:
        bench = SqlBench(server, database)
        yield bench
        bench.open.close()


class TestSqlWithoutSoftDeletesConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, server: Postgres, database: psycopg.Connection[Any]) -> Iterator[Bench]:
        bench = SqlBench(server, database, deleted_at=None)
        yield bench
        bench.open.close()


class TestSqlWithoutExternalIdConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, server: Postgres, database: psycopg.Connection[Any]) -> Iterator[Bench]:
        bench = SqlBench(server, database, external_id=None)
        yield bench
        bench.open.close()


@pytest.fixture
def bench(server: Postgres, database: psycopg.Connection[Any]) -> Iterator[SqlBench]:
    made = SqlBench(server, database)
    yield made
    made.open.close()


def opened(server: Postgres, **changes: Any) -> Sql:
    return Sql("crm", declaration(**changes), connection_to(server))


def create(person_id: str, **values: str | None) -> Operation:
    return Operation(f"create {person_id}", Verb.CREATE, None, person_id, values)


def records(pages: Any) -> list[Record]:
    return [record for page in pages for record in page.records]


def test_values_of_every_type_are_text_as_the_interface_says(
    server: Postgres, database: psycopg.Connection[Any]
) -> None:
    database.execute(
        "INSERT INTO crm.contact (first_name, last_name, born, active, score, seen_at) VALUES "
        "('', NULL, '1990-02-28', true, 1.5, '2026-11-25 09:00:00.5+01'), "
        "('x', NULL, 'infinity', false, 'NaN', 'infinity')"
    )
    natives = ["first_name", "last_name", "born", "active", "score", "seen_at"]
    fields = {f"c{number}": native for number, native in enumerate(natives)}
    with opened(server, fields=fields) as crm:
        first, second = records(crm.listing())
    assert [first.fields[native] for native in natives] == [
        None,
        None,
        "1990-02-28",
        "true",
        "1.50",
        "2026-11-25T08:00:00.5+00:00",
    ]
    assert [second.fields[native] for native in natives[2:]] == [
        "infinity",
        "false",
        "NaN",
        "infinity",
    ]


def test_names_are_quoted_and_never_read_as_sql(
    server: Postgres, database: psycopg.Connection[Any]
) -> None:
    database.execute('ALTER TABLE crm.contact RENAME COLUMN note TO "no""te; DROP %s"')
    native = 'no"te; DROP %s'
    with opened(server, fields={"given_name": native, "emails": {"from": "E-Mail"}}) as crm:
        (receipt,) = crm.write([create("p1", **{native: "x", "E-Mail": "a@example.org"})])
        assert receipt.record is not None
        assert receipt.record.fields == {native: "x", "E-Mail": "a@example.org"}
        assert records(crm.listing())[0].fields == receipt.record.fields


def test_rows_with_one_instant_are_read_across_pages_and_the_cursor_is_that_instant_alone(
    bench: SqlBench,
) -> None:
    bench.fill(2 * bench.connector.capabilities.page + 1)
    pages = list(bench.connector.changes("2000-01-01T00:00:00+00:00"))
    assert [len(page.records) for page in pages] == [500, 500, 1]
    assert len({record.remote_id for record in records(pages)}) == 1001
    assert pages[-1].cursor is not None
    assert datetime.fromisoformat(pages[-1].cursor) == records(pages)[0].modified_at


def test_a_row_of_the_future_neither_stalls_the_cursor_nor_moves_it(bench: SqlBench) -> None:
    bench.fill(1)
    bench.database.execute(
        "INSERT INTO crm.contact (first_name, updated_at) VALUES ('f', '2999-01-01'), "
        "('g', 'infinity')"
    )
    *_, page = bench.connector.listing()
    assert page.cursor is not None
    assert datetime.fromisoformat(page.cursor) < datetime.now(UTC) + timedelta(minutes=1)
    *_, again = bench.connector.changes(page.cursor)
    assert again.cursor == page.cursor
    added = bench.add({"first_name": "now", "last_name": None})
    assert added in {record.remote_id for record in records(bench.connector.changes(page.cursor))}


def test_the_overlap_finds_a_row_that_was_committed_late(
    server: Postgres, database: psycopg.Connection[Any]
) -> None:
    database.execute(
        "INSERT INTO crm.contact (first_name, updated_at) VALUES ('seen', '2026-01-01 10:00+00')"
    )
    with opened(server, overlap_s=60) as crm:
        *_, page = crm.listing()
        database.execute(
            "INSERT INTO crm.contact (first_name, updated_at) VALUES "
            "('late', '2026-01-01 09:59:30+00'), ('too late', '2026-01-01 09:58:00+00')"
        )
        found = records(crm.changes(page.cursor or ""))
    assert [record.fields["first_name"] for record in found] == ["late", "seen"]


def test_a_row_edited_while_the_listing_goes_on_is_in_the_next_delta(bench: SqlBench) -> None:
    bench.fill(bench.connector.capabilities.page + 1)
    reading = bench.connector.listing()
    first = next(reading)
    edited = first.records[0].remote_id
    assert edited is not None
    bench.edit(edited, {"first_name": "changed"})
    bench.add({"first_name": "later", "last_name": None})
    *_, last = reading
    found = {record.remote_id for record in records(bench.connector.changes(last.cursor or ""))}
    assert edited in found


def test_rows_without_an_instant_are_listed_and_the_check_says_so(bench: SqlBench) -> None:
    bench.fill(bench.connector.capabilities.page)
    bench.database.execute("UPDATE crm.contact SET updated_at = NULL")
    bench.fill(2)
    assert len(records(bench.connector.listing())) == 502
    notes = " ".join(bench.connector.check().notes)
    assert "Some rows have no updated_at" in notes
    assert "No index begins with updated_at" in notes


def test_a_soft_delete_that_left_updated_at_alone_comes_as_a_tombstone_without_fields(
    bench: SqlBench,
) -> None:
    remote_id = bench.add({"first_name": "Ann", "last_name": None})
    *_, page = bench.connector.listing()
    bench.remove(remote_id)
    (found,) = records(bench.connector.changes(page.cursor or ""))
    assert found.deleted
    assert (found.remote_id, found.fields) == (remote_id, {})


def test_a_cursor_that_is_no_instant_has_expired(bench: SqlBench) -> None:
    with pytest.raises(CursorExpired, match="no instant"):
        list(bench.connector.changes("sync-token-7"))


def test_a_second_record_with_a_unique_value_is_refused_by_code_alone(
    server: Postgres, database: psycopg.Connection[Any]
) -> None:
    with opened(server, fields={"emails": {"from": "E-Mail"}}) as crm:
        made, refused = crm.write(
            [
                create("p1", **{"E-Mail": "a@example.org"}),
                create("p2", **{"E-Mail": "a@example.org"}),
            ]
        )
        assert (made.outcome, refused.outcome) == (Outcome.OK, Outcome.REJECTED)
        assert (refused.record, refused.code) == (None, "23505")


@pytest.mark.parametrize("value", ["nul\0", "half \ud83d"])
def test_a_text_that_postgresql_cannot_hold_is_refused(bench: SqlBench, value: str) -> None:
    refused, made = bench.connector.write(
        [create("p1", first_name=value), create("p2", first_name="Ann")]
    )
    assert (refused.outcome, refused.code) == (Outcome.REJECTED, "22021")
    assert made.outcome is Outcome.OK


def test_a_value_too_long_for_its_column_is_refused_and_not_cut(bench: SqlBench) -> None:
    (receipt,) = bench.connector.write([create("p1", last_name="x" * 201)])
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "22001")


def test_a_constraint_that_is_deferred_refuses_its_row_and_not_the_batch(bench: SqlBench) -> None:
    bench.database.execute(
        "CREATE TABLE crm.team (name text PRIMARY KEY); "
        "ALTER TABLE crm.contact ADD FOREIGN KEY (last_name) REFERENCES crm.team "
        "DEFERRABLE INITIALLY DEFERRED"
    )
    refused, made = bench.connector.write(
        [create("p1", last_name="no team"), create("p2", first_name="Ann")]
    )
    assert (refused.outcome, refused.code) == (Outcome.REJECTED, "23503")
    assert made.outcome is Outcome.OK


def test_what_a_trigger_made_of_the_row_is_what_the_receipt_tells(bench: SqlBench) -> None:
    bench.database.execute(
        """
        CREATE FUNCTION crm.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.first_name <> upper(NEW.first_name) THEN
                UPDATE crm.contact SET first_name = upper(first_name) WHERE id = NEW.id;
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER shout AFTER INSERT OR UPDATE ON crm.contact
            FOR EACH ROW EXECUTE FUNCTION crm.shout()
        """
    )
    (receipt,) = bench.connector.write([create("p1", first_name="Ann")])
    assert receipt.record is not None
    assert receipt.record.fields["first_name"] == "ANN"
    assert records(bench.connector.listing()) == [receipt.record]


def test_a_row_that_a_trigger_swallows_is_refused(bench: SqlBench) -> None:
    remote_id = bench.add({"first_name": "Ann", "last_name": None})
    bench.database.execute(
        """
        CREATE FUNCTION crm.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER no BEFORE INSERT OR UPDATE ON crm.contact
            FOR EACH ROW EXECUTE FUNCTION crm.no()
        """
    )
    update = Operation("u", Verb.UPDATE, remote_id, "p", {"first_name": "Bob"}, {})
    receipts = bench.connector.write([create("p1", first_name="x"), update])
    assert [(one.outcome, one.code) for one in receipts] == [(Outcome.REJECTED, "no_rows")] * 2


def test_an_edit_of_case_alone_is_seen_by_the_guard_of_a_case_blind_column(
    bench: SqlBench,
) -> None:
    bench.database.execute(
        "CREATE EXTENSION IF NOT EXISTS citext; "
        "ALTER TABLE crm.contact ALTER COLUMN first_name TYPE citext"
    )
    remote_id = bench.add({"first_name": "ANN", "last_name": None})
    values, expect = {"first_name": "Bob"}, {"first_name": "ann"}
    (receipt,) = bench.connector.write(
        [Operation("u", Verb.UPDATE, remote_id, "p", values, expect)]
    )
    assert receipt.outcome is Outcome.CONFLICT


def test_null_empties_a_text_column_that_is_not_null(bench: SqlBench) -> None:
    bench.database.execute("ALTER TABLE crm.contact ALTER COLUMN last_name SET NOT NULL")
    (created,) = bench.connector.write([create("p1", first_name="Ann", last_name=None)])
    assert created.outcome is Outcome.OK
    assert created.record is not None
    assert created.record.fields["last_name"] is None


def test_a_person_whose_record_was_soft_deleted_can_be_created_again(bench: SqlBench) -> None:
    (first,) = bench.connector.write([create("p1", first_name="Ann")])
    assert first.record is not None
    assert first.record.remote_id is not None
    bench.remove(first.record.remote_id)
    (second,) = bench.connector.write([create("p1", first_name="Ann")])
    assert second.outcome is Outcome.OK
    assert second.record is not None
    assert second.record.remote_id != first.record.remote_id
    assert [one.remote_id for one in bench.connector.find(["p1"])] == [second.record.remote_id]


def test_a_soft_deleted_row_that_holds_a_unique_value_of_its_person_lives_again(
    bench: SqlBench,
) -> None:
    mail = {"E-Mail": "ann@x.example"}
    (first,) = bench.connector.write([create("p1", first_name="Ann", **mail)])
    assert first.record is not None
    assert first.record.remote_id is not None
    bench.remove(first.record.remote_id)
    (second,) = bench.connector.write([create("p1", first_name="Anna", **mail)])
    assert second.outcome is Outcome.OK
    assert second.record is not None
    assert second.record.remote_id == first.record.remote_id
    assert not second.record.deleted
    assert second.record.fields["first_name"] == "Anna"


def test_a_unique_value_of_another_row_refuses_a_person_who_was_soft_deleted(
    bench: SqlBench,
) -> None:
    (first,) = bench.connector.write([create("p1", first_name="Ann")])
    assert first.record is not None
    assert first.record.remote_id is not None
    bench.remove(first.record.remote_id)
    mail = {"E-Mail": "ann@x.example"}
    taken, refused = bench.connector.write(
        [create("p2", first_name="Bea", **mail), create("p1", first_name="Ann", **mail)]
    )
    assert (taken.outcome, refused.outcome) == (Outcome.OK, Outcome.REJECTED)
    assert refused.code == "23505"
    assert bench.connector.find(["p1"]) == []


def test_creates_of_one_person_at_once_make_one_record_also_without_a_unique_index(
    server: Postgres, database: psycopg.Connection[Any]
) -> None:
    database.execute("ALTER TABLE crm.contact DROP CONSTRAINT contact_external_ref_key")
    outcomes: list[Outcome] = []

    def run() -> None:
        with opened(server) as crm:
            outcomes.extend(one.outcome for one in crm.write([create("p1", first_name="Ann")]))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [Outcome.EXISTS, Outcome.EXISTS, Outcome.EXISTS, Outcome.OK]
    with opened(server) as crm:
        assert "only Concord itself keeps it unique" in " ".join(crm.check().notes)


def test_of_a_dead_and_a_living_record_with_one_person_the_living_one_is_found(
    bench: SqlBench,
) -> None:
    bench.database.execute(
        "ALTER TABLE crm.contact DROP CONSTRAINT contact_external_ref_key; "
        "INSERT INTO crm.contact (first_name, external_ref, deleted_at) VALUES "
        "('dead', 'p1', now()), ('alive', 'p1', NULL), ('dead', 'p1', now())"
    )
    assert [one.fields["first_name"] for one in bench.connector.find(["p1"])] == ["alive"]
    assert bench.connector.write([create("p1", first_name="x")])[0].outcome is Outcome.EXISTS


def test_ids_may_be_of_any_type(server: Postgres, database: psycopg.Connection[Any]) -> None:
    database.execute(
        'CREATE TABLE crm.other ("Id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), '
        "first_name text, updated_at timestamptz, ref uuid)"
    )
    person = "5f0c9c43-91c4-4d51-9c3e-0f4dd7a0a1aa"
    with opened(
        server,
        table="crm.other",
        id="Id",
        external_id="ref",
        deleted_at=None,
        fields={"given_name": "first_name"},
    ) as crm:
        made, refused = crm.write([create(person, first_name="Ann"), create("p1", first_name="B")])
        assert (made.outcome, refused.outcome) == (Outcome.OK, Outcome.REJECTED)
        assert made.record is not None
        remote_id = made.record.remote_id or ""
        assert crm.read([remote_id, "not-a-uuid"])[0] == made.record
        assert [one.external_id for one in crm.find([person, "p1"])] == [person]


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"table": "crm.nothing"}, "no table crm.nothing"),
        ({"fields": {"x": "nope", "y": "neither"}}, "lacks neither, nope"),
        ({"id": "first_name"}, "first_name has no unique index"),
        ({"updated_at": "zoneless"}, "zoneless has the type timestamp without time zone"),
        ({"fields": {"x": "zoneless"}}, "zoneless is an instant without a zone"),
        ({"fields": {"x": "many"}}, "many is an array"),
    ],
)
def test_a_table_that_cannot_be_synchronised_is_refused_with_the_reason(
    server: Postgres, database: psycopg.Connection[Any], change: dict[str, Any], sentence: str
) -> None:
    database.execute("ALTER TABLE crm.contact ADD zoneless timestamp, ADD many text[]")
    with opened(server, **change) as crm, pytest.raises(PlatformRefused, match=sentence):
        crm.check()


def test_a_login_that_may_only_read_reads_and_is_refused_to_write(
    server: Postgres, database: psycopg.Connection[Any]
) -> None:
    database.execute(
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; "
        "GRANT USAGE ON SCHEMA crm TO reader; GRANT SELECT ON crm.contact TO reader"
    )
    reader = Connection("crm", "postgres", server.host, 5432, "reader", "", "postgres")
    with Sql("crm", declaration(), reader) as crm:
        report = crm.check()
        assert (report.readable, report.writable) == (True, False)
        operation = create("p1", first_name="Ann Canary")
        with pytest.raises(PlatformRefused, match="lacks a right") as caught:
            crm.write([operation])
        assert_tells_nothing(caught.value, "Ann Canary")
        assert records(crm.listing()) == []


def test_a_row_that_somebody_else_holds_fails_the_batch_for_now_and_writes_nothing(
    server: Postgres, bench: SqlBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_session, "_SETTINGS", (("lock_timeout", "50ms"),))
    remote_id = bench.add({"first_name": "Ann", "last_name": None})
    update = Operation("u", Verb.UPDATE, remote_id, "p", {"first_name": "Bob"}, {})
    with psycopg.connect(**server.parameters) as other:
        other.execute("SELECT FROM crm.contact FOR UPDATE")
        with pytest.raises(PlatformDown, match=r"try again \[55P03\]"):
            bench.connector.write([create("p1", first_name="Zoe"), update])
    assert len(records(bench.connector.listing())) == 1
    assert bench.connector.write([update])[0].outcome is Outcome.OK


def test_a_connection_that_the_server_closed_is_down_once_and_then_made_again(
    bench: SqlBench,
) -> None:
    bench.fill(1)
    assert len(records(bench.connector.listing())) == 1
    bench.database.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'concord'"
    )
    with pytest.raises(PlatformDown, match="crm"):
        list(bench.connector.listing())
    assert len(records(bench.connector.listing())) == 1


def test_a_value_that_is_too_long_or_no_text_damages_its_record_alone(bench: SqlBench) -> None:
    remote_id = bench.add({"first_name": "x" * 70_000, "last_name": None})
    bench.add({"first_name": "Ann", "last_name": None})
    long, sound = records(bench.connector.listing())
    assert (long.fault, long.place, long.fields) == ("record.damaged", "crm.contact:1", {})
    assert sound.fault is None
    update = Operation("u", Verb.UPDATE, remote_id, "p", {"first_name": "Bob"}, {})
    assert bench.connector.write([update])[0].outcome is Outcome.CONFLICT


def test_text_that_is_no_utf_8_damages_its_record_alone(server: Postgres) -> None:
    with psycopg.connect(**server.parameters, autocommit=True) as postgres:
        postgres.execute("DROP DATABASE IF EXISTS old")
        postgres.execute("CREATE DATABASE old ENCODING 'SQL_ASCII' TEMPLATE template0")
    with psycopg.connect(**{**server.parameters, "dbname": "old"}, autocommit=True) as old:
        old.execute(_TABLE)
        old.execute(
            r"INSERT INTO crm.contact (first_name) VALUES (convert_from('\xc4', 'SQL_ASCII')), "
            "('Ann')"
        )
    address = Connection("crm", "postgres", server.host, 5432, "postgres", "", "old")
    with Sql("crm", declaration(), address) as crm:
        assert [one.fault for one in records(crm.listing())] == ["record.damaged", None]


def test_without_an_external_id_a_create_cannot_be_told_apart(
    server: Postgres, database: psycopg.Connection[Any]
) -> None:
    with opened(server, external_id=None) as crm:
        assert crm.capabilities.create_key is CreateKey.NONE
        with pytest.raises(PlatformRefused, match="no external id"):
            crm.find(["p1"])


def test_a_wrong_database_is_refused_and_a_dead_server_is_down(
    server: Postgres, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    wrong = Connection("crm", "postgres", server.host, 5432, "postgres", _SECRET, "nothing")
    with pytest.raises(PlatformRefused, match="login, database or address") as caught:
        Sql("crm", declaration(), wrong).check()
    assert_tells_nothing(caught.value, _SECRET)
    dead = Connection("crm", "postgres", str(tmp_path), 5432, "postgres", _SECRET, "postgres")
    with pytest.raises(PlatformDown, match="does not answer"):
        Sql("crm", declaration(), dead).check()
