"""Who is one person: precision and recall of the resolver on public data whose truth is known.

The data is not part of the repository. CONCORD_IDENTITY_DATA names a folder with
``fake_1000.csv`` (moj-analytical-services/splink_datasets, MIT) and ``anonlink_1.csv`` to
``anonlink_5.csv`` (data61/anonlink-entity-service, tutorial, Apache-2.0).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from benchmarks.measure import measured, said
from benchmarks.reference import project

from concord.contracts.document import Contract
from concord.contracts.schema import frame_schema
from concord.identity.clusters import Resolver, candidate_pairs
from concord.identity.keys import match_keys
from concord.identity.name_agreement import Named, agreement
from concord.normalise.normalisers import normaliser

DATA = "CONCORD_IDENTITY_DATA"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main(folder: Path) -> None:
    """Args: folder: where the data is."""
    for name, records in (("fake_1000", _fake(folder)), ("anonlink", _anonlink(folder))):
        rows = pl.DataFrame(records).with_columns(record_id=pl.Series(_ids(len(records))))
        people = measured(f"{name}, {rows.height} records", lambda rows=rows: resolved(rows))
        said(name, **_scores(rows, people))
        for kind, count in _merged_wrongly(rows, people).most_common():
            said(f"  falsely joined: {kind}", pairs=count)


def resolved(rows: pl.DataFrame) -> dict[str, str]:
    """Record to person, all new at once."""
    found = project()
    contract = found.contract("clean/crm")
    assert contract is not None
    match = found.people.match
    ids = rows["record_id"].to_list()
    pairs = candidate_pairs(match_keys(_clean(rows, contract), contract, match), ids)
    named = {row["record_id"]: _named(row) for row in rows.to_dicts()}
    resolver = Resolver({}, now=_NOW, new_person_id=lambda one: f"person of {one}")
    links = resolver.resolve(((one, "crm", None) for one in ids), [], pairs.iter_rows(), named)
    return {link.record_id: link.person_id for link in links if link.rule != "alias"}


def _ids(count: int) -> list[str]:
    return [f"r{number:06}" for number in range(count)]


def _named(row: dict[str, Any]) -> Named:
    return Named(row["given"], row["family"], None, row["born"])


def _clean(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    schema = frame_schema(contract)

    def elements(column: str) -> pl.Expr:
        one = pl.struct(pl.col(column).alias("value"))
        return pl.when(pl.col(column).is_not_null()).then(pl.concat_list(one))

    columns = {"emails": elements("email"), "phones": elements("phone")}
    return rows.select("record_id", *(columns[n].alias(n) for n in schema if n in columns))


def _fake(folder: Path) -> list[dict[str, Any]]:
    email = normaliser("email", None)
    return [
        _record(row["first_name"], row["surname"], row["dob"], row["cluster"],
                email=_tidy(email, row["email"]))
        for row in pl.read_csv(folder / "fake_1000.csv", infer_schema=False).to_dicts()
    ]  # fmt: skip


def _anonlink(folder: Path) -> list[dict[str, Any]]:
    phone = normaliser("phone", "AU")
    rows = (
        row
        for number in range(1, 6)
        for row in pl.read_csv(folder / f"anonlink_{number}.csv", infer_schema=False).to_dicts()
    )
    return [
        _record(row["givenname"], row["surname"], _turned(row["dob"]), row["id"],
                phone=_tidy(phone, row["phone number"]))
        for row in rows
    ]  # fmt: skip


def _record(given: Any, family: Any, born: Any, truth: str, **keys: Any) -> dict[str, Any]:
    known = {"email": None, "phone": None, **keys}
    return {"given": given, "family": family, "born": _date(born), "truth": truth, **known}


def _tidy(normalise: Any, text: str | None) -> str | None:
    found = normalise(text) if text else None
    return found if isinstance(found, str) else None


def _turned(text: str | None) -> str | None:
    return "-".join(reversed(text.split("-"))) if text else None


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _pairs(groups: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in groups)


def _scores(rows: pl.DataFrame, people: dict[str, str]) -> dict[str, float]:
    persons = [people[one] for one in rows["record_id"]]
    truths = rows["truth"].to_list()
    both = _pairs(Counter(zip(persons, truths, strict=True)).values())
    ours, true = _pairs(Counter(persons).values()), _pairs(Counter(truths).values())
    shared = _pairs_sharing(rows)
    return {
        "precision": round(both / max(ours, 1), 4),
        "recall": round(both / true, 4),
        "false_pairs": ours - both,
        "true_pairs": true,
        "recall_of_those_that_share_a_key": round(both / max(shared, 1), 4),
        "largest_person": max(Counter(persons).values()),
    }


def _pairs_sharing(rows: pl.DataFrame) -> int:
    """True pairs that one e-mail address or phone, through others too, could join."""
    found: set[tuple[str, str]] = set()
    for column in ("email", "phone"):
        some = rows.filter(pl.col(column).is_not_null()).select("record_id", "truth", column)
        joined = some.join(some, on=["truth", column], suffix="_other")
        found |= set(
            joined.filter(pl.col("record_id") < pl.col("record_id_other"))
            .select("record_id", "record_id_other")
            .iter_rows()
        )
    return len(found)


def _merged_wrongly(rows: pl.DataFrame, people: dict[str, str]) -> Counter[str]:
    """Falsely joined pairs by how their names go together."""
    frame = rows.with_columns(person=pl.Series([people[one] for one in rows["record_id"]]))
    joined = frame.join(frame, on="person", suffix="_other").filter(
        pl.col("record_id") < pl.col("record_id_other"), pl.col("truth") != pl.col("truth_other")
    )
    found: Counter[str] = Counter()
    for row in joined.to_dicts():
        other = {name: row[f"{name}_other"] for name in ("given", "family", "born")}
        found[agreement(_named(row), _named(other)).name] += 1
    return found


if __name__ == "__main__":
    if DATA not in os.environ:
        said(f"left out: {DATA} names no folder with the data")
        sys.exit()
    main(Path(os.environ[DATA]))
