"""A database behind a proxy that misbehaves, and tables that hold what nobody foresaw."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fault_proxy import Fault, FaultProxy, down, drips, half, hangs, never_ends, says
from untrusted import untrusted

from concord.demo.postgres import Postgres
from concord.errors import PlatformDown, PlatformRefused, UnreadableInput
from concord.platforms import sql_session
from concord.platforms.base import Operation, Outcome, Record, Verb
from concord.platforms.conformance import assert_tells_nothing
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.sql import Sql

SECRET = "canary-password"
NULL_ROW = b"D\x00\x00\x00\x0a\x00\x01\xff\xff\xff\xff"
ONE_COLUMN = b"a\0" + bytes(6) + b"\0\0\0\x19\xff\xff" + b"\xff\xff\xff\xff" + b"\0\0"
STARTED = b"1\0\0\0\x042\0\0\0\x04T\0\0\0\x1a\0\x01" + ONE_COLUMN
FAULTS: dict[str, tuple[Fault, bytes]] = {
    "down": (down, b""),
    "hangs at once": (hangs, b""),
    "hangs in the middle": (hangs, b" FROM "),
    "half a response": (half(60), b" FROM "),
    "slow": (drips(b"", endless=NULL_ROW), b" FROM "),
    "garbage at once": (says(b"HTTP/1.1 400 No\r\n\r\n"), b""),
    "garbage in the middle": (says(b"\x00\xff garbage", often=False), b" FROM "),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def database(server: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**server.parameters, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS x CASCADE; CREATE SCHEMA x")
        connection.execute(
            "CREATE TABLE x.base (id bigint, a text, b text, ref text UNIQUE, "
            "at timestamptz DEFAULT now())"
        )
        connection.execute("INSERT INTO x.base VALUES (1, 'p', 'q'), (2, 'r', 's')")
        connection.execute("CREATE VIEW x.t AS SELECT * FROM x.base")
        yield connection


@pytest.fixture
def proxy(server: Postgres) -> Iterator[FaultProxy]:
    with FaultProxy(f"{server.host}/.s.PGSQL.5432") as made:
        yield made


def sql(host: str, port: int, **extra: Any) -> Sql:
    declared = PlatformDeclaration.model_validate(
        {
            "kind": "sql",
            "connection": "c",
            "table": "x.t",
            "id": "id",
            "updated_at": "at",
            "external_id": "ref",
            "overlap_s": 0,
            "purpose": "care",
            "fields": {"given_name": "a", "family_name": "b"},
        }
    )
    extra = {"connect_timeout": 2, **extra}
    return Sql(
        "crm",
        declared,
        Connection("c", "postgres", host, port, "postgres", SECRET, "postgres", extra),
    )


def through(proxy: FaultProxy, **extra: Any) -> Sql:
    return sql("127.0.0.1", proxy.port, **{"sslmode": "disable", **extra})


@pytest.fixture
def platform(server: Postgres, database: psycopg.Connection[Any]) -> Iterator[Sql]:
    with sql(server.host, 5432) as made:
        yield made


def listed(platform: Sql) -> list[Record]:
    return [record for page in platform.listing() for record in page.records]


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_told_in_time_and_the_same_connector_works_afterwards(
    database: psycopg.Connection[Any], proxy: FaultProxy, name: str
) -> None:
    fault, when = FAULTS[name]
    started = time.monotonic()
    with through(proxy, timeout_s=0.8) as platform:
        with proxy.doing(fault, when=when), pytest.raises(PlatformDown) as caught:
            listed(platform)
        assert_tells_nothing(caught.value, SECRET, "garbage", str(proxy.port))
        assert time.monotonic() - started < 15
        assert [record.fields["a"] for record in listed(platform)] == ["p", "r"]


def test_an_answer_without_end_is_not_kept(
    database: psycopg.Connection[Any], proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_session, "_MOST_ROWS", 20)
    database.execute("INSERT INTO x.base SELECT n, 'a', 'b' FROM generate_series(3, 50) AS n")
    with through(proxy) as platform, pytest.raises(UnreadableInput, match="far larger"):
        listed(platform)


def test_a_server_that_sends_rows_for_ever_is_hung_up_on(
    database: psycopg.Connection[Any], proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_session, "_MOST_ROWS", 1000)
    rows = never_ends(STARTED, NULL_ROW * 999)
    with through(proxy) as platform:
        with proxy.doing(rows, when=b" FROM "), pytest.raises(UnreadableInput, match="far larger"):
            listed(platform)
        assert len(listed(platform)) == 2


@pytest.mark.parametrize("arrives", [False, True])
def test_a_batch_whose_end_is_lost_happened_wholly_or_not_at_all(
    database: psycopg.Connection[Any], proxy: FaultProxy, arrives: bool
) -> None:
    creates = [
        Operation(f"c{n}", Verb.CREATE, None, f"p{n}", {"a": f"canary {n}"}) for n in range(2)
    ]
    with through(proxy, timeout_s=0.8) as platform:
        platform.check()
        fault = half(1) if arrives else hangs
        with proxy.doing(fault, when=b"COMMIT\0"), pytest.raises(PlatformDown) as caught:
            platform.write(creates)
        assert_tells_nothing(caught.value, SECRET, "canary")
        assert len(platform.find(["p0", "p1"])) == (2 if arrives else 0)
        outcomes = {one.outcome for one in platform.write(creates)}
        assert outcomes == {Outcome.EXISTS if arrives else Outcome.OK}
        assert len(platform.find(["p0", "p1"])) == 2


def test_a_certificate_that_nobody_trusts_never_sees_the_password(
    database: psycopg.Connection[Any], server: Postgres, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    context = untrusted(trusted)
    root = trusted / "untrusted.pem"
    other = tmp_path / "other"
    other.mkdir()
    untrusted(other)

    def encrypted(talk: Any) -> None:
        talk.client.sendall(b"S")
        context.wrap_socket(talk.client, server_side=True).recv(65536)

    with FaultProxy(f"{server.host}/.s.PGSQL.5432") as proxy, proxy.doing(encrypted):
        for trust in (other / "untrusted.pem", root):  # signed by another, for another name
            extra = {"sslmode": "verify-full", "sslrootcert": str(trust)}
            with (
                sql("127.0.0.1" if trust != root else "localhost", proxy.port, **extra) as platform,
                pytest.raises(PlatformRefused, match="trusted") as caught,
            ):
                listed(platform)
            assert_tells_nothing(caught.value, SECRET)
    assert SECRET.encode() not in proxy.heard


# What tables hold


def test_rows_without_an_id_are_faults_of_a_listing_and_no_part_of_a_delta(
    platform: Sql, database: psycopg.Connection[Any]
) -> None:
    database.execute("INSERT INTO x.base VALUES (NULL, 'canary', 'y'), (NULL, 'z', 'y')")
    found = [(one.remote_id, one.fault, one.place) for one in listed(platform)]
    assert found == [
        ("1", None, None),
        ("2", None, None),
        (None, "id.missing", "x.t:3"),
        (None, "id.missing", "x.t:4"),
    ]
    pages = list(platform.changes("2000-01-01T00:00:00+00:00"))
    assert [one.remote_id for page in pages for one in page.records] == ["1", "2"]


def test_an_id_that_two_rows_share_is_refused_with_table_and_row(
    platform: Sql, database: psycopg.Connection[Any]
) -> None:
    database.execute("INSERT INTO x.base VALUES (2, 'canary', 'y')")
    with pytest.raises(UnreadableInput, match=r"crm, x\.t, row 3: has two rows with one id"):
        listed(platform)


def test_an_id_shared_across_the_edge_of_a_page_is_found_too(
    platform: Sql, database: psycopg.Connection[Any]
) -> None:
    database.execute("INSERT INTO x.base SELECT n, 'a', 'b' FROM generate_series(3, 500) AS n")
    database.execute("INSERT INTO x.base VALUES (500, 'canary', 'y')")
    with pytest.raises(UnreadableInput, match="row 501: has two rows"):
        listed(platform)


@pytest.mark.parametrize(
    "view",
    [
        "SELECT DISTINCT * FROM x.base",
        "SELECT id, max(a) a, max(b) b, max(ref) ref, max(at) at FROM x.base GROUP BY id",
        "SELECT one.* FROM x.base AS one JOIN x.base AS other USING (id)",
    ],
)
@pytest.mark.parametrize("verb", [Verb.CREATE, Verb.UPDATE])
def test_a_view_that_takes_no_writes_is_read_and_refuses_for_good(
    platform: Sql, database: psycopg.Connection[Any], view: str, verb: Verb
) -> None:
    database.execute(f"DROP VIEW x.t; CREATE VIEW x.t AS {view}")  # type: ignore[arg-type]
    assert len(listed(platform)) == 2
    remote_id = "1" if verb is Verb.UPDATE else None
    with pytest.raises(PlatformRefused) as caught:
        platform.write([Operation("o", verb, remote_id, "p", {"a": "z"}, {})])
    assert not caught.value.transient


def test_a_column_renamed_while_it_is_read_is_an_error_and_no_emptied_field(
    platform: Sql, database: psycopg.Connection[Any]
) -> None:
    database.execute("INSERT INTO x.base SELECT n, 'a', 'b' FROM generate_series(3, 600) AS n")
    pages = platform.listing()
    next(pages)
    database.execute("ALTER VIEW x.t RENAME COLUMN a TO first")
    with pytest.raises(PlatformRefused, match="42703"):
        next(pages)


@pytest.mark.parametrize(
    "instant", ["infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31", "0001-01-01"]
)
def test_instants_beyond_python_are_read_and_leave_the_cursor_sound(
    platform: Sql, database: psycopg.Connection[Any], instant: str
) -> None:
    database.execute("UPDATE x.base SET at = %s WHERE id = 1", [instant])
    *_, last = platform.listing()
    assert [record.remote_id for record in last.records] == ["1", "2"]
    assert last.cursor is not None
    assert "2" in [one.remote_id for page in platform.changes(last.cursor) for one in page.records]


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("numeric", "NaN", "NaN"),
        ("numeric", "infinity", "Infinity"),
        ("float8", "-infinity", "-Infinity"),
        ("date", "infinity", "infinity"),
        ("date", "4714-11-24 BC", "4714-11-24 BC"),
        ("json", '{"a": "\\ud800"}', '{"a": "\\ud800"}'),
        ("bytea", "\\x00ff", "\\x00ff"),
        ("int4range", "[1,3)", "[1,3)"),
    ],
)
def test_types_and_values_that_nobody_foresaw_are_text(
    platform: Sql, database: psycopg.Connection[Any], kind: str, value: str, read: str
) -> None:
    database.execute("DROP VIEW x.t")
    database.execute(f"ALTER TABLE x.base ALTER a TYPE {kind} USING NULL")  # type: ignore[arg-type]
    database.execute("CREATE VIEW x.t AS SELECT * FROM x.base")
    database.execute("UPDATE x.base SET a = %s WHERE id = 1", [value])
    assert [record.fields["a"] for record in listed(platform)] == [read, None]
