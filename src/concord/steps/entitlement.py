"""What of a dataset a subscriber may see, and what changed of that: pure.

A person nobody may show to the subscriber never reaches it, not even as a key: only a row that was
covered before and is not any more arrives as a delete.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import polars as pl

from concord.assets.changes import CHANGE
from concord.assets.rowhash import HASH, row_hash
from concord.assets.subscription import SubscriptionDeclaration
from concord.contracts.document import Contract
from concord.privacy.declaration import Processing
from concord.privacy.flags import consent_flags

__all__ = ["Entitlement", "changed_view", "entitlement_of", "whole_view"]


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Which columns, and which rows of them.

    Attributes:
        key: always among *columns*.
        columns: what is delivered, in the order declared.
        flags: consent columns one of which must be true; None when the purpose needs no consent.
        tombstones: columns that are null as long as a row lives.
    """

    dataset: str
    key: str
    columns: tuple[str, ...]
    flags: tuple[str, ...] | None
    tombstones: tuple[str, ...]

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns to read: those delivered, and those that decide about a row."""
        return tuple(dict.fromkeys([*self.columns, *(self.flags or ()), *self.tombstones]))

    @property
    def covered(self) -> pl.Expr:
        """Whether a row may be shown; what nobody knows may not."""
        alive = pl.all_horizontal(
            pl.lit(True), *(pl.col(name).is_null() for name in self.tombstones)
        )
        if self.flags is None:
            return alive
        granted = [pl.col(name).fill_null(False) for name in self.flags]
        return alive & pl.any_horizontal(pl.lit(False), *granted)

    def fingerprint(self) -> int:
        """A positive number of 63 bits that differs when other rows or columns are meant."""
        text = json.dumps([self.dataset, self.key, self.columns, self.flags, self.tombstones])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1 or 1


def entitlement_of(
    declared: SubscriptionDeclaration, contract: Contract, processing: Processing
) -> Entitlement:
    """What *declared* entitles to, of the dataset that *contract* describes."""
    own = [] if contract.key in declared.columns else [contract.key]
    return Entitlement(
        dataset=declared.dataset,
        key=contract.key,
        columns=(*own, *declared.columns),
        flags=consent_flags(contract, processing, declared.purpose),
        tombstones=contract.role("deleted_at"),
    )


def changed_view(
    moved: pl.DataFrame, before: pl.DataFrame | None, terms: Entitlement
) -> pl.DataFrame:
    """What a net change of the dataset is to the subscriber.

    Row by row: split both frames by the key, and the views of the parts make up the view.

    Args:
        moved: of every row that changed its last image and ``_change``.
        before: images of those rows before; None when nobody can tell any more: then a row may
            come again unchanged, and a delete may name a key that was never delivered.

    Returns:
        ``terms.columns`` and ``_change``; of a ``delete`` only the key is set.
    """
    now = _covered(moved.filter(pl.col(CHANGE) == "upsert"), terms)
    if before is None:
        return _view(now, moved[terms.key], terms)
    was = _covered(before, terms)
    hashes = [frame.select(terms.key, row_hash(frame.schema)) for frame in (now, was)]
    differs = hashes[0].join(hashes[1], on=[terms.key, HASH], how="anti").select(terms.key)
    gone = was.join(now, on=terms.key, how="anti")[terms.key]
    return _view(now.join(differs, on=terms.key, how="semi"), gone, terms)


def whole_view(rows: pl.DataFrame, earlier: pl.Series | None, terms: Entitlement) -> pl.DataFrame:
    """Everything the subscriber may see, and deletes for what it may have seen under other terms.

    Args:
        rows: the dataset.
        earlier: keys of the dataset when the subscriber last heard of it; None when it never did.
    """
    nothing = rows[terms.key].clear()
    known = nothing if earlier is None else pl.concat([rows[terms.key], earlier])
    return _view(_covered(rows, terms), known, terms)


def _covered(rows: pl.DataFrame, terms: Entitlement) -> pl.DataFrame:
    return rows.filter(terms.covered).select(terms.columns)


def _view(now: pl.DataFrame, keys: pl.Series, terms: Entitlement) -> pl.DataFrame:
    """*now* as upserts; those of *keys* that are not in it as deletes."""
    gone = keys.unique().to_frame(terms.key).join(now, on=terms.key, how="anti")
    empty = [
        pl.lit(None, kind).alias(name) for name, kind in now.schema.items() if name != terms.key
    ]
    deletes = gone.with_columns(*empty, pl.lit("delete").alias(CHANGE))
    upserts = now.with_columns(pl.lit("upsert").alias(CHANGE))
    return pl.concat([upserts, deletes.select(upserts.columns)]).sort(terms.key)
