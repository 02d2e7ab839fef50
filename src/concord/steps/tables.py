"""The columns of every dataset: from its contract, or declared here."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from concord.contracts.schema import frame_schema as contract_columns
from concord.project import Project
from concord.sync.cells import CELL

__all__ = ["INSTANT", "SOURCE", "TECHNICAL", "frame_schema"]

INSTANT = pl.Datetime("us", "UTC")
_TEXTS = pl.List(pl.String)

SOURCE = pl.Struct(
    {
        "column": pl.String,
        "element": pl.String,
        "kind": pl.String,
        "at": INSTANT,
        "dated_at": INSTANT,
        "source": pl.String,
        "record_id": pl.String,
    }
)

TECHNICAL: Mapping[str, Mapping[str, pl.DataType]] = {
    "clean": {
        "_cells": pl.List(CELL),
        "_person_id": pl.String(),
        "_held": _TEXTS,
        "_row_hash": pl.Int64(),
    },
    "golden": {"_sources": pl.List(SOURCE), "_row_hash": pl.Int64()},
    "people": {"_row_hash": pl.Int64()},
}

_RAW: Mapping[str, pl.DataType] = {
    "record_id": pl.String(),
    "remote_id": pl.String(),
    "version": pl.String(),
    "modified_at": INSTANT,
    "deleted_at": INSTANT,
    "deleted_by": pl.String(),
    "fault": pl.String(),
    "person_id": pl.String(),
    "fields": pl.String(),
    "cells": pl.List(CELL),
    "_row_hash": pl.Int64(),
}
_QUARANTINE: Mapping[str, pl.DataType] = {
    "record_id": pl.String(),
    "rules": _TEXTS,
    "fields": pl.String(),
    "seen_at": INSTANT,
    "_row_hash": pl.Int64(),
}
_BASE: Mapping[str, pl.DataType] = {
    "record_id": pl.String(),
    "pairs": pl.List(pl.Struct({"column": pl.String, "golden": pl.String, "remote": pl.String})),
    "rejects": pl.List(pl.Struct({"kind": pl.String, "content_id": pl.String})),
    "_row_hash": pl.Int64(),
}
_PLAN: Mapping[str, pl.DataType] = {
    "op_id": pl.String(),
    "content_id": pl.String(),
    "plan_no": pl.Int64(),
    "kind": pl.String(),
    "record_id": pl.String(),
    "remote_id": pl.String(),
    "person_id": pl.String(),
    "payload": pl.String(),
    "expect": pl.String(),
    "stamps": pl.String(),
    "pairs": pl.String(),
    "state": pl.String(),
    "reason": pl.String(),
    "position": pl.Int64(),
    "_row_hash": pl.Int64(),
}
_RECEIPTS: Mapping[str, pl.DataType] = {
    "op_id": pl.String(),
    "content_id": pl.String(),
    "kind": pl.String(),
    "record_id": pl.String(),
    "person_id": pl.String(),
    "remote_id": pl.String(),
    "status": pl.String(),
    "code": pl.String(),
    "version": pl.String(),
    "modified_at": INSTANT,
    "image": pl.String(),
    "payload": pl.String(),
    "stamps": pl.String(),
    "pairs": pl.String(),
    "seen_at": INSTANT,
}
_OPS: Mapping[str, Mapping[str, pl.DataType]] = {
    "ops/runs": {
        "run_step": pl.String(),
        "run": pl.String(),
        "step": pl.String(),
        "platform": pl.String(),
        "at": INSTANT,
        "dataset": pl.String(),
        "version": pl.Int64(),
        "outcome": pl.String(),
        "rows": pl.Int64(),
        "upserted": pl.Int64(),
        "deleted": pl.Int64(),
        "rows_in": pl.Int64(),
        "quarantined": pl.Int64(),
        "reads": pl.Int64(),
        "writes": pl.Int64(),
        "wall_s": pl.Float64(),
        "cpu_s": pl.Float64(),
        "calls": pl.Int64(),
        "retries": pl.Int64(),
        "throttled_s": pl.Float64(),
        "batch_s": pl.Float64(),
        "bytes_in": pl.Int64(),
        "whole_run": pl.String(),
    },
    "ops/incidents": {
        "incident_id": pl.String(),
        "at": INSTANT,
        "kind": pl.String(),
        "state": pl.String(),
        "subject": pl.String(),
        "dataset": pl.String(),
        "step": pl.String(),
        "platform": pl.String(),
        "error": pl.String(),
        "message": pl.String(),
        "run": pl.String(),
        "dag": pl.String(),
        "task": pl.String(),
        "tries": pl.Int64(),
        "times": pl.Int64(),
        "last_at": INSTANT,
        "seen": _TEXTS,
        "closed_at": INSTANT,
        "closed_by": pl.String(),
        "reason": pl.String(),
        "untold": pl.String(),
        "told_at": INSTANT,
        "_row_hash": pl.Int64(),
    },
    "ops/subscriptions": {
        "team": pl.String(),
        "version": pl.Int64(),
        "delivery_id": pl.String(),
        "at": INSTANT,
        "_row_hash": pl.Int64(),
    },
    "ops/project": {
        "name": pl.String(),
        "value": pl.String(),
        "_row_hash": pl.Int64(),
    },
}


def frame_schema(project: Project, dataset: str) -> Mapping[str, pl.DataType]:
    """Name and type of every column of *dataset*, technical columns last."""
    contract = project.contract(dataset)
    family = dataset.split("/", 1)[0]
    if contract is not None:
        technical = TECHNICAL.get(family, {"_row_hash": pl.Int64()})
        return {**contract_columns(contract), **technical}
    return _declared_in_code(dataset, family)


def _declared_in_code(dataset: str, family: str) -> Mapping[str, pl.DataType]:
    if family == "raw":
        return _RAW
    if family == "quarantine":
        return _QUARANTINE
    if family == "sync":
        return {"base": _BASE, "plan": _PLAN, "receipts": _RECEIPTS}[dataset.rsplit("/", 1)[1]]
    return _OPS[dataset]
