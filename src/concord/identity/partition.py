"""Joining by edges of unequal strength, with a veto: connected components that do not contradict.

The result depends on the set of edges only, never on their order. A component is joined whole when
no two of its nodes contradict each other. Otherwise its edges are taken strongest first, and all
edges of one strength that would bring a contradiction together are dropped at once: who stands
between two people belongs to neither of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

__all__ = ["Edge", "Partition"]


@dataclass(frozen=True, slots=True)
class Edge:
    """Two nodes that go together; the higher *strength*, the surer."""

    one: str
    other: str
    strength: int


class Partition:
    """Disjoint groups of nodes."""

    def __init__(self, against: Callable[[str, str], bool]) -> None:
        self._against = against
        self._parent: dict[str, str] = {}

    def add(self, node: str) -> None:
        """Know *node*, alone if nothing joins it."""
        self._parent.setdefault(node, node)

    def join(self, edges: Iterable[Edge]) -> None:
        """Join along *edges* as far as nothing contradicts."""
        for nodes, inner in _components(edges):
            if not self._contradict([[node] for node in nodes]):
                self._unite(inner)
                continue
            for strength in sorted({edge.strength for edge in inner}, reverse=True):
                self._join_level([edge for edge in inner if edge.strength == strength])

    def groups(self) -> list[list[str]]:
        """Every known node, in groups; both sorted."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for node in sorted(self._parent):
            found[self._find(node)].append(node)
        return [found[root] for root in sorted(found)]

    def _join_level(self, edges: Sequence[Edge]) -> None:
        members = {self._find(group[0]): group for group in self.groups()}
        roots = [
            Edge(self._find(edge.one), self._find(edge.other), edge.strength) for edge in edges
        ]
        for nodes, inner in _components(edge for edge in roots if edge.one != edge.other):
            if not self._contradict([members.get(node, [node]) for node in nodes]):
                self._unite(inner)

    def _contradict(self, sides: Sequence[Sequence[str]]) -> bool:
        return any(
            self._against(a, b) for one, other in combinations(sides, 2) for a in one for b in other
        )

    def _unite(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            one, other = sorted((self._find(edge.one), self._find(edge.other)))
            self._parent[other] = one

    def _find(self, node: str) -> str:
        while self._parent.setdefault(node, node) != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node


def _components(edges: Iterable[Edge]) -> list[tuple[list[str], list[Edge]]]:
    """Nodes and edges of every connected component."""
    loose = Partition(lambda _one, _other: False)
    every = list(edges)
    loose._unite(every)
    inner: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in every:
        inner[loose._find(edge.one)].append(edge)
    return [(nodes, inner[loose._find(nodes[0])]) for nodes in loose.groups()]
