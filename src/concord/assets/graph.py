"""The order of a graph of datasets, and what lies up- or downstream of one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from concord.assets.dataset import Dataset
from concord.errors import UsageError

__all__ = ["order", "selected"]


def order(datasets: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Names, upstream first; feedback is left out. The same datasets give the same order.

    Raises:
        UsageError: an input that is declared nowhere, or datasets made from each other.
    """
    for dataset in datasets.values():
        for name in (*dataset.inputs, *dataset.feedback):
            if name not in datasets:
                raise UsageError(f"{dataset.name} reads {name}, which is declared nowhere")
    edges = {name: sorted(_forward(one)) for name, one in sorted(datasets.items())}
    circle = ""
    try:
        return tuple(TopologicalSorter(edges).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
    raise UsageError(f"datasets made from each other: {circle}")


def selected(datasets: Mapping[str, Dataset], pattern: str) -> frozenset[str]:
    """The datasets that *pattern* means, feedback left out.

    Args:
        pattern: ``name``; ``+name`` for all upstream of it too, ``name+`` for all downstream,
            ``+name+`` for both.

    Raises:
        UsageError: there is no such dataset; it names the one that is most like it.
    """
    name = pattern.removeprefix("+").removesuffix("+")
    if name not in datasets:
        meant = difflib.get_close_matches(name, datasets, n=1)
        hint = f"; did you mean {meant[0]}?" if meant else ""
        raise UsageError(f"there is no dataset {name}{hint}")
    chosen = {name}
    if pattern.startswith("+"):
        chosen |= _reach(name, {one.name: _forward(one) for one in datasets.values()})
    if pattern.endswith("+"):
        readers: dict[str, list[str]] = {known: [] for known in datasets}
        for one in datasets.values():
            for read in _forward(one):
                readers.setdefault(read, []).append(one.name)
        chosen |= _reach(name, readers)
    return frozenset(chosen)


def _forward(dataset: Dataset) -> set[str]:
    return set(dataset.inputs) - set(dataset.feedback)


def _reach(start: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for name in edges.get(ahead.pop(), ()):
            if name not in found:
                found.add(name)
                ahead.append(name)
    return found
