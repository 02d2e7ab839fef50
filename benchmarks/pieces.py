"""The work of a million contacts, piece by piece; each variant in a process of its own.

A piece is asked for its result by hand (``bound``), at once (``whole``), or bucket by bucket
(``buckets``): then nothing but one bucket is in memory, and results go to scratch files.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl
from benchmarks import by_hand
from benchmarks.gate import by_hand as gate_by_hand
from benchmarks.measure import measured, said
from benchmarks.reference import context

from concord.assets.changes import changes
from concord.assets.merge import real_changes
from concord.assets.rowhash import HASH, row_hash
from concord.assets.snapshot import Change, publish
from concord.assets.table import WRITER
from concord.contracts.gate import gate
from concord.contracts.schema import frame_schema as contract_columns
from concord.identity.clusters import Resolver, candidate_pairs
from concord.identity.keys import match_keys
from concord.identity.name_agreement import Named
from concord.identity.survivorship import survive
from concord.jobs import CROSSWALK, GOLDEN
from concord.normalise.canonical import canonical
from concord.steps.plan import plan_inputs
from concord.steps.plan_scope import Scope
from concord.steps.plan_scope import concerned as concerned_by_plan
from concord.steps.planning import planned_operations
from concord.steps.platforms import mapping_for
from concord.steps.tables import frame_schema

BUCKETS = 32
Frames = Iterator[pl.DataFrame]
Rows = Callable[[pl.DataFrame], pl.DataFrame]
_NAMED = (
    "record_id",
    "platform",
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "emails",
    "phones",
)


def main(piece: str, variant: str, folder: Path) -> None:
    """Do one piece one way, and tell what it cost and what came of it."""
    work = PIECES[piece](folder, variant)
    with tempfile.TemporaryDirectory() as scratch:
        against = None if variant == "bound" else f"{piece}, bound"
        measured(f"{piece}, {variant}", lambda: _kept(work(), Path(scratch)), against=against)
        said("result", digest=_digest(Path(scratch)))


def _kept(frames: Frames, scratch: Path) -> None:
    for number, frame in enumerate(frames):
        frame.write_ipc(scratch / f"{number}.arrow")


def _digest(scratch: Path) -> str:
    """Rows, and the sum of their hashes: the same for the same rows in any order."""
    rows, total = 0, 0
    for file in sorted(scratch.iterdir()):
        for frame in pl.read_ipc(file).iter_slices(50_000):
            rows += frame.height
            total += sum(frame.select(row_hash(frame.schema)).to_series().to_list())
    return f"{rows}/{total % 2**64:016x}"


def _slices(file: Path) -> Frames:
    scan = pl.scan_parquet(file)
    rows = scan.select(pl.len()).collect().item()
    size = -(-rows // BUCKETS)
    for start in range(0, rows, size):
        yield scan.slice(start, size).collect(engine="streaming")


def _buckets(file: Path, key: str) -> Frames:
    """The rows of *file* by a hash of *key*: one pass to scratch files, then one at a time.

    A slice at a time is split by hand: what streams into partitioned files (`sink_parquet`) keeps
    most of the rows in memory.
    """
    bucket = (pl.col(key).nchash.xxhash64() % BUCKETS).alias("bucket")  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as scratch:
        for number, rows in enumerate(_slices(file)):
            parts = rows.with_columns(bucket).partition_by(
                "bucket", as_dict=True, include_key=False
            )
            for (one,), part in parts.items():
                folder = Path(scratch) / str(one)
                folder.mkdir(exist_ok=True)
                part.write_ipc(folder / f"{number}.arrow", compression="lz4")
        for folder in sorted(Path(scratch).iterdir()):
            yield pl.concat(pl.read_ipc(one) for one in sorted(folder.iterdir()))


def _local(file: Path, variant: str, bound: Rows, ours: Rows) -> Callable[[], Frames]:
    """A piece that looks at one row at a time."""
    if variant == "buckets":
        return lambda: map(ours, _slices(file))
    rows = pl.read_parquet(file)
    return lambda: iter([(bound if variant == "bound" else ours)(rows)])


def _gate(folder: Path, variant: str) -> Callable[[], Frames]:
    contract = context(folder / "lake").project.contract("clean/crm")
    assert contract is not None
    return _local(
        folder / "gate.parquet", variant, gate_by_hand, lambda rows: gate(rows, contract).accepted
    )


def _clean(folder: Path, variant: str) -> Callable[[], Frames]:
    ctx = context(folder / "lake")
    mapping = mapping_for(ctx, "crm")
    schema = contract_columns(mapping.contract)

    def ours(rows: pl.DataFrame) -> pl.DataFrame:
        native = rows.select("record_id", "remote_id", "fields")
        found = canonical(native, mapping.fields, mapping.contract)
        return gate(found, mapping.contract).accepted.select(list(schema))

    def bound(rows: pl.DataFrame) -> pl.DataFrame:
        return gate_by_hand(by_hand.clean(rows, schema))

    return _local(folder / "raw.parquet", variant, bound, ours)


def _publish(folder: Path, variant: str) -> Callable[[], Frames]:
    lake = tempfile.mkdtemp(dir=folder)
    shutil.copytree(folder / "lake/clean/crm", Path(lake) / "clean/crm")
    ctx, file = context(lake), folder / "edited.parquet"
    table = ctx.open("clean/crm")
    before = table.version

    def by_hand_merged(rows: pl.DataFrame) -> None:
        hashed = rows.with_columns(row_hash(rows.schema))
        known = table.frame(columns=["record_id", HASH]).rename({HASH: "_known"}).collect()
        both = hashed.join(known, on="record_id", how="left")
        moved = both.filter(pl.col(HASH).ne_missing(pl.col("_known"))).select(list(table.schema))
        source = moved.sort("record_id").to_arrow().cast(table.arrow_schema)
        merge = table.opened(None).merge(
            source,
            "t.record_id = s.record_id",
            source_alias="s",
            target_alias="t",
            writer_properties=WRITER,
        )
        merge.when_matched_update_all().when_not_matched_insert_all().execute()

    def published(rows: pl.DataFrame) -> None:
        publish(table, lambda *_: Change(rows), upto={}, run=ctx.run)

    def work() -> Frames:
        if variant == "bound":
            by_hand_merged(pl.read_parquet(file))
        elif variant == "whole":
            published(pl.read_parquet(file))
        else:
            found = [real_changes(table, rows, None) for rows in _slices(file)]
            published(pl.concat([one.source.drop("_op", HASH) for one in found if one]))
        table.refresh()
        yield changes(table, before, table.version, columns=["record_id", "organisation"])
        shutil.rmtree(lake)

    return work


def _changes(folder: Path, variant: str) -> Callable[[], Frames]:
    table = context(folder / "lake").open("golden/contacts")
    columns = ["person_id", "organisation", "emails"]
    upto = table.version

    def bound() -> Frames:
        feed = pl.DataFrame(table.delta.load_cdf(upto, upto, columns=[*columns, "_change_type"]))
        yield feed.filter(pl.col("_change_type") == "update_postimage").select(columns)

    def ours() -> Frames:
        yield changes(table, upto - 1, upto, columns=columns).select(columns)

    return bound if variant == "bound" else ours


def _resolve(folder: Path, variant: str) -> Callable[[], Frames]:
    ctx = context(folder / "lake")
    rows = pl.read_parquet(folder / "records.parquet", columns=list(_NAMED))
    if variant == "bound":
        return lambda: iter([by_hand.resolve(rows, ctx.hash)])
    contract = ctx.project.contract("clean/crm")
    assert contract is not None
    match, schema = ctx.project.people.match, dict(frame_schema(ctx.project, CROSSWALK))
    del schema[HASH]

    def work() -> Frames:
        changed = [(*one, None) for one in rows.select("record_id", "platform").iter_rows()]
        keys = match_keys(rows, contract, match)
        pairs = candidate_pairs(keys, [name for name, _, _ in changed])
        names = rows.select("record_id", "given_name", "family_name", "full_name", "birth_date")
        named = {name: Named(*said) for name, *said in names.iter_rows()}
        resolver = Resolver({}, now=ctx.now(), new_person_id=lambda one: ctx.hash("person", one))
        found = resolver.resolve(changed, [], pairs.iter_rows(), named)
        yield pl.DataFrame([asdict(one) for one in found], schema=schema)

    return work


def _survivorship(folder: Path, variant: str) -> Callable[[], Frames]:
    ctx, file = context(folder / "lake"), folder / "records.parquet"
    golden, clean = (ctx.project.contract(name) for name in (GOLDEN, "clean/crm"))
    assert golden is not None
    assert clean is not None
    consents = pl.read_parquet(folder / "consents.parquet")
    dead = pl.DataFrame(schema={"person_id": pl.String, "deleted_at": pl.Datetime("us", "UTC")})

    def ours(rows: pl.DataFrame) -> pl.DataFrame:
        people = ctx.project.people
        return survive(rows, dead, consents, clean=clean, golden=golden, people=people)

    if variant == "buckets":
        return lambda: map(ours, _buckets(file, "person_id"))
    rows = pl.read_parquet(file)
    if variant == "whole":
        return lambda: iter([ours(rows)])
    schema = dict(frame_schema(ctx.project, GOLDEN))
    del schema[HASH]
    return lambda: iter([by_hand.survivorship(rows, consents, schema)])


def _plan(folder: Path, variant: str) -> Callable[[], Frames]:
    ctx = context(folder / "lake")
    inputs, current = plan_inputs(ctx, "crm"), ctx.open("sync/crm/plan")
    schema = dict(frame_schema(ctx.project, "sync/crm/plan"))
    del schema[HASH]
    shown = [name for name in schema if name != "position"]

    def ours(scope: Scope) -> pl.DataFrame:
        found = planned_operations(ctx, "crm", inputs, current, scope)
        return found.rows(schema).select(shown)

    def bound() -> Frames:
        mapped = mapping_for(ctx, "crm").mapped
        columns = sorted(set(mapped.natives) & mapped.writable)
        tables = {name: table.frame() for name, table in inputs.items()}
        yield by_hand.plan(tables, columns, schema, ctx.hash).select(shown)

    def whole() -> Frames:
        nothing: Mapping[str, int] = defaultdict(lambda: -1)
        yield ours(concerned_by_plan(inputs, current, nothing, platform="crm", whole=True))

    return bound if variant == "bound" else whole


Piece = Callable[[Path, str], Callable[[], Frames]]
PIECES: Mapping[str, Piece] = {
    "gate": _gate,
    "clean": _clean,
    "publish": _publish,
    "changes": _changes,
    "resolve": _resolve,
    "survivorship": _survivorship,
    "plan": _plan,
}
VARIANTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(PIECES, ("bound", "whole", "buckets")),
    "changes": ("bound", "whole"),
    "resolve": ("bound", "whole"),
    "plan": ("bound", "whole"),
}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
