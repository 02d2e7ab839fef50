"""A million contacts: each piece of work by hand, at once, and bucket by bucket.

Every variant is a process of its own, so that its peak memory is its own. All variants of a piece
give the same rows, or the benchmark fails.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from benchmarks.contacts import canonical_rows, filled, links, raw_rows
from benchmarks.gate import clean_rows
from benchmarks.measure import said
from benchmarks.pieces import PIECES, VARIANTS
from benchmarks.reference import AT, context

from concord.assets.rowhash import HASH
from concord.assets.snapshot import Change, publish
from concord.jobs import CROSSWALK, GOLDEN
from concord.steps.clean import clean
from concord.steps.consent import consent
from concord.steps.context import Context
from concord.steps.deploy import deploy
from concord.steps.pair_text import pair_text
from concord.steps.plan import plan_inputs
from concord.steps.planning import covered
from concord.steps.platforms import mapping_for
from concord.steps.positions import positions
from concord.steps.survivorship import survivorship
from concord.steps.tables import frame_schema

CONTACTS = 1_000_000
CHANGED = 100
"""One of so many is changed."""


@dataclass(slots=True)
class Measured:
    """What a child process told: CPU seconds, and a digest of its result."""

    cpu: float = 0.0
    digest: str | None = None


def main(contacts: int, pieces: list[str]) -> int:
    """Args: pieces: some of `PIECES`; all when empty."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for piece in pieces or PIECES:
            folder = Path(scratch) / piece
            child("benchmarks.million", "prepare", piece, str(folder), str(contacts))
            results = {
                variant: child("benchmarks.pieces", piece, variant, str(folder)).digest
                for variant in VARIANTS[piece]
            }
            shutil.rmtree(folder)
            if len(set(results.values())) > 1:
                failed += 1
                said(f"{piece}: the variants differ", **results)
    return 1 if failed else 0


def child(*arguments: str) -> Measured:
    """Run a module, and pass on what it measures."""
    program = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    measured = Measured()
    for line in program.stdout:
        row = json.loads(line)
        if row["what"] == "result":
            measured.digest = row["digest"]
        else:
            measured.cpu = row.get("cpu_s", 0.0)
            print(line, end="", flush=True)
    if program.wait() != 0:
        raise SystemExit(f"{' '.join(arguments[:3])} failed")
    return measured


