"""Programs that tell everybody about the people they handle: what Concord has to keep to itself.

Every exception here is a library's own, raised by the library where that is possible, and quotes
people as that library does.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from concord.airflow.engine import Attempt, Engine
from concord.airflow.operators import StepOperator
from concord.assets.point import Point
from concord.errors import ContractBroken, UsageError

__all__ = ["RAISES", "CarelessOperator", "prints", "quoted"]


def prints(text: str) -> str:
    """Say it in every way that a program has, and return it."""
    print(text)
    print(text, file=sys.stderr)
    os.write(1, text.encode())
    os.write(2, text.encode())
    subprocess.run([sys.executable, "-c", "import sys; print(sys.argv[1])", text], check=True)
    logging.getLogger().error(text)
    logging.getLogger("billing").error("refused %s", text, extra={"row": text})
    logging.getLogger("airflow.task").warning(text)
    logging.getLogger("concord.billing").warning(text)
    structlog.get_logger("billing").error("refused", row=text)
    structlog.get_logger("concord.billing").error(text)
    warnings.warn(text, stacklevel=1)
    with tempfile.TemporaryFile() as scratch:
        scratch.write(text.encode())
    return text


def _psycopg(text: str) -> None:
    import psycopg

    raise psycopg.errors.UniqueViolation(f"duplicate key: Key (email)=({text}) already exists.")


def _httpx(text: str) -> None:
    import httpx

    request = httpx.Request("PUT", "http://127.0.0.1:1/" + text.replace(" ", "-"))
    httpx.Response(500, request=request, text=text).raise_for_status()


def _httpx_address(text: str) -> None:
    import httpx

    httpx.get("nowhere://" + text)


def _vobject(text: str) -> None:
    import vobject

    vobject.readOne(f"BEGIN:VCARD\r\nVERSION:3.0\r\n{text}\r\nEND:VCARD\r\n")


def _polars_cast(text: str) -> None:
    pl.Series([text]).cast(pl.Int64)


def _polars_panic(text: str) -> None:
    pl.Series([text]).map_elements(_polars_panic_inside, return_dtype=pl.Int64)


def _polars_panic_inside(text: str) -> int:
    from polars.exceptions import PanicException

    raise PanicException(text)


def _pandera(text: str) -> None:
    import pandera.polars as pa

    pa.DataFrameSchema({"email": pa.Column(str, pa.Check.str_length(max_value=3))}).validate(
        pl.DataFrame({"email": [text]})
    )


def _pandera_lazy(text: str) -> None:
    import pandera.polars as pa

    schema = pa.DataFrameSchema({"email": pa.Column(str, pa.Check.isin(["a"]))})
    schema.validate(pl.DataFrame({"email": [text]}), lazy=True)


def _delta_constraint(text: str) -> None:
    from deltalake import DeltaTable, write_deltalake

    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, pl.DataFrame({"email": ["a"]}))
        DeltaTable(folder).alter.add_constraint({"one": "email = 'a'"})
        write_deltalake(folder, pl.DataFrame({"email": [text]}), mode="append")


def _delta_path(text: str) -> None:
    from deltalake import DeltaTable

    DeltaTable(f"{tempfile.gettempdir()}/{text}")


def _pydantic(text: str) -> None:
    from pydantic import TypeAdapter

    TypeAdapter(int).validate_python(text)


def _json(text: str) -> None:
    json.loads(text)


def _decode(text: str) -> None:
    (text.encode() + b"\xff").decode()


def _airflow(text: str) -> None:
    from airflow.sdk.exceptions import AirflowException

    raise AirflowException(text)


def _airflow_fail(text: str) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    raise AirflowFailException(text)


def _airflow_skip(text: str) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    raise AirflowSkipException(text)


def _airflow_timeout_while_handling(text: str) -> None:
    from airflow.sdk.exceptions import AirflowTaskTimeout

    try:
        raise KeyError(text)
    except KeyError:
        raise AirflowTaskTimeout("too long") from None  # the context stays


def _leaves(text: str) -> None:
    sys.exit(text)


def _ours(text: str) -> None:
    raise UsageError(text)


def _ours_with_rules(text: str) -> None:
    raise ContractBroken(text, 1, 1, {text: 1}, 0.5)


def _chained(text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError as error:
        raise ValueError("a row") from error


def _group(text: str) -> None:
    error = ValueError(text)
    error.add_note(text)
    raise ExceptionGroup(text, [error])


def _unprintable(text: str) -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise ValueError(text)

    raise Unprintable


RAISES: dict[str, Callable[[str], None]] = {
    "psycopg": _psycopg,
    "httpx": _httpx,
    "httpxaddress": _httpx_address,
    "vobject": _vobject,
    "polarscast": _polars_cast,
    "polarspanic": _polars_panic,
    "pandera": _pandera,
    "panderalazy": _pandera_lazy,
    "deltaconstraint": _delta_constraint,
    "deltapath": _delta_path,
    "pydantic": _pydantic,
    "json": _json,
    "decode": _decode,
    "airflow": _airflow,
    "airflowfail": _airflow_fail,
    "airflowskip": _airflow_skip,
    "airflowtimeout": _airflow_timeout_while_handling,
    "leaves": _leaves,
    "ours": _ours,
    "ourswithrules": _ours_with_rules,
    "chained": _chained,
    "group": _group,
    "unprintable": _unprintable,
}


class Careless(Engine):
    """Prints and raises inside steps what the file in ``CARELESS`` says, once for each job."""

    def at(self, attempt: Attempt, point: Point) -> None:
        super().at(attempt, point)
        place = Path(os.environ["CARELESS"])
        left: list[dict[str, Any]] = json.loads(place.read_text())
        told = {**asdict(point), "job": attempt.job}
        for number, one in enumerate(left):
            if one["point"].items() <= told.items():
                place.write_text(json.dumps(left[:number] + left[number + 1 :]))
                _print_as_libraries_do(one["text"])
                RAISES[one["raises"]](one["text"])


def _print_as_libraries_do(text: str) -> None:
    """Not by Concord's own loggers: what they say is ours to keep clean."""
    print(text)
    os.write(2, text.encode())
    logging.getLogger("psycopg").error("error ignored: %s", text)
    warnings.warn(text, stacklevel=1)


class CarelessOperator(StepOperator):
    engine = Careless()


def quoted(changes: pl.DataFrame) -> str:
    """All rows of a team, as a careless function quotes them."""
    return repr(changes.to_dicts())
