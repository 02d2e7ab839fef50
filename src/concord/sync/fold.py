"""Fold: what receipts say, taken into the base."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from concord.sync.operations import text

__all__ = ["BaseRow", "empty_base", "fold_base"]

BaseRow = dict[str, Any]
"""One row of sync/<platform>/base, without ``_row_hash``."""


def empty_base(record_id: str) -> BaseRow:
    """The base of a record that nothing was agreed on yet."""
    return {"record_id": record_id, "pairs": [], "rejects": []}


def fold_base(
    known: Mapping[str, BaseRow],
    receipts: Iterable[Mapping[str, Any]],
    remote_values: Mapping[str, Mapping[str, Any]],
    *,
    list_columns: Sequence[str],
    record_of: Mapping[str, str],
) -> dict[str, BaseRow]:
    """The base rows that receipts change.

    Args:
        known: base rows by record id.
        receipts: in their order.
        remote_values: op id to the canonical values of the record as stored after the write.
        list_columns: columns without a pair: they are compared by element.
        record_of: op id of a create to the record that it made.
    """
    changed: dict[str, BaseRow] = {}

    def row(record_id: str) -> BaseRow:
        if record_id not in changed:
            base = known.get(record_id) or empty_base(record_id)
            changed[record_id] = {**base, "pairs": list(base["pairs"] or ()), "rejects": list(base["rejects"] or ())}
        return changed[record_id]

    for receipt in receipts:
        record_id, status = receipt["record_id"], receipt["status"]
        if status == "agree":
            for column, (golden, remote) in orjson.loads(receipt["pairs"]).items():
                _set_pair(row(record_id), column, golden, remote)
        elif status == "rejected":
            base = row(record_id)
            _drop_reject(base, receipt["kind"])
            base["rejects"].append({"kind": receipt["kind"], "content_id": receipt["content_id"]})
        elif status == "ok":
            _drop_reject(row(record_id), receipt["kind"])
            if receipt["kind"] in ("update", "create"):
                target = row(record_of.get(receipt["op_id"], record_id))
                stored = remote_values.get(receipt["op_id"], {})
                for column, sent in orjson.loads(receipt["payload"]).items():
                    if column not in list_columns and not column.startswith("consent/"):
                        _set_pair(target, column, sent, stored.get(column))
    return {record: base for record, base in changed.items() if base != _plain(known.get(record))}


def _plain(base: BaseRow | None) -> BaseRow | None:
    if base is None:
        return None
    return {
        "record_id": base["record_id"],
        "pairs": list(base["pairs"] or ()),
        "rejects": list(base["rejects"] or ()),
    }


def _set_pair(base: BaseRow, column: str, golden: Any, remote: Any) -> None:
    pairs = [one for one in base["pairs"] if one["column"] != column]
    pairs.append({"column": column, "golden": text(golden), "remote": text(remote)})
    base["pairs"] = sorted(pairs, key=lambda one: one["column"])


def _drop_reject(base: BaseRow, kind: str) -> None:
    base["rejects"] = [one for one in base["rejects"] if one["kind"] != kind]
