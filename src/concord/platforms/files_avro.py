"""Avro files (object container files, Avro 1.12), read record by record with fastavro.

Before anything is decoded, the file's blocks are walked once (`avro_blocks`), and a schema that
holds itself is refused, since its records could be nested without an end. A file is rewritten with
its own schema, metadata and codec.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any, BinaryIO
from uuid import UUID

import fastavro
from fastavro.validation import validate

from concord.errors import ConcordError, UnreadableInput
from concord.platforms.avro_blocks import CODECS, walked
from concord.platforms.csv_rows import MOST_CELLS
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_batch import UnfitError
from concord.platforms.files_cells import TableRow, needed_columns, text_of, value_of
from concord.platforms.files_damage import AVRO, avro_damage
from concord.platforms.files_table import TableFile, TableRewrite

__all__ = ["AvroTable", "avro_columns"]

_OWN_METADATA = ("avro.schema", "avro.codec")
_DEEPEST = 50
_KINDS: Mapping[str, type] = {
    "string": str,
    "enum": str,
    "bytes": bytes,
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "date": date,
    "timestamp-millis": datetime,
    "timestamp-micros": datetime,
    "local-timestamp-millis": datetime,
    "local-timestamp-micros": datetime,
    "time-millis": time,
    "time-micros": time,
    "decimal": Decimal,
    "uuid": UUID,
}


class AvroTable(TableFile):
    """One Avro file."""

    def __init__(
        self, stream: BinaryIO, where: str, options: FilesOptions, natives: tuple[str, ...]
    ) -> None:
        """Read the header, and walk over the blocks.

        Raises:
            UnreadableInput: it is no Avro file, too large, or lacks a needed field.
        """
        super().__init__(stream, where, options, natives)
        with _translated(stream, where):
            header = _header(stream)
            after = stream.tell()
            schema = json.loads(header["avro.schema"])
            self._codec = header.get("avro.codec", "null")
        self._metadata = {k: v for k, v in header.items() if k not in _OWN_METADATA}
        self._schema = self._checked(schema)
        with _translated(stream, where):
            stream.seek(after)
            self._rows_told = walked(stream, where, self._codec)
        names = [one["name"] for one in schema["fields"]]
        self._needed = needed_columns(where, names, options, natives)
        fields = {one["name"]: one for one in schema["fields"]}
        self._fields = fields
        self._branches = {name: self._single(name) for name in self._needed}

    def rows(self) -> Iterator[TableRow]:
        """See `TableFile.rows`."""
        return (row for row, _ in self._whole())

    def value(self, column: str, text: str | None) -> Any:
        """See `TableFile.value`."""
        branches = self._branches[column]
        nullable = "null" in branches
        if text is None and nullable:
            return None
        for branch in branches.values():
            if branch == "null":
                continue
            try:
                return self._fitting(branch, text)
            except UnfitError as error:
                unfit = error
        raise unfit

    def new_row(self) -> None:
        """See `TableFile.new_row`."""
        for name, found in self._fields.items():
            if name not in self._needed and "default" not in found and not _nullable(found["type"]):
                raise UnfitError("column.required")

    @property
    def columns(self) -> Mapping[str, str]:
        """See `TableFile.columns`."""
        return _columns(self._schema)

    def notes(self) -> Iterator[str]:
        """See `TableFile.notes`."""
        yield f"It is Avro with {self._rows_told} records."

    def rewrite(self, stream: IO[bytes], batch: TableRewrite) -> None:
        """See `TableFile.rewrite`."""
        fastavro.writer(
            stream,
            self._schema,
            self._rewritten(batch),
            codec=self._codec,
            metadata=self._metadata,
        )

    def _rewritten(self, batch: TableRewrite) -> Iterator[dict[str, Any]]:
        for row, whole in self._whole():
            kept = batch.applied(row)
            if kept is not None:
                yield {**whole, **kept.changed}
        for row in batch.created():
            yield {**self._defaults(), **row.changed}

    def _defaults(self) -> dict[str, Any]:
        return {
            name: None
            for name, found in self._fields.items()
            if name not in self._needed and "default" not in found
        }

    def _whole(self) -> Iterator[tuple[TableRow, dict[str, Any]]]:
        number = 0
        with _translated(self.stream, self.where, row=lambda: number, rows=self._rows_told):
            self.stream.seek(0)
            for whole in fastavro.reader(self.stream, return_record_name=True):
                assert isinstance(whole, dict)
                number += 1
                cells = {name: text_of(whole[name]) for name in self._needed}
                yield TableRow(number, cells), whole

    def _fitting(self, branch: Any, text: str | None) -> Any:
        value = value_of(text, _KINDS[_named(branch)], nullable=False)
        if (
            isinstance(branch, dict)
            and branch.get("type") == "enum"
            and value not in branch["symbols"]
        ):
            raise UnfitError("type")
        if not _holds(branch, value):
            raise UnfitError("type")
        return value

    def _single(self, name: str) -> dict[str, Any]:
        """The branches of a field's type by name; it must hold single values only."""
        kind = self._fields[name]["type"]
        branches = {_named(one): one for one in (kind if isinstance(kind, list) else [kind])}
        if not branches.keys() <= {"null", *_KINDS}:
            what = f"has in the field {name!r} no single values; map a field that has"
            raise UnreadableInput(self.where, what)
        return branches

    def _checked(self, schema: Any) -> dict[str, Any]:
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise UnreadableInput(self.where, "holds no records; export one record a person")
        if self._codec not in CODECS:
            what = f"is packed in a way that is not read; export it with one of {', '.join(CODECS)}"
            raise UnreadableInput(self.where, what)
        if len(schema.get("fields", ())) > MOST_CELLS:
            raise UnreadableInput(self.where, f"has more than {MOST_CELLS} fields; export fewer")
        if _endless(schema, ()):
            what = "has a schema that holds itself, or is nested too deep; export a flat one"
            raise UnreadableInput(self.where, what)
        return schema


