"""Native fields into canonical columns, by how many phone numbers are distinct."""

from __future__ import annotations

import sys

import polars as pl
from benchmarks.measure import measured
from benchmarks.reference import customer, deployed

from concord.normalise.canonical import canonical
from concord.steps.platforms import mapping_for
from concord.steps.raw_rows import fields_text

ROWS = 100_000
_FEW = 1_000


def main(rows: int) -> None:
    """Args: rows: of the CRM."""
    with deployed() as ctx:
        mapping = mapping_for(ctx, "crm")
    for name, phones in ((f"{_FEW} phones", _FEW), ("every phone another", rows)):
        frame = pl.DataFrame(
            {
                "record_id": [str(n) for n in range(rows)],
                "remote_id": [str(n) for n in range(rows)],
                "fields": [
                    fields_text(customer(n, phone=f"0660 {n % phones:07}").fields)
                    for n in range(rows)
                ],
            }
        )
        measured(
            f"{rows} rows of the CRM, {name}",
            lambda frame=frame: canonical(frame, mapping.fields, mapping.contract),
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
