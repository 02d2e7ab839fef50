"""Components that do not contradict, whatever the order of their edges."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from concord.identity.partition import Edge, Partition

NODES = "abcdefg"
nodes = st.sampled_from(NODES)
edges = st.lists(
    st.builds(Edge, nodes, nodes, st.integers(1, 3)).filter(lambda e: e.one != e.other)
)
vetoes = st.sets(st.frozensets(nodes, min_size=2, max_size=2))


def partition(found: list[Edge], against: set[frozenset[str]]) -> list[list[str]]:
    one = Partition(lambda a, b: frozenset((a, b)) in against)
    for node in NODES:
        one.add(node)
    one.join(found)
    return one.groups()


@given(found=edges, against=vetoes)
def test_nobody_stands_beside_whom_she_contradicts(
    found: list[Edge], against: set[frozenset[str]]
) -> None:
    assert not any(pair <= set(group) for group in partition(found, against) for pair in against)


@given(found=edges, against=vetoes, seed=st.integers())
def test_the_order_of_the_edges_does_not_matter(
    found: list[Edge], against: set[frozenset[str]], seed: int
) -> None:
    other = list(found)
    random.Random(seed).shuffle(other)
    assert partition(found, against) == partition(other, against)


@given(found=edges)
def test_without_a_contradiction_groups_are_connected_components(found: list[Edge]) -> None:
    groups = partition(found, set())
    home = {node: number for number, group in enumerate(groups) for node in group}
    assert all(home[edge.one] == home[edge.other] for edge in found)
    assert len(groups) >= len(NODES) - len(found)