def prepare(piece: str, folder: Path, contacts: int) -> None:
    """What a piece reads."""
    (folder / "lake").mkdir(parents=True)
    ctx = context(folder / "lake")
    deploy(ctx, resolved=False)
    if piece == "gate":
        contract = ctx.project.contract("clean/crm")
        assert contract is not None
        clean_rows(contacts, contract).write_parquet(folder / "gate.parquet")
    elif piece == "clean":
        _raw(ctx, contacts).write_parquet(folder / "raw.parquet")
    elif piece == "publish":
        rows = _clean(ctx, "crm", contacts)
        publish(ctx.open("clean/crm"), lambda *_: Change(rows), upto={}, run=ctx.run)
        _edited(rows).write_parquet(folder / "edited.parquet", row_group_size=16384)
    elif piece in ("resolve", "survivorship"):
        _records(ctx, contacts // 2).write_parquet(folder / "records.parquet", row_group_size=16384)
        _consents(contacts // 2).write_parquet(folder / "consents.parquet")
    else:
        _synchronised(ctx, contacts)


def _columns(ctx: Context, dataset: str) -> dict[str, pl.DataType]:
    return {n: k for n, k in frame_schema(ctx.project, dataset).items() if n != HASH}


def _raw(ctx: Context, contacts: int) -> pl.DataFrame:
    return raw_rows(ctx, "crm", contacts, _columns(ctx, "raw/crm"))


def _clean(ctx: Context, platform: str, contacts: int) -> pl.DataFrame:
    return canonical_rows(ctx, platform, contacts, _columns(ctx, f"clean/{platform}"))


def _edited(rows: pl.DataFrame) -> pl.DataFrame:
    """One of `CHANGED` works somewhere else."""
    other = pl.int_range(pl.len()) % CHANGED == 0
    return rows.with_columns(
        pl.when(other).then(pl.lit("Neu")).otherwise("organisation").alias("organisation")
    )


def _records(ctx: Context, people: int) -> pl.DataFrame:
    """Both records of everybody, as survivorship sees them."""
    return pl.concat(
        _clean(ctx, platform, people)
        .drop("_held")
        .join(links(ctx, platform, people), on="record_id")
        .with_columns(pl.lit(platform).alias("platform"))
        for platform in ("crm", "address_book")
    )


def _consents(people: int) -> pl.DataFrame:
    number = pl.int_range(0, people, 3, eager=True).alias("number").to_frame()
    address = pl.concat_str(pl.lit("p"), pl.col("number").cast(pl.String), pl.lit("@mail.example"))
    return number.select(
        channel=pl.lit("email"),
        address=address,
        purpose=pl.lit("marketing"),
        status=pl.lit("granted"),
    )


def _synchronised(ctx: Context, people: int) -> None:
    """Everybody in the CRM and agreed with it; then one of a hundred works somewhere else."""
    filled(ctx, "crm", people)
    for platform in ("address_book", "newsletter"):
        filled(ctx, platform, 0)
        clean(ctx, platform=platform)
    rows, raw = _clean(ctx, "crm", people), ctx.open("raw/crm")
    contract = ctx.project.contract("clean/crm")
    extra = {"columns": sorted(mapping_for(ctx, "crm").fields.columns)}
    change = Change(rows, extra=extra)
    upto = positions({"raw/crm": raw}, contract)
    publish(ctx.open("clean/crm"), lambda *_: change, upto=upto, run=ctx.run)
    consent(ctx)
    known = links(ctx, "crm", people).with_columns(
        pl.lit("crm").alias("platform"),
        pl.lit("new").alias("rule"),
        pl.lit(AT).cast(pl.Datetime("us", "UTC")).alias("linked_at"),
        pl.lit(None, pl.Datetime("us", "UTC")).alias("ended_at"),
    )
    linked = Change(known.select(*_columns(ctx, CROSSWALK)))
    cleaned = {name: ctx.open(name) for name in ctx.project.job("resolve").reads}
    publish(ctx.open(CROSSWALK), lambda *_: linked, upto=positions(cleaned), run=ctx.run)
    survivorship(ctx)
    golden = ctx.open(GOLDEN)
    agreed = Change(_agreed(ctx, golden.frame().collect(), known))
    publish(ctx.open("sync/crm/base"), lambda *_: agreed, upto={}, run=ctx.run)
    moved = _edited(golden.frame().drop(HASH).sort("person_id").collect())
    moved = moved.filter(pl.col("organisation") == "Neu")
    before = golden.newest_record()
    assert before is not None
    news = Change(moved, extra=before.extra)
    publish(golden, lambda *_: news, upto={}, run=ctx.run)


def _agreed(ctx: Context, golden: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """What base holds once everybody agrees."""
    mapped = mapping_for(ctx, "crm").mapped
    columns = set(mapped.natives) & mapped.writable & covered(ctx, plan_inputs(ctx, "crm"))
    pairs = []
    for name in sorted(columns):
        text = pair_text(golden.schema[name], is_list=name in mapped.lists)
        assert text.of is not None
        said = text.of(pl.col(name))
        pair = pl.struct(column=pl.lit(name), golden=said, remote=said)
        pairs.append(pl.when(said != text.nothing).then(pair))
    schema = _columns(ctx, "sync/crm/base")
    return golden.join(known.select("record_id", "person_id"), on="person_id").select(
        "record_id",
        pl.concat_list(pairs).list.drop_nulls().cast(schema["pairs"]).alias("pairs"),
        pl.lit([], dtype=schema["rejects"]).alias("rejects"),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main(int((sys.argv[1:] or [CONTACTS])[0]), sys.argv[2:]))
