"""What ops/runs tells: runs of the whole graph, the steps of one, and where the time goes: pure.

Every Dag has run ids of its own, so rows are put together here. What `concord run` started carries
the name of that run. Everything else (`concord up`, a deployed Airflow) belongs together as long as
no pause of more than two minutes lies between the end of one step and the beginning of the next;
such a run is named after its first instant.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from concord.errors import UsageError

__all__ = ["SUMS", "named", "run_named", "runs", "slowest", "steps_of"]

SUMS = ("reads", "writes", "calls", "retries", "throttled_s", "batch_s")
"""What a run adds up of its steps."""

_PAUSE_S = 120
_NAME = "%Y-%m-%dT%H:%M:%S"
_FAILED = "failed"


def named(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of ops/runs with ``began_at`` and ``name``, the run that each is part of; by instant."""
    seconds = pl.col("wall_s").fill_null(0.0)
    dated = rows.with_columns(
        began_at=pl.col("at") - pl.duration(microseconds=(seconds * 1e6).cast(pl.Int64))
    ).sort("at", "run_step")
    known = dated.filter(pl.col("whole_run").is_not_null()).with_columns(name="whole_run")
    return pl.concat([known, _by_pauses(dated.filter(pl.col("whole_run").is_null()))]).sort(
        "at", "run_step"
    )


def _by_pauses(rows: pl.DataFrame) -> pl.DataFrame:
    ordered = rows.sort("began_at", "at")
    ended = pl.col("at").cum_max().shift(1)
    paused = (pl.col("began_at") - ended > pl.duration(seconds=_PAUSE_S)).fill_null(False)
    numbered = ordered.with_columns(_number=paused.cum_sum())
    first = pl.col("began_at").min().over("_number").dt.strftime(_NAME)
    return numbered.with_columns(name=first).drop("_number")


def runs(rows: pl.DataFrame, *, last: int) -> list[dict[str, Any]]:
    """One entry a run, newest first.

    ``outcome`` is ``failed`` when the last try of some task did, ``retried`` when all came good
    after some had failed; ``changed`` counts rows written and deleted; ``quarantined`` is what was
    in quarantine at the end, of the steps that ran; ``seconds`` from the first begin to the last
    end, while ``busy_s`` adds the steps up.

    Args:
        rows: as `named` gives them.
    """
    tries = rows.filter(pl.col("wall_s").is_not_null())
    final = tries.unique(["name", "run"], keep="last", maintain_order=True)
    held = final.filter(pl.col("quarantined").is_not_null())
    held = held.unique(["name", "step", "platform"], keep="last", maintain_order=True)
    written = pl.col("outcome") == "written"
    found = (
        rows.group_by("name")
        .agg(
            began_at=pl.col("began_at").min(),
            ended_at=pl.col("at").max(),
            failures=(pl.col("outcome") == _FAILED).sum(),
            changed=(pl.col("upserted") + pl.col("deleted")).filter(written).sum(),
            busy_s=pl.col("wall_s").sum(),
            **{one: pl.col(one).sum() for one in SUMS},
        )
        .join(
            final.group_by("name").agg(
                steps=pl.len(), failed=(pl.col("outcome").fill_null("") == _FAILED).sum()
            ),
            on="name",
            how="left",
        )
        .join(held.group_by("name").agg(pl.col("quarantined").sum()), on="name", how="left")
        .with_columns(
            pl.col("steps", "failed", "quarantined").fill_null(0),
            seconds=(pl.col("ended_at") - pl.col("began_at")).dt.total_milliseconds() / 1000,
        )
        .sort("began_at", "name", descending=True)
        .head(last)
    )
    return [{**one, "outcome": _outcome(one)} for one in found.to_dicts()]


def _outcome(run: dict[str, Any]) -> str:
    if run["failed"]:
        return _FAILED
    return "retried" if run["failures"] else "done"


def run_named(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows of one run; ``last`` is the newest, and a beginning of the name is enough.

    Raises:
        UsageError: no run has that name, or several.
    """
    known = rows.group_by("name").agg(pl.col("began_at").min()).sort("began_at")["name"].to_list()
    meant = known[-1:] if name == "last" else [one for one in known if one == name]
    meant = meant or [one for one in known if one.startswith(name)]
    if len(meant) != 1:
        said = "several runs begin so" if meant else "no run has that name"
        raise UsageError(f"ops/runs: {said}; `concord runs list` names them")
    return rows.filter(pl.col("name") == meant[0])


def steps_of(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Every row of a run in the order of its commits, with its job, Dag and try."""
    parts = pl.col("run_step").str.split("/")
    shown = rows.with_columns(
        job=pl.concat_str("step", "platform", separator=".", ignore_nulls=True),
        dag=pl.col("run").str.split("/").list.first(),
        try_number=parts.list.get(-2).cast(pl.Int64, strict=False),
        changed=pl.when(pl.col("outcome") == "written").then(
            pl.col("upserted") + pl.col("deleted")
        ),
        seconds="wall_s",
    )
    return shown.drop("name", "whole_run", "wall_s").to_dicts()


def slowest(rows: pl.DataFrame, *, last: int) -> list[dict[str, Any]]:
    """Step and platform by the seconds they took over the last runs, slowest first.

    ``percent`` is the share of all seconds; ``calling_percent`` the share of its own seconds that
    it spent in calls of a platform.
    """
    names = rows.group_by("name").agg(pl.col("began_at").min()).sort("began_at")["name"].tail(last)
    tries = rows.filter(pl.col("wall_s").is_not_null(), pl.col("name").is_in(names.implode()))
    seconds = pl.col("wall_s")
    found = (
        tries.group_by("step", "platform")
        .agg(
            times=pl.len(),
            median_s=seconds.median(),
            max_s=seconds.max(),
            total_s=seconds.sum(),
            calling_percent=100 * pl.col("batch_s").sum() / seconds.sum(),
        )
        .with_columns(percent=100 * pl.col("total_s") / pl.col("total_s").sum())
        .sort("total_s", "step", "platform", descending=[True, False, False])
    )
    return found.to_dicts()