@contextmanager
def _translated(
    stream: BinaryIO, where: str, *, row: Callable[[], int] = lambda: 0, rows: int | None = None
) -> Iterator[None]:
    try:
        yield
    except ConcordError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        what = avro_damage(stream, rows)
        raise UnreadableInput(where, what, row() + 1 if row() else None) from None


def avro_columns(stream: BinaryIO, where: str) -> Mapping[str, str]:
    """The columns of a file, and what type each has; no more than its header is read.

    Raises:
        UnreadableInput: it is no Avro file.
    """
    with _translated(stream, where):
        return _columns(json.loads(_header(stream)["avro.schema"]))


def _header(stream: BinaryIO) -> dict[str, str]:
    """A file's metadata; the stream is at its first block afterwards."""
    if stream.read(len(AVRO)) != AVRO:
        raise ValueError("another format")
    stream.seek(0)
    return dict(fastavro.reader(stream).metadata)


def _columns(schema: Mapping[str, Any]) -> Mapping[str, str]:
    return {one["name"]: _said(one["type"]) for one in schema["fields"]}


def _said(kind: Any) -> str:
    branches = kind if isinstance(kind, list) else [kind]
    return " or ".join(sorted(_named(one) for one in branches))


def _named(branch: Any) -> str:
    if isinstance(branch, dict):
        logical = branch.get("logicalType")
        return str(logical if logical in _KINDS else branch.get("type"))
    return str(branch)


def _nullable(kind: Any) -> bool:
    return kind == "null" or (isinstance(kind, list) and "null" in kind)


def _holds(branch: Any, value: Any) -> bool:
    """Whether Avro gives the value back as it is."""
    held = io.BytesIO()
    try:
        if not validate(value, branch, raise_errors=False):
            return False
        fastavro.schemaless_writer(held, branch, value)
        held.seek(0)
        return bool(fastavro.schemaless_reader(held, branch, None) == value)
    except Exception:
        return False


def _endless(schema: Any, above: tuple[str, ...]) -> bool:
    if len(above) > _DEEPEST:
        return True
    if isinstance(schema, str):
        return schema in above
    if isinstance(schema, list):
        return any(_endless(one, (*above, "")) for one in schema)
    if not isinstance(schema, dict):
        return False
    names = (*above, *_full_names(schema))
    inner = [one.get("type") for one in schema.get("fields", ()) if isinstance(one, dict)]
    inner += [schema[key] for key in ("type", "items", "values") if key in schema]
    return any(_endless(one, names) for one in inner)


def _full_names(schema: Mapping[str, Any]) -> tuple[str, ...]:
    name = schema.get("name")
    if not isinstance(name, str):
        return ("",)
    space = schema.get("namespace")
    return (name, name.rpartition(".")[2], f"{space}.{name}")
