"""A plan as rows: what was weighed person by person, and what was told from columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from concord.sync.operations import PlannedOperation, content_id, op_id
from concord.sync.view import Terms

__all__ = ["Planned", "agree_rows"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A whole plan.

    Attributes:
        ops: what was weighed person by person, in order of delivery.
        agreed: further rows of kind ``agree``, which need no call (`PlannedOperation.row`).
    """

    ops: list[PlannedOperation]
    agreed: pl.DataFrame

    def rows(self, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """All of it as the plan's table holds it."""
        calls = [op.row() for op in self.ops if op.kind != "agree"]
        agreed = [op.row() for op in self.ops if op.kind == "agree"]
        last = pl.concat(
            [pl.DataFrame(agreed, schema=schema, orient="row"), self.agreed.select(list(schema))]
        )
        frame = pl.concat(
            [
                pl.DataFrame(calls, schema=schema, orient="row"),
                last.sort("record_id", "content_id"),
            ]
        )
        return frame.with_columns(pl.int_range(pl.len()).cast(schema["position"]).alias("position"))


def agree_rows(
    agreed: pl.DataFrame, old: Sequence[PlannedOperation], platform: str, terms: Terms
) -> pl.DataFrame:
    """Rows of the plan: as `PlannedOperation.row` would write them."""
    known = {op.content_id: op for op in old}
    contents, names, numbers = [], [], []
    for record_id, pairs in agreed.select("record_id", "pairs").iter_rows():
        content = content_id(terms.hashed, platform, record_id, "agree", pairs)
        before = known.get(content)
        contents.append(content)
        names.append(before.op_id if before else op_id(terms.hashed, content, terms.plan_no))
        numbers.append(before.plan_no if before else terms.plan_no)
    return agreed.with_columns(
        pl.Series("op_id", names, pl.String),
        pl.Series("content_id", contents, pl.String),
        pl.Series("plan_no", numbers, pl.Int64),
        kind=pl.lit("agree"),
        payload=pl.lit("{}"),
        expect=pl.lit("{}"),
        stamps=pl.lit("[]"),
        state=pl.lit("auto"),
        reason=pl.lit(None, pl.String),
        position=pl.lit(0, pl.Int64),
    )
