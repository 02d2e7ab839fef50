"""One connection to a PostgreSQL server, and its errors in our words.

A driver's messages quote rows ("Key (email)=(…) already exists"), so of an error only its SQLSTATE
is told. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from concord.errors import ConcordError, PlatformDown, PlatformRefused, UnreadableInput
from concord.platforms.connection import Connection, patience_s
from concord.platforms.effort import Effort

__all__ = ["Row", "Session", "is_refusal_of_a_row"]

Row = tuple[Any, ...]
_T = TypeVar("_T")

_CONNECT_S = 10
_SETTINGS = (
    ("default_transaction_read_only", "on"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "iso_8601"),
    ("bytea_output", "hex"),
)
_GRACE = 1.25  # the server ends a statement that is too long; if it does not, we do
_MOST_ROWS = 10_000  # of one answer; no query of ours asks for more
_MOST_LETTERS = 1 << 28
_EXTRA = frozenset(
    (
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "hostaddr",
        "keepalives",
        "keepalives_idle",
        "require_auth",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
    )
)
_LATER = ("08", "25006", "40", "53", "55006", "55P", "57", "58", "XX")
_REFUSED = ("0A", "0L", "0P", "25", "28", "3D", "3F", "42", "55")
# libpq tells no SQLSTATE of a failed log-in; these words of its English text are only recognised.
_NO_TRUST = ("certificate", "does not support SSL")
_NO_ENTRY = ("authentication failed", "no password supplied", "no pg_hba.conf", "does not exist")


class _Text(Loader):
    """Text as it is; what is no UTF-8 (a server of encoding SQL_ASCII) comes as lone surrogates."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "surrogateescape")


class _Patient(psycopg.Connection[Row]):
    """A connection that is closed when an answer does not come in time.

    A server that falls silent, or a network that swallows its answer, ends no `statement_timeout`.
    """

    patience_s = _CONNECT_S * _GRACE
    until: float | None = None

    def wait(self, gen: Generator[Any, Any, _T], *args: Any, **options: Any) -> _T:
        until = self.until or time.monotonic() + self.patience_s
        return super().wait(self._in_time(gen, until), *args, **options)

    def _in_time(self, gen: Generator[Any, Any, _T], until: float) -> Generator[Any, Any, _T]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if time.monotonic() > until:
                    self.pgconn.finish()
                    raise psycopg.errors.ConnectionTimeout
                wanted = gen.send(ready)
        except StopIteration as done:
            value: _T = done.value
            return value


class Session:
    """A connection that is made when it is first used, and made again after it broke.

    Attributes:
        effort: queries, and transactions that may write; of what came back the texts.
    """

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._address = connection
        self._patience_s = patience_s(name, connection)
        self._open: _Patient | None = None
        self.effort = Effort()

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def rows(self, query: sql.Composable, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one query in a read-only transaction of its own."""
        with self._translated():
            return self._answer(self._connection(), _composed(query), parameters)

    def _answer(
        self, connection: _Patient, query: sql.Composed, parameters: Sequence[object]
    ) -> list[Row]:
        """All rows, taken one by one: a server that never ends must not fill the memory."""
        self.effort.calls += 1
        found: list[Row] = []
        letters = 0
        connection.until = time.monotonic() + connection.patience_s
        try:
            with connection.cursor() as cursor:
                for row in cursor.stream(query, parameters):
                    found.append(row)
                    letters += sum(len(value) for value in row if isinstance(value, str))
                    if len(found) > _MOST_ROWS or letters > _MOST_LETTERS:
                        connection.pgconn.finish()
                        raise UnreadableInput(self.name, "an answer far larger than was asked for")
        finally:
            connection.until = None
            self.effort.bytes_in += letters
        return found

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Row]]:
        """One transaction that may write; rolled back by any error.

        Constraints are checked by statement, so that none is left to fail the commit.
        """
        self.effort.calls += 1
        with self._translated(), self._connection().transaction() as transaction:
            connection = transaction.connection
            connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE")
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            yield connection

    def _connection(self) -> _Patient:
        if self._open is None or self._open.closed:
            self._open = self._connected()
        return self._open

    def _connected(self) -> _Patient:
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
        connection = _Patient.connect(
            **{**parameters, **extra}, autocommit=True, prepare_threshold=None
        )
        connection.patience_s = self._patience_s * _GRACE
        connection.adapters.register_loader("text", _Text)
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # Such a server knows no encoding, and fails a page over one text that is no UTF-8.
            connection.execute("SET client_encoding TO 'SQL_ASCII'")
        patience = ("statement_timeout", f"{self._patience_s * 1000:.0f}ms")
        for setting in (*_SETTINGS, patience):
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
    if state == "55000":
        return PlatformRefused(name, "the table is a view that does not take this", state)
    return PlatformRefused(name, "the database does not accept the request", state)


def _without_state(name: str, error: psycopg.Error) -> ConcordError:
    if type(error) is psycopg.DatabaseError:  # of libpq, about what it could not make out
        return PlatformDown(name, "the database does not answer as one", "protocol")
    if not isinstance(error, psycopg.OperationalError):
        return PlatformRefused(name, "the driver refuses the request", type(error).__name__)
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return PlatformDown(name, "the database did not answer in time", "timeout")
    if any(word in str(error) for word in _NO_TRUST):
        return PlatformRefused(
            name, "no trusted connection: its certificate, or that it has none", "tls"
        )
    if any(words in str(error) for words in _NO_ENTRY):
        return PlatformRefused(
            name, "the database refuses the connection's login, database or address"
        )
    return PlatformDown(name, "the database does not answer", type(error).__name__)
