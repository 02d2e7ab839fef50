"""One connection to a PostgreSQL server, and its errors in our words.

A driver's messages quote rows ("Key (email)=(…) already exists"), so of an error only its SQLSTATE
is told. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from concord.errors import ConcordError, PlatformDown, PlatformRefused
from concord.platforms.connection import Connection

__all__ = ["Row", "Session", "is_refusal_of_a_row"]

Row = tuple[Any, ...]

_CONNECT_S = 10
_SETTINGS = (
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "60s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "iso_8601"),
    ("bytea_output", "hex"),
)
_EXTRA = frozenset(
    (
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "hostaddr",
        "keepalives",
        "keepalives_idle",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
    )
)
_LATER = ("08", "25006", "40", "53", "55", "57", "58", "XX")
_REFUSED = ("0A", "0L", "0P", "25", "28", "3D", "3F", "42")
# libpq tells no SQLSTATE of a failed log-in; these words of its English text are only recognised.
_NO_ENTRY = ("authentication failed", "no password supplied", "no pg_hba.conf", "does not exist")


class _Text(Loader):
    """Text as it is; what is no UTF-8 (a server of encoding SQL_ASCII) comes as lone surrogates."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "surrogateescape")


class Session:
    """A connection that is made when it is first used, and made again after it broke."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._address = connection
        self._open: psycopg.Connection[Row] | None = None

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def rows(self, query: sql.Composable, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one query in a read-only transaction of its own."""
        with self._translated():
            return self._connection().execute(_composed(query), parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Row]]:
        """One transaction that may write; rolled back by any error.

        Constraints are checked by statement, so that none is left to fail the commit.
        """
        with self._translated(), self._connection().transaction() as transaction:
            connection = transaction.connection
            connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE")
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            yield connection

    def _connection(self) -> psycopg.Connection[Row]:
        if self._open is None or self._open.closed:
            self._open = self._connected()
        return self._open

    def _connected(self) -> psycopg.Connection[Row]:
        address = self._address
        extra = {key: value for key, value in address.extra.items() if key in _EXTRA}
        parameters: dict[str, Any] = {
            "host": address.host or None,
            "port": address.port,
            "user": address.login or None,
            "password": address.password or None,
            "dbname": address.schema or None,
            "connect_timeout": _CONNECT_S,
            "application_name": "concord",
            "client_encoding": "UTF8",
        }
        connection = psycopg.connect(
            **{**parameters, **extra}, autocommit=True, prepare_threshold=None
        )
        connection.adapters.register_loader("text", _Text)
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # Such a server knows no encoding, and fails a page over one text that is no UTF-8.
            connection.execute("SET client_encoding TO 'SQL_ASCII'")
        for setting in _SETTINGS:
            connection.execute("SELECT set_config(%s, %s, false)", setting)
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            ours = _in_our_words(self.name, error)
            if ours.transient:
                self.close()
            raise ours from None


def is_refusal_of_a_row(error: psycopg.Error) -> bool:
    """Whether the server refuses this one row: a constraint, a type, a trigger's own verdict."""
    state = error.sqlstate
    return state is not None and not state.startswith((*_LATER, *_REFUSED))


def _composed(query: sql.Composable) -> sql.Composed:
    return query if isinstance(query, sql.Composed) else sql.Composed([query])


def _in_our_words(name: str, error: psycopg.Error) -> ConcordError:
    state = error.sqlstate
    if state is None:
        return _without_state(name, error)
    if state.startswith(_LATER):
        return PlatformDown(name, "the database cannot do this now; try again", state)
    if state.startswith("28"):
        return PlatformRefused(name, "the database refuses the connection's login", state)
    if state == "42501":
        return PlatformRefused(name, "the connection's login lacks a right on the table", state)
    return PlatformRefused(name, "the database does not accept the request", state)


def _without_state(name: str, error: psycopg.Error) -> ConcordError:
    if not isinstance(error, psycopg.OperationalError):
        return PlatformRefused(name, "the driver refuses the request", type(error).__name__)
    if any(words in str(error) for words in _NO_ENTRY):
        return PlatformRefused(
            name, "the database refuses the connection's login, database or address"
        )
    return PlatformDown(name, "the database does not answer", type(error).__name__)
