"""One table, several real processes: the compare-and-swap decides."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import polars as pl

from concord.assets.changes import changes
from concord.assets.commit import Position, RunId
from concord.assets.dataset import Dataset
from concord.assets.evolution import create_table
from concord.assets.snapshot import Change, cursors, publish
from concord.assets.table import Lake

RUN = RunId("r1", "j")

RACER = """
import sys
import polars as pl
from concord.assets.commit import Position, RunId
from concord.assets.dataset import Dataset
from concord.assets.snapshot import Change, append, publish
from concord.assets.table import Lake
root, me = sys.argv[1:]
lake = Lake(root)
keyed = lake.open(Dataset("ops/things", "id", inputs=("raw/x",)))
logged = lake.open(Dataset("ops/runs", "id", append_only=True))
rows = pl.DataFrame({"id": [str(n) for n in range(50)], "by": [me] * 50})
print("ready", flush=True)
sys.stdin.readline()
for n in range(3):
    change = Change(rows.with_columns(id=f"{n}-" + pl.col("id")))
    upto = {"raw/x": Position(n, "t")}
    done = publish(keyed, lambda t, c: change, upto=upto, run=RunId(f"r{n}", "j"))
    print("publish", done.outcome)
    done = append(logged, rows.head(1), run=RunId(f"r{n}", "j"), marker=f"m{n}")
    print("append", done.outcome)
    done = append(logged, rows.head(1), run=RunId(f"r{n}", "j"), marker=f"{me}{n}")
    print("own", done.outcome)
"""


def make_things(lake: Lake) -> Dataset:
    keyed = Dataset("ops/things", "id", inputs=("raw/x",))
    logged = Dataset("ops/runs", "id", append_only=True)
    columns = {"id": pl.String(), "by": pl.String()}
    create_table(lake, keyed, {**columns, "_row_hash": pl.Int64()}, run=RUN)
    create_table(lake, logged, columns, run=RUN)
    return keyed


def start(code: str, root: str, name: str) -> subprocess.Popen[str]:
    racer = subprocess.Popen(
        [sys.executable, "-c", code, root, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert racer.stdout is not None
    assert racer.stdout.readline() == "ready\n"
    return racer


def race(racers: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Let them go at one time; what they all said."""
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [line for racer in racers for line in racer.communicate(timeout=60)[0].splitlines()]
    assert [racer.returncode for racer in racers] == [0] * len(racers)
    return said


def test_racing_processes_apply_the_same_work_once(fresh_lake: Callable[[], Lake]) -> None:
    lake = fresh_lake()
    keyed = make_things(lake)
    said = race([start(RACER, lake.root, name) for name in "abc"])
    assert said.count("publish written") == 3
    assert said.count("append written") == 3
    assert said.count("own written") == 9
    assert len(said) == 27
    table = lake.open(keyed)
    rows = table.frame().collect()
    assert table.version == 3
    assert (rows.height, rows["id"].n_unique()) == (150, 150)
    writers = rows.group_by(pl.col("id").str.head(1)).agg(pl.col("by").n_unique())
    assert writers["by"].to_list() == [1, 1, 1]
    logged = Dataset("ops/runs", "id", append_only=True)
    assert lake.open(logged).frame().collect().height == 12


MAINTAINER = """
import sys
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
print("ready", flush=True)
sys.stdin.readline()
done = {"compacted": 0, "vacuumed": 0, "beaten": 0}
for n in range(8):
    table = DeltaTable(sys.argv[1] + "/ops/things")
    try:
        found = table.optimize.compact(target_size=1 << 20)
        done["compacted"] += found["numFilesRemoved"] > 0
        table.vacuum(retention_hours=720, dry_run=False, full=True)
        done["vacuumed"] += 1
    except CommitFailedError:
        done["beaten"] += 1
print(done)
"""


def test_maintenance_beside_writers_loses_no_row_and_doubles_none(
    fresh_lake: Callable[[], Lake],
) -> None:
    lake, programs = fresh_lake(), [MAINTAINER, RACER, RACER, MAINTAINER]
    keyed = make_things(lake)
    for number in range(4):
        seed = Change(pl.DataFrame({"id": [f"seed-{number}"], "by": ["nobody"]}))
        publish(lake.open(keyed), lambda _t, _c, seed=seed: seed, upto={"seed": number}, run=RUN)
    said = race([start(code, lake.root, name) for code, name in zip(programs, "mabn", strict=True)])
    assert said.count("publish written") == 3
    assert any(line.startswith("{'compacted': ") and "'compacted': 0" not in line for line in said)
    table = lake.open(keyed)
    rows = table.frame().collect()
    assert (rows.height, rows["id"].n_unique()) == (154, 154)
    assert cursors(table) == {"raw/x": 2}
    assert changes(table, 0, table.version).height == 154
    again = publish(table, lambda _table, _cursors: None, upto={"raw/x": Position(2, "t")}, run=RUN)
    assert again.outcome == "unchanged"
