"""A dataset as declared: its name, its key, what it is made from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ContractRef", "Dataset"]


@dataclass(frozen=True, slots=True)
class ContractRef:
    """Which contract, in which words.

    Attributes:
        sha256: of the contract's text.
    """

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """One declared dataset.

    Attributes:
        name: for example ``golden/contacts``; its place in the lake.
        key: the column that names a row.
        inputs: datasets it is made from.
        feedback: inputs that lie downstream of it, left out of the topological order.
        contract: None where code declares the schema.
        append_only: rows are never changed.
        feed: keeps a change data feed.
        stats: the only columns whose minima and maxima may stand in the log.
        unhashed: columns whose change alone is no change of the row, and is not published.
    """

    name: str
    key: str
    inputs: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    contract: ContractRef | None = None
    append_only: bool = False
    feed: bool = True
    stats: tuple[str, ...] = ()
    unhashed: tuple[str, ...] = ()
